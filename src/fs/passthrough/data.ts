// Owns: the operations on the content of open files: READ, WRITE, FALLOCATE, LSEEK, COPY_FILE_RANGE, IOCTL.
// Data never becomes a JavaScript object: the source's kernel copies from and to the request's memory.

import { ERRNO } from "../../../ffi/errno.ts";
import {
  copyFileRange,
  F,
  fallocate,
  fcntl,
  ioctl,
  lseek,
  O,
  pread,
  pwrite,
  pwritev2,
  RWF,
} from "../../../ffi/file.ts";
import { WRITE_FLAGS } from "../../abi/fuse-constants.ts";
import { FuseCopyFileRangeIn, FuseFallocateIn, FuseLseekIn, FuseReadIn, FuseWriteIn } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { State } from "./state.ts";

const R = FuseReadIn.at;
const W = FuseWriteIn.at;
const COPY = FuseCopyFileRangeIn.at;

// The kernel of the mount takes O_DIRECT of any alignment; a source that does not is read and written with its cache.
function withoutDirect(state: State, fh: number, result: number): boolean {
  if (result !== -ERRNO.EINVAL || !state.tables.handles.isDirect(fh)) return false;
  const flags = fcntl(fh, F.GETFL, 0);
  if (flags < 0 || fcntl(fh, F.SETFL, flags & ~O.DIRECT) < 0) return false;
  state.tables.handles.setBuffered(fh);
  return true;
}

/** READ. Hot. */
export function read(state: State, req: RequestView<"READ">): number {
  const { request } = req;
  const fh = request.u64(request.opIn + R.fh);
  if (!state.tables.handles.isFile(fh)) return -ERRNO.EBADF;
  const asked = request.u32(request.opIn + R.size);
  const size = asked < request.dataCapacity ? asked : request.dataCapacity;
  const offset = request.u64(request.opIn + R.offset);
  const result = pread(fh, request.address(request.dataOut), size, offset);
  if (result >= 0 || !withoutDirect(state, fh, result)) return result;
  return pread(fh, request.address(request.dataOut), size, offset);
}

/**
 * WRITE. Handles are opened without O_APPEND: the request says whether the file is in append mode now, and then the
 * source's kernel finds its end, also against writers of the source. Hot.
 */
export function write(state: State, req: RequestView<"WRITE">): number {
  const { request } = req;
  const fh = request.u64(request.opIn + W.fh);
  if (!state.tables.handles.isFile(fh)) return -ERRNO.EBADF;
  const flags = request.u32(request.opIn + W.write_flags);
  if ((flags & WRITE_FLAGS.KILL_SUIDGID) !== 0) state.credentials.clearSetId(request);
  else state.credentials.keepSetId();
  const append = (request.u32(request.opIn + W.flags) & O.APPEND) !== 0 && (flags & WRITE_FLAGS.CACHE) === 0;
  const data = request.address(request.payload);
  const size = request.u32(request.opIn + W.size);
  const offset = request.u64(request.opIn + W.offset);
  let result = put(state, fh, data, size, offset, append);
  if (result < 0 && withoutDirect(state, fh, result)) result = put(state, fh, data, size, offset, append);
  state.credentials.settle();
  return result;
}

// hot
function put({ scratch }: State, fh: number, data: number, size: number, offset: number, append: boolean): number {
  if (!append) return pwrite(fh, data, size, offset);
  const { words, iovecWord } = scratch;
  words[iovecWord] = data;
  words[iovecWord + 1] = Math.floor(data / 2 ** 32);
  words[iovecWord + 2] = size;
  words[iovecWord + 3] = 0;
  const result = pwritev2(fh, scratch.iovec, 1, offset, RWF.APPEND);
  return result === -ERRNO.EOPNOTSUPP ? pwrite(fh, data, size, offset) : result;
}

// These requests do not say whether the caller may keep set-id bits; only root may, then.
function asCallersChange({ credentials }: State, request: Request): void {
  if (request.uid === 0) credentials.keepSetId();
  else credentials.clearSetId(request);
}

