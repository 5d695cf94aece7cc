// Owns: file handles: OPEN, CREATE, TMPFILE, RELEASE, FLUSH, FSYNC. A handle is a descriptor of the source.
// Files are opened through their node's entry in /proc, so that a renamed or unlinked file is the same file.

import { ERRNO } from "../../../ffi/errno.ts";
import { close, dup, F, fcntl, fdatasync, fsync, O, openat, syncfs } from "../../../ffi/file.ts";
import { FOPEN, FSYNC_FLAGS, OPEN_FLAGS, ROOT_ID } from "../../abi/fuse-constants.ts";
import {
  FuseCreateIn,
  FuseEntryOut,
  FuseFsyncIn,
  FuseOpenIn,
  FuseOpenOut,
  FuseReleaseIn,
} from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { fillEntryAttrValid } from "./attributes.ts";
import { chooseHow, endHow } from "./backing-files.ts";
import { KIND } from "./handle-table.ts";
import { dropNode, enterDescriptor } from "./nodes.ts";
import { nodeFd, orShort, roomForNode, type State } from "./state.ts";

/** Flags that are about the name, or that WRITE brings itself (O_APPEND). */
const NOT_OURS = O.CREAT | O.EXCL | O.NOFOLLOW | O.APPEND;

// hot
function sourceFlags({ options }: State, flags: number): number {
  let wanted = flags & ~(O.APPEND | O.NOFOLLOW);
  // With writeback the kernel reads around what it writes.
  if (options.writebackCache && (flags & O.ACCMODE) === O.WRONLY) wanted = (wanted & ~O.ACCMODE) | O.RDWR;
  return wanted | O.NOCTTY;
}

/**
 * Opens a node's file. Result: descriptor or -errno. O_DIRECT is left out where the source has none, O_NOATIME where
 * only the caller, not the daemon, owns the file.
 */
export function reopen(state: State, fd: number, flags: number): number {
  const wanted = sourceFlags(state, flags) & ~NOT_OURS;
  const result = openat(state.procFd, state.scratch.fdName(fd), wanted, 0);
  const without = result === -ERRNO.EINVAL ? O.DIRECT : result === -ERRNO.EPERM ? O.NOATIME : 0;
  if ((wanted & without) === 0) return orShort(state, result);
  return orShort(state, openat(state.procFd, state.scratch.fdName(fd), wanted & ~without, 0));
}

/** Makes a descriptor a handle of the kind and writes `fh`; takes it over, also on errors. Result 0 or -errno. Hot. */
export function giveHandle(state: State, request: Request, offset: number, fd: number, kind: number): number {
  if (!state.tables.handles.add(fd, kind)) {
    close(fd);
    return orShort(state, -ERRNO.ENFILE);
  }
  request.setU64(offset + FuseOpenOut.at.fh, fd);
  return 0;
}

// Takes the descriptor over, also on errors. Hot.
function replyOpen(state: State, request: Request, offset: number, nodeid: number, fd: number, flags: number): number {
  const { options } = state;
  if (options.locks === "local" && !state.flushes) {
    request.setU32(offset + FuseOpenOut.at.open_flags, FOPEN.NOFLUSH);
  }
  const direct = (flags & O.DIRECT) !== 0 && (fcntl(fd, F.GETFL, 0) & O.DIRECT) !== 0;
  const how = chooseHow(state, request, offset, nodeid, fd, flags, direct);
  if (how < 0) {
    close(fd);
    return how;
  }
  const result = giveHandle(state, request, offset, fd, (direct ? KIND.direct : KIND.file) | how);
  if (result < 0) endHow(state, nodeid, how);
  return result;
}

const changes = (flags: number): boolean => (flags & O.ACCMODE) !== O.RDONLY || (flags & O.TRUNC) !== 0;

/** OPEN. Hot. */
export function open(state: State, req: RequestView<"OPEN">): number {
  const { request } = req;
  const node = nodeFd(state, request.nodeid);
  if (node < 0) return node;
  // A mount above this one that passes its nameless files through has them opened with O_TMPFILE, as it was asked for them.
  const flags = request.u32(request.opIn + FuseOpenIn.at.flags) & ~O.TMPFILE;
  if (state.options.readOnly && changes(flags)) return -ERRNO.EROFS;
  if ((flags & O.TRUNC) !== 0) {
    const kill = (request.u32(request.opIn + FuseOpenIn.at.open_flags) & OPEN_FLAGS.KILL_SUIDGID) !== 0;
    if (kill) state.credentials.clearSetId(request);
    else state.credentials.keepSetId();
  }
  const fd = reopen(state, node, flags);
  state.credentials.settle();
  return fd < 0 ? fd : replyOpen(state, request, request.opOut, request.nodeid, fd, flags);
}

