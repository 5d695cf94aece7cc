// Owns: the inode-level interface that a filesystem implements; every method is optional.
// A method gets a view of the request in place. It fills the reply structs (`req.entry`, `req.attrOut`, `req.open`,
// `req.out`) or `req.buffer` and returns a count of bytes (0 where there is none), or -errno; or a promise of that.
// It may throw: an error with an errno `code` becomes that errno, any other EIO and an `error` event.

import type { RequestView } from "../codec/request-view.ts";
import type { Connection, InitWishes } from "./connection.ts";
import type { Notifier } from "./notifier.ts";

/** `n >= 0` (bytes, or a value where the method says so; nothing means 0), or `-errno`. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement is fine
export type Result = number | void | Promise<number | void>;

/** What a filesystem may use while it is mounted; handed to `init`. */
export interface SessionContext {
  /** Real path of the mountpoint; a synchronous look at it from the thread that serves waits for itself. */
  readonly mountpoint: string;
  readonly connection: Connection;
  readonly notify: Notifier;
  readonly backing: Backing;
  /** Which of how many copies of this filesystem this is; the copies serve one mount from threads of their own. */
  readonly worker: { readonly index: number; readonly count: number };
}

/**
 * FUSE passthrough: files of the daemon that the kernel reads and writes by itself. An open is served by one when its
 * reply has `open.backing_id` and FOPEN.PASSTHROUGH in `open.open_flags`. Ids belong to the mount, not to a worker.
 * While any open of an inode is passed through, all of them must be, with the same id: the kernel answers EIO otherwise.
 */
export interface Backing {
  /**
   * Registers the regular file that descriptor `fd` leads to; `fd` may be closed afterwards. The kernel later opens the
   * file anew for each open, with that open's flags and the rights that this thread has now. Result: an id > 0, or -EPERM
   * (no CAP_SYS_ADMIN in the first user namespace), -EOPNOTSUPP (INIT did not agree on PASSTHROUGH), -ELOOP (the file is
   * on a filesystem stacked `maxStackDepth` deep), -EBADF (O_PATH, before Linux 6.16) and others. Hot.
   */
  open(fd: number): number;
  /** Gives an id back; files open by it stay open. Result 0 or -errno. Hot. */
  close(id: number): number;
}

/** Whether a value can be a filesystem, all of whose methods are optional: an object, and no array or promise. */
export function isFilesystem(value: unknown): value is Filesystem {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Promise);
}

/** An inode-level filesystem. Methods bear the kernel's words for the operations. */
export interface Filesystem {
  /** What to ask of the kernel at INIT; see `InitWishes` for the defaults. */
  readonly wishes?: InitWishes;
  /**
   * Whether copies of it in several workers act as one filesystem, because they keep no state in their heaps. Default
   * false: it is served by one worker.
   */
  readonly parallel?: boolean;
  /**
   * Whether it runs timers, sockets or other work of its own between requests. Then its worker serves from its event
   * loop at all times; otherwise (default) the worker sleeps in the kernel unless a handler's promise is pending.
   */
  readonly background?: boolean;

  /** Called once before the first request. */
  init?(context: SessionContext): void | Promise<void>;
  /** Called once after the last request. */
  destroy?(): void | Promise<void>;

