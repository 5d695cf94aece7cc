// Owns: requests about attributes: GETATTR, SETATTR, STATX, STATFS. Who may change what is the kernel's check.

import { ERRNO } from "../../../ffi/errno.ts";
import { S, STATX } from "../../../ffi/file.ts";
import { FATTR } from "../../abi/fuse-constants.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { aclFollowsMode } from "./acl.ts";
import { killSetId, resize } from "./file-operations.ts";
import { blocksOf, type Inode, putAttrOut, sizeOf } from "./inode.ts";
import { PAGE_BYTES } from "./options.ts";
import { touchCtime } from "./times.ts";
import { NAME_BYTES } from "./tree.ts";
import { isDirectory, isFile, type Volume } from "./volume.ts";
import { dropCapabilities } from "./xattrs.ts";

type SetattrRequest = RequestView<"SETATTR">;

/** Hot. */
export function getattr(volume: Volume, req: RequestView<"GETATTR">): number {
  putAttrOut(req.request, volume.inode(req.nodeid), volume.attrTimeout);
  return 0;
}

export function setattr(volume: Volume, req: SetattrRequest): number {
  const inode = volume.inode(req.nodeid);
  const result = setSize(volume, req, inode);
  if (result < 0) return result;
  setOwner(volume, req, inode);
  const { valid } = req;
  if ((valid & FATTR.MODE) !== 0) {
    inode.mode = (inode.mode & S.IFMT) | (req.mode & 0o7777);
    aclFollowsMode(inode);
  }
  if ((valid & ~(FATTR.FH | FATTR.LOCKOWNER)) !== 0) touchCtime(inode, volume.clock);
  setTimes(volume, req, inode);
  putAttrOut(req.request, inode, volume.attrTimeout);
  return 0;
}

function setSize(volume: Volume, req: SetattrRequest, inode: Inode): number {
  if ((req.valid & FATTR.SIZE) === 0) return 0;
  if (!isFile(inode)) return isDirectory(inode) ? -ERRNO.EISDIR : -ERRNO.EINVAL;
  return resize(volume, inode, req.size, false);
}

// A change of owner takes the set-id bits from what is no directory, whoever makes it.
function setOwner(volume: Volume, req: SetattrRequest, inode: Inode): void {
  const { valid } = req;
  if ((valid & FATTR.UID) !== 0) inode.uid = req.newuid;
  if ((valid & FATTR.GID) !== 0) inode.gid = req.newgid;
  const owner = (valid & (FATTR.UID | FATTR.GID)) !== 0;
  if (isDirectory(inode)) return;
  if (owner || (valid & FATTR.KILL_SUIDGID) !== 0) killSetId(inode);
  if (owner) dropCapabilities(volume, inode);
}

function setTimes(volume: Volume, req: SetattrRequest, inode: Inode): void {
  const { valid } = req;
  const { clock } = volume;
  if ((valid & FATTR.ATIME) !== 0) {
    const now = (valid & FATTR.ATIME_NOW) !== 0;
    inode.atime = now ? clock.seconds : req.atime;
    inode.atimeNs = now ? clock.nanoseconds : req.atimensec;
  }
  if ((valid & FATTR.MTIME) !== 0) {
    const now = (valid & FATTR.MTIME_NOW) !== 0;
    inode.mtime = now ? clock.seconds : req.mtime;
    inode.mtimeNs = now ? clock.nanoseconds : req.mtimensec;
  }
  if ((valid & FATTR.CTIME) !== 0) {
    inode.ctime = req.ctime;
    inode.ctimeNs = req.ctimensec;
  }
}

export function statx(volume: Volume, req: RequestView<"STATX">): number {
  const inode = volume.inode(req.nodeid);
  const { out } = req;
  const { stat } = out;
  out.attr_valid = volume.attrTimeout.seconds;
  out.attr_valid_nsec = volume.attrTimeout.nanoseconds;
  stat.mask = STATX.BASIC_STATS | STATX.BTIME;
  stat.blksize = PAGE_BYTES;
  stat.nlink = inode.nlink;
  stat.uid = inode.uid;
  stat.gid = inode.gid;
  stat.mode = inode.mode;
  stat.ino = inode.nodeid;
  stat.size = sizeOf(inode);
  stat.blocks = blocksOf(inode);
  // new_encode_dev of linux/kdev_t.h: minor's low 8 bits, 12 bits of major, minor's upper bits.
  stat.rdev_major = (inode.rdev >>> 8) & 0xfff;
  stat.rdev_minor = (inode.rdev & 0xff) | ((inode.rdev >>> 12) & 0xf_ff00);
  for (const name of ["atime", "mtime", "ctime", "btime"] as const) {
    stat[name].tv_sec = inode[name];
    stat[name].tv_nsec = inode[`${name}Ns`];
  }
  return 0;
}

export function statfs(volume: Volume, req: RequestView<"STATFS">): number {
  const { st } = req.out;
  const { budget, options } = volume;
  st.bsize = PAGE_BYTES;
  st.frsize = PAGE_BYTES;
  st.blocks = budget.limit;
  st.bfree = budget.free;
  st.bavail = budget.free;
  st.files = options.inodeLimit;
  st.ffree = options.inodeLimit - volume.inodeCount;
  st.namelen = NAME_BYTES;
  return 0;
}
