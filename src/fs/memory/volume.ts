// Owns: the state of one filesystem: inodes by nodeid, limits, clock; the birth and death of inodes.
// Invariant: an inode is in the table exactly while nlink, nlookup or opens is not 0; the root always is.

import { S } from "../../../ffi/file.ts";
import { ROOT_ID } from "../../abi/fuse-constants.ts";
import { FuseError } from "../../codec/fuse-error.ts";
import { Budget } from "./budget.ts";
import { Directory } from "./directory.ts";
import { Extents } from "./extents.ts";
import { type Inode, type Timeout, timeoutOf } from "./inode.ts";
import type { ResolvedMemoryOptions } from "./options.ts";
import { Clock } from "./times.ts";

/** What a new inode is made of. */
export interface Birth {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev?: number;
  readonly target?: Uint8Array;
}

/** A directory inode. */
export type DirectoryInode = Inode & { readonly directory: Directory<Inode> };
/** A regular file's inode. */
export type FileInode = Inode & { readonly data: Extents };

/** State that all operations of one filesystem share. */
export class Volume {
  readonly options: ResolvedMemoryOptions;
  readonly clock = new Clock();
  readonly budget: Budget;
  readonly root: DirectoryInode;
  readonly entryTimeout: Timeout;
  readonly attrTimeout: Timeout;
  /** Of each open directory, by fh: the last cookie that its reader gets to see. */
  readonly listings = new Map<number, number>();
  private readonly inodes = new Map<number, Inode>();
  private nextNodeid = ROOT_ID;
  private nextFh = 1;

  constructor(options: ResolvedMemoryOptions) {
    this.options = options;
    this.budget = new Budget(options.sizeLimit);
    this.entryTimeout = timeoutOf(options.entryTimeoutMs);
    this.attrTimeout = timeoutOf(options.attrTimeoutMs);
    const root = this.create({ mode: S.IFDIR | options.mode, uid: options.uid, gid: options.gid });
    if (root === undefined || !isDirectory(root)) throw new RangeError("inodeLimit 0 leaves no room for the root");
    root.nlink = 2;
    root.directory.parent = root;
    this.root = root;
  }

  get inodeCount(): number {
    return this.inodes.size;
  }

  /** Errors: `FuseError` ESTALE. Hot. */
  inode(nodeid: number): Inode {
    const inode = this.inodes.get(nodeid);
    if (inode === undefined) throw new FuseError("ESTALE");
    return inode;
  }

  /** Errors: `FuseError` ESTALE, ENOTDIR. Hot. */
  directory(nodeid: number): DirectoryInode {
    const inode = this.inode(nodeid);
    if (!isDirectory(inode)) throw new FuseError("ENOTDIR");
    return inode;
  }

  /** Errors: `FuseError` ESTALE, EISDIR, EINVAL for what is no regular file. Hot. */
  file(nodeid: number): FileInode {
    const inode = this.inode(nodeid);
    if (isFile(inode)) return inode;
    throw new FuseError(isDirectory(inode) ? "EISDIR" : "EINVAL");
  }

  /** An inode without a name yet: the caller gives it one, or calls `settle`. Undefined when no more are allowed. */
  create(birth: Birth): Inode | undefined {
    if (this.inodes.size >= this.options.inodeLimit) return undefined;
    const { clock } = this;
    clock.tick();
    const { seconds, nanoseconds } = clock;
    const type = birth.mode & S.IFMT;
    const inode: Inode = {
      nodeid: this.nextNodeid++,
      mode: birth.mode,
      uid: birth.uid,
      gid: birth.gid,
      rdev: birth.rdev ?? 0,
      nlink: 0,
      nlookup: 0,
      opens: 0,
      size: birth.target?.length ?? 0,
      data: type === S.IFREG ? new Extents(this.budget) : null,
      directory: type === S.IFDIR ? new Directory<Inode>() : null,
      target: birth.target ?? null,
      xattrs: null,
      xattrPages: 0,
      atime: seconds,
      atimeNs: nanoseconds,
      mtime: seconds,
      mtimeNs: nanoseconds,
      ctime: seconds,
      ctimeNs: nanoseconds,
      btime: seconds,
      btimeNs: nanoseconds,
    };
    this.inodes.set(inode.nodeid, inode);
    return inode;
  }

  /** Ends an inode that nothing holds any more, and gives its space back. Called after each count that went down. */
  settle(inode: Inode): void {
    if (inode.nlink > 0 || inode.nlookup > 0 || inode.opens > 0 || inode === this.root) return;
    this.inodes.delete(inode.nodeid);
    inode.data?.truncate(0);
    this.budget.give(inode.xattrPages);
    inode.xattrPages = 0;
  }

  /** A handle that no other open directory has. */
  newFh(): number {
    return this.nextFh++;
  }

  /** The kernel drops references. Unknown nodeids are ignored: there is nobody to tell. */
  forget(nodeid: number, nlookup: number): void {
    const inode = this.inodes.get(nodeid);
    if (inode === undefined || inode === this.root) return;
    inode.nlookup = Math.max(0, inode.nlookup - nlookup);
    this.settle(inode);
  }
}

export function isDirectory(inode: Inode): inode is DirectoryInode {
  return inode.directory !== null;
}

export function isFile(inode: Inode): inode is FileInode {
  return inode.data !== null;
}
