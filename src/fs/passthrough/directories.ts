// Owns: OPENDIR, READDIR, READDIRPLUS: records of getdents64 become records of the reply, byte by byte.
// Cookies are the source's own, opaque 64-bit values, copied as two words both ways. Any worker may serve any part:
// what counts is the cookie of the request; a descriptor's position is moved to it before records are read.

import { ERRNO } from "../../../ffi/errno.ts";
import { AT, getdents64, lseek, O, STATX, statx } from "../../../ffi/file.ts";
import { Dirent64 } from "../../../ffi/kernel-structs.ts";
import { FOPEN } from "../../abi/fuse-constants.ts";
import { FuseDirent, FuseEntryOut, FuseOpenOut, FuseReadIn } from "../../abi/fuse-structs.ts";
import type { DirentWriter } from "../../codec/dirents.ts";
import { isDotOrDotDot, stringLength } from "../../codec/names.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { deviceOf } from "./attributes.ts";
import type { DirectoryBuffer } from "./directory-buffers.ts";
import { KIND } from "./handle-table.ts";
import { enterName } from "./nodes.ts";
import { giveHandle, release, reopen } from "./open-files.ts";
import { nodeFd, type State } from "./state.ts";

const SEEK_SET = 0;
const D = Dirent64.at;

/** OPENDIR. */
export function opendir(state: State, req: RequestView<"OPENDIR">): number {
  const { request } = req;
  const node = nodeFd(state, request.nodeid);
  if (node < 0) return node;
  const fd = reopen(state, node, (req.flags & O.NOATIME) | O.RDONLY | O.DIRECTORY);
  if (fd < 0) return fd;
  request.setU32(request.opOut + FuseOpenOut.at.open_flags, state.options.caching ? FOPEN.CACHE_DIR : 0);
  return giveHandle(state, request, request.opOut, fd, KIND.directory);
}

/** RELEASEDIR. */
export function releasedir(state: State, req: RequestView<"RELEASEDIR">): number {
  state.buffers.drop(req.fh);
  return release(state, req);
}

/** READDIR and READDIRPLUS. */
export function readdir(state: State, req: RequestView<"READDIR"> | RequestView<"READDIRPLUS">, plus: boolean): number {
  const { request } = req;
  const { handles } = state.tables;
  const fh = request.u64(request.opIn + FuseReadIn.at.fh);
  if (!handles.isDirectory(fh)) return -ERRNO.EBADF;
  const low = request.words[(request.opIn + FuseReadIn.at.offset) >> 2] as number;
  const high = request.words[(request.opIn + FuseReadIn.at.offset + 4) >> 2] as number;
  // A rewind makes what any worker has read ahead invalid.
  if (low === 0 && high === 0) handles.renew(fh);
  const buffer = state.buffers.of(fh, handles.wordOf(fh));
  moveTo(buffer, low, high);
  return fillReply(state, req.entries, request, fh, buffer, plus);
}

function fillReply(
  state: State,
  entries: DirentWriter,
  request: Request,
  fh: number,
  buffer: DirectoryBuffer,
  plus: boolean,
): number {
  for (;;) {
    if (buffer.at >= buffer.used) {
      const result = refill(state, fh, buffer);
      if (result < 0 && entries.length === 0) return result;
      if (result <= 0) return entries.length;
    }
    if (!addRecord(state, entries, request, fh, buffer, plus))
      return entries.length > 0 ? entries.length : -ERRNO.EINVAL;
  }
}

// Finds the cookie among the records read ahead; else the buffer is empty and the next records come from there.
function moveTo(buffer: DirectoryBuffer, low: number, high: number): void {
  if (buffer.used > 0 && buffer.nextLow === low && buffer.nextHigh === high) return;
  const found = buffer.used > 0 ? placeOf(buffer, low, high) : -1;
  buffer.nextLow = low;
  buffer.nextHigh = high;
  if (found >= 0) {
    buffer.at = found;
    return;
  }
  buffer.at = 0;
  buffer.used = 0;
  buffer.follows = false;
}

