// Owns: the operations on attributes: GETATTR, SETATTR, STATX, STATFS, READLINK.
// A node's O_PATH descriptor is enough for all of them; what cannot take one goes through its path in /proc.

import { ERRNO } from "../../../ffi/errno.ts";
import {
  AT,
  fchmodat,
  fchownat,
  fstatvfs,
  ftruncate,
  readlinkat,
  STATX,
  statx,
  truncate,
  utimensat,
} from "../../../ffi/file.ts";
import { Statvfs, Statx } from "../../../ffi/kernel-structs.ts";
import { FATTR } from "../../abi/fuse-constants.ts";
import { FuseKstatfs, FuseSetattrIn, FuseStatxOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { deviceOf, fillAttrValid, replyAttributes } from "./attributes.ts";
import { nodeFd, type State } from "./state.ts";

const IN = FuseSetattrIn.at;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const NO_CHANGE = 0xffffffff;
const TIMES = FATTR.ATIME | FATTR.MTIME;
const SYNC_FLAGS = 0x6000;
/** What a reply of STATX may say: the basic fields and the time of birth. */
const STATX_MASK = STATX.BASIC_STATS | STATX.BTIME;

/** GETATTR. Hot. */
export function getattr(state: State, req: RequestView<"GETATTR">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  return fd < 0 ? fd : replyAttributes(state, request, fd);
}

/** SETATTR. Owner, size, mode, times: what a step clears or moves, a later one sets. */
export function setattr(state: State, req: RequestView<"SETATTR">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  const valid = request.u32(request.opIn + IN.valid);
  const result =
    setOwner(state, request, fd, valid) ||
    setSize(state, request, fd, valid) ||
    setMode(state, request, fd, valid) ||
    setTimes(state, request, fd, valid);
  state.credentials.settle();
  return result < 0 ? result : replyAttributes(state, request, fd);
}

function setOwner(state: State, request: Request, fd: number, valid: number): number {
  if ((valid & (FATTR.UID | FATTR.GID)) === 0) return 0;
  const uid = (valid & FATTR.UID) !== 0 ? request.u32(request.opIn + IN.uid) : NO_CHANGE;
  const gid = (valid & FATTR.GID) !== 0 ? request.u32(request.opIn + IN.gid) : NO_CHANGE;
  state.credentials.keepSetId();
  return fchownat(fd, state.scratch.empty, uid, gid, AT.EMPTY_PATH);
}

function setSize(state: State, request: Request, fd: number, valid: number): number {
  if ((valid & FATTR.SIZE) === 0) return 0;
  const size = request.u64(request.opIn + IN.size);
  if ((valid & FATTR.KILL_SUIDGID) !== 0) state.credentials.clearSetId(request);
  else state.credentials.keepSetId();
  if ((valid & FATTR.FH) !== 0) {
    const fh = request.u64(request.opIn + IN.fh);
    if (!state.tables.handles.isFile(fh)) return -ERRNO.EBADF;
    const result = ftruncate(fh, size);
    if (result !== -ERRNO.EINVAL) return result;
  }
  return truncate(state.scratch.fdPath(fd), size);
}

function setMode(state: State, request: Request, fd: number, valid: number): number {
  if ((valid & FATTR.MODE) === 0) return 0;
  state.credentials.keepSetId();
  return fchmodat(state.procFd, state.scratch.fdName(fd), request.u32(request.opIn + IN.mode) & 0o7777);
}

function setTimes(state: State, request: Request, fd: number, valid: number): number {
  if ((valid & TIMES) === 0) return 0;
  const { scratch } = state;
  putTime(state, request, 0, IN.atime, IN.atimensec, (valid & FATTR.ATIME) !== 0, (valid & FATTR.ATIME_NOW) !== 0);
  putTime(state, request, 4, IN.mtime, IN.mtimensec, (valid & FATTR.MTIME) !== 0, (valid & FATTR.MTIME_NOW) !== 0);
  const result = utimensat(fd, scratch.empty, scratch.times, AT.EMPTY_PATH);
  if (result !== -ERRNO.EINVAL && result !== -ERRNO.ENOENT) return result;
  return utimensat(state.procFd, scratch.fdName(fd), scratch.times, 0); // before Linux 5.8
}

// Writes one struct timespec; seconds are copied as two words, so that their sign is kept.
function putTime(
  { scratch }: State,
  request: Request,
  word: number,
  seconds: number,
  nanoseconds: number,
  set: boolean,
  now: boolean,
): void {
  const { words } = scratch;
  const to = scratch.timesWord + word;
  words[to] = request.u32(request.opIn + seconds);
  words[to + 1] = request.u32(request.opIn + seconds + 4);
  words[to + 2] = now ? UTIME_NOW : set ? request.u32(request.opIn + nanoseconds) : UTIME_OMIT;
  words[to + 3] = 0;
}

/** STATX: the source's answer in place, since fuse_statx is laid out as struct statx. */
export function statxOperation(state: State, req: RequestView<"STATX">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  const { scratch, tables } = state;
  const flags = AT.EMPTY_PATH | (req.sx_flags & SYNC_FLAGS);
  const result = statx(fd, scratch.empty, flags, STATX.BASIC_STATS | (req.sx_mask & STATX.BTIME), scratch.statx);
  if (result < 0) return result;
  const stat = request.opOut + FuseStatxOut.at.stat;
  const known = Statx.at.stx_mnt_id >> 2; // what follows is not part of fuse_statx
  for (let word = 0; word < known; word++) {
    request.words[(stat >> 2) + word] = scratch.words[scratch.statxWord + word] as number;
  }
  request.words[stat >> 2] = (request.words[stat >> 2] as number) & STATX_MASK;
  const high = (stat + Statx.at.stx_ino + 4) >> 2;
  request.words[high] = (request.words[high] as number) ^ tables.devices.mixOf(deviceOf(scratch));
  const { attr_valid, attr_valid_nsec } = FuseStatxOut.at;
  fillAttrValid(state, request, request.opOut + attr_valid, request.opOut + attr_valid_nsec, request.nodeid);
  return 0;
}

/** STATFS of the filesystem that the node is on. */
export function statfs(state: State, req: RequestView<"STATFS">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  const result = fstatvfs(fd, state.scratch.statvfs);
  if (result < 0) return result;
  for (const name of ["blocks", "bfree", "bavail", "files", "ffree"] as const) {
    copyWords(state, request, Statvfs.at[`f_${name}`], FuseKstatfs.at[name], 2);
  }
  copyWords(state, request, Statvfs.at.f_bsize, FuseKstatfs.at.bsize, 1);
  copyWords(state, request, Statvfs.at.f_frsize, FuseKstatfs.at.frsize, 1);
  copyWords(state, request, Statvfs.at.f_namemax, FuseKstatfs.at.namelen, 1);
  return 0;
}

function copyWords({ scratch }: State, request: Request, from: number, to: number, count: number): void {
  for (let word = 0; word < count; word++) {
    const value = scratch.words[scratch.statvfsWord + (from >> 2) + word] as number;
    request.words[((request.opOut + to) >> 2) + word] = value;
  }
}

/** READLINK. */
export function readlink(state: State, req: RequestView<"READLINK">): number {
  const { request } = req;
  const fd = nodeFd(state, request.nodeid);
  if (fd < 0) return fd;
  return readlinkat(fd, state.scratch.empty, req.bufferAddress, Math.min(req.capacity, 4095));
}
