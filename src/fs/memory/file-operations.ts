// Owns: requests about the data of regular files: OPEN, RELEASE, READ, WRITE, FALLOCATE, LSEEK, COPY_FILE_RANGE.
// Limits are checked before anything changes; a write that fits in part is short. Offsets are below 2^53.

import { ERRNO } from "../../../ffi/errno.ts";
import { O, S } from "../../../ffi/file.ts";
import { FOPEN, OPEN_FLAGS, WRITE_FLAGS } from "../../abi/fuse-constants.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Inode } from "./inode.ts";
import { PAGE_BYTES } from "./options.ts";
import { atimeIsStale, touchAtime, touchMtime } from "./times.ts";
import type { FileInode, Volume } from "./volume.ts";
import { isFile } from "./volume.ts";
import { dropCapabilities } from "./xattrs.ts";

const FALLOC = {
  KEEP_SIZE: 0x01,
  PUNCH_HOLE: 0x02,
  COLLAPSE_RANGE: 0x08,
  ZERO_RANGE: 0x10,
  INSERT_RANGE: 0x20,
} as const;
const SEEK = { DATA: 3, HOLE: 4 } as const;
/** Most bytes of one copy_file_range: it keeps others waiting. The caller asks again. */
const COPY_BYTES = 64 * 1024 * 1024;

/** The set-id bits go, as after a write by somebody without CAP_FSETID. Set-group-id without execute is no program's. */
export function killSetId(inode: Inode): void {
  const group = (inode.mode & S.IXGRP) !== 0 ? S.ISGID : 0;
  inode.mode &= ~(S.ISUID | group);
}

/** Data changed: times, set-id bits when `kill`, capabilities. Hot. */
export function modified(volume: Volume, inode: Inode, kill: boolean): void {
  touchMtime(inode, volume.clock);
  if (kill) killSetId(inode);
  dropCapabilities(volume, inode);
}

/** Sets the size of a file. Result: 0 or -errno. */
export function resize(volume: Volume, inode: FileInode, size: number, kill: boolean): number {
  if (size > volume.options.maxFileSize) return -ERRNO.EFBIG;
  if (size < inode.size) inode.data.truncate(size);
  inode.size = size;
  modified(volume, inode, kill);
  return 0;
}

/** Opens an inode and truncates it if asked. Result: FOPEN flags. */
export function openFile(volume: Volume, inode: Inode, flags: number, openFlags: number): number {
  if ((flags & O.TRUNC) !== 0 && isFile(inode)) {
    resize(volume, inode, 0, (openFlags & OPEN_FLAGS.KILL_SUIDGID) !== 0);
  }
  inode.opens++;
  return keepsCache(volume, inode, flags) ? FOPEN.KEEP_CACHE : 0;
}

// What the kernel has cached is always right. It is dropped only when a read has to come here to move the access time.
function keepsCache(volume: Volume, inode: Inode, flags: number): boolean {
  if ((flags & O.ACCMODE) === O.WRONLY || (flags & O.NOATIME) !== 0) return true;
  volume.clock.tick();
  return !atimeIsStale(inode, volume.clock.seconds);
}

export function open(volume: Volume, req: RequestView<"OPEN">): number {
  req.open.open_flags = openFile(volume, volume.inode(req.nodeid), req.flags, req.open_flags);
  return 0;
}

export function release(volume: Volume, nodeid: number): number {
  const inode = volume.inode(nodeid);
  inode.opens--;
  volume.settle(inode);
  return 0;
}

/** Hot. */
export function read(volume: Volume, req: RequestView<"READ">): number {
  const inode = volume.file(req.nodeid);
  const { request } = req;
  const { offset } = req;
  if ((req.flags & O.NOATIME) === 0) touchAtime(inode, volume.clock);
  const length = Math.min(req.size, inode.size - offset, request.dataCapacity);
  if (length <= 0) return 0;
  inode.data.read(request.arena.bytes, request.dataOut, offset, length);
  return length;
}

/** Hot. */
export function write(volume: Volume, req: RequestView<"WRITE">): number {
  const inode = volume.file(req.nodeid);
  const { request } = req;
  const { offset } = req;
  const { payloadLength } = request;
  if (payloadLength === 0) return 0;
  const length = Math.min(payloadLength, volume.options.maxFileSize - offset);
  if (length <= 0) return -ERRNO.EFBIG;
  const written = inode.data.write(request.arena.text, request.payload, offset, length);
  if (written === 0) return -ERRNO.ENOSPC;
  if (offset + written > inode.size) inode.size = offset + written;
  modified(volume, inode, (req.write_flags & WRITE_FLAGS.KILL_SUIDGID) !== 0);
  return written;
}

