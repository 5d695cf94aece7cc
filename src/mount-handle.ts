// Owns: the object that `mount` gives out: its state, statistics, and the end of the session. There is one end, `finish`,
// whatever caused it; it runs once, when every queue has ended.

import type { Connection } from "./fs/connection.ts";
import type { Notifier } from "./fs/notifier.ts";
import { type Held, letGo } from "./held.ts";
import { MountEmitter } from "./mount-events.ts";
import type { CloseReason, Mount, MountEvents, MountStatistics } from "./mount-interface.ts";
import { MountNotifications } from "./mount-notifications.ts";
import type { MountBpf, MountPrograms } from "./mount-programs.ts";
import type { Attached } from "./mounting/attach.ts";
import { checkUnmountOptions, detach, type UnmountOptions } from "./mounting/detach.ts";
import { MountError } from "./mounting/errors.ts";
import type { Guardian } from "./mounting/guardian.ts";
import type { MountOptions } from "./mounting/options.ts";
import { hasEnded } from "./orphans.ts";
import type { LanePlan } from "./queue-settings.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import { sumStatistics } from "./server/statistics.ts";
import type { Server, ServerEvents } from "./servers.ts";
import type { Ring } from "./transport/ring-setup.ts";
import { unmountOnThread } from "./unmount-thread.ts";
import { within } from "./within.ts";

/** Time for a filesystem to end once its mount was taken away by force. */
const FORCED_MS = 15_000;

/** What a session consists of once it is mounted. */
export interface Session {
  readonly settings: QueueSettings;
  readonly fd: number;
  readonly via: Attached["via"];
  readonly device: string;
  readonly plan: LanePlan;
  readonly connection: Connection;
  readonly statistics: SharedArrayBuffer;
  readonly server: Server;
  readonly guardian: Guardian | undefined;
  readonly ring: Ring | undefined;
  readonly programs: MountPrograms;
  readonly held: Held;
  readonly signal: AbortSignal | undefined;
}

export class MountHandle implements Mount {
  readonly mountpoint: string;
  readonly closed: Promise<CloseReason>;
  readonly serverEvents: ServerEvents;
  readonly notifications = new MountNotifications();
  private readonly events = new MountEmitter();
  private readonly close: (reason: CloseReason) => void;
  private session: Session | undefined;
  private lastStatistics: MountStatistics | undefined;
  private crash: Error | undefined;

  constructor(mountpoint: string, debug: MountOptions["debug"]) {
    this.mountpoint = mountpoint;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.close = resolve;
    const print = typeof debug === "function" ? debug : (line: string) => void process.stderr.write(`${line}\n`);
    this.serverEvents = {
      error: (fault) => this.events.report(fault),
      slow: (request) => this.events.emit("slow", request),
      trace: print,
      replacing: (index, error) =>
        this.events.report(new Error(`worker ${index} failed and is replaced: ${error.message}`, { cause: error })),
      crashed: (index, error) => this.crashed(index, error),
    };
  }

  /** The session is mounted and agreed; the server starts next. */
  attach(session: Session): void {
    this.session = session;
    this.notifications.start(session.settings);
  }

  /** Every queue serves. */
  serving(): void {
    const session = this.current();
    // A task and not a microtask, which would come before the caller's `await` of `mount` returns, so that it can listen.
    setImmediate(() => this.events.emit("init", session.connection));
    const abort = () => void this.unmount({ lazy: true }).catch((error: Error) => this.events.report(error));
    session.signal?.addEventListener("abort", abort, { once: true });
    if (session.signal?.aborted) abort();
    session.server.ended
      .then(() => session.signal?.removeEventListener("abort", abort))
      .then(() => this.finish(session))
      .catch((error: Error) => {
        this.events.report(error);
        this.close("failed");
      });
  }

  get lane(): LanePlan["lane"] {
    return this.current().plan.lane;
  }

  get laneReason(): string {
    return this.current().plan.reason;
  }

  get connection(): Connection {
    return this.current().connection;
  }

