// Owns: extended attributes, access and statfs: what concerns a path and nothing else of the adapter.

import { errno } from "../../codec/fuse-error.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { shown } from "../../codec/shown.ts";
import type { Filesystem } from "../filesystem.ts";
import { type Awaitable, chain, settle } from "./chain.ts";
import { contextOf, onPath, type State } from "./state.ts";
import { fillStatFs } from "./stats.ts";

type SizedReply = RequestView<"GETXATTR"> | RequestView<"LISTXATTR">;

// Size 0 asks for the length alone.
function answer(req: SizedReply, bytes: Uint8Array): number {
  if (req.size === 0) return bytes.length;
  if (bytes.length > Math.min(req.size, req.capacity)) return errno("ERANGE");
  req.buffer.set(bytes);
  return bytes.length;
}

function getxattr(state: State, req: RequestView<"GETXATTR">): Awaitable<number> {
  return onPath(state, req.nodeid, (path) =>
    chain(state.fs.getxattr?.(path, req.name, contextOf(req)), (value) => {
      if (value === undefined || value === null) return errno("ENODATA");
      if (typeof value === "string") return answer(req, Buffer.from(value));
      if (value instanceof Uint8Array) return answer(req, value);
      throw new TypeError(`getxattr returned ${shown(value)}, neither a string nor bytes`);
    }),
  );
}

function listxattr(state: State, req: RequestView<"LISTXATTR">): Awaitable<number> {
  return onPath(state, req.nodeid, (path) =>
    chain(state.fs.listxattr?.(path, contextOf(req)), (names) => {
      if (typeof names !== "object" || names === null) {
        throw new TypeError(`listxattr returned ${shown(names)}, not an iterable of names`);
      }
      return answer(req, Buffer.from([...names].map((name) => `${name}\0`).join("")));
    }),
  );
}

function setxattr(state: State, req: RequestView<"SETXATTR">): Awaitable<number> {
  const value = new Uint8Array(req.data);
  return onPath(state, req.nodeid, (path) =>
    chain(state.fs.setxattr?.(path, req.name, value, req.flags, contextOf(req)), () => 0),
  );
}

function removexattr(state: State, req: RequestView<"REMOVEXATTR">): Awaitable<number> {
  return onPath(state, req.nodeid, (path) => chain(state.fs.removexattr?.(path, req.name, contextOf(req)), () => 0));
}

function access(state: State, req: RequestView<"ACCESS">): Awaitable<number> {
  return onPath(state, req.nodeid, (path) => chain(state.fs.access?.(path, req.mask, contextOf(req)), () => 0));
}

function statfs(state: State, req: RequestView<"STATFS">): Awaitable<number> {
  return onPath(state, req.nodeid, (path) =>
    chain(state.fs.statfs?.(path, contextOf(req)), (found) => {
      fillStatFs(req.out.st, found ?? {});
      return 0;
    }),
  );
}

/** Handlers of extended attributes, ACCESS and STATFS, as far as the filesystem has them. */
export function volumeHandlers(state: State): Filesystem {
  const { fs } = state;
  return {
    ...(fs.statfs && { statfs: (req) => settle(statfs(state, req)) }),
    ...(fs.access && { access: (req) => settle(access(state, req)) }),
    ...(fs.getxattr && { getxattr: (req) => settle(getxattr(state, req)) }),
    ...(fs.listxattr && { listxattr: (req) => settle(listxattr(state, req)) }),
    ...(fs.setxattr && { setxattr: (req) => settle(setxattr(state, req)) }),
    ...(fs.removexattr && { removexattr: (req) => settle(removexattr(state, req)) }),
  } satisfies Filesystem;
}
