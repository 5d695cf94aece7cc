// Owns: the public shape of a mounted filesystem and its events. Types only.

import type { Connection } from "./fs/connection.ts";
import type { Notifier } from "./fs/filesystem.ts";
import type { UnmountOptions } from "./mounting/detach.ts";
import type { RequestFault, SlowRequest } from "./server/dispatch.ts";
import type { Statistics } from "./server/statistics.ts";

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

/** A mounted filesystem. */
export interface Mount extends AsyncDisposable {
  /** Real path of the mountpoint. */
  readonly mountpoint: string;
  /** Lane that carries the requests. */
  readonly lane: "dev" | "io_uring";
  /** Why no faster lane carries them; empty when there is none. */
  readonly laneReason: string;
  /** What was agreed with the kernel. */
  readonly connection: Connection;
  /** Resolves when the session has ended, for whatever reason. */
  readonly closed: Promise<CloseReason>;
  /** Notifications to the kernel. */
  readonly notify: Notifier;
  /** Counters since the mount. */
  stats(): Statistics;
  /**
   * Unmounts and waits for the end. Lazily: the mount is taken away and the promise resolves, but files still open on
   * it are served until they are closed (`closed` tells). Errors: `MountError` UNMOUNT_BUSY, UNMOUNT_FAILED.
   */
  unmount(options?: UnmountOptions): Promise<void>;
  /** Drops cached attributes, and cached data from `offset` (negative: none) for `length` bytes (0: to the end). */
  invalidateInode(nodeid: number, offset?: number, length?: number): void;
  /** Makes the kernel forget that `name` is in directory `parent`. */
  invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): void;
  /** Puts bytes into the page cache of a file. */
  store(nodeid: number, offset: number, data: Uint8Array): void;
  /** Bytes of a file that are in the page cache, from `offset`; shorter where the cache ends. */
  retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array>;
  on<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this;
  once<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this;
  off<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this;
}
