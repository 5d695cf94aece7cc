// Owns: what a filesystem asks of the kernel at INIT, and what was agreed. Data only; src/server/init.ts decides.

import type { InitFlag } from "../abi/fuse-init-flags.ts";

/** Wishes for INIT. Whatever the kernel does not offer is left out; `Connection.flags` says what came of it. */
export interface InitWishes {
  /** Most bytes of one WRITE or READ, 4096 to the kernel's limit (1 MiB, or fs.fuse.max_pages_limit). Default 1 MiB. */
  readonly maxWrite?: number;
  /** Bytes of read-ahead. Default: what the kernel offers. */
  readonly maxReadahead?: number;
  /** Background requests (read-ahead, direct asynchronous I/O) in flight, 1..65535. Default 64. */
  readonly maxBackground?: number;
  /** Granularity of timestamps in nanoseconds, 1..1,000,000,000. Default 1. */
  readonly timeGranularityNs?: number;
  /** readdirplus: "auto" (default) as the kernel sees fit, "always", or "never". */
  readonly readdirplus?: "auto" | "always" | "never";
  /** Writes gather in the page cache. Default false. */
  readonly writebackCache?: boolean;
  /**
   * FUSE passthrough (Linux 6.9 and later): 1 lets files of plain filesystems be backing files, 2 also those of a
   * filesystem stacked on another, such as overlayfs. The mount counts as stacked that deep itself: on 2 no overlay can be
   * made of it. 0 (default): none. The kernel has no passthrough together with `writebackCache`, which comes first.
   */
  readonly maxStackDepth?: 0 | 1 | 2;
  /** The kernel checks POSIX ACLs held in system.posix_acl_* attributes. Default false. */
  readonly posixAcl?: boolean;
  /** The filesystem clears set-id bits itself on write, truncate and chown. Default false: the kernel does. */
  readonly handleKillpriv?: boolean;
  /** The umask is applied by the filesystem. Default false: the kernel applies it. */
  readonly dontMask?: boolean;
  /** O_TRUNC comes with OPEN instead of as a SETATTR. Default false. */
  readonly atomicOTrunc?: boolean;
  /** LOOKUP of "." and ".." is served and nodeids stay valid for NFS export. Default false. */
  readonly exportSupport?: boolean;
  /** Files need no OPEN and RELEASE. Default false. */
  readonly noOpen?: boolean;
  /** Directories need no OPENDIR and RELEASEDIR. Default false. */
  readonly noOpendir?: boolean;
  /** Lookups and readdirs run in parallel in one directory. Default true. */
  readonly parallelDirops?: boolean;
  /** Asynchronous direct I/O is sent in parallel. Default true; false on lane ring, where callers poll for each request. */
  readonly asyncDirectIo?: boolean;
  /** Symlink targets are cached. Default false. */
  readonly cacheSymlinks?: boolean;
  /** Cached data is dropped when mtime changed ("auto", default) or only on request ("explicit"). */
  readonly invalidateData?: "auto" | "explicit";
  /** POSIX (fcntl) locks are served by getlk/setlk/setlkw instead of the kernel. Default: whether `setlk` exists. */
  readonly posixLocks?: boolean;
  /** flock(2) locks are served by setlk/setlkw instead of the kernel. Default: whether `setlk` exists. */
  readonly flockLocks?: boolean;
  /** setxattr flags arrive extended (SETXATTR_EXT). Default true. */
  readonly setxattrExt?: boolean;
}

/** What was agreed at INIT. */
export interface Connection {
  /** Protocol minor in force: the smaller of the kernel's and ours. */
  readonly minor: number;
  readonly kernelMinor: number;
  /** Names of the INIT flags in force. */
  readonly flags: readonly InitFlag[];
  readonly maxWrite: number;
  readonly maxPages: number;
  readonly maxReadahead: number;
  readonly maxBackground: number;
  readonly timeGranularityNs: number;
  /** Of FUSE passthrough; 0 when there is none. */
  readonly maxStackDepth: number;
}
