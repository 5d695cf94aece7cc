// Owns: requests about names: LOOKUP, MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, CREATE, TMPFILE, RENAME, READLINK.
// Results are counts or -errno; a stale nodeid throws ESTALE.

import { ERRNO } from "../../../ffi/errno.ts";
import { O, S } from "../../../ffi/file.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { openFile } from "./file-operations.ts";
import { type Inode, putEntry, putEntryTimeout } from "./inode.ts";
import { rename as renameInode } from "./rename.ts";
import { addChild, addLink, makeInode, NAME_BYTES, removeDirectory, unlinkChild } from "./tree.ts";
import { isFile, type Volume } from "./volume.ts";

/** Longest target of a symlink in bytes: PATH_MAX without its NUL. */
const TARGET_BYTES = 4095;

interface EntryRequest {
  readonly request: RequestView<"LOOKUP">["request"];
}

// hot: every entry reply begins with its fuse_entry_out
function reply(volume: Volume, req: EntryRequest, inode: Inode): number {
  putEntry(req.request, req.request.opOut, inode, volume.entryTimeout, volume.attrTimeout);
  return 0;
}

function replyNew(volume: Volume, req: EntryRequest, made: Inode | number): number {
  return typeof made === "number" ? made : reply(volume, req, made);
}

/** Hot. */
export function lookup(volume: Volume, req: RequestView<"LOOKUP">): number {
  const parent = volume.directory(req.nodeid);
  if (req.request.nameLength > NAME_BYTES) return -ERRNO.ENAMETOOLONG;
  const inode = parent.directory.find(req.nameKey)?.inode;
  if (inode != null) return reply(volume, req, inode);
  putEntryTimeout(req.request, req.request.opOut, volume.entryTimeout);
  return 0;
}

export function mknod(volume: Volume, req: RequestView<"MKNOD">): number {
  const parent = volume.directory(req.nodeid);
  const { mode, rdev, uid, gid } = req;
  const type = mode & S.IFMT;
  if (type === S.IFDIR || type === S.IFLNK) return -ERRNO.EPERM;
  const birth = { mode: type === 0 ? mode | S.IFREG : mode, uid, gid, rdev };
  return replyNew(volume, req, addChild(volume, parent, req.nameKey, birth, req.umask));
}

export function mkdir(volume: Volume, req: RequestView<"MKDIR">): number {
  const parent = volume.directory(req.nodeid);
  const birth = { mode: S.IFDIR | (req.mode & 0o7777), uid: req.uid, gid: req.gid };
  return replyNew(volume, req, addChild(volume, parent, req.nameKey, birth, req.umask));
}

export function symlink(volume: Volume, req: RequestView<"SYMLINK">): number {
  const parent = volume.directory(req.nodeid);
  const target = req.targetBytes;
  if (target.length === 0) return -ERRNO.ENOENT;
  if (target.length > TARGET_BYTES) return -ERRNO.ENAMETOOLONG;
  const birth = { mode: S.IFLNK | 0o777, uid: req.uid, gid: req.gid, target };
  return replyNew(volume, req, addChild(volume, parent, req.nameKey, birth, 0));
}

export function readlink(volume: Volume, req: RequestView<"READLINK">): number {
  const { target } = volume.inode(req.nodeid);
  if (target === null) return -ERRNO.EINVAL;
  req.buffer.set(target);
  return target.length;
}

export function link(volume: Volume, req: RequestView<"LINK">): number {
  const inode = volume.inode(req.oldnodeid);
  const result = addLink(volume, volume.directory(req.nodeid), req.nameKey, inode);
  return result < 0 ? result : reply(volume, req, inode);
}

export function unlink(volume: Volume, req: RequestView<"UNLINK">): number {
  return unlinkChild(volume, volume.directory(req.nodeid), req.nameKey);
}

export function rmdir(volume: Volume, req: RequestView<"RMDIR">): number {
  return removeDirectory(volume, volume.directory(req.nodeid), req.nameKey);
}

export function create(volume: Volume, req: RequestView<"CREATE">): number {
  const parent = volume.directory(req.nodeid);
  const known = parent.directory.find(req.nameKey)?.inode;
  if (known != null) return createKnown(volume, req, known);
  const birth = { mode: S.IFREG | (req.mode & 0o7777), uid: req.uid, gid: req.gid };
  return openNew(volume, req, addChild(volume, parent, req.nameKey, birth, req.umask));
}

// The kernel took the name for absent: only somebody who changes the tree behind its back brings us here.
function createKnown(volume: Volume, req: RequestView<"CREATE">, inode: Inode): number {
  if ((req.flags & O.EXCL) !== 0 || !isFile(inode)) return -ERRNO.EEXIST;
  req.open.open_flags = openFile(volume, inode, req.flags, req.open_flags);
  return reply(volume, req, inode);
}

export function tmpfile(volume: Volume, req: RequestView<"TMPFILE">): number {
  const parent = volume.directory(req.nodeid);
  if (parent.nlink === 0) return -ERRNO.ENOENT;
  const birth = { mode: S.IFREG | (req.mode & 0o7777), uid: req.uid, gid: req.gid };
  return openNew(volume, req, makeInode(volume, parent, birth, req.umask));
}

function openNew(volume: Volume, req: RequestView<"CREATE"> | RequestView<"TMPFILE">, made: Inode | number): number {
  if (typeof made === "number") return made;
  made.opens++;
  return reply(volume, req, made);
}

export function rename(volume: Volume, req: RequestView<"RENAME">, flags: number): number {
  return renameInode(volume, {
    from: volume.directory(req.nodeid),
    name: req.nameKey,
    to: volume.directory(req.newdir),
    newname: req.newnameKey,
    flags,
    uid: req.uid,
    gid: req.gid,
  });
}
