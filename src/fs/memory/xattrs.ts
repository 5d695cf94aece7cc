// Owns: extended attributes other than access control lists: which names there are, limits, storage by budget.
// Names are keys with one character per byte. Linux limits: xattr(7), linux/limits.h.

import { ERRNO } from "../../../ffi/errno.ts";
import type { Inode } from "./inode.ts";
import { PAGE_BYTES } from "./options.ts";
import type { Volume } from "./volume.ts";

/** XATTR_CREATE and XATTR_REPLACE. */
export const XATTR = { CREATE: 1, REPLACE: 2 } as const;

const NAME_MAX = 255;
const VALUE_MAX = 65_536;
const LIST_MAX = 65_536;
const CAPABILITY = "security.capability";
const PREFIXES = ["user.", "trusted.", "security."] as const;

/** 0, or why there can be no such attribute. */
export function checkXattrName(name: string): number {
  if (name.length > NAME_MAX) return -ERRNO.ERANGE;
  const prefix = PREFIXES.find((known) => name.startsWith(known));
  if (prefix === undefined) return -ERRNO.EOPNOTSUPP;
  return name.length === prefix.length ? -ERRNO.EINVAL : 0;
}

/** Sets an attribute, as setxattr(2) does with `flags`; `value` is kept. Result: 0 or -errno. */
export function setXattr(volume: Volume, inode: Inode, name: string, value: Uint8Array, flags: number): number {
  const known = inode.xattrs?.get(name);
  if (flags & ~(XATTR.CREATE | XATTR.REPLACE)) return -ERRNO.EINVAL;
  if (value.length > VALUE_MAX) return -ERRNO.E2BIG;
  if ((flags & XATTR.CREATE) !== 0 && known !== undefined) return -ERRNO.EEXIST;
  if ((flags & XATTR.REPLACE) !== 0 && known === undefined) return -ERRNO.ENODATA;
  if (known === undefined && listLength(inode) + name.length + 1 > LIST_MAX) return -ERRNO.ENOSPC;
  const xattrs = inode.xattrs ?? new Map<string, Uint8Array>();
  const held = known === undefined ? 0 : name.length + known.length;
  const pages = Math.ceil((bytesOf(xattrs) - held + name.length + value.length) / PAGE_BYTES);
  if (!volume.budget.take(pages - inode.xattrPages)) return -ERRNO.ENOSPC;
  inode.xattrPages = pages;
  inode.xattrs = xattrs.set(name, value);
  return 0;
}

/** Removes an attribute; false when it was not there. */
export function removeXattr(volume: Volume, inode: Inode, name: string): boolean {
  if (inode.xattrs?.delete(name) !== true) return false;
  const pages = Math.ceil(bytesOf(inode.xattrs) / PAGE_BYTES);
  volume.budget.give(inode.xattrPages - pages);
  inode.xattrPages = pages;
  if (inode.xattrs.size === 0) inode.xattrs = null;
  return true;
}

/** The content changed: a program's capabilities end, as Linux has it. Hot. */
export function dropCapabilities(volume: Volume, inode: Inode): void {
  if (inode.xattrs !== null) removeXattr(volume, inode, CAPABILITY);
}

/** Names as listxattr(2) gives them, each ended by NUL. `all`: also the trusted ones, which only root sees. */
export function listXattrs(inode: Inode, all: boolean): string {
  const names = [...(inode.xattrs?.keys() ?? [])].filter((name) => all || !name.startsWith("trusted."));
  return names.map((name) => `${name}\0`).join("");
}

function listLength(inode: Inode): number {
  let length = 0;
  for (const name of inode.xattrs?.keys() ?? []) length += name.length + 1;
  return length;
}

function bytesOf(xattrs: ReadonlyMap<string, Uint8Array>): number {
  let bytes = 0;
  for (const [name, value] of xattrs) bytes += name.length + value.length;
  return bytes;
}
