// Owns: the path-level interface that a filesystem implements, and the shapes of what it gives and takes.
// Names and shapes are those of node:fs; the kernel's word stands only where node has none.
// Paths are absolute ("/" is the root), without trailing slash, "." or "..", and UTF-8: an operation on a name that is
// not UTF-8 is answered EILSEQ before it gets here.

import type { InitWishes } from "../connection.ts";
import type { SessionContext } from "../filesystem.ts";
import type { Awaitable } from "./chain.ts";

/** Who asks. Valid until the operation is answered. */
export interface PathContext {
  readonly uid: number;
  readonly gid: number;
  /** Thread id of the caller; 0 when it has none in the daemon's pid namespace. */
  readonly pid: number;
  /** Of the caller, where the operation makes a file. The kernel has applied it to `mode` unless `wishes.dontMask`. */
  readonly umask?: number;
  /** Aborted when the caller was interrupted, the time-out passed or the mount ended. Made on first use. */
  readonly signal: AbortSignal;
}

export type FileType = "file" | "directory" | "symlink" | "fifo" | "socket" | "character-device" | "block-device";

/** A number, as bigint where it comes from node's `BigIntStats`; it must be an integer in the field's range. */
type Integer = number | bigint;

/**
 * Attributes of a file: node's `Stats` or `BigIntStats`, or any part of them that says what type the file is, by
 * `type` or by the type bits of `mode`. Missing: permissions 0644 (directory 0755, symlink 0777), size 0, ino the
 * nodeid, nlink 1, uid and gid the daemon's, blksize 4096, blocks from size, mtime the time of mounting, atime and
 * ctime as mtime. Of several forms of a time `Ns` counts before `Ms`, `Ms` before the `Date`.
 */
export interface StatsLike {
  readonly type?: FileType | undefined;
  readonly mode?: Integer | undefined;
  /** Bytes. */
  readonly size?: Integer | undefined;
  readonly ino?: Integer | undefined;
  /** Tells inode numbers of several devices apart (`useIno`); it is not shown to callers. */
  readonly dev?: Integer | undefined;
  readonly nlink?: Integer | undefined;
  readonly uid?: Integer | undefined;
  readonly gid?: Integer | undefined;
  readonly rdev?: Integer | undefined;
  /** Bytes. */
  readonly blksize?: Integer | undefined;
  /** Of 512 bytes. */
  readonly blocks?: Integer | undefined;
  readonly atime?: Date | undefined;
  readonly mtime?: Date | undefined;
  readonly ctime?: Date | undefined;
  readonly atimeMs?: Integer | undefined;
  readonly mtimeMs?: Integer | undefined;
  readonly ctimeMs?: Integer | undefined;
  readonly atimeNs?: bigint | undefined;
  readonly mtimeNs?: bigint | undefined;
  readonly ctimeNs?: bigint | undefined;
}

/** A directory entry: node's `Dirent`, or a name with what is known. `stat` saves the kernel a lookup. */
export interface DirentLike {
  readonly name: string | Uint8Array;
  readonly type?: FileType | undefined;
  readonly ino?: Integer | undefined;
  readonly stat?: StatsLike | undefined;
  isFile?(): boolean;
  isDirectory?(): boolean;
  isSymbolicLink?(): boolean;
  isFIFO?(): boolean;
  isSocket?(): boolean;
  isCharacterDevice?(): boolean;
  isBlockDevice?(): boolean;
}

/** What `readdir` gives; "." and ".." may be among it or not. One string is no list, though it can be iterated. */
export type DirectoryEntries = object & (Iterable<string | DirentLike> | AsyncIterable<string | DirentLike>);

/** node's `StatsFs`, or a part of it. Missing: bsize 4096, namelen 255, frsize as bsize, counts 0. */
export interface StatFsLike {
  readonly bsize?: Integer | undefined;
  readonly frsize?: Integer | undefined;
  /** Of `frsize` bytes, as `bfree` and `bavail`. */
  readonly blocks?: Integer | undefined;
  readonly bfree?: Integer | undefined;
  readonly bavail?: Integer | undefined;
  readonly files?: Integer | undefined;
  readonly ffree?: Integer | undefined;
  /** Longest name in bytes. */
  readonly namelen?: Integer | undefined;
}

