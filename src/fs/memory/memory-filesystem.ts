// Owns: `MemoryFilesystem`, the face of the filesystem in memory: one line per operation, each in a file of its own.
// Its state lives in the heap of one thread: one worker serves it, or the thread that mounts it.

import type { RequestView } from "../../codec/request-view.ts";
import type { InitWishes } from "../connection.ts";
import type { Filesystem } from "../filesystem.ts";
import * as attributes from "./attribute-operations.ts";
import * as directories from "./directory-operations.ts";
import * as files from "./file-operations.ts";
import * as names from "./name-operations.ts";
import { type MemoryOptions, PAGE_BYTES, resolveMemoryOptions } from "./options.ts";
import { MemoryPaths } from "./paths.ts";
import { Volume } from "./volume.ts";
import * as xattrs from "./xattr-operations.ts";

/**
 * A POSIX filesystem in memory: all file types, sparse files, links, extended attributes, access control lists and
 * limits. Locks are left to the kernel. Mount it with `defaultPermissions` (the default of `mount`) and one worker.
 */
export class MemoryFilesystem implements Filesystem {
  readonly wishes: InitWishes;
  /** The tree by path, to seed it before it is mounted. */
  readonly paths: MemoryPaths;
  private readonly volume: Volume;

  /** Errors: `TypeError`, `RangeError` for options that are none. */
  constructor(options: MemoryOptions = {}) {
    this.volume = new Volume(resolveMemoryOptions(options));
    this.paths = new MemoryPaths(this.volume);
    const { acl } = this.volume.options;
    this.wishes = {
      atomicOTrunc: true,
      handleKillpriv: true,
      invalidateData: "explicit",
      cacheSymlinks: true,
      posixAcl: acl,
      dontMask: acl,
    };
  }

  /** Inodes that exist, the root included, and bytes that count against `sizeLimit`. */
  usage(): { readonly inodes: number; readonly bytes: number } {
    return { inodes: this.volume.inodeCount, bytes: this.volume.budget.used * PAGE_BYTES };
  }

  lookup(req: RequestView<"LOOKUP">): number {
    return names.lookup(this.volume, req);
  }
  forget(nodeid: number, nlookup: number): void {
    this.volume.forget(nodeid, nlookup);
  }
  getattr(req: RequestView<"GETATTR">): number {
    return attributes.getattr(this.volume, req);
  }
  setattr(req: RequestView<"SETATTR">): number {
    return attributes.setattr(this.volume, req);
  }
  statx(req: RequestView<"STATX">): number {
    return attributes.statx(this.volume, req);
  }
  statfs(req: RequestView<"STATFS">): number {
    return attributes.statfs(this.volume, req);
  }
  readlink(req: RequestView<"READLINK">): number {
    return names.readlink(this.volume, req);
  }
  symlink(req: RequestView<"SYMLINK">): number {
    return names.symlink(this.volume, req);
  }
  mknod(req: RequestView<"MKNOD">): number {
    return names.mknod(this.volume, req);
  }
  mkdir(req: RequestView<"MKDIR">): number {
    return names.mkdir(this.volume, req);
  }
  unlink(req: RequestView<"UNLINK">): number {
    return names.unlink(this.volume, req);
  }
  rmdir(req: RequestView<"RMDIR">): number {
    return names.rmdir(this.volume, req);
  }
  rename(req: RequestView<"RENAME">): number {
    return names.rename(this.volume, req, 0);
  }
  rename2(req: RequestView<"RENAME2">): number {
    return names.rename(this.volume, req, req.flags);
  }
  link(req: RequestView<"LINK">): number {
    return names.link(this.volume, req);
  }
  create(req: RequestView<"CREATE">): number {
    return names.create(this.volume, req);
  }
  tmpfile(req: RequestView<"TMPFILE">): number {
    return names.tmpfile(this.volume, req);
  }
  open(req: RequestView<"OPEN">): number {
    return files.open(this.volume, req);
  }
  read(req: RequestView<"READ">): number {
    return files.read(this.volume, req);
  }
  write(req: RequestView<"WRITE">): number {
    return files.write(this.volume, req);
  }
  release(req: RequestView<"RELEASE">): number {
    return files.release(this.volume, req.nodeid);
  }
  fallocate(req: RequestView<"FALLOCATE">): number {
    return files.fallocate(this.volume, req);
  }
  lseek(req: RequestView<"LSEEK">): number {
    return files.lseek(this.volume, req);
  }
  copyFileRange(req: RequestView<"COPY_FILE_RANGE">): number {
    return files.copyFileRange(this.volume, req);
  }
  opendir(req: RequestView<"OPENDIR">): number {
    return directories.opendir(this.volume, req);
  }
  readdir(req: RequestView<"READDIR">): number {
    return directories.readdir(this.volume, req, false);
  }
  readdirplus(req: RequestView<"READDIRPLUS">): number {
    return directories.readdir(this.volume, req, true);
  }
  releasedir(req: RequestView<"RELEASEDIR">): number {
    return directories.releasedir(this.volume, req);
  }
  setxattr(req: RequestView<"SETXATTR">): number {
    return xattrs.setxattr(this.volume, req);
  }
  getxattr(req: RequestView<"GETXATTR">): number {
    return xattrs.getxattr(this.volume, req);
  }
  listxattr(req: RequestView<"LISTXATTR">): number {
    return xattrs.listxattr(this.volume, req);
  }
  removexattr(req: RequestView<"REMOVEXATTR">): number {
    return xattrs.removexattr(this.volume, req);
  }
}
