// Owns: the operations on names in directories: MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME.
// Names go to the source as they came: a pointer to NUL-terminated bytes that dispatch has checked.

import { ERRNO } from "../../../ffi/errno.ts";
import { AT, linkat, mkdirat, mknodat, renameat2, STATX, statx, symlinkat, unlinkat } from "../../../ffi/file.ts";
import { FuseLinkIn, FuseMkdirIn, FuseMknodIn, FuseRename2In, FuseRenameIn } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { fillEntry } from "./attributes.ts";
import { enterName } from "./nodes.ts";
import { nodeFd, roomForNode, type State } from "./state.ts";

// The new name's entry is the reply.
function made(state: State, request: Request, directory: number, result: number): number {
  return result < 0 ? result : enterName(state, directory, request.address(request.payload), request, request.opOut);
}

/** MKNOD of any type; the device number's encoding is the same on both sides. */
export function mknod(state: State, req: RequestView<"MKNOD">): number {
  const { request } = req;
  const directory = nodeFd(state, request.nodeid);
  if (directory < 0) return directory;
  const room = roomForNode(state);
  if (room < 0) return room;
  const mode = request.u32(request.opIn + FuseMknodIn.at.mode);
  const rdev = request.u32(request.opIn + FuseMknodIn.at.rdev);
  state.credentials.keepSetId();
  state.credentials.enter(request, request.u32(request.opIn + FuseMknodIn.at.umask), false);
  const result = mknodat(directory, request.address(request.payload), mode, rdev);
  state.credentials.leave();
  return made(state, request, directory, result);
}

/** MKDIR. */
export function mkdir(state: State, req: RequestView<"MKDIR">): number {
  const { request } = req;
  const directory = nodeFd(state, request.nodeid);
  if (directory < 0) return directory;
  const room = roomForNode(state);
  if (room < 0) return room;
  const mode = request.u32(request.opIn + FuseMkdirIn.at.mode);
  state.credentials.keepSetId();
  state.credentials.enter(request, request.u32(request.opIn + FuseMkdirIn.at.umask), false);
  const result = mkdirat(directory, request.address(request.payload), mode);
  state.credentials.leave();
  return made(state, request, directory, result);
}

/** SYMLINK. */
export function symlink(state: State, req: RequestView<"SYMLINK">): number {
  const { request } = req;
  const directory = nodeFd(state, request.nodeid);
  if (directory < 0) return directory;
  const room = roomForNode(state);
  if (room < 0) return room;
  state.credentials.enter(request, 0, false);
  const result = symlinkat(request.address(request.secondName), directory, request.address(request.payload));
  state.credentials.leave();
  return made(state, request, directory, result);
}

/** LINK: another name for an inode, a symbolic link or one without a name (O_TMPFILE) included. */
export function link(state: State, req: RequestView<"LINK">): number {
  const { request } = req;
  const { scratch, tables } = state;
  const nodeid = request.u64(request.opIn + FuseLinkIn.at.oldnodeid);
  const directory = nodeFd(state, request.nodeid);
  const fd = nodeFd(state, nodeid);
  if (directory < 0 || fd < 0) return -ERRNO.ESTALE;
  const name = request.address(request.payload);
  const linked = linkat(state.procFd, scratch.fdName(fd), directory, name, AT.SYMLINK_FOLLOW);
  if (linked < 0) return linked;
  const result = statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  if (result < 0) return result;
  if (!tables.nodes.hold(nodeid)) return -ERRNO.ESTALE;
  fillEntry(state, request, request.opOut, nodeid);
  return 0;
}

/** UNLINK, and RMDIR with `flags` AT.REMOVEDIR. */
export function unlink(state: State, req: RequestView<"UNLINK"> | RequestView<"RMDIR">, flags: number): number {
  const { request } = req;
  const directory = nodeFd(state, request.nodeid);
  return directory < 0 ? directory : unlinkat(directory, request.address(request.payload), flags);
}

/** RENAME2: flags go to the source as they are; what it has no means for is its EINVAL. */
export function rename2(state: State, req: RequestView<"RENAME2">): number {
  return rename(state, req, req.request.u32(req.request.opIn + FuseRename2In.at.flags));
}

/** RENAME. */
export function rename(state: State, req: RequestView<"RENAME"> | RequestView<"RENAME2">, flags: number): number {
  const { request } = req;
  const from = nodeFd(state, request.nodeid);
  const to = nodeFd(state, request.u64(request.opIn + FuseRenameIn.at.newdir));
  if (from < 0 || to < 0) return -ERRNO.ESTALE;
  return renameat2(from, request.address(request.payload), to, request.address(request.secondName), flags);
}
