// Owns: what becomes of a file that is removed or replaced while somebody has it open and only its path leads to it:
// it is renamed to .fuse_hidden... in its directory, which readdir and lookup do not show, and removed when the last
// handle is closed. Its directory cannot be removed before.

import { FuseError } from "../../codec/fuse-error.ts";
import { find } from "./attributes.ts";
import { type Awaitable, chain } from "./chain.ts";
import { pathOfName, type State } from "./state.ts";
import { FORMAT } from "./stats.ts";
import type { Node } from "./tree.ts";
import type { PathContext } from "./types.ts";

const ATTEMPTS = 100;

/** Whether the file must be hidden instead of removed. A file with another name that we know needs no hiding. */
export function mustHide(state: State, node: Node | undefined): node is Node {
  const { fs, options, handles } = state;
  if (node === undefined || node.opens === 0 || node.hidden || node.others.length > 0) return false;
  if (node.format === FORMAT.directory || fs.rename === undefined || fs.unlink === undefined) return false;
  return options.hideUnlinked === "auto" ? handles.needsPath(node) : options.hideUnlinked;
}

function freeName(state: State, node: Node, parent: Node, ctx: PathContext, attempt = 0): Awaitable<string> {
  if (attempt === ATTEMPTS) throw new FuseError("EBUSY", "every name for a hidden file is taken");
  const name = `.fuse_hidden${node.id.toString(16).padStart(8, "0")}${attempt.toString(16).padStart(8, "0")}`;
  return chain(find(state, pathOfName(state, parent, name), ctx), (taken) =>
    taken === undefined ? name : freeName(state, node, parent, ctx, attempt + 1),
  );
}

/** Renames a file out of the way; called by whoever has the rename gate for it. */
export function hide(state: State, parent: Node, name: string, node: Node, ctx: PathContext): Awaitable<void> {
  return chain(freeName(state, node, parent, ctx), (hiddenName) => {
    const from = pathOfName(state, parent, name);
    return chain(state.fs.rename?.(from, pathOfName(state, parent, hiddenName), 0, ctx), () => {
      state.tree.move(parent, name, parent, hiddenName);
      node.hidden = true;
    });
  });
}

/** Undoes `hide`, because what it made room for failed. */
export function unhide(state: State, parent: Node, name: string, node: Node, ctx: PathContext): Awaitable<void> {
  const hiddenName = node.name;
  const from = pathOfName(state, parent, hiddenName);
  return chain(state.fs.rename?.(from, pathOfName(state, parent, name), 0, ctx), () => {
    state.tree.move(parent, hiddenName, parent, name);
    node.hidden = false;
  });
}

/** Removes a hidden file that nobody has open any more. */
export function removeHidden(state: State, node: Node, ctx: PathContext): Awaitable<void> {
  return state.gate.share(node, () => {
    const { parent, name } = node;
    const path = state.tree.path(node);
    if (parent === null || path === undefined) return state.tree.reap(node);
    return chain(state.fs.unlink?.(path, ctx), () => state.tree.detach(parent, name));
  });
}
