// Owns: what a handler's number means for each opcode: the check against what the kernel asked for, the field that
// it fills, and the length of the reply. Everything is checked before a byte is sent.
// A result that breaks the rules throws `ResultError`; dispatch answers EIO and raises an `error` event.

import { ERRNO } from "../../ffi/errno.ts";
import { FOPEN } from "../abi/fuse-constants.ts";
import type { OPCODES, Opcode } from "../abi/fuse-opcodes.ts";
import { FuseEntryOut, FuseOpenOut, FuseStatfsOut } from "../abi/fuse-structs.ts";
import { MAX_ERRNO } from "../codec/fuse-error.ts";
import type { Request } from "../codec/request.ts";
import { shown } from "../codec/shown.ts";

/** A handler's result that no reply can carry; the message names the value and the limit. */
export class ResultError extends RangeError {
  override readonly name = "ResultError";
}

/** PATH_MAX without the NUL: longest target of a symbolic link. */
const TARGET_MAX = 4095;
/** XATTR_SIZE_MAX and XATTR_LIST_MAX. */
const XATTR_MAX = 65_536;

/** How results of one opcode become replies; made once. */
export interface ResultRule {
  /** Bytes of the fixed reply structs. */
  readonly fixed: number;
  /** Offset of the field in the op struct that limits the result, -1 when there is none. */
  readonly limitAt: number;
  /** Reply bytes after the header; a negative number answers that -errno instead. */
  readonly complete: (request: Request, result: number, rule: ResultRule) => number;
}

function exceeds(what: string, result: number, limit: number): never {
  throw new ResultError(`handler returned ${result} ${what}, the limit is ${limit}`);
}

// hot
function bytes(request: Request, result: number, rule: ResultRule): number {
  const asked = rule.limitAt < 0 ? TARGET_MAX : request.u32(request.opIn + rule.limitAt);
  const limit = asked < request.dataCapacity ? asked : request.dataCapacity;
  return result > limit ? exceeds("bytes", result, limit) : result;
}

function either(request: Request, result: number, rule: ResultRule): number {
  const size = request.u32(request.opIn + rule.limitAt);
  if (size > 0) return result > size || result > request.dataCapacity ? -ERRNO.ERANGE : result;
  if (result > XATTR_MAX) exceeds("bytes", result, XATTR_MAX);
  request.setU32(request.opOut, result);
  return rule.fixed;
}

// hot
function written(request: Request, result: number, rule: ResultRule): number {
  const limit = request.u32(request.opIn + rule.limitAt);
  if (result > limit) exceeds("bytes", result, limit);
  request.setU32(request.opOut, result);
  return rule.fixed;
}

function copied(request: Request, result: number, rule: ResultRule): number {
  const limit = request.u64(request.opIn + rule.limitAt);
  if (result > limit) exceeds("bytes", result, limit);
  request.setU64(request.opOut, result);
  return rule.fixed;
}

function value64(request: Request, result: number, rule: ResultRule): number {
  request.setU64(request.opOut, result);
  return rule.fixed;
}

function value32(request: Request, result: number, rule: ResultRule): number {
  if (result > 0xffff_ffff) exceeds("as a 32-bit mask", result, 0xffff_ffff);
  request.setU32(request.opOut, result);
  return rule.fixed;
}

// hot
function entry(request: Request, _: number, rule: ResultRule): number {
  if (request.words[request.opOut >> 2] === 0 && request.words[(request.opOut >> 2) + 1] === 0) {
    if (rule.limitAt === 0) return rule.fixed; // LOOKUP: a negative entry
    throw new ResultError("handler left entry.nodeid 0");
  }
  const mode = request.u32(request.opOut + FuseEntryOut.at.attr + FuseEntryOut.spec.attr.at.mode);
  if ((mode & 0o170000) === 0)
    throw new ResultError(`handler left entry.attr.mode 0o${mode.toString(8)} without a file type`);
  return rule.fixed;
}

