// Owns: notifications as a mount gives them out: what the kernel answers becomes `MountError`, and outside the session
// everything fails.

import { ERRNO, type FuseError, fuseErrorOf } from "./codec/fuse-error.ts";
import { MountError } from "./mounting/errors.ts";
import { createNotifications, type Notifications } from "./server/notifications.ts";
import { type NotifierFds, takeBackAll } from "./server/notifier-fds.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import { startNotifier } from "./start-thread.ts";

/** Number of the calling thread among those of a session that notify; workers follow. */
const CALLING_THREAD = 0;

function failed(what: string, error: FuseError): MountError {
  const why = error.code === "ENOTCONN" ? "the mount has ended" : error.code;
  return new MountError("NOTIFICATION_FAILED", `${what}: ${why}`, { cause: error });
}

export class MountNotifications {
  private own: Notifications | undefined;
  private fds: NotifierFds | undefined;

  /** The session is mounted; its descriptor stays open until `end`. */
  start({ sessionFd: fd, session, connection, notifierFds: fds, cache }: QueueSettings): void {
    this.fds = fds;
    this.own = createNotifications({ fd, session, asker: CALLING_THREAD, connection, fds, cache, startNotifier });
  }

  /** The session has ended on every thread: what waits fails, and so does what comes. */
  end(): void {
    this.own?.end();
    if (this.fds !== undefined) takeBackAll(this.fds, CALLING_THREAD);
  }

  /** Those of the calling thread. Errors: `MountError` NOTIFICATION_FAILED before the session. */
  get thread(): Notifications {
    if (this.own === undefined) throw failed("notify", fuseErrorOf(-ERRNO.ENOTCONN));
    return this.own;
  }

  async invalidateInode(nodeid: number, offset?: number, length?: number): Promise<void> {
    check("INVAL_INODE", await this.notifier.invalidateInode(nodeid, offset, length));
  }

  async invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): Promise<void> {
    check("INVAL_ENTRY", await this.notifier.invalidateEntry(parent, name, options));
  }

  async deleteEntry(parent: number, child: number, name: string | Uint8Array): Promise<void> {
    check("DELETE", await this.notifier.deleteEntry(parent, child, name));
  }

  async store(nodeid: number, offset: number, data: Uint8Array): Promise<void> {
    check("STORE", await this.notifier.store(nodeid, offset, data));
  }

  async retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array> {
    try {
      return await this.notifier.retrieve(nodeid, offset, size);
    } catch (thrown) {
      throw failed(`RETRIEVE of nodeid ${nodeid}`, thrown as FuseError);
    }
  }

  async prune(nodeids: readonly number[]): Promise<void> {
    check("PRUNE", await this.notifier.prune(nodeids));
  }

  incrementEpoch(): void {
    check("INC_EPOCH", this.notifier.incrementEpoch());
  }

  resend(): void {
    check("RESEND", this.notifier.resend());
  }

  pollWakeup(kh: bigint): void {
    check("POLL", this.notifier.pollWakeup(kh));
  }

  private get notifier() {
    return this.thread.notifier;
  }
}

// ENOENT: the kernel does not hold what should be dropped.
function check(what: string, result: number): void {
  if (result >= 0 || result === -ERRNO.ENOENT) return;
  throw failed(what, fuseErrorOf(result));
}
