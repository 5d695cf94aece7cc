// Owns: what a filesystem may tell the kernel: the interface, and its results.

/** Results of notifications besides -errno. */
export const NOTIFIED = {
  /** The kernel has done it. */
  DONE: 0,
  /** The kernel does it as soon as requests that are being served have been answered, perhaps the caller's own. */
  LATER: 1,
} as const;

/**
 * Tells the kernel about changes that it did not make itself; from any thread, also from handlers.
 *
 * The promises never reject. They give `NOTIFIED`, or -errno: -ENOENT when the kernel does not know the inode or name
 * (harmless), -ENOSYS or -EINVAL when it lacks the notification, -EINVAL for an argument that is no nodeid, offset, size
 * or file name, -ENOTCONN when the mount has ended.
 *
 * The kernel may have to wait for requests about the same inode or directory. It never makes a handler wait for itself:
 * where that may be so, the promise gives LATER within moments. Notifications of one thread about the same inode or
 * directory are done in the order of the calls; others may overtake.
 */
export interface Notifier {
  /**
   * Drops attributes, and cached data of `length` bytes from `offset` (0: to the end; negative offset: no data). With the
   * writeback cache also the size that the kernel keeps, if nobody has the file open (Linux 6.18 and later).
   */
  invalidateInode(nodeid: number, offset?: number, length?: number): Promise<number>;
  /** Forgets that `name` is in directory `parent`. With `expireOnly` a name in use is checked again instead. */
  invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): Promise<number>;
  /**
   * As `invalidateEntry`, and tells inotify watchers that `child` was deleted. -ENOTEMPTY: a directory in which the
   * kernel knows names; -EBUSY: something is mounted there.
   */
  deleteEntry(parent: number, child: number, name: string | Uint8Array): Promise<number>;
  /** Puts bytes into the page cache of a file, which grows when they end beyond its size. */
  store(nodeid: number, offset: number, data: Uint8Array): Promise<number>;
  /**
   * Bytes of a file that are in the page cache, from `offset`; shorter where the cache ends. Rejects with `FuseError`:
   * ENOENT, ENOTCONN and EINVAL as above, ETIMEDOUT when the answer cannot come before the caller's own handler is done.
   */
  retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array>;
  /** Asks the kernel to drop unused inodes, so that it sends FORGET for them (Linux 6.18 and later). */
  prune(nodeids: readonly number[]): Promise<number>;
  /** Makes every cached entry of the mount stale at once (Linux 6.16 and later). 0 or -errno. */
  incrementEpoch(): number;
  /** Asks for every request that was read but not answered once more (Linux 6.9 and later, lane dev). 0 or -errno. */
  resend(): number;
  /** Wakes whoever polls a file; `kh` is from the POLL request. 0 or -errno. */
  pollWakeup(kh: bigint): number;
}
