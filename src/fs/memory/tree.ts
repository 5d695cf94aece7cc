// Owns: giving names to inodes and taking them away: the one place, with rename.ts, where nlink and parents change.
// Every function checks all before it changes anything, and returns an inode, 0 or -errno.

import { ERRNO } from "../../../ffi/errno.ts";
import { S } from "../../../ffi/file.ts";
import { inheritAcl } from "./acl.ts";
import type { Inode } from "./inode.ts";
import { touchCtime, touchMtime } from "./times.ts";
import { type Birth, type DirectoryInode, isDirectory, type Volume } from "./volume.ts";

/** Longest name in bytes. */
export const NAME_BYTES = 255;

/** 0 when `name` may be added to `parent`. */
export function checkNewName(parent: DirectoryInode, name: string): number {
  if (name.length > NAME_BYTES) return -ERRNO.ENAMETOOLONG;
  if (parent.nlink === 0) return -ERRNO.ENOENT;
  return parent.directory.find(name) === undefined ? 0 : -ERRNO.EEXIST;
}

/** An inode without a name, of the group and with the bits that a set-group-id directory hands on. */
export function makeInode(volume: Volume, parent: DirectoryInode, birth: Birth, umask: number): Inode | number {
  const inherits = (parent.mode & S.ISGID) !== 0;
  const mode = inherits && (birth.mode & S.IFMT) === S.IFDIR ? birth.mode | S.ISGID : birth.mode;
  const inode = volume.create({ ...birth, mode, gid: inherits ? parent.gid : birth.gid });
  if (inode === undefined) return -ERRNO.ENOSPC;
  const inherited = inheritAcl(volume, parent, inode, umask);
  if (inherited === 0) return inode;
  volume.settle(inode);
  return inherited;
}

/** A new inode under a new name. */
export function addChild(
  volume: Volume,
  parent: DirectoryInode,
  name: string,
  birth: Birth,
  umask: number,
): Inode | number {
  const refused = checkNewName(parent, name);
  if (refused !== 0) return refused;
  const inode = makeInode(volume, parent, birth, umask);
  if (typeof inode === "number") return inode;
  parent.directory.add(name, inode);
  inode.nlink = 1;
  if (isDirectory(inode)) {
    inode.nlink = 2;
    inode.directory.parent = parent;
    parent.nlink++;
  }
  touchMtime(parent, volume.clock);
  return inode;
}

/** One more name for an inode that is no directory. */
export function addLink(volume: Volume, parent: DirectoryInode, name: string, inode: Inode): number {
  if (isDirectory(inode)) return -ERRNO.EPERM;
  const refused = checkNewName(parent, name);
  if (refused !== 0) return refused;
  parent.directory.add(name, inode);
  inode.nlink++;
  touchCtime(inode, volume.clock);
  touchMtime(parent, volume.clock);
  return 0;
}

/** Takes a name from what is no directory. */
export function unlinkChild(volume: Volume, parent: DirectoryInode, name: string): number {
  const entry = parent.directory.find(name);
  const inode = entry?.inode;
  if (entry === undefined || inode == null) return -ERRNO.ENOENT;
  if (isDirectory(inode)) return -ERRNO.EISDIR;
  parent.directory.remove(entry);
  touchMtime(parent, volume.clock);
  dropName(volume, parent, inode);
  return 0;
}

/** Removes an empty directory. */
export function removeDirectory(volume: Volume, parent: DirectoryInode, name: string): number {
  const entry = parent.directory.find(name);
  const inode = entry?.inode;
  if (entry === undefined || inode == null) return -ERRNO.ENOENT;
  if (!isDirectory(inode)) return -ERRNO.ENOTDIR;
  if (inode.directory.count > 0) return -ERRNO.ENOTEMPTY;
  parent.directory.remove(entry);
  touchMtime(parent, volume.clock);
  dropName(volume, parent, inode);
  return 0;
}

/** An entry of `parent` for `inode` is gone (removed or taken over): counts links and ends what nothing holds. */
export function dropName(volume: Volume, parent: DirectoryInode, inode: Inode): void {
  touchCtime(inode, volume.clock);
  if (isDirectory(inode)) {
    inode.nlink = 0;
    inode.directory.parent = inode;
    parent.nlink--;
  } else inode.nlink--;
  volume.settle(inode);
}
