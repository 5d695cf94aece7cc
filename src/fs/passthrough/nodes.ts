// Owns: how a name becomes a node: one statx for a known inode, an O_PATH descriptor and a slot for a new one.
// Invariant: a node's descriptor pins its inode, so that device and inode number mean the same as long as it is there.
// Symbolic links are never followed here, and `..` never leads out of the source.

import { ERRNO } from "../../../ffi/errno.ts";
import { AT, close, O, openat, STATX, statx } from "../../../ffi/file.ts";
import { ROOT_ID } from "../../abi/fuse-constants.ts";
import { FuseEntryOut } from "../../abi/fuse-structs.ts";
import { isDotOrDotDot } from "../../codec/names.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { deviceOf, fillEntry, inoHighOf, inoLowOf } from "./attributes.ts";
import { refuseOwnMount } from "./nesting.ts";
import { ELSEWHERE, nodeFd, orShort, type State } from "./state.ts";

/** Deepest directory whose way up is walked. */
const MOST_LEVELS = 4096;

// hot
function findScratch({ tables, scratch }: State): number {
  return tables.nodes.find(deviceOf(scratch), inoLowOf(scratch), inoHighOf(scratch));
}

/**
 * Gives an O_PATH descriptor a node, with one reference; takes the descriptor over, also on errors. Its attributes are
 * in the scratch memory afterwards. Result: the nodeid, or -errno.
 */
export function adopt(state: State, opened: number): number {
  const fd = orShort(state, opened);
  if (fd < 0) return fd;
  const { scratch } = state;
  const result = statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  if (result >= 0) return adoptDescribed(state, fd);
  close(fd);
  return result;
}

// As `adopt`, for a descriptor whose attributes are in the scratch memory already.
function adoptDescribed(state: State, opened: number): number {
  const fd = orShort(state, opened);
  if (fd < 0) return fd;
  const { tables, scratch } = state;
  const nodeid = tables.nodes.insert(deviceOf(scratch), inoLowOf(scratch), inoHighOf(scratch), fd);
  if (nodeid <= 0 || tables.nodes.fdOf(nodeid) !== fd) close(fd);
  return nodeid === 0 ? orShort(state, -ERRNO.ENFILE) : nodeid;
}

/**
 * Finds the NUL-terminated name at address `name` in a directory, takes a reference, and writes its fuse_entry_out at
 * `offset` of the request's arena. Result 0 or -errno, and then nothing is held. Hot.
 */
export function enterName(state: State, dirfd: number, name: number, request: Request, offset: number): number {
  const { scratch } = state;
  if (state.ownDevice !== ELSEWHERE && refuseOwnMount(state, dirfd, name) < 0) return -ERRNO.ELOOP;
  const result = statx(dirfd, name, AT.SYMLINK_NOFOLLOW, STATX.BASIC_STATS, scratch.statx);
  if (result < 0) return result;
  let nodeid = findScratch(state);
  if (nodeid === 0) nodeid = adopt(state, openat(dirfd, name, O.PATH | O.NOFOLLOW, 0));
  if (nodeid < 0) return nodeid;
  fillEntry(state, request, offset, nodeid);
  return 0;
}

/** As `enterName`, for the inode of an open descriptor, which stays the caller's. */
export function enterDescriptor(state: State, fd: number, request: Request, offset: number): number {
  const { scratch } = state;
  const result = statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  if (result < 0) return result;
  let nodeid = findScratch(state);
  // The link in /proc leads to the very inode that was looked at.
  if (nodeid === 0) nodeid = adoptDescribed(state, openat(state.procFd, scratch.fdName(fd), O.PATH, 0));
  if (nodeid < 0) return nodeid;
  fillEntry(state, request, offset, nodeid);
  return 0;
}

/** LOOKUP. Hot. */
export function lookup(state: State, req: RequestView<"LOOKUP">): number {
  const { request } = req;
  const parent = nodeFd(state, request.nodeid);
  if (parent < 0) return parent;
  if (isDotOrDotDot(request.arena.bytes, request.payload, request.nameLength))
    return lookupDots(state, request, parent);
  const result = enterName(state, parent, request.address(request.payload), request, request.opOut);
  return result === -ERRNO.ENOENT ? negative(state, request) : result;
}

function negative({ options }: State, request: Request): number {
  const [seconds, nanoseconds] = options.negativeValid;
  if (seconds === 0 && nanoseconds === 0) return -ERRNO.ENOENT;
  request.setU64(request.opOut + FuseEntryOut.at.entry_valid, seconds);
  request.setU32(request.opOut + FuseEntryOut.at.entry_valid_nsec, nanoseconds);
  return 0;
}

function lookupDots(state: State, request: Request, directory: number): number {
  const { dot, dotDot } = state.scratch;
  const up = request.nameLength === 2 && request.nodeid !== ROOT_ID;
  if (up && !isBelowRoot(state, directory)) return -ERRNO.ESTALE;
  return enterName(state, directory, up ? dotDot : dot, request, request.opOut);
}

// A directory may have been moved out of the source since it was found.
function isBelowRoot(state: State, directory: number): boolean {
  let at = openat(directory, state.scratch.dotDot, O.PATH | O.DIRECTORY, 0);
  for (let level = 0; at >= 0 && level < MOST_LEVELS; level++) {
    if (isRoot(state, at)) {
      close(at);
      return true;
    }
    const next = openat(at, state.scratch.dotDot, O.PATH | O.DIRECTORY, 0);
    const top = next >= 0 && isSame(state, at, next);
    close(at);
    at = next;
    if (top) break;
  }
  if (at >= 0) close(at);
  return false;
}

function keyOf({ scratch }: State, fd: number): string {
  if (statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx) < 0) return "";
  return `${deviceOf(scratch)} ${inoLowOf(scratch)} ${inoHighOf(scratch)}`;
}

const isSame = (state: State, one: number, other: number): boolean => keyOf(state, one) === keyOf(state, other);
const isRoot = (state: State, fd: number): boolean => isSame(state, fd, nodeFd(state, ROOT_ID));

/** Drops references of a node; with the last one go its descriptor and its backing file. */
export function dropNode(state: State, nodeid: number, count: number): void {
  const fd = state.tables.nodes.drop(nodeid, count, state.dying);
  if (fd >= 0) close(fd);
}

/** FORGET: closes the descriptor of a node that nobody refers to any more. */
export function forget(state: State, nodeid: number, nlookup: number): void {
  if (nodeid === ROOT_ID) return;
  dropNode(state, nodeid, nlookup);
}
