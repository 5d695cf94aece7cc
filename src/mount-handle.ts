// Owns: the object that `mount` gives out: events, statistics, notifications, and the end of the session. There is one
// end, `finish`, whatever caused it; it runs once, when every queue has ended.

import { EventEmitter } from "node:events";
import { close } from "../ffi/file.ts";
import { errnoName } from "./codec/fuse-error.ts";
import type { Connection } from "./fs/connection.ts";
import type { Notifier } from "./fs/filesystem.ts";
import type { CloseReason, Mount, MountEvents } from "./mount-interface.ts";
import type { Attached } from "./mounting/attach.ts";
import { detach, type UnmountOptions } from "./mounting/detach.ts";
import { MountError } from "./mounting/errors.ts";
import type { Guardian } from "./mounting/guardian.ts";
import { isMounted } from "./mounting/mount-table.ts";
import type { MountOptions } from "./mounting/options.ts";
import type { LanePlan } from "./queue-settings.ts";
import type { RequestFault } from "./server/dispatch.ts";
import { createNotifier, type SessionNotifier } from "./server/notify.ts";
import { type Statistics, sumStatistics } from "./server/statistics.ts";
import type { Server, ServerEvents } from "./servers.ts";
import { unmountOnThread } from "./unmount-thread.ts";

/** What a session consists of once it is mounted. */
export interface Session {
  readonly fd: number;
  readonly via: Attached["via"];
  readonly device: string;
  readonly plan: LanePlan;
  readonly connection: Connection;
  readonly statistics: SharedArrayBuffer;
  readonly server: Server;
  readonly guardian: Guardian | undefined;
  /** Every descriptor of the connection. */
  readonly opened: readonly number[];
  readonly signal: AbortSignal | undefined;
}

export class MountHandle implements Mount {
  readonly mountpoint: string;
  readonly closed: Promise<CloseReason>;
  readonly serverEvents: ServerEvents;
  private readonly emitter = new EventEmitter<MountEvents>();
  private readonly retrievals = new Map<bigint, PromiseWithResolvers<Uint8Array>>();
  private readonly close: (reason: CloseReason) => void;
  private session: Session | undefined;
  private notifier: SessionNotifier | undefined;
  private lastStatistics: Statistics | undefined;
  private crash: Error | undefined;
  private nextRetrieval = 1n;

  constructor(mountpoint: string, debug: MountOptions["debug"]) {
    this.mountpoint = mountpoint;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.close = resolve;
    const print = typeof debug === "function" ? debug : (line: string) => void process.stderr.write(`${line}\n`);
    this.serverEvents = {
      error: (fault) => this.report(fault),
      slow: (request) => this.emit("slow", request),
      retrieved: (unique, _, data) => this.retrievals.get(unique)?.resolve(data),
      trace: print,
      crashed: (index, error) => this.crashed(index, error),
    };
  }

  /** The session is mounted and agreed; the server starts next. */
  attach(session: Session): void {
    this.session = session;
    this.notifier = createNotifier(session.fd);
  }

  /** Every queue serves. */
  serving(): void {
    const session = this.current();
    // A task and not a microtask, which would come before the caller's `await` of `mount` returns, so that it can listen.
    setImmediate(() => this.emit("init", session.connection));
    const abort = () => void this.unmount({ lazy: true }).catch((error: Error) => this.report(error));
    session.signal?.addEventListener("abort", abort, { once: true });
    if (session.signal?.aborted) abort();
    session.server.ended
      .then(() => session.signal?.removeEventListener("abort", abort))
      .then(() => this.finish(session))
      .catch((error: Error) => {
        this.report(error);
        this.close("failed");
      });
  }

  get lane(): LanePlan["lane"] {
    return this.connection.flags.includes("OVER_IO_URING") ? "io_uring" : "dev";
  }

  get laneReason(): string {
    return this.current().plan.reason;
  }

  get connection(): Connection {
    return this.current().connection;
  }

  get notify(): Notifier {
    return this.notifications();
  }

  stats(): Statistics {
    return this.lastStatistics ?? sumStatistics(this.current().statistics);
  }

