// Owns: open files: create, open, release, and the calls on their content.
// Invariant: an open file has a handle of ours even when the filesystem gave none, so that it is known to be open.

import { FOPEN, FSYNC_FLAGS } from "../../abi/fuse-constants.ts";
import { errno } from "../../codec/fuse-error.ts";
import type { RequestHeader, RequestView } from "../../codec/request-view.ts";
import type { Filesystem } from "../filesystem.ts";
import { ask, give } from "./attributes.ts";
import { type Awaitable, chain, recover, settle } from "./chain.ts";
import type { Handle } from "./handles.ts";
import { removeHidden } from "./removal.ts";
import { contextOf, isAnswered, lastTargetOf, onName, onNode, onPath, type State } from "./state.ts";
import { integer } from "./stats.ts";
import type { Node } from "./tree.ts";
import type { PathContext } from "./types.ts";

const O_ACCMODE = 3;
const O_CREAT_EXCL_NOCTTY = 0o700;

type OpenRequest = RequestHeader & Pick<RequestView<"OPEN">, "open">;

function giveHandle(state: State, req: OpenRequest, node: Node, path: string, value: unknown): number {
  const { directIo, keepCache } = state.options;
  req.open.fh = state.handles.open(node, value).fh;
  req.open.open_flags = (directIo(path) ? FOPEN.DIRECT_IO : 0) | (keepCache(path) ? FOPEN.KEEP_CACHE : 0);
  return 0;
}

function open(state: State, req: RequestView<"OPEN">): Awaitable<number> {
  const { fs } = state;
  if ((req.flags & O_ACCMODE) !== 0 && fs.write === undefined) return state.unsupported;
  const ctx = contextOf(req);
  return onPath(state, req.nodeid, (path, node) =>
    chain(fs.open?.(path, req.flags & ~O_CREAT_EXCL_NOCTTY, ctx), (value) => {
      if (isAnswered(req)) return chain(fs.release?.(path, value, ctx), () => 0);
      return giveHandle(state, req, node, path, value);
    }),
  );
}

function create(state: State, req: RequestView<"CREATE">): Awaitable<number> {
  const { fs } = state;
  // ENOSYS: the kernel goes on by MKNOD and OPEN.
  if (fs.create === undefined) return fs.mknod === undefined ? state.unsupported : errno("ENOSYS");
  const ctx = contextOf(req, req.umask);
  const { name } = req;
  return onName(state, req.nodeid, name, (path, parent) =>
    chain(fs.create?.(path, req.mode & 0o7777, req.flags, ctx), (value) => {
      state.tree.touch(parent);
      return chain(askOrRelease(state, path, value, ctx), (attributes) => {
        const node = attributes === undefined ? undefined : give(state, req, parent, name, attributes);
        if (node !== undefined) return giveHandle(state, req, node, path, value);
        return chain(fs.release?.(path, value, ctx), () => errno("ENOENT"));
      });
    }),
  );
}

function askOrRelease(state: State, path: string, value: unknown, ctx: PathContext) {
  return recover(
    () => ask(state, path, value, ctx),
    (thrown) =>
      chain(state.fs.release?.(path, value, ctx), () => {
        throw thrown;
      }),
  );
}

function release(state: State, req: RequestView<"RELEASE">): Awaitable<number> {
  const handle = state.handles.get(req.fh);
  if (handle === undefined) return 0;
  return releaseHandle(state, handle, contextOf(req));
}

/** Gives a handle back to the filesystem; it is gone whether that succeeds or not. */
export function releaseHandle(state: State, handle: Handle, ctx: PathContext): Awaitable<number> {
  const { path, value } = lastTargetOf(state, handle);
  const outcome = recover(
    () => chain(state.fs.release?.(path, value, ctx), () => undefined),
    (thrown) => ({ thrown }),
  );
  return chain(outcome, (failure) =>
    chain(close(state, handle, ctx), () => {
      if (failure !== undefined) throw failure.thrown;
      return 0;
    }),
  );
}

function close(state: State, handle: Handle, ctx: PathContext): Awaitable<void> {
  const { node } = handle;
  state.handles.close(handle);
  return node.hidden && node.opens === 0 ? removeHidden(state, node, ctx) : state.tree.reap(node);
}