/**
 * A path-level filesystem; every method is optional and returns a plain value or a promise. To fail, throw an error
 * with a `code` such as "ENOENT"; any error without an errno, and a negative number that is returned, becomes EIO and an
 * `error` event.
 *
 * `fh` is what `open` or `create` returned (`opendir` for directories): any value. Where `Handle | undefined` stands,
 * it is there when the kernel names an open file. `path` is "" when the file was unlinked while open and only
 * `fh` is left; a file without `fh` is renamed out of the way instead (option `hideUnlinked`).
 *
 * Missing methods. Without any of the writing ones (create, mknod, mkdir, unlink, rmdir, rename, symlink, link, write,
 * truncate, chmod, chown, utimes, fallocate, copyFileRange) the filesystem is read-only: whatever would change it is
 * EROFS. Else:
 *
 * | missing | answer |
 * |---|---|
 * | getattr | the root is a directory, nothing else exists |
 * | readdir, read, readlink | ENOSYS |
 * | open, opendir, release, releasedir, flush, fsync, fsyncdir | success |
 * | create | by `mknod` and `open`; without `mknod` EPERM |
 * | mknod | a regular file by `create` and `release`; else EPERM |
 * | mkdir, unlink, rmdir, rename, symlink, link, exchange | EPERM, as link(2) and others say of such filesystems |
 * | write | EPERM when opening for writing |
 * | truncate | EPERM, success when the size is the same |
 * | chmod, utimes | success, ignored (so that cp -p, git, tar and npm work) |
 * | chown | success when nothing would change, else EPERM |
 * | statfs | `StatFsLike` defaults |
 * | *xattr, fallocate | EOPNOTSUPP |
 * | access | permitted; mount with `default_permissions` to have the kernel check modes |
 * | lseek, copyFileRange | the kernel's own way |
 */
export interface PathFilesystem<Handle = unknown, DirectoryHandle = unknown> {
  /** Called once before the first request. */
  init?(context: SessionContext): Awaitable<void>;
  /** Called once after the last request, when every handle has been given back by `release` and `releasedir`. */
  destroy?(): Awaitable<void>;

  /** lstat(2), and fstat(2) when `fh` is there. undefined or null is ENOENT; for "/" it is a plain directory. */
  getattr?(path: string, fh: Handle | undefined, ctx: PathContext): Awaitable<StatsLike | undefined | null>;
  /** The target, 1..4095 bytes without NUL. */
  readlink?(path: string, ctx: PathContext): Awaitable<string | Uint8Array>;
  access?(path: string, mask: number, ctx: PathContext): Awaitable<void>;
  statfs?(path: string, ctx: PathContext): Awaitable<StatFsLike>;

  opendir?(path: string, ctx: PathContext): Awaitable<DirectoryHandle>;
  /** Called at the first read of a directory that was opened, and again after rewinddir(3). */
  readdir?(path: string, fh: DirectoryHandle, ctx: PathContext): Awaitable<DirectoryEntries>;
  fsyncdir?(path: string, fh: DirectoryHandle, datasync: boolean, ctx: PathContext): Awaitable<void>;
  releasedir?(path: string, fh: DirectoryHandle, ctx: PathContext): Awaitable<void>;

  /** `flags` as of open(2), without O_CREAT, O_EXCL and, unless `wishes.atomicOTrunc`, O_TRUNC. */
  open?(path: string, flags: number, ctx: PathContext): Awaitable<Handle>;
  /** Makes and opens a regular file. */
  create?(path: string, mode: number, flags: number, ctx: PathContext): Awaitable<Handle>;
  /**
   * Fills `buffer` from byte `offset` of the file and returns the count, or returns the bytes (a string is UTF-8);
   * never more than `buffer.length`, and less means end of file.
   */
  read?(
    path: string,
    fh: Handle,
    buffer: Uint8Array,
    offset: number,
    ctx: PathContext,
  ): Awaitable<number | Uint8Array | string>;
  /**
   * Takes `data` to byte `offset` of the file; returns the count, or nothing for all. Fewer than all is EIO to the caller
   * unless the file is open with `directIo`, so go on until all is written. With O_APPEND too `offset` says where.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement is fine
  write?(path: string, fh: Handle, data: Uint8Array, offset: number, ctx: PathContext): Awaitable<number | void>;
  /** Called at every close(2) of a descriptor. */
  flush?(path: string, fh: Handle, ctx: PathContext): Awaitable<void>;
  fsync?(path: string, fh: Handle, datasync: boolean, ctx: PathContext): Awaitable<void>;
  /** Called once for every `open` and `create`, after the last close(2); nobody sees its failure. */
  release?(path: string, fh: Handle, ctx: PathContext): Awaitable<void>;
  /** `mode` as of fallocate(2). */
  fallocate?(path: string, fh: Handle, mode: number, offset: number, length: number, ctx: PathContext): Awaitable<void>;
  /** SEEK_DATA (3) or SEEK_HOLE (4) from `offset`: returns the offset found. */
  lseek?(path: string, fh: Handle, offset: number, whence: number, ctx: PathContext): Awaitable<number>;
  /** Returns the count of bytes copied. */
  copyFileRange?(from: FileRange<Handle>, to: FileRange<Handle>, length: number, ctx: PathContext): Awaitable<number>;

