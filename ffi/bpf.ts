// Owns: bpf(2), one function per command; results are `n >= 0` or -errno, programs that are refused come with the
// verifier's log. Keys and values are the caller's buffers of exactly the map's sizes.
// Must not: decide, keep descriptors, or know what programs mean.

import {
  BPF_CMD,
  BPF_OBJ_NAME_LEN,
  BpfInfo,
  BpfMapBatch,
  BpfMapCreate,
  BpfMapElem,
  BpfProgLoad,
  BpfTestRun,
} from "./bpf-structs.ts";
import { checked, ERRNO } from "./errno.ts";
import { libc } from "./libc.ts";
import { addressOf, cString } from "./memory.ts";

const SYS_BPF = process.arch === "arm64" ? 280 : 321;
/** A log that a large program fills; above 16 MiB the kernel takes none. */
const LOG_BYTES = 1 << 20;
const LOG_MOST = 1 << 24;

const call = (command: number, attribute: DataView): number =>
  checked(libc.syscall(SYS_BPF, command, addressOf(attribute), attribute.byteLength, 0, 0, 0));

/** What the last command's addresses lead to: its caller may have no use for it any more when the kernel reads it. */
const kept: ArrayBufferView[] = [];

function attributes(bytes: number): DataView {
  kept.length = 0;
  return new DataView(new ArrayBuffer(bytes));
}

function setAddress(attribute: DataView, at: number, view: ArrayBufferView | undefined): void {
  if (view !== undefined) kept.push(view);
  attribute.setBigUint64(at, view === undefined ? 0n : BigInt(addressOf(view)), true);
}

// The kernel takes letters, digits, "_" and "."; what is too long is cut.
function setName(attribute: DataView, at: number, name: string): void {
  const fine = name.replaceAll(/[^A-Za-z0-9_.]/g, "_").slice(0, BPF_OBJ_NAME_LEN - 1);
  for (let index = 0; index < fine.length; index++) attribute.setUint8(at + index, fine.charCodeAt(index));
}

/** What MAP_CREATE makes. Sizes in bytes; `keySize` and `valueSize` are 0 for a ring buffer. */
export interface MapShape {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  /** Entries at most; bytes (a power of two of pages) for a ring buffer. */
  readonly maxEntries: number;
  readonly flags: number;
  /** Shown by the kernel, cut to 15 characters. */
  readonly name: string;
}

/** MAP_CREATE. Result: a descriptor (close-on-exec) or -errno: EPERM, EINVAL, E2BIG, ENOMEM. */
export function createMap(shape: MapShape): number {
  const attribute = attributes(BpfMapCreate.size);
  const { at } = BpfMapCreate;
  attribute.setUint32(at.map_type, shape.type, true);
  attribute.setUint32(at.key_size, shape.keySize, true);
  attribute.setUint32(at.value_size, shape.valueSize, true);
  attribute.setUint32(at.max_entries, shape.maxEntries, true);
  attribute.setUint32(at.map_flags, shape.flags, true);
  setName(attribute, at.map_name, shape.name);
  return call(BPF_CMD.MAP_CREATE, attribute);
}

function element(command: number, fd: number, key: Uint8Array | undefined, value?: Uint8Array, flags = 0): number {
  const attribute = attributes(BpfMapElem.size);
  attribute.setUint32(BpfMapElem.at.map_fd, fd, true);
  setAddress(attribute, BpfMapElem.at.key, key);
  setAddress(attribute, BpfMapElem.at.value, value);
  attribute.setBigUint64(BpfMapElem.at.flags, BigInt(flags), true);
  return call(command, attribute);
}

/** Fills `value` with what `key` leads to. Result 0, or -errno: ENOENT. */
export const lookupElement = (fd: number, key: Uint8Array, value: Uint8Array): number =>
  element(BPF_CMD.MAP_LOOKUP_ELEM, fd, key, value);

/** Sets a key's value; `flags` is BPF_UPDATE. Result 0, or -errno: E2BIG (full), EEXIST, ENOENT. */
export const updateElement = (fd: number, key: Uint8Array, value: Uint8Array, flags: number): number =>
  element(BPF_CMD.MAP_UPDATE_ELEM, fd, key, value, flags);

/** Takes a key away. Result 0, or -errno: ENOENT, EINVAL (arrays keep all their keys). */
export const deleteElement = (fd: number, key: Uint8Array): number => element(BPF_CMD.MAP_DELETE_ELEM, fd, key);

/** Fills `next` with the key after `key` (undefined: the first). Result 0, or -errno: ENOENT after the last. */
export const nextKey = (fd: number, key: Uint8Array | undefined, next: Uint8Array): number =>
  element(BPF_CMD.MAP_GET_NEXT_KEY, fd, key, next);