  async unmount(options: UnmountOptions = {}): Promise<void> {
    if (this.lastStatistics !== undefined) return;
    const { device, via } = this.current();
    await detach({ mountpoint: this.mountpoint, device, via }, options, unmountOnThread);
    if (!(options.lazy ?? false) || (options.force ?? false)) await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.unmount();
    } catch (thrown) {
      if (!(thrown instanceof MountError) || thrown.code !== "UNMOUNT_BUSY") throw thrown;
      await this.unmount({ lazy: true });
    }
  }

  invalidateInode(nodeid: number, offset?: number, length?: number): void {
    this.check("INVAL_INODE", this.notifications().invalidateInode(nodeid, offset, length));
  }

  invalidateEntry(parent: number, name: string | Uint8Array, options?: { expireOnly?: boolean }): void {
    this.check("INVAL_ENTRY", this.notifications().invalidateEntry(parent, name, options));
  }

  store(nodeid: number, offset: number, data: Uint8Array): void {
    this.check("STORE", this.notifications().store(nodeid, offset, data));
  }

  async retrieve(nodeid: number, offset: number, size: number): Promise<Uint8Array> {
    const unique = this.nextRetrieval++;
    const waiter = Promise.withResolvers<Uint8Array>();
    this.retrievals.set(unique, waiter);
    try {
      const result = this.notifications().retrieve(unique, nodeid, offset, size);
      if (result < 0) throw new MountError("NOTIFICATION_FAILED", `RETRIEVE of nodeid ${nodeid}: ${errnoName(result)}`);
      return await waiter.promise;
    } finally {
      this.retrievals.delete(unique);
    }
  }

  on<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this {
    this.emitter.on(event, listener as never);
    return this;
  }

  once<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this {
    this.emitter.once(event, listener as never);
    return this;
  }

  off<Name extends keyof MountEvents>(event: Name, listener: (...args: MountEvents[Name]) => void): this {
    this.emitter.off(event, listener as never);
    return this;
  }

  private current(): Session {
    if (this.session === undefined) throw new MountError("MOUNT_REFUSED", "the session has not started");
    return this.session;
  }

  private notifications(): SessionNotifier {
    if (this.notifier === undefined || this.lastStatistics !== undefined) {
      throw new MountError("NOTIFICATION_FAILED", "the mount has ended");
    }
    return this.notifier;
  }

  // What a listener throws is the process's to handle; it must not take a reply, or the end of the session, with it.
  private emit<Name extends keyof MountEvents>(event: Name, ...args: MountEvents[Name]): void {
    try {
      this.emitter.emit(event, ...(args as never));
    } catch (thrown) {
      process.nextTick(() => {
        throw thrown;
      });
    }
  }

  // ENOENT: the kernel does not hold what should be dropped.
  private check(what: string, result: number): void {
    if (result >= 0 || errnoName(result) === "ENOENT") return;
    throw new MountError("NOTIFICATION_FAILED", `${what}: ${errnoName(result)}`);
  }

  private report(fault: RequestFault | Error): void {
    if (this.emitter.listenerCount("error") > 0) {
      this.emit("error", fault);
      return;
    }
    const [what, error] =
      fault instanceof Error ? ["", fault] : [`${fault.opcode} nodeid ${fault.nodeid}: `, fault.error];
    process.stderr.write(`rfuse: ${what}${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }

  // A queue that cannot serve would leave its callers waiting: the session is aborted and unmounted.
  private crashed(index: number, error: Error): void {
    this.crash ??= error;
    this.report(new Error(`worker ${index} failed: ${error.message}`, { cause: error }));
    const { session } = this;
    if (session === undefined) return;
    const { device, via } = session;
    detach({ mountpoint: this.mountpoint, device, via }, { force: true }, unmountOnThread).catch((thrown: Error) =>
      this.report(thrown),
    );
  }

  private async finish(session: Session): Promise<void> {
    const { device, via, opened, guardian, statistics } = session;
    if (isMounted(device, this.mountpoint)) {
      // Aborted from outside: every request fails already; take the dead mount away as well.
      await detach({ mountpoint: this.mountpoint, device, via }, { lazy: true }, unmountOnThread).catch(
        (error: Error) => this.report(error),
      );
    }
    this.lastStatistics = sumStatistics(statistics);
    for (const waiter of this.retrievals.values())
      waiter.reject(new MountError("NOTIFICATION_FAILED", "the mount has ended"));
    for (const fd of opened) close(fd);
    guardian?.dismiss();
    const reason = this.crash === undefined ? "unmounted" : "failed";
    this.emit("unmount", reason);
    this.close(reason);
  }
}