type RangeRequest = { readonly offset: number; readonly length: number };
type RangeOperation = (volume: Volume, inode: FileInode, range: RangeRequest) => number;

const grow: RangeOperation = (volume, inode, { offset, length }) => {
  if (offset + length > volume.options.maxFileSize) return -ERRNO.EFBIG;
  return inode.data.allocate(offset, length) ? 0 : -ERRNO.ENOSPC;
};

const punch: RangeOperation = (_, inode, { offset, length }) => {
  inode.data.clear(offset, offset + length, true);
  return 0;
};

const zero: RangeOperation = (volume, inode, range) => {
  const result = grow(volume, inode, range);
  if (result === 0) inode.data.clear(range.offset, range.offset + range.length, false);
  return result;
};

const collapse: RangeOperation = (_, inode, { offset, length }) => {
  if (offset % PAGE_BYTES !== 0 || length % PAGE_BYTES !== 0) return -ERRNO.EINVAL;
  if (offset + length >= inode.size) return -ERRNO.EINVAL;
  inode.data.shift(offset + length, -length);
  inode.size -= length;
  return 0;
};

const insert: RangeOperation = (volume, inode, { offset, length }) => {
  if (offset % PAGE_BYTES !== 0 || length % PAGE_BYTES !== 0) return -ERRNO.EINVAL;
  if (offset >= inode.size) return -ERRNO.EINVAL;
  if (inode.size + length > volume.options.maxFileSize) return -ERRNO.EFBIG;
  inode.data.shift(offset, length);
  inode.size += length;
  return 0;
};

/** By mode, KEEP_SIZE left out where both forms exist. */
const RANGE_OPERATIONS: Readonly<Record<number, RangeOperation>> = {
  0: grow,
  [FALLOC.KEEP_SIZE]: grow,
  [FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE]: punch,
  [FALLOC.ZERO_RANGE]: zero,
  [FALLOC.ZERO_RANGE | FALLOC.KEEP_SIZE]: zero,
  [FALLOC.COLLAPSE_RANGE]: collapse,
  [FALLOC.INSERT_RANGE]: insert,
};
const GROWS: readonly number[] = [0, FALLOC.ZERO_RANGE];

// The kernel leaves set-id bits to us here, but does not say what the caller may: root keeps them.
export function fallocate(volume: Volume, req: RequestView<"FALLOCATE">): number {
  const inode = volume.file(req.nodeid);
  const { offset, length, mode } = req;
  const operation = RANGE_OPERATIONS[mode];
  if (operation === undefined) return -ERRNO.EOPNOTSUPP;
  if (length === 0) return -ERRNO.EINVAL;
  const result = operation(volume, inode, { offset, length });
  if (result < 0) return result;
  if (GROWS.includes(mode)) inode.size = Math.max(inode.size, offset + length);
  modified(volume, inode, req.uid !== 0);
  return 0;
}

export function lseek(volume: Volume, req: RequestView<"LSEEK">): number {
  const inode = volume.file(req.nodeid);
  const { offset, whence } = req;
  if (whence !== SEEK.DATA && whence !== SEEK.HOLE) return -ERRNO.EINVAL;
  if (offset >= inode.size) return -ERRNO.ENXIO;
  if (whence === SEEK.HOLE) return inode.data.nextHole(offset, inode.size);
  const found = inode.data.nextData(offset, inode.size);
  return found < inode.size ? found : -ERRNO.ENXIO;
}

export function copyFileRange(volume: Volume, req: RequestView<"COPY_FILE_RANGE">): number {
  const source = volume.file(req.nodeid);
  const target = volume.file(req.nodeid_out);
  const { off_in, off_out } = req;
  if (req.flags !== 0) return -ERRNO.EINVAL;
  const wanted = Math.min(req.len, source.size - off_in, COPY_BYTES);
  if (wanted <= 0) return 0;
  const length = Math.min(wanted, volume.options.maxFileSize - off_out);
  if (length <= 0) return -ERRNO.EFBIG;
  if (source === target && Math.abs(off_in - off_out) < length) return -ERRNO.EINVAL;
  const copied = target.data.copyFrom(source.data, off_in, off_out, length);
  if (copied === 0) return -ERRNO.ENOSPC;
  target.size = Math.max(target.size, off_out + copied);
  touchAtime(source, volume.clock);
  modified(volume, target, req.uid !== 0);
  return copied;
}
