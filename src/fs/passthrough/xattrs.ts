// Owns: extended attributes: SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR, on any node, through its path in /proc.
// POSIX ACLs are the attributes system.posix_acl_*; the source's kernel keeps mode and list in step.

import { AT, fchmodat, getxattr, listxattr, removexattr, S, STATX, setxattr, statx } from "../../../ffi/file.ts";
import { SETXATTR_FLAGS } from "../../abi/fuse-constants.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { modeOf } from "./attributes.ts";
import { nodeFd, type State } from "./state.ts";

const READ_CHUNK = 65_536;

/** GETXATTR; size 0 asks for the length. */
export function get(state: State, req: RequestView<"GETXATTR">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  const path = state.scratch.fdPath(fd);
  const name = request.address(request.payload);
  if (req.size === 0) return getxattr(path, name, 0, 0);
  return getxattr(path, name, req.bufferAddress, Math.min(req.size, req.capacity, READ_CHUNK));
}

/** LISTXATTR; size 0 asks for the length. */
export function list(state: State, req: RequestView<"LISTXATTR">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  const path = state.scratch.fdPath(fd);
  return req.size === 0
    ? listxattr(path, 0, 0)
    : listxattr(path, req.bufferAddress, Math.min(req.size, req.capacity, READ_CHUNK));
}

/** SETXATTR. */
export function set(state: State, req: RequestView<"SETXATTR">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  state.credentials.keepSetId();
  const name = request.address(request.payload);
  const result = setxattr(state.scratch.fdPath(fd), name, req.dataAddress, req.dataSize, req.flags);
  if (result < 0 || (req.setxattr_flags & SETXATTR_FLAGS.ACL_KILL_SGID) === 0) return result;
  return clearSetgid(state, fd);
}

// An access list set by somebody who is not in the file's group.
function clearSetgid(state: State, fd: number): number {
  const { scratch } = state;
  const result = statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  if (result < 0) return result;
  const mode = modeOf(scratch);
  return (mode & S.ISGID) === 0 ? 0 : fchmodat(state.procFd, scratch.fdName(fd), mode & 0o7777 & ~S.ISGID);
}

/** REMOVEXATTR. */
export function remove(state: State, req: RequestView<"REMOVEXATTR">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  return fd < 0 ? fd : removexattr(state.scratch.fdPath(fd), request.address(request.payload));
}