  get notify(): Notifier {
    return this.notifications.thread.notifier;
  }

  get bpf(): MountBpf {
    return this.current().programs;
  }

  stats(): MountStatistics {
    if (this.lastStatistics !== undefined) return this.lastStatistics;
    const { statistics, programs } = this.current();
    return { ...sumStatistics(statistics), metadataCache: programs.statistics() };
  }

  async unmount(options: UnmountOptions = {}): Promise<void> {
    checkUnmountOptions(options);
    if (this.lastStatistics !== undefined) return;
    await this.detach(this.current(), options);
    if (options.force === true) await this.closedSoon();
    else if (options.lazy !== true) await this.closed;
  }

  // A handler that never returns its thread never lets it see the end.
  private async closedSoon(): Promise<void> {
    const late = "but its filesystem has not ended: a handler, or destroy, still runs";
    await within(this.closed, FORCED_MS, late).catch(({ message }: Error) => {
      throw new MountError("UNMOUNT_FAILED", `${JSON.stringify(this.mountpoint)} is unmounted, ${message}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.unmount();
    } catch (thrown) {
      if (!(thrown instanceof MountError) || thrown.code !== "UNMOUNT_BUSY") throw thrown;
      await this.unmount({ lazy: true });
    }
  }

  invalidateInode(nodeid: number, offset?: number, length?: number): Promise<void> {
    return this.notifications.invalidateInode(nodeid, offset, length);
  }

  invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): Promise<void> {
    return this.notifications.invalidateEntry(parent, name, options);
  }

  deleteEntry(parent: number, child: number, name: string | Uint8Array): Promise<void> {
    return this.notifications.deleteEntry(parent, child, name);
  }

  store(nodeid: number, offset: number, data: Uint8Array): Promise<void> {
    return this.notifications.store(nodeid, offset, data);
  }

  retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array> {
    return this.notifications.retrieve(nodeid, offset, size);
  }

  prune(nodeids: readonly number[]): Promise<void> {
    return this.notifications.prune(nodeids);
  }

  incrementEpoch(): void {
    this.notifications.incrementEpoch();
  }

  resend(): void {
    this.notifications.resend();
  }

  pollWakeup(kh: bigint): void {
    this.notifications.pollWakeup(kh);
  }

  on<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this {
    this.events.add("on", event, listener);
    return this;
  }

  once<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this {
    this.events.add("once", event, listener);
    return this;
  }

  off<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this {
    this.events.remove(event, listener);
    return this;
  }

  private current(): Session {
    if (this.session === undefined) throw new MountError("MOUNT_REFUSED", "the session has not started");
    return this.session;
  }

  // A queue that cannot serve would leave its callers waiting: the session is aborted and unmounted.
  private crashed(index: number, error: Error): void {
    this.crash ??= error;
    this.events.report(new Error(`worker ${index} failed: ${error.message}`, { cause: error }));
    const { session } = this;
    if (session === undefined) return;
    this.detach(session, { force: true }).catch((thrown: Error) => this.events.report(thrown));
  }

  private detach({ device, via, fd }: Session, options: UnmountOptions): Promise<void> {
    const { mountpoint } = this;
    return detach({ mountpoint, device, via, lives: () => !hasEnded(fd) }, options, unmountOnThread);
  }

  private async finish(session: Session): Promise<void> {
    const { held, guardian, ring, programs, statistics } = session;
    // Aborted from outside: every request fails already; take the dead mount away as well.
    const gone = await this.detach(session, { lazy: true }).then(
      () => true,
      (error: Error) => {
        this.events.report(error);
        return false;
      },
    );
    programs.end();
    this.lastStatistics = { ...sumStatistics(statistics), metadataCache: programs.statistics() };
    this.notifications.end();
    ring?.close();
    letGo(held);
    if (gone) guardian?.dismiss();
    else guardian?.leave();
    const reason = this.crash === undefined ? "unmounted" : "failed";
    this.events.emit("unmount", reason);
    this.close(reason);
  }
}
