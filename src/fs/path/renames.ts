// Owns: rename(2) and renameat2(2): the gate around them, the flags, and open files that a rename replaces.
// A filesystem without `exchange` never sees an exchange: taken for a plain rename it would lose a file.

import { errno } from "../../codec/fuse-error.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Filesystem } from "../filesystem.ts";
import { find } from "./attributes.ts";
import { type Awaitable, chain, recover, settle } from "./chain.ts";
import { hide, mustHide, unhide } from "./removal.ts";
import { contextOf, pathOfName, type State } from "./state.ts";
import type { Node } from "./tree.ts";
import type { PathContext } from "./types.ts";

const NOREPLACE = 1;
const EXCHANGE = 2;

interface Rename {
  readonly parent: Node;
  readonly name: string;
  readonly newParent: Node;
  readonly newName: string;
  readonly flags: number;
  readonly ctx: PathContext;
}

function rename(state: State, req: RequestView<"RENAME">, flags: number): Awaitable<number> {
  const { fs, tree } = state;
  if (fs.rename === undefined) return state.unsupported;
  if (flags !== 0 && flags !== NOREPLACE && flags !== EXCHANGE) return errno("EINVAL");
  if (flags === EXCHANGE && fs.exchange === undefined) return errno("EINVAL");
  const parent = tree.get(req.nodeid);
  const newParent = tree.get(req.newdir);
  const what: Rename = { parent, name: req.name, newParent, newName: req.newname, flags, ctx: contextOf(req) };
  const target = newParent.children.get(what.newName);
  const moved = [parent.children.get(what.name), target].filter((node) => node !== undefined);
  return state.gate.rename(moved, () => {
    if (flags === EXCHANGE) return exchange(state, what);
    if (flags === NOREPLACE) return renameToFree(state, what);
    return mustHide(state, target) ? renameOverOpen(state, what, target) : move(state, what);
  });
}

const pathsOf = (state: State, { parent, name, newParent, newName }: Rename) =>
  [pathOfName(state, parent, name), pathOfName(state, newParent, newName)] as const;

function move(state: State, what: Rename): Awaitable<number> {
  const [from, to] = pathsOf(state, what);
  return chain(state.fs.rename?.(from, to, what.flags, what.ctx), () => {
    state.tree.move(what.parent, what.name, what.newParent, what.newName);
    return 0;
  });
}

function exchange(state: State, what: Rename): Awaitable<number> {
  const [one, other] = pathsOf(state, what);
  return chain(state.fs.exchange?.(one, other, what.ctx), () => {
    state.tree.exchange(what.parent, what.name, what.newParent, what.newName);
    return 0;
  });
}

function renameToFree(state: State, what: Rename): Awaitable<number> {
  const [, to] = pathsOf(state, what);
  return chain(find(state, to, what.ctx), (taken) => (taken === undefined ? move(state, what) : errno("EEXIST")));
}

function renameOverOpen(state: State, what: Rename, target: Node): Awaitable<number> {
  const { newParent, newName, ctx } = what;
  return chain(hide(state, newParent, newName, target, ctx), () =>
    recover(
      () => move(state, what),
      (thrown) =>
        chain(unhide(state, newParent, newName, target, ctx), () => {
          throw thrown;
        }),
    ),
  );
}

/** Handlers of RENAME and RENAME2. */
export function renameHandlers(state: State) {
  return {
    rename: (req) => settle(rename(state, req, 0)),
    rename2: (req) => settle(rename(state, req, req.flags)),
  } satisfies Filesystem;
}
