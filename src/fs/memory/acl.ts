// Owns: POSIX access control lists: their form in system.posix_acl_*, how they and the mode follow each other, and
// what a default list hands on. The kernel enforces them. Source of the form: linux/posix_acl_xattr.h, version 2.
// Stored among the inode's extended attributes, as the bytes that the kernel sends and asks for.

import { ERRNO } from "../../../ffi/errno.ts";
import type { Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";
import { isDirectory } from "./volume.ts";
import { removeXattr, setXattr } from "./xattrs.ts";

export const ACL_ACCESS = "system.posix_acl_access";
export const ACL_DEFAULT = "system.posix_acl_default";

const VERSION = 2;
const HEADER_BYTES = 4;
const RULE_BYTES = 8;
const TAG = { OWNER: 0x01, USER: 0x02, OWNER_GROUP: 0x04, GROUP: 0x08, MASK: 0x10, OTHER: 0x20 } as const;
const NO_ID = 0xffff_ffff;
const ORDER: readonly number[] = Object.values(TAG);

interface Rule {
  readonly tag: number;
  perm: number;
  readonly id: number;
}
type Acl = readonly Rule[];

export function isAclName(name: string): boolean {
  return name === ACL_ACCESS || name === ACL_DEFAULT;
}

// Undefined for what is no valid list: tags in order, owner, group and other once, a mask if anybody is named.
function parse(bytes: Uint8Array): Acl | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES || (bytes.length - HEADER_BYTES) % RULE_BYTES !== 0) return undefined;
  if (view.getUint32(0, true) !== VERSION) return undefined;
  const acl: Rule[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += RULE_BYTES) {
    acl.push({ tag: view.getUint16(at, true), perm: view.getUint16(at + 2, true), id: view.getUint32(at + 4, true) });
  }
  return isValid(acl) ? acl : undefined;
}

function isValid(acl: Acl): boolean {
  const count = (tag: number) => acl.filter((rule) => rule.tag === tag).length;
  const once = [TAG.OWNER, TAG.OWNER_GROUP, TAG.OTHER].every((tag) => count(tag) === 1) && count(TAG.MASK) <= 1;
  const named = count(TAG.USER) + count(TAG.GROUP) > 0;
  const places = acl.map((rule) => ORDER.indexOf(rule.tag));
  const sorted = places.every((place, at) => place >= 0 && place >= (places[at - 1] ?? 0));
  return once && sorted && (!named || count(TAG.MASK) === 1) && acl.every((rule) => (rule.perm & ~7) === 0);
}

function format(acl: Acl): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + RULE_BYTES * acl.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  for (const [index, { tag, perm, id }] of acl.entries()) {
    const at = HEADER_BYTES + RULE_BYTES * index;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, perm, true);
    view.setUint32(at + 4, tag === TAG.USER || tag === TAG.GROUP ? id : NO_ID, true);
  }
  return bytes;
}

const ruleOf = (acl: Acl, tag: number): Rule | undefined => acl.find((rule) => rule.tag === tag);
// The group bits of the mode are the mask, or without one the owning group's.
const groupRule = (acl: Acl): Rule | undefined => ruleOf(acl, TAG.MASK) ?? ruleOf(acl, TAG.OWNER_GROUP);

function modeOf(acl: Acl): number {
  const perm = (rule: Rule | undefined) => rule?.perm ?? 0;
  return (perm(ruleOf(acl, TAG.OWNER)) << 6) | (perm(groupRule(acl)) << 3) | perm(ruleOf(acl, TAG.OTHER));
}

// Sets the three rules that show as the mode to those bits of `mode` that `keep` allows.
function follow(acl: Acl, mode: number, keep: (old: number, bits: number) => number): void {
  const rules = [ruleOf(acl, TAG.OWNER), groupRule(acl), ruleOf(acl, TAG.OTHER)];
  for (const [index, rule] of rules.entries()) {
    if (rule !== undefined) rule.perm = keep(rule.perm, (mode >> (6 - 3 * index)) & 7);
  }
}

/** Sets a list, or removes it when `value` is empty; the mode follows the access list. Result: 0 or -errno. */
export function setAcl(volume: Volume, inode: Inode, name: string, value: Uint8Array): number {
  if (value.length === 0 || value.length === HEADER_BYTES) {
    removeXattr(volume, inode, name);
    return 0;
  }
  const acl = parse(value);
  if (acl === undefined) return -ERRNO.EINVAL;
  if (inode.target !== null) return -ERRNO.EOPNOTSUPP;
  if (name === ACL_DEFAULT) return isDirectory(inode) ? setXattr(volume, inode, name, format(acl), 0) : -ERRNO.EACCES;
  const minimal = acl.length === 3;
  if (minimal) removeXattr(volume, inode, name);
  const result = minimal ? 0 : setXattr(volume, inode, name, format(acl), 0);
  if (result === 0) inode.mode = (inode.mode & ~0o777) | modeOf(acl);
  return result;
}

/** The mode was changed: the access list follows it. */
export function aclFollowsMode(inode: Inode): void {
  const bytes = inode.xattrs?.get(ACL_ACCESS);
  const acl = bytes === undefined ? undefined : parse(bytes);
  if (acl === undefined) return;
  follow(acl, inode.mode, (_, bits) => bits);
  inode.xattrs?.set(ACL_ACCESS, format(acl));
}

/**
 * Gives a new inode what its directory hands on: the default list instead of the umask, or the umask.
 * Result: 0, or -ENOSPC when the lists do not fit.
 */
export function inheritAcl(volume: Volume, parent: Inode, inode: Inode, umask: number): number {
  if (inode.target !== null) return 0;
  const bytes = parent.xattrs?.get(ACL_DEFAULT);
  const acl = bytes === undefined ? undefined : parse(bytes);
  if (bytes === undefined || acl === undefined) {
    inode.mode &= ~(umask & 0o777);
    return 0;
  }
  follow(acl, inode.mode, (old, bits) => old & bits);
  inode.mode = (inode.mode & ~0o777) | modeOf(acl);
  const access = acl.length === 3 ? 0 : setXattr(volume, inode, ACL_ACCESS, format(acl), 0);
  if (access !== 0 || !isDirectory(inode)) return access;
  return setXattr(volume, inode, ACL_DEFAULT, bytes, 0);
}