  truncate?(path: string, size: number, fh: Handle | undefined, ctx: PathContext): Awaitable<void>;
  /** `mode` without type bits. */
  chmod?(path: string, mode: number, fh: Handle | undefined, ctx: PathContext): Awaitable<void>;
  /** lchown(2); the one that does not change is the file's own. */
  chown?(path: string, uid: number, gid: number, fh: Handle | undefined, ctx: PathContext): Awaitable<void>;
  /** Nanoseconds since 1970; the one that does not change is the file's own. Symlinks are not followed. */
  utimes?(path: string, atimeNs: bigint, mtimeNs: bigint, fh: Handle | undefined, ctx: PathContext): Awaitable<void>;

  mknod?(path: string, mode: number, rdev: number, ctx: PathContext): Awaitable<void>;
  mkdir?(path: string, mode: number, ctx: PathContext): Awaitable<void>;
  unlink?(path: string, ctx: PathContext): Awaitable<void>;
  rmdir?(path: string, ctx: PathContext): Awaitable<void>;
  /** `flags` is 0 or RENAME_NOREPLACE (1); for the latter `to` has been looked up and does not exist. */
  rename?(from: string, to: string, flags: number, ctx: PathContext): Awaitable<void>;
  /** Swaps two names (RENAME_EXCHANGE); without it such a rename is EINVAL. */
  exchange?(one: string, other: string, ctx: PathContext): Awaitable<void>;
  symlink?(target: string, path: string, ctx: PathContext): Awaitable<void>;
  link?(existing: string, path: string, ctx: PathContext): Awaitable<void>;

  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. */
  setxattr?(path: string, name: string, value: Uint8Array, flags: number, ctx: PathContext): Awaitable<void>;
  /** undefined or null is ENODATA. */
  getxattr?(path: string, name: string, ctx: PathContext): Awaitable<Uint8Array | string | undefined | null>;
  listxattr?(path: string, ctx: PathContext): Awaitable<object & Iterable<string>>;
  removexattr?(path: string, name: string, ctx: PathContext): Awaitable<void>;
}

/** One end of `copyFileRange`. */
export interface FileRange<Handle = unknown> {
  readonly path: string;
  readonly fh: Handle;
  readonly offset: number;
}

/** Options of `pathFilesystem`. */
export interface PathOptions {
  /** How long the kernel may keep attributes. Default 1000; 0 asks every time. */
  readonly attrTimeoutMs?: number;
  /** How long the kernel may keep a name. Default 1000; 0 looks it up every time. */
  readonly entryTimeoutMs?: number;
  /** How long the kernel may remember that a name does not exist. Default 0: not at all. */
  readonly negativeTimeoutMs?: number;
  /**
   * Names whose `ino` (and `dev`) are equal, with nlink above 1, are one file: hard links share their cached data.
   * Needs inode numbers that are stable. Default false: every path is a file of its own.
   */
  readonly useIno?: boolean;
  /**
   * A file that is removed while open is renamed to .fuse_hidden... and removed after its last close. true: always,
   * false: never (operations without `fh` on it are ESTALE), "auto" (default): when the filesystem gave it no `fh`.
   * Needs `rename` and `unlink`.
   */
  readonly hideUnlinked?: boolean | "auto";
  /** Reads and writes bypass the page cache; `size` need not be right then. Default false. */
  readonly directIo?: boolean | ((path: string) => boolean);
  /** Cached data survives open(2). Default false. */
  readonly keepCache?: boolean | ((path: string) => boolean);
  /**
   * `read` fills and `write` receives the request's own (shared) memory, which belongs to another request as soon
   * as this one is answered. Default false: private buffers that a handler may keep.
   */
  readonly inPlace?: boolean;
  /**
   * Whether the filesystem runs timers or sockets of its own between requests; false lets a worker sleep in the kernel
   * while no promise is pending. Default true.
   */
  readonly background?: boolean;
  /** What to ask of the kernel at INIT. */
  readonly wishes?: InitWishes;
}
