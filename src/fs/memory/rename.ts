// Owns: rename in all its cases: checks first, then the move, links, parents and times. renameat2(2).

import { ERRNO } from "../../../ffi/errno.ts";
import { S } from "../../../ffi/file.ts";
import type { Entry as EntryOf } from "./directory.ts";
import type { Inode } from "./inode.ts";
import { touchCtime, touchMtime } from "./times.ts";
import { dropName, NAME_BYTES } from "./tree.ts";
import { type DirectoryInode, isDirectory, type Volume } from "./volume.ts";

const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

type Entry = EntryOf<Inode>;

/** A rename: two places, flags, and who owns a whiteout that it leaves. */
export interface Move {
  readonly from: DirectoryInode;
  readonly name: string;
  readonly to: DirectoryInode;
  readonly newname: string;
  readonly flags: number;
  readonly uid: number;
  readonly gid: number;
}

/** Result: 0 or -errno. */
export function rename(volume: Volume, move: Move): number {
  const { from, to, name, newname, flags } = move;
  const refused = checkFlags(flags);
  if (refused !== 0) return refused;
  if (name.length > NAME_BYTES || newname.length > NAME_BYTES) return -ERRNO.ENAMETOOLONG;
  const entry = from.directory.find(name);
  const target = to.directory.find(newname);
  const source = entry?.inode;
  if (entry === undefined || source == null || to.nlink === 0) return -ERRNO.ENOENT;
  if ((flags & RENAME.NOREPLACE) !== 0 && target !== undefined) return -ERRNO.EEXIST;
  if ((flags & RENAME.EXCHANGE) !== 0) return exchange(volume, move, entry, target);
  if (isInside(to, source)) return -ERRNO.EINVAL;
  if (target?.inode === source) return 0;
  const refusedTarget = target?.inode == null ? 0 : checkReplaced(source, target.inode);
  if (refusedTarget !== 0) return refusedTarget;
  if ((flags & RENAME.WHITEOUT) !== 0) return leaveWhiteout(volume, move, entry, target);
  take(volume, move, source, target);
  from.directory.remove(entry);
  return finish(volume, move, source);
}

function checkFlags(flags: number): number {
  if ((flags & ~(RENAME.NOREPLACE | RENAME.EXCHANGE | RENAME.WHITEOUT)) !== 0) return -ERRNO.EINVAL;
  const exchange = (flags & RENAME.EXCHANGE) !== 0;
  return exchange && flags !== RENAME.EXCHANGE ? -ERRNO.EINVAL : 0;
}

// A directory cannot go into itself or anything below it.
function isInside(place: DirectoryInode, moved: Inode): boolean {
  if (!isDirectory(moved)) return false;
  for (let at: Inode = place; ; at = at.directory.parent) {
    if (at === moved) return true;
    if (!isDirectory(at) || at.directory.parent === null || at.directory.parent === at) return false;
  }
}

function checkReplaced(source: Inode, target: Inode): number {
  if (!isDirectory(target)) return isDirectory(source) ? -ERRNO.ENOTDIR : 0;
  if (!isDirectory(source)) return -ERRNO.EISDIR;
  return target.directory.count > 0 ? -ERRNO.ENOTEMPTY : 0;
}

// Gives the source its new name. A replaced entry keeps its place in the order, so that a reader meets the name once.
function take(volume: Volume, { to, newname }: Move, source: Inode, target: Entry | undefined): void {
  const replaced = target?.inode;
  if (target === undefined || replaced == null) {
    to.directory.add(newname, source);
    return;
  }
  target.inode = source;
  dropName(volume, to, replaced);
}

function leaveWhiteout(volume: Volume, move: Move, entry: Entry, target: Entry | undefined): number {
  const source = entry.inode;
  const whiteout = volume.create({ mode: S.IFCHR, uid: move.uid, gid: move.gid });
  if (source === null || whiteout === undefined) return -ERRNO.ENOSPC;
  take(volume, move, source, target);
  entry.inode = whiteout;
  whiteout.nlink = 1;
  return finish(volume, move, source);
}

function exchange(volume: Volume, move: Move, entry: Entry, target: Entry | undefined): number {
  const { from, to } = move;
  const source = entry.inode;
  const other = target?.inode;
  if (source === null || target === undefined || other == null) return -ERRNO.ENOENT;
  if (isInside(to, source) || isInside(from, other)) return -ERRNO.EINVAL;
  if (source === other) return 0;
  entry.inode = other;
  target.inode = source;
  settleParents(to, from, other);
  touchCtime(other, volume.clock);
  return finish(volume, move, source);
}

function finish(volume: Volume, { from, to }: Move, source: Inode): number {
  settleParents(from, to, source);
  touchCtime(source, volume.clock);
  touchMtime(from, volume.clock);
  touchMtime(to, volume.clock);
  return 0;
}

// A directory's `..` counts as a link of its parent.
function settleParents(from: DirectoryInode, to: DirectoryInode, moved: Inode): void {
  if (!isDirectory(moved) || from === to) return;
  moved.directory.parent = to;
  from.nlink--;
  to.nlink++;
}