/** Memory of a batch: keys and values one after another, and where a look-up goes on (`cursor`, 8 bytes or a key). */
export interface BatchMemory {
  readonly keys: Uint8Array;
  readonly values?: Uint8Array;
  /** Where to begin (undefined: at the first) and, after the call, where to go on. */
  readonly from?: Uint8Array | undefined;
  readonly next?: Uint8Array | undefined;
}

function batch(command: number, fd: number, memory: BatchMemory, count: number): { result: number; count: number } {
  const attribute = attributes(BpfMapBatch.size);
  const { at } = BpfMapBatch;
  setAddress(attribute, at.in_batch, memory.from);
  setAddress(attribute, at.out_batch, memory.next);
  setAddress(attribute, at.keys, memory.keys);
  setAddress(attribute, at.values, memory.values);
  attribute.setUint32(at.count, count, true);
  attribute.setUint32(at.map_fd, fd, true);
  const result = call(command, attribute);
  return { result, count: attribute.getUint32(at.count, true) };
}

/** Reads up to `count` entries. Result 0, or -errno: ENOENT with the last ones, ENOSPC (a bucket holds more). */
export const lookupBatch = (fd: number, memory: BatchMemory, count: number) =>
  batch(BPF_CMD.MAP_LOOKUP_BATCH, fd, memory, count);
/** Sets `count` entries; `count` of the answer were set, also with an error. */
export const updateBatch = (fd: number, memory: BatchMemory, count: number) =>
  batch(BPF_CMD.MAP_UPDATE_BATCH, fd, memory, count);
/** Takes `count` keys away; as above. */
export const deleteBatch = (fd: number, memory: BatchMemory, count: number) =>
  batch(BPF_CMD.MAP_DELETE_BATCH, fd, memory, count);

/** What PROG_LOAD takes. */
export interface ProgramCode {
  readonly type: number;
  readonly flags: number;
  /** Whole instructions of 8 bytes. */
  readonly instructions: Uint8Array;
  /** "GPL" and the like, or helpers that are for GPL programs alone are refused. */
  readonly license: string;
  readonly name: string;
}

function textOf(log: Uint8Array): string {
  const end = log.indexOf(0);
  return Buffer.from(log.subarray(0, end < 0 ? log.length : end)).toString("utf8");
}

/**
 * PROG_LOAD. Result: a descriptor (close-on-exec) or -errno, and the verifier's log where it refused the program:
 * EINVAL, EACCES (a forbidden access), E2BIG (too long to verify), EPERM (CAP_BPF is missing; no log).
 */
export function loadProgram(code: ProgramCode): { readonly result: number; readonly log: string } {
  const attribute = attributes(BpfProgLoad.size);
  const { at } = BpfProgLoad;
  const license = cString(code.license);
  attribute.setUint32(at.prog_type, code.type, true);
  attribute.setUint32(at.insn_cnt, code.instructions.length >> 3, true);
  setAddress(attribute, at.insns, code.instructions);
  setAddress(attribute, at.license, license);
  attribute.setUint32(at.prog_flags, code.flags, true);
  setName(attribute, at.prog_name, code.name);
  const quiet = call(BPF_CMD.PROG_LOAD, attribute);
  if (quiet >= 0 || quiet === -ERRNO.EPERM) return { result: quiet, log: "" };
  // Once more, for the log: with a log that is too small the kernel refuses good programs as well.
  for (let bytes = LOG_BYTES; ; bytes *= 4) {
    const log = new Uint8Array(bytes);
    attribute.setUint32(at.log_level, 1, true);
    attribute.setUint32(at.log_size, log.length, true);
    setAddress(attribute, at.log_buf, log);
    const result = call(BPF_CMD.PROG_LOAD, attribute);
    if (result !== -ERRNO.ENOSPC || bytes * 4 > LOG_MOST) return { result, log: textOf(log) };
  }
}

/** Runs a program once over `context`, which it may change. `value` is what it returned, or `result` is -errno. */
export function testRun(fd: number, context: Uint8Array): { readonly result: number; readonly value: number } {
  const attribute = attributes(BpfTestRun.size);
  const { at } = BpfTestRun;
  attribute.setUint32(at.prog_fd, fd, true);
  attribute.setUint32(at.ctx_size_in, context.length, true);
  setAddress(attribute, at.ctx_in, context);
  const result = call(BPF_CMD.PROG_TEST_RUN, attribute);
  return { result, value: attribute.getUint32(at.retval, true) };
}

/** The number by which the kernel knows a map or program; the second word of struct bpf_map_info and bpf_prog_info. */
export function objectId(fd: number): number {
  const info = new Uint32Array(2);
  const attribute = attributes(BpfInfo.size);
  attribute.setUint32(BpfInfo.at.bpf_fd, fd, true);
  attribute.setUint32(BpfInfo.at.info_len, info.byteLength, true);
  setAddress(attribute, BpfInfo.at.info, info);
  const result = call(BPF_CMD.OBJ_GET_INFO_BY_FD, attribute);
  return result < 0 ? result : (info[1] as number);
}
