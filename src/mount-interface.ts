// Owns: the public shape of a mounted filesystem and its events. Types only.

import type { Connection } from "./fs/connection.ts";
import type { Notifier } from "./fs/notifier.ts";
import type { CacheStatistics, MountBpf } from "./mount-programs.ts";
import type { UnmountOptions } from "./mounting/detach.ts";
import type { RequestFault, SlowRequest } from "./server/dispatch.ts";
import type { Statistics } from "./server/statistics.ts";
import type { Lane } from "./transport/transport.ts";

/** How a session ended: unmounted (from here or outside), or its server failed and it was aborted. */
export type CloseReason = "unmounted" | "failed";

/** Events of a mount and what listeners get. */
export interface MountEvents {
  /** A handler or a request was faulty; the mount lives on. Without a listener it goes to standard error. */
  error: [fault: RequestFault | Error];
  /** A handler has been running for `slowMs`. */
  slow: [request: SlowRequest];
  /** INIT was agreed. */
  init: [connection: Connection];
  /** The session has ended. */
  unmount: [reason: CloseReason];
}

/** Counters of a mount. */
export type MountStatistics = Statistics & { readonly metadataCache: CacheStatistics };

/** A mounted filesystem. */
export interface Mount extends AsyncDisposable {
  /** Real path of the mountpoint. */
  readonly mountpoint: string;
  /** Lane that carries the requests. */
  readonly lane: Lane;
  /** Why no faster lane carries them; empty when there is none. */
  readonly laneReason: string;
  /** What was agreed with the kernel. */
  readonly connection: Connection;
  /** Resolves when the session has ended, for whatever reason. */
  readonly closed: Promise<CloseReason>;
  /** Notifications to the kernel with plain results; the methods below are the same with errors. */
  readonly notify: Notifier;
  /** eBPF programs that answer in the kernel (lane ring). */
  readonly bpf: MountBpf;
  /** Counters since the mount. */
  stats(): MountStatistics;
  /**
   * Unmounts and waits for the end. Lazily: the mount is taken away and the promise resolves, but files still open on
   * it are served until they are closed (`closed` tells). Errors: `MountError` UNMOUNT_BUSY; UNMOUNT_FAILED, with `force` also when the mount is gone and a
   * handler that does not return, or `destroy`, still runs after 15 seconds.
   */
  unmount(options?: UnmountOptions): Promise<void>;
  /**
   * Drops cached attributes, and cached data from `offset` (negative: none) for `length` bytes (0: to the end).
   *
   * This and the following tell the kernel about changes that it did not make itself. The promises resolve when the
   * kernel has done it, also when it did not know the inode or name. From inside a handler of the object form they
   * never wait for that handler: see `Notifier`. Errors: `MountError` NOTIFICATION_FAILED, with a `FuseError` as its
   * `cause` whose `code` is the kernel's (ENOTCONN: the mount has ended).
   */
  invalidateInode(nodeid: number, offset?: number, length?: number): Promise<void>;
  /** Makes the kernel forget that `name` is in directory `parent`; with `expireOnly` a name in use is checked again. */
  invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): Promise<void>;
  /** As `invalidateEntry`, and tells inotify watchers that `child` was deleted. */
  deleteEntry(parent: number, child: number, name: string | Uint8Array): Promise<void>;
  /** Puts bytes into the page cache of a file, which grows when they end beyond its size. */
  store(nodeid: number, offset: number, data: Uint8Array): Promise<void>;
  /** Bytes of a file that are in the page cache, from `offset`; shorter where the cache ends. */
  retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array>;
  /** Asks the kernel to drop unused inodes (Linux 6.18 and later). */
  prune(nodeids: readonly number[]): Promise<void>;
  /** Makes every cached name of the mount stale at once (Linux 6.16 and later). */
  incrementEpoch(): void;
  /** Asks for every request that was read but not answered once more (Linux 6.9 and later, lane dev). */
  resend(): void;
  /** Wakes whoever polls a file; `kh` is from the POLL request. */
  pollWakeup(kh: bigint): void;
  on<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this;
  once<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this;
  off<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this;
}