function placeOf(buffer: DirectoryBuffer, low: number, high: number): number {
  if (buffer.startLow === low && buffer.startHigh === high) return 0;
  const { words, view } = buffer.arena;
  for (let at = 0; at < buffer.used; ) {
    const next = at + view.getUint16(at + D.d_reclen, true);
    if (words[(at + D.d_off) >> 2] === low && words[(at + D.d_off + 4) >> 2] === high) return next;
    at = next;
  }
  return -1;
}

// Bytes read, 0 at the end of the directory, or -errno.
function refill(state: State, fh: number, buffer: DirectoryBuffer): number {
  const { handles } = state.tables;
  const { arena } = buffer;
  buffer.startLow = buffer.nextLow;
  buffer.startHigh = buffer.nextHigh;
  buffer.at = 0;
  buffer.used = 0;
  if (!state.alone) handles.lock(fh);
  let result = 0;
  if (!state.alone || !buffer.follows) {
    result = lseek(fh, (BigInt(buffer.nextHigh) << 32n) | BigInt(buffer.nextLow >>> 0), SEEK_SET);
  }
  if (result >= 0) result = getdents64(fh, arena.address, arena.size);
  if (!state.alone) handles.unlock(fh);
  buffer.follows = result >= 0;
  if (result > 0) buffer.used = result;
  return result;
}

// hot
function addRecord(
  state: State,
  entries: DirentWriter,
  request: Request,
  fh: number,
  buffer: DirectoryBuffer,
  plus: boolean,
): boolean {
  const { words: from, bytes, view } = buffer.arena;
  const record = buffer.at;
  const length = view.getUint16(record + D.d_reclen, true);
  const name = record + Dirent64.size;
  const nameLength = stringLength(bytes, name, length - Dirent64.size);
  const dirent = entries.claim(nameLength);
  if (dirent < 0) return false;
  const to = dirent >> 2;
  request.words[to] = from[(record + D.d_ino) >> 2] as number;
  request.words[to + 1] = (from[(record + D.d_ino + 4) >> 2] as number) ^ mixOf(state, fh, buffer);
  buffer.nextLow = from[(record + D.d_off) >> 2] as number;
  buffer.nextHigh = from[(record + D.d_off + 4) >> 2] as number;
  request.words[to + (FuseDirent.at.off >> 2)] = buffer.nextLow;
  request.words[to + (FuseDirent.at.off >> 2) + 1] = buffer.nextHigh;
  request.setU32(dirent + FuseDirent.at.type, bytes[record + D.d_type] as number);
  const target = request.arena.bytes;
  for (let at = 0; at < nameLength; at++) target[dirent + FuseDirent.size + at] = bytes[name + at] as number;
  buffer.at = record + length;
  if (plus && !isDotOrDotDot(bytes, name, nameLength)) addAttributes(state, request, fh, buffer, name, entries, dirent);
  return true;
}

// A name that is gone by now, or that no descriptor is left for, stays an entry without attributes (nodeid 0).
function addAttributes(
  state: State,
  request: Request,
  fh: number,
  buffer: DirectoryBuffer,
  name: number,
  entries: DirentWriter,
  dirent: number,
): void {
  if (enterName(state, fh, buffer.arena.address + name, request, entries.entryOut) < 0) return;
  const ino = (entries.entryOut + FuseEntryOut.at.attr) >> 2; // a mounted directory's is not the one in the record
  request.words[dirent >> 2] = request.words[ino] as number;
  request.words[(dirent >> 2) + 1] = request.words[ino + 1] as number;
}

function mixOf(state: State, fh: number, buffer: DirectoryBuffer): number {
  if (buffer.mix !== undefined) return buffer.mix;
  const { scratch } = state;
  const result = statx(fh, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  buffer.mix = result < 0 ? 0 : state.tables.devices.mixOf(deviceOf(scratch));
  return buffer.mix;
}