/** Flags that the kernel takes together with PASSTHROUGH (fs/fuse/iomode.c); any other makes the open EIO. */
const BESIDE_PASSTHROUGH = FOPEN.PASSTHROUGH | FOPEN.DIRECT_IO | FOPEN.PARALLEL_DIRECT_WRITES | FOPEN.NOFLUSH;

// hot
function checkOpen(request: Request, offset: number): void {
  const flags = request.u32(offset + FuseOpenOut.at.open_flags);
  if ((flags & FOPEN.PASSTHROUGH) === 0) return;
  const id = request.words[(offset + FuseOpenOut.at.backing_id) >> 2] as number;
  if (id <= 0) throw new ResultError(`handler set PASSTHROUGH with open.backing_id ${id}, not above 0`);
  const others = flags & ~BESIDE_PASSTHROUGH;
  if (others !== 0) throw new ResultError(`handler set open_flags 0x${others.toString(16)} beside PASSTHROUGH`);
}

// hot
function opened(request: Request, _: number, rule: ResultRule): number {
  checkOpen(request, request.opOut);
  return rule.fixed;
}

// hot
function created(request: Request, result: number, rule: ResultRule): number {
  checkOpen(request, request.opOut + FuseEntryOut.size);
  return entry(request, result, rule);
}

function ioctl(request: Request, result: number, rule: ResultRule): number {
  const limit = Math.min(request.u32(request.opIn + rule.limitAt), request.dataCapacity - rule.fixed);
  return result > limit ? exceeds("bytes", result, limit) : rule.fixed + result;
}

function fixed(_request: Request, _: number, rule: ResultRule): number {
  return rule.fixed;
}

/** Opcodes whose results are not plain: [meaning, limiting field of the op struct]. */
const MEANINGS: { readonly [Name in keyof typeof OPCODES]?: readonly [ResultRule["complete"], string?] } = {
  LOOKUP: [entry],
  SYMLINK: [entry],
  MKNOD: [entry],
  MKDIR: [entry],
  LINK: [entry],
  CREATE: [created],
  TMPFILE: [created],
  OPEN: [opened],
  READLINK: [bytes],
  READ: [bytes, "size"],
  READDIR: [bytes, "size"],
  READDIRPLUS: [bytes, "size"],
  GETXATTR: [either, "size"],
  LISTXATTR: [either, "size"],
  WRITE: [written, "size"],
  COPY_FILE_RANGE: [copied, "len"],
  COPY_FILE_RANGE_64: [copied, "len"],
  LSEEK: [value64],
  BMAP: [value64],
  POLL: [value32],
  IOCTL: [ioctl, "out_size"],
};

/** The rule of an opcode. */
export function resultRule(opcode: Opcode): ResultRule {
  const [complete, limit] = MEANINGS[opcode.name as keyof typeof OPCODES] ?? [fixed];
  const at: Readonly<Record<string, number>> = opcode.in?.at ?? {};
  return {
    fixed: opcode.out.reduce((sum, table) => sum + table.size, 0),
    limitAt: opcode.name === "LOOKUP" ? 0 : limit === undefined ? -1 : (at[limit] ?? -1),
    complete,
  };
}

/** What a filesystem without STATFS answers: zeroes would make every name too long. */
export function fillDefaultStatfs(request: Request): void {
  const { st } = FuseStatfsOut.spec;
  request.setU32(request.opOut + st.at.bsize, 4096);
  request.setU32(request.opOut + st.at.frsize, 4096);
  request.setU32(request.opOut + st.at.namelen, 255);
}

/** Bytes of the reply that a handler's result stands for, or -errno. Errors: `ResultError` for nonsense. Hot. */
export function lengthOf(request: Request, result: number | undefined, rule: ResultRule): number {
  if (result === undefined) return rule.complete(request, 0, rule);
  if (!Number.isSafeInteger(result) || result < -MAX_ERRNO) {
    throw new ResultError(`handler returned ${shown(result)}, neither a count nor an errno in -${MAX_ERRNO}..-1`);
  }
  return result < 0 ? result : rule.complete(request, result, rule);
}
