// Owns: requests about extended attributes, with access control lists among them.

import { ERRNO } from "../../../ffi/errno.ts";
import { S } from "../../../ffi/file.ts";
import { SETXATTR_FLAGS } from "../../abi/fuse-constants.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { ACL_ACCESS, isAclName, setAcl } from "./acl.ts";
import { touchCtime } from "./times.ts";
import type { Volume } from "./volume.ts";
import { checkXattrName, listXattrs, removeXattr, setXattr } from "./xattrs.ts";

function check(volume: Volume, name: string): number {
  if (!isAclName(name)) return checkXattrName(name);
  return volume.options.acl ? 0 : -ERRNO.EOPNOTSUPP;
}

export function setxattr(volume: Volume, req: RequestView<"SETXATTR">): number {
  const inode = volume.inode(req.nodeid);
  const name = req.nameKey;
  const refused = check(volume, name);
  if (refused !== 0) return refused;
  const value = new Uint8Array(req.data.slice());
  const result = isAclName(name) ? setAcl(volume, inode, name, value) : setXattr(volume, inode, name, value, req.flags);
  if (result < 0) return result;
  if (name === ACL_ACCESS && (req.setxattr_flags & SETXATTR_FLAGS.ACL_KILL_SGID) !== 0) inode.mode &= ~S.ISGID;
  touchCtime(inode, volume.clock);
  return 0;
}

export function getxattr(volume: Volume, req: RequestView<"GETXATTR">): number {
  const inode = volume.inode(req.nodeid);
  const refused = check(volume, req.nameKey);
  if (refused !== 0) return refused;
  const value = inode.xattrs?.get(req.nameKey);
  if (value === undefined) return -ERRNO.ENODATA;
  if (value.length <= req.size) req.buffer.set(value);
  return value.length;
}

export function listxattr(volume: Volume, req: RequestView<"LISTXATTR">): number {
  const list = Buffer.from(listXattrs(volume.inode(req.nodeid), req.uid === 0), "latin1");
  if (list.length <= req.size) req.buffer.set(list);
  return list.length;
}

export function removexattr(volume: Volume, req: RequestView<"REMOVEXATTR">): number {
  const inode = volume.inode(req.nodeid);
  const name = req.nameKey;
  const refused = check(volume, name);
  if (refused !== 0) return refused;
  if (removeXattr(volume, inode, name)) touchCtime(inode, volume.clock);
  else if (!isAclName(name)) return -ERRNO.ENODATA;
  return 0;
}