/** FALLOCATE in any mode that the source has; it clears set-id bits as for the caller. */
export function allocate(state: State, req: RequestView<"FALLOCATE">): number {
  const { request } = req;
  const at = FuseFallocateIn.at;
  const fh = request.u64(request.opIn + at.fh);
  if (!state.tables.handles.isFile(fh)) return -ERRNO.EBADF;
  asCallersChange(state, request);
  const offset = request.u64(request.opIn + at.offset);
  const result = fallocate(fh, request.u32(request.opIn + at.mode), offset, request.u64(request.opIn + at.length));
  state.credentials.settle();
  return result;
}

/** LSEEK for data or a hole. The position that it moves is nobody's: reads and writes bring their offsets. */
export function seek(state: State, req: RequestView<"LSEEK">): number {
  const { request } = req;
  const at = FuseLseekIn.at;
  const fh = request.u64(request.opIn + at.fh);
  if (!state.tables.handles.isFile(fh)) return -ERRNO.EBADF;
  return lseek(fh, request.u64(request.opIn + at.offset), request.u32(request.opIn + at.whence));
}

/** COPY_FILE_RANGE; fewer bytes than asked are fine, 0 is the end of the file. */
export function copyRange(state: State, req: RequestView<"COPY_FILE_RANGE">): number {
  const { request } = req;
  const { scratch, tables, credentials } = state;
  const from = request.u64(request.opIn + COPY.fh_in);
  const to = request.u64(request.opIn + COPY.fh_out);
  if (!tables.handles.isFile(from) || !tables.handles.isFile(to)) return -ERRNO.EBADF;
  const { words } = scratch;
  const at = scratch.offsetsAt >> 2;
  words[at] = request.u32(request.opIn + COPY.off_in);
  words[at + 1] = request.u32(request.opIn + COPY.off_in + 4);
  words[at + 2] = request.u32(request.opIn + COPY.off_out);
  words[at + 3] = request.u32(request.opIn + COPY.off_out + 4);
  asCallersChange(state, request);
  const length = Math.min(request.u64(request.opIn + COPY.len), 0x7fff_f000);
  const result = copyFileRange(from, scratch.offsets, to, scratch.offsets + 8, length, 0);
  credentials.settle();
  return result;
}

/** Ioctls that are forwarded: what they take and give at most, in bytes, and whether they change the file. */
const IOCTLS: ReadonlyMap<number, { readonly takes: number; readonly gives: number; readonly changes: boolean }> =
  new Map([
    [0x80086601, { takes: 0, gives: 8, changes: false }], // FS_IOC_GETFLAGS
    [0x40086602, { takes: 8, gives: 0, changes: true }], // FS_IOC_SETFLAGS
    [0x801c581f, { takes: 0, gives: 28, changes: false }], // FS_IOC_FSGETXATTR
    [0x401c5820, { takes: 28, gives: 0, changes: true }], // FS_IOC_FSSETXATTR
    [0x80087601, { takes: 0, gives: 8, changes: false }], // FS_IOC_GETVERSION
  ]);

/** IOCTL of a safe set, on files and directories; ENOTTY for all others. */
export function control(state: State, req: RequestView<"IOCTL">): number {
  const { request } = req;
  const known = IOCTLS.get(req.cmd);
  if (known === undefined) return -ERRNO.ENOTTY;
  if (!state.tables.handles.isOpen(req.fh)) return -ERRNO.EBADF;
  if (known.changes && state.options.readOnly) return -ERRNO.EROFS;
  if (request.payloadLength > known.takes) return -ERRNO.EINVAL;
  const { arena, ioctlAt } = state.scratch;
  arena.bytes.fill(0, ioctlAt, ioctlAt + 64);
  for (let at = 0; at < request.payloadLength; at++) {
    arena.bytes[ioctlAt + at] = request.arena.bytes[request.payload + at] as number;
  }
  const result = ioctl(req.fh, req.cmd, state.scratch.ioctl);
  if (result < 0) return result;
  req.out.result = result;
  const size = Math.min(req.out_size, known.gives, req.capacity);
  for (let at = 0; at < size; at++) req.buffer[at] = arena.bytes[ioctlAt + at] as number;
  return size;
}