// Makes the file as the caller. A file that somebody else made in the meantime is opened with the caller's rights.
function createAs(state: State, request: Request, directory: number, flags: number, mode: number): number {
  const name = request.address(request.payload);
  const umask = request.u32(request.opIn + FuseCreateIn.at.umask);
  const wanted = sourceFlags(state, flags) | O.CREAT | O.NOFOLLOW;
  state.credentials.enter(request, umask, false);
  let fd = openat(directory, name, wanted | O.EXCL, mode);
  if (fd === -ERRNO.EINVAL && (wanted & O.DIRECT) !== 0)
    fd = openat(directory, name, (wanted & ~O.DIRECT) | O.EXCL, mode);
  state.credentials.leave();
  if (fd !== -ERRNO.EEXIST || (flags & O.EXCL) !== 0) return fd;
  state.credentials.enter(request, umask, true);
  fd = openat(directory, name, wanted | O.NONBLOCK, mode);
  state.credentials.leave();
  return fd;
}

/** CREATE. */
export function create(state: State, req: RequestView<"CREATE">): number {
  const { request } = req;
  const directory = nodeFd(state, request.nodeid);
  if (directory < 0) return directory;
  const room = roomForNode(state);
  if (room < 0) return room;
  const flags = request.u32(request.opIn + FuseCreateIn.at.flags);
  state.credentials.keepSetId();
  const mode = request.u32(request.opIn + FuseCreateIn.at.mode) & 0o7777;
  const fd = orShort(state, createAs(state, request, directory, flags, mode));
  return fd < 0 ? fd : replyCreated(state, request, fd, flags);
}

/** TMPFILE: a file without a name in the directory of the request. */
export function tmpfile(state: State, req: RequestView<"TMPFILE">): number {
  const { request } = req;
  const directory = nodeFd(state, request.nodeid);
  if (directory < 0) return directory;
  const flags = request.u32(request.opIn + FuseCreateIn.at.flags);
  const mode = request.u32(request.opIn + FuseCreateIn.at.mode) & 0o7777;
  const wanted = (sourceFlags(state, flags) & ~O.CREAT) | O.TMPFILE;
  state.credentials.keepSetId();
  state.credentials.enter(request, request.u32(request.opIn + FuseCreateIn.at.umask), false);
  const fd = openat(directory, state.scratch.dot, wanted, mode);
  state.credentials.leave();
  return fd < 0 ? orShort(state, fd) : replyCreated(state, request, fd, flags);
}

function replyCreated(state: State, request: Request, fd: number, flags: number): number {
  const entered = enterDescriptor(state, fd, request, request.opOut);
  if (entered < 0) {
    close(fd);
    return entered;
  }
  const nodeid = request.u64(request.opOut + FuseEntryOut.at.nodeid);
  const result = replyOpen(state, request, request.opOut + FuseEntryOut.size, nodeid, fd, flags);
  if (result < 0) dropNode(state, nodeid, 1);
  else if (state.tables.backing.isMapped(nodeid)) fillEntryAttrValid(state, request, request.opOut, nodeid);
  return result;
}

/** RELEASE and RELEASEDIR: closes a handle, once. Hot. */
export function release(state: State, req: RequestView<"RELEASE"> | RequestView<"RELEASEDIR">): number {
  const { request } = req;
  const fh = request.u64(request.opIn + FuseReleaseIn.at.fh);
  const kind = state.tables.handles.remove(fh);
  if (kind === 0) return -ERRNO.EBADF;
  endHow(state, request.nodeid, kind);
  return close(fh);
}

/** FLUSH, after its locks are gone: a close(2) of the source may have an error to tell. */
export function flush(state: State, fh: number): number {
  if (!state.tables.handles.isFile(fh)) return -ERRNO.EBADF;
  if (!state.flushes) return 0;
  const copy = orShort(state, dup(fh));
  return copy < 0 ? copy : close(copy);
}

/** FSYNC and FSYNCDIR. */
export function sync(state: State, req: RequestView<"FSYNC"> | RequestView<"FSYNCDIR">): number {
  const { request } = req;
  const fh = request.u64(request.opIn + FuseFsyncIn.at.fh);
  if (!state.tables.handles.isOpen(fh)) return -ERRNO.EBADF;
  const dataOnly = (request.u32(request.opIn + FuseFsyncIn.at.fsync_flags) & FSYNC_FLAGS.FDATASYNC) !== 0;
  return dataOnly ? fdatasync(fh) : fsync(fh);
}

/** SYNCFS of the source's filesystem. */
export function syncSource(state: State): number {
  const fd = reopen(state, nodeFd(state, ROOT_ID), O.RDONLY | O.DIRECTORY);
  if (fd < 0) return fd;
  const result = syncfs(fd);
  close(fd);
  return result;
}