function read(state: State, req: RequestView<"READ">): Awaitable<number> {
  const { inPlace } = state.options;
  const length = Math.min(req.size, req.capacity);
  const buffer = inPlace ? req.buffer.subarray(0, length) : new Uint8Array(length);
  return onNode(state, req.nodeid, req.fh, ({ path, value }) =>
    chain(state.fs.read?.(path, value, buffer, req.offset, contextOf(req)), (result) => {
      const bytes = typeof result === "string" ? Buffer.from(result) : result;
      if (bytes instanceof Uint8Array) {
        req.buffer.set(bytes.subarray(0, integer(bytes.length, "count of bytes returned by read", length)));
        return bytes.length;
      }
      const count = integer(bytes, "result of read", length);
      if (!inPlace) req.buffer.set(buffer.subarray(0, count));
      return count;
    }),
  );
}

function write(state: State, req: RequestView<"WRITE">): Awaitable<number> {
  const data = state.options.inPlace ? req.data : new Uint8Array(req.data);
  return onNode(state, req.nodeid, req.fh, ({ path, node, value }) =>
    chain(state.fs.write?.(path, value, data, req.offset, contextOf(req)), (count) => {
      state.tree.touch(node);
      return count === undefined ? data.length : integer(count, "result of write", data.length);
    }),
  );
}

// A file that is gone and has no handle has nothing left to flush.
function flush(state: State, req: RequestView<"FLUSH">): Awaitable<number> {
  const value = state.handles.get(req.fh)?.value;
  if (value === undefined && state.tree.path(state.tree.get(req.nodeid)) === undefined) return 0;
  return onNode(state, req.nodeid, req.fh, ({ path }) => chain(state.fs.flush?.(path, value, contextOf(req)), () => 0));
}

function fsync(state: State, req: RequestView<"FSYNC">): Awaitable<number> {
  const datasync = (req.fsync_flags & FSYNC_FLAGS.FDATASYNC) !== 0;
  return onNode(state, req.nodeid, req.fh, ({ path, value }) =>
    chain(state.fs.fsync?.(path, value, datasync, contextOf(req)), () => 0),
  );
}

function fallocate(state: State, req: RequestView<"FALLOCATE">): Awaitable<number> {
  const { mode, offset, length } = req;
  return onNode(state, req.nodeid, req.fh, ({ path, node, value }) =>
    chain(state.fs.fallocate?.(path, value, mode, offset, length, contextOf(req)), () => {
      state.tree.touch(node);
      return 0;
    }),
  );
}

function lseek(state: State, req: RequestView<"LSEEK">): Awaitable<number> {
  return onNode(state, req.nodeid, req.fh, ({ path, value }) =>
    chain(state.fs.lseek?.(path, value, req.offset, req.whence, contextOf(req)), (found) =>
      integer(found, "result of lseek"),
    ),
  );
}

function copyFileRange(state: State, req: RequestView<"COPY_FILE_RANGE">): Awaitable<number> {
  const { off_in, off_out, len } = req;
  return onNode(state, req.nodeid, req.fh_in, (from) =>
    onNode(state, req.nodeid_out, req.fh_out, (to) => {
      const source = { path: from.path, fh: from.value, offset: off_in };
      const sink = { path: to.path, fh: to.value, offset: off_out };
      return chain(state.fs.copyFileRange?.(source, sink, len, contextOf(req)), (count) => {
        state.tree.touch(to.node);
        return integer(count, "result of copyFileRange", len);
      });
    }),
  );
}

/** Handlers of open files. Those that the kernel can do without exist only when the filesystem has them. */
export function fileHandlers(state: State): Filesystem {
  const { fs } = state;
  return {
    open: (req) => settle(open(state, req)),
    create: (req) => settle(create(state, req)),
    release: (req) => settle(release(state, req)),
    ...(fs.read && { read: (req) => settle(read(state, req)) }),
    ...(fs.write && { write: (req) => settle(write(state, req)) }),
    ...(fs.flush && { flush: (req) => settle(flush(state, req)) }),
    ...(fs.fsync && { fsync: (req) => settle(fsync(state, req)) }),
    ...(fs.fallocate && { fallocate: (req) => settle(fallocate(state, req)) }),
    ...(fs.lseek && { lseek: (req) => settle(lseek(state, req)) }),
    ...(fs.copyFileRange && { copyFileRange: (req) => settle(copyFileRange(state, req)) }),
  } satisfies Filesystem;
}
