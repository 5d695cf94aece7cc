// Owns: what an inode is, its type, and how its attributes are written into replies (without allocation).
// An inode lives while it has a name (nlink), the kernel knows it (nlookup) or it is open (opens); volume.ts decides.

import { S } from "../../../ffi/file.ts";
import { FuseAttr, FuseAttrOut, FuseEntryOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { Directory } from "./directory.ts";
import type { Extents } from "./extents.ts";
import { PAGE_BYTES } from "./options.ts";
import type { Times } from "./times.ts";

/** One file of any type. Exactly one of `data`, `directory`, `target` is there, by type; devices have none. */
export interface Inode extends Times {
  /** Never used again: no generation is needed. Also st_ino. */
  readonly nodeid: number;
  /** Type and permission bits. */
  mode: number;
  uid: number;
  gid: number;
  readonly rdev: number;
  nlink: number;
  /** References that the kernel holds. */
  nlookup: number;
  /** Open files and directories. */
  opens: number;
  /** Bytes of a regular file or of a symlink's target. */
  size: number;
  readonly data: Extents | null;
  readonly directory: Directory<Inode> | null;
  /** Bytes of a symlink's target. */
  readonly target: Uint8Array | null;
  /** Extended attributes by name, one character per byte. */
  xattrs: Map<string, Uint8Array> | null;
  /** Pages of the budget that they count for. */
  xattrPages: number;
}

const ATTR = FuseAttr.at;
const ENTRY = FuseEntryOut.at;

/** True for a type such as `S.IFREG`. Hot. */
export function isType(inode: Inode, type: number): boolean {
  return (inode.mode & S.IFMT) === type;
}

/** 512-byte units in use. Hot. */
export function blocksOf(inode: Inode): number {
  return inode.data === null ? 0 : inode.data.pages * (PAGE_BYTES / 512);
}

/** Bytes, as st_size has them; of a directory: a number that grows with its entries. Hot. */
export function sizeOf(inode: Inode): number {
  return inode.directory === null ? inode.size : (inode.directory.count + 2) * 32;
}

// hot: writes a fuse_attr at `at`
function putAttr(request: Request, at: number, inode: Inode): void {
  request.setU64(at + ATTR.ino, inode.nodeid);
  request.setU64(at + ATTR.size, sizeOf(inode));
  request.setU64(at + ATTR.blocks, blocksOf(inode));
  request.setU64(at + ATTR.atime, inode.atime);
  request.setU64(at + ATTR.mtime, inode.mtime);
  request.setU64(at + ATTR.ctime, inode.ctime);
  request.setU32(at + ATTR.atimensec, inode.atimeNs);
  request.setU32(at + ATTR.mtimensec, inode.mtimeNs);
  request.setU32(at + ATTR.ctimensec, inode.ctimeNs);
  request.setU32(at + ATTR.mode, inode.mode);
  request.setU32(at + ATTR.nlink, inode.nlink);
  request.setU32(at + ATTR.uid, inode.uid);
  request.setU32(at + ATTR.gid, inode.gid);
  request.setU32(at + ATTR.rdev, inode.rdev);
  request.setU32(at + ATTR.blksize, PAGE_BYTES);
}

/** How long the kernel may trust answers, split as the protocol has it. */
export interface Timeout {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export function timeoutOf(milliseconds: number): Timeout {
  return { seconds: Math.floor(milliseconds / 1000), nanoseconds: (milliseconds % 1000) * 1_000_000 };
}

/** Fills a fuse_attr_out. Hot. */
export function putAttrOut(request: Request, inode: Inode, timeout: Timeout): void {
  request.setU64(request.opOut + FuseAttrOut.at.attr_valid, timeout.seconds);
  request.setU32(request.opOut + FuseAttrOut.at.attr_valid_nsec, timeout.nanoseconds);
  putAttr(request, request.opOut + FuseAttrOut.at.attr, inode);
}

/** Fills the fuse_entry_out at `at` and counts the reference that it gives to the kernel. Hot. */
export function putEntry(request: Request, at: number, inode: Inode, entry: Timeout, attr: Timeout): void {
  inode.nlookup++;
  request.setU64(at + ENTRY.nodeid, inode.nodeid);
  putEntryTimeout(request, at, entry);
  request.setU64(at + ENTRY.attr_valid, attr.seconds);
  request.setU32(at + ENTRY.attr_valid_nsec, attr.nanoseconds);
  putAttr(request, at + ENTRY.attr, inode);
}

/** Fills how long an entry, or (with nodeid 0) its absence, may be trusted. Hot. */
export function putEntryTimeout(request: Request, at: number, entry: Timeout): void {
  request.setU64(at + ENTRY.entry_valid, entry.seconds);
  request.setU32(at + ENTRY.entry_valid_nsec, entry.nanoseconds);
}