  /** Finds `req.name` in directory `req.nodeid`: fill `req.entry`; nodeid 0 there is a negative entry to cache. */
  lookup?(req: RequestView<"LOOKUP">): Result;
  /** The kernel drops `nlookup` references that earlier entries gave it. No reply. */
  forget?(nodeid: number, nlookup: number): void;
  /** Fill `req.attrOut`. */
  getattr?(req: RequestView<"GETATTR">): Result;
  /** Change what `req.valid` (FATTR) names, then fill `req.attrOut`. The new owner is `req.newuid`, `req.newgid`. */
  setattr?(req: RequestView<"SETATTR">): Result;
  /** Fill `req.buffer` with the target, without NUL; return its length. */
  readlink?(req: RequestView<"READLINK">): Result;
  symlink?(req: RequestView<"SYMLINK">): Result;
  mknod?(req: RequestView<"MKNOD">): Result;
  mkdir?(req: RequestView<"MKDIR">): Result;
  unlink?(req: RequestView<"UNLINK">): Result;
  rmdir?(req: RequestView<"RMDIR">): Result;
  /** Moves `req.name` of `req.nodeid` to `req.newname` of `req.newdir`. Without `rename2` it gets flagless ones. */
  rename?(req: RequestView<"RENAME">): Result;
  /** As `rename`, with `req.flags` (RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4). */
  rename2?(req: RequestView<"RENAME2">): Result;
  /** Gives inode `req.oldnodeid` the name `req.name` in `req.nodeid`: fill `req.entry`. */
  link?(req: RequestView<"LINK">): Result;
  /** Fill `req.open`: `fh`, `open_flags` (FOPEN), and `backing_id` with FOPEN.PASSTHROUGH. */
  open?(req: RequestView<"OPEN">): Result;
  /** Fill `req.buffer` from file offset `req.offset`; return bytes, at most `req.size`; less means end of file. */
  read?(req: RequestView<"READ">): Result;
  /** Take `req.data` (`req.dataSize` bytes) to offset `req.offset`; return bytes taken. */
  write?(req: RequestView<"WRITE">): Result;
  /** Fill `req.out.st`. */
  statfs?(req: RequestView<"STATFS">): Result;
  /** Called at every close(2) of a descriptor; `release` follows after the last. */
  flush?(req: RequestView<"FLUSH">): Result;
  release?(req: RequestView<"RELEASE">): Result;
  fsync?(req: RequestView<"FSYNC">): Result;
  setxattr?(req: RequestView<"SETXATTR">): Result;
  /** `req.size` 0 asks for the length: return it. Else fill `req.buffer` and return the length; too long is ERANGE. */
  getxattr?(req: RequestView<"GETXATTR">): Result;
  /** As `getxattr`; the list is names, each ended by NUL. */
  listxattr?(req: RequestView<"LISTXATTR">): Result;
  removexattr?(req: RequestView<"REMOVEXATTR">): Result;
  opendir?(req: RequestView<"OPENDIR">): Result;
  /** `req.entries.add(...)` from cookie `req.offset` (0: the start) until it says false; return `req.entries.length`. */
  readdir?(req: RequestView<"READDIR">): Result;
  /** As `readdir`; fill each entry's fuse_entry_out: every entry with a nodeid counts as one lookup, bar . and .. */
  readdirplus?(req: RequestView<"READDIRPLUS">): Result;
  releasedir?(req: RequestView<"RELEASEDIR">): Result;
  fsyncdir?(req: RequestView<"FSYNCDIR">): Result;
  /** Asked only without `default_permissions`: may the caller use `req.mask` (R 4, W 2, X 1)? */
  access?(req: RequestView<"ACCESS">): Result;
  /** Makes and opens a file: fill `req.entry` and `req.open`. */
  create?(req: RequestView<"CREATE">): Result;
  /** Makes and opens a file without a name: as `create`. */
  tmpfile?(req: RequestView<"TMPFILE">): Result;
  /** Fill `req.out.lk` with a conflicting lock, or type F_UNLCK (2). Asked only with `setlk`. */
  getlk?(req: RequestView<"GETLK">): Result;
  /** Takes or gives up a lock at once; conflict is EAGAIN. `req.lk_flags` tells flock(2) from fcntl(2) locks. */
  setlk?(req: RequestView<"SETLK">): Result;
  /** As `setlk`, but waits; an interrupt aborts `req.signal`. */
  setlkw?(req: RequestView<"SETLKW">): Result;
  /** Return the device block of file block `req.block`. */
  bmap?(req: RequestView<"BMAP">): Result;
  /** Set `req.out.result`, fill `req.buffer`; return the bytes in it. */
  ioctl?(req: RequestView<"IOCTL">): Result;
  /** Return the ready events (POLLIN 1, POLLOUT 4, ...). */
  poll?(req: RequestView<"POLL">): Result;
  fallocate?(req: RequestView<"FALLOCATE">): Result;
  /** SEEK_DATA (3) and SEEK_HOLE (4): return the offset. */
  lseek?(req: RequestView<"LSEEK">): Result;
  /** Return bytes copied. Serves COPY_FILE_RANGE and COPY_FILE_RANGE_64. */
  copyFileRange?(req: RequestView<"COPY_FILE_RANGE">): Result;
  syncfs?(req: RequestView<"SYNCFS">): Result;
  /** Fill `req.out.stat` (STATX_BTIME and the like). Without it the kernel uses `getattr`. */
  statx?(req: RequestView<"STATX">): Result;
}
