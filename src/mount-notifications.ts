// Owns: notifications as a mount gives them out: results of the kernel become `MountError`, answers of RETRIEVE become
// promises, and after the end of the session everything fails.

import { errnoName } from "./codec/fuse-error.ts";
import type { Notifier } from "./fs/filesystem.ts";
import { MountError } from "./mounting/errors.ts";
import { createNotifier, type SessionNotifier } from "./server/notify.ts";

const ended = () => new MountError("NOTIFICATION_FAILED", "the mount has ended");

export class MountNotifications {
  private readonly retrievals = new Map<bigint, PromiseWithResolvers<Uint8Array>>();
  private notifier: SessionNotifier | undefined;
  private nextRetrieval = 1n;

  /** The session is mounted; `fd` stays open until `end`. */
  start(fd: number): void {
    this.notifier = createNotifier(fd);
  }

  /** The session has ended: what waits fails, and so does what comes. */
  end(): void {
    this.notifier = undefined;
    for (const waiter of this.retrievals.values()) waiter.reject(ended());
  }

  /** Errors: `MountError` NOTIFICATION_FAILED outside the session. */
  get raw(): Notifier {
    return this.current();
  }

  invalidateInode(nodeid: number, offset?: number, length?: number): void {
    this.check("INVAL_INODE", this.current().invalidateInode(nodeid, offset, length));
  }

  invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): void {
    this.check("INVAL_ENTRY", this.current().invalidateEntry(parent, name, options));
  }

  store(nodeid: number, offset: number, data: Uint8Array): void {
    this.check("STORE", this.current().store(nodeid, offset, data));
  }

  async retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array> {
    const unique = this.nextRetrieval++;
    const waiter = Promise.withResolvers<Uint8Array>();
    this.retrievals.set(unique, waiter);
    try {
      const result = this.current().retrieve(unique, nodeid, offset, size);
      if (result < 0) throw new MountError("NOTIFICATION_FAILED", `RETRIEVE of nodeid ${nodeid}: ${errnoName(result)}`);
      return await waiter.promise;
    } finally {
      this.retrievals.delete(unique);
    }
  }

  /** The answer to a RETRIEVE. */
  retrieved(unique: bigint, data: Uint8Array): void {
    this.retrievals.get(unique)?.resolve(data);
  }

  private current(): SessionNotifier {
    if (this.notifier === undefined) throw ended();
    return this.notifier;
  }

  // ENOENT: the kernel does not hold what should be dropped.
  private check(what: string, result: number): void {
    if (result >= 0 || errnoName(result) === "ENOENT") return;
    throw new MountError("NOTIFICATION_FAILED", `${what}: ${errnoName(result)}`);
  }
}
