// Owns: making and removing names: mknod, mkdir, symlink, link, unlink, rmdir; and readlink.
// The tree changes only after the filesystem has succeeded.

import { errno } from "../../codec/fuse-error.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { shown } from "../../codec/shown.ts";
import type { Filesystem } from "../filesystem.ts";
import { ask, type EntryRequest, find, give } from "./attributes.ts";
import { type Awaitable, chain, settle } from "./chain.ts";
import { hide, mustHide } from "./removal.ts";
import { contextOf, onName, onPath, type State } from "./state.ts";
import { FORMAT, S_IFMT } from "./stats.ts";
import type { Node } from "./tree.ts";
import type { PathContext } from "./types.ts";

/** PATH_MAX without the NUL. */
const TARGET_MAX = 4095;
const O_WRONLY_CREAT_EXCL = 0o301;

// Makes `name` and answers with its entry.
function make(
  state: State,
  req: EntryRequest & { readonly name: string },
  ctx: PathContext,
  run: (path: string) => Awaitable<unknown>,
): Awaitable<number> {
  const { name } = req;
  return onName(state, req.nodeid, name, (path, parent) =>
    chain(run(path), () => {
      state.tree.touch(parent);
      return chain(ask(state, path, undefined, ctx), (attributes) => {
        if (attributes === undefined) return errno("ENOENT");
        give(state, req, parent, name, attributes);
        return 0;
      });
    }),
  );
}

function mknod(state: State, req: RequestView<"MKNOD">): Awaitable<number> {
  const { fs } = state;
  const { mode, rdev } = req;
  const ctx = contextOf(req, req.umask);
  if (fs.mknod !== undefined) return make(state, req, ctx, (path) => fs.mknod?.(path, mode, rdev, ctx));
  if (fs.create === undefined || (mode & S_IFMT) !== FORMAT.file) return state.unsupported;
  return make(state, req, ctx, (path) =>
    chain(fs.create?.(path, mode & 0o7777, O_WRONLY_CREAT_EXCL, ctx), (value) => fs.release?.(path, value, ctx)),
  );
}

function mkdir(state: State, req: RequestView<"MKDIR">): Awaitable<number> {
  const { fs } = state;
  if (fs.mkdir === undefined) return state.unsupported;
  const ctx = contextOf(req, req.umask);
  return make(state, req, ctx, (path) => fs.mkdir?.(path, req.mode & 0o7777, ctx));
}

function symlink(state: State, req: RequestView<"SYMLINK">): Awaitable<number> {
  const { fs } = state;
  if (fs.symlink === undefined) return state.unsupported;
  const ctx = contextOf(req);
  const { target } = req;
  return make(state, req, ctx, (path) => fs.symlink?.(target, path, ctx));
}

function link(state: State, req: RequestView<"LINK">): Awaitable<number> {
  const { fs } = state;
  if (fs.link === undefined) return state.unsupported;
  const ctx = contextOf(req);
  return onPath(state, req.oldnodeid, (existing, node) => {
    if (node.hidden) return errno("ENOENT");
    return make(state, req, ctx, (path) => chain(fs.link?.(existing, path, ctx), () => state.tree.touch(node)));
  });
}

function unlink(state: State, req: RequestView<"UNLINK">): Awaitable<number> {
  const { fs, tree } = state;
  if (fs.unlink === undefined) return state.unsupported;
  const ctx = contextOf(req);
  const { name } = req;
  const parent = tree.get(req.nodeid);
  const node = parent.children.get(name);
  if (mustHide(state, node)) {
    return state.gate.rename([node], () => chain(hide(state, parent, name, node, ctx), () => 0));
  }
  return onName(state, req.nodeid, name, (path) => chain(fs.unlink?.(path, ctx), () => gone(state, parent, name)));
}

function rmdir(state: State, req: RequestView<"RMDIR">): Awaitable<number> {
  const { fs } = state;
  if (fs.rmdir === undefined) return state.unsupported;
  const { name } = req;
  const ctx = contextOf(req);
  return onName(state, req.nodeid, name, (path, parent) => {
    const node = parent.children.get(name);
    return chain(node === undefined ? undefined : find(state, path, ctx), (before) =>
      chain(fs.rmdir?.(path, ctx), () => {
        if (node !== undefined) node.removed = before;
        return gone(state, parent, name);
      }),
    );
  });
}

function gone(state: State, parent: Node, name: string): number {
  state.tree.detach(parent, name);
  return 0;
}

function readlink(state: State, req: RequestView<"READLINK">): Awaitable<number> {
  const { fs } = state;
  if (fs.readlink === undefined) return errno("ENOSYS");
  return onPath(state, req.nodeid, (path) =>
    chain(fs.readlink?.(path, contextOf(req)), (target) => {
      if (typeof target !== "string" && !(target instanceof Uint8Array)) {
        throw new TypeError(`readlink returned ${shown(target)}, neither a string nor bytes`);
      }
      const bytes = typeof target === "string" ? Buffer.from(target) : target;
      if (bytes.length === 0 || bytes.length > Math.min(TARGET_MAX, req.capacity) || bytes.includes(0)) {
        throw new RangeError(
          `readlink returned ${shown(target)} of ${bytes.length} bytes, which is no target of 1..${TARGET_MAX} bytes without NUL`,
        );
      }
      req.buffer.set(bytes);
      return bytes.length;
    }),
  );
}

/** Handlers of MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR and READLINK. */
export function entryHandlers(state: State) {
  return {
    mknod: (req) => settle(mknod(state, req)),
    mkdir: (req) => settle(mkdir(state, req)),
    symlink: (req) => settle(symlink(state, req)),
    link: (req) => settle(link(state, req)),
    unlink: (req) => settle(unlink(state, req)),
    rmdir: (req) => settle(rmdir(state, req)),
    readlink: (req) => settle(readlink(state, req)),
  } satisfies Filesystem;
}
