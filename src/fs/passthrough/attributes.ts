// Owns: the translation of struct statx, in the scratch memory, into the attributes of replies, word by word.
// Must not: allocate, or make system calls.

import { AT, STATX, statx } from "../../../ffi/file.ts";
import { Statx, StatxTimestamp } from "../../../ffi/kernel-structs.ts";
import { FuseAttr, FuseAttrOut, FuseEntryOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { Scratch } from "./scratch.ts";
import type { State } from "./state.ts";

const word = <Fields extends Record<string, number>>(at: Fields): { readonly [Name in keyof Fields]: number } =>
  Object.fromEntries(Object.entries(at).map(([name, offset]) => [name, offset >> 2])) as {
    readonly [Name in keyof Fields]: number;
  };
const X = word(Statx.at);
const A = word(FuseAttr.at);
const NSEC = StatxTimestamp.at.tv_nsec >> 2;

/** Device of the file in the scratch memory, as one word. Hot. */
export function deviceOf({ words, statxWord: at }: Scratch): number {
  return ((words[at + X.stx_dev_major] as number) << 20) | (words[at + X.stx_dev_minor] as number);
}

/** Low and high word of its inode number. Hot. */
export function inoLowOf({ words, statxWord: at }: Scratch): number {
  return words[at + X.stx_ino] as number;
}
export function inoHighOf({ words, statxWord: at }: Scratch): number {
  return words[at + X.stx_ino + 1] as number;
}

/** Type and permissions of the file in the scratch memory. Hot. */
export function modeOf({ words, statxWord: at }: Scratch): number {
  return (words[at + (Statx.at.stx_mode >> 2)] as number) & 0xffff;
}

// The kernel's new_encode_dev: minor 8 bits, major 12, minor's upper 12.
function encodeDevice(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

// hot
function copyTime(to: Int32Array, second: number, nanosecond: number, from: Int32Array, at: number): void {
  to[second] = from[at] as number;
  to[second + 1] = from[at + 1] as number;
  to[nanosecond] = from[at + NSEC] as number;
}

/** Writes fuse_attr at byte `offset` of a request's arena. Hot. */
export function fillAttr(state: State, request: Request, offset: number): void {
  const { words: from, statxWord: at } = state.scratch;
  const to = request.words;
  const out = offset >> 2;
  to[out + A.ino] = from[at + X.stx_ino] as number;
  to[out + A.ino + 1] = (from[at + X.stx_ino + 1] as number) ^ state.tables.devices.mixOf(deviceOf(state.scratch));
  to[out + A.size] = from[at + X.stx_size] as number;
  to[out + A.size + 1] = from[at + X.stx_size + 1] as number;
  to[out + A.blocks] = from[at + X.stx_blocks] as number;
  to[out + A.blocks + 1] = from[at + X.stx_blocks + 1] as number;
  copyTime(to, out + A.atime, out + A.atimensec, from, at + X.stx_atime);
  copyTime(to, out + A.mtime, out + A.mtimensec, from, at + X.stx_mtime);
  copyTime(to, out + A.ctime, out + A.ctimensec, from, at + X.stx_ctime);
  to[out + A.mode] = modeOf(state.scratch);
  to[out + A.nlink] = from[at + X.stx_nlink] as number;
  to[out + A.uid] = from[at + X.stx_uid] as number;
  to[out + A.gid] = from[at + X.stx_gid] as number;
  to[out + A.rdev] = encodeDevice(from[at + X.stx_rdev_major] as number, from[at + X.stx_rdev_minor] as number);
  to[out + A.blksize] = from[at + X.stx_blksize] as number;
}

/**
 * Writes how long a node's attributes may be trusted, seconds and nanoseconds at their offsets: not at all while it may
 * change by a mapping, which the mount's kernel does not see. Hot.
 */
export function fillAttrValid(state: State, request: Request, at: number, nsecAt: number, nodeid: number): void {
  const { attrValid } = state.options;
  const mapped = state.tables.backing.isMapped(nodeid);
  request.setU64(at, mapped ? 0 : attrValid[0]);
  request.setU32(nsecAt, mapped ? 0 : attrValid[1]);
}

/** As `fillAttrValid`, in the fuse_entry_out at `offset`. Hot. */
export function fillEntryAttrValid(state: State, request: Request, offset: number, nodeid: number): void {
  const { attr_valid, attr_valid_nsec } = FuseEntryOut.at;
  fillAttrValid(state, request, offset + attr_valid, offset + attr_valid_nsec, nodeid);
}

/** Looks at a descriptor and writes fuse_attr_out as the reply. Result 0 or -errno. Hot. */
export function replyAttributes(state: State, request: Request, fd: number): number {
  const { scratch } = state;
  const result = statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  if (result < 0) return result;
  const { attr_valid, attr_valid_nsec } = FuseAttrOut.at;
  fillAttrValid(state, request, request.opOut + attr_valid, request.opOut + attr_valid_nsec, request.nodeid);
  fillAttr(state, request, request.opOut + FuseAttrOut.at.attr);
  return 0;
}

/** Writes fuse_entry_out for a node whose attributes are in the scratch memory. Hot. */
export function fillEntry(state: State, request: Request, offset: number, nodeid: number): void {
  const { entryValid } = state.options;
  request.setU64(offset + FuseEntryOut.at.nodeid, nodeid);
  request.setU64(offset + FuseEntryOut.at.generation, state.tables.nodes.generationOf(nodeid));
  request.setU64(offset + FuseEntryOut.at.entry_valid, entryValid[0]);
  request.setU32(offset + FuseEntryOut.at.entry_valid_nsec, entryValid[1]);
  fillEntryAttrValid(state, request, offset, nodeid);
  fillAttr(state, request, offset + FuseEntryOut.at.attr);
}
