// Owns: sending the notifications of one thread without ever waiting for the kernel on it: they wait for threads of
// their own, and their promises settle here.
// Order: notifications that share an inode or directory are sent one after the other, as asked; others may overtake,
// so that one that waits for a slow handler holds up no other inode. A further thread starts when all are stuck.
// No promise may hang on a handler that awaits it: what waits while a handler here holds a request about the same inode
// settles as LATER, and after `PATIENCE_MS` so does whatever waits while any handler here runs.

import { ERRNO } from "../../ffi/errno.ts";
import { NOTIFIED } from "../fs/notifier.ts";
import { THREADS_PER_ASKER } from "./notifier-fds.ts";

/** Time until a notification that has not been done is looked at, and between looks. */
const LOOK_MS = 10;
/** Longest time that a promise waits while handlers of its own thread run. */
const PATIENCE_MS = 1000;

/** A thread that sends notifications, one after the other. */
export interface NotifierThread {
  /** It sends nothing any more, or could not be started; what it is given fails. */
  readonly failed: boolean;
  send(message: Uint8Array): void;
  /** Ends the thread when it has sent what it has. */
  end(): void;
}

/** Starts a thread; `done` gets the result of each message, in order. */
export type StartNotifierThread = (done: (result: number) => void) => NotifierThread;

/** Requests whose handlers run on this thread. */
export interface HeldRequests {
  readonly requests: number;
  /** Whether one of them is about one of these inodes. */
  holds(nodeids: readonly number[]): boolean;
  /** The thread shall keep its event loop turning until `work` has settled. */
  also(work: Promise<unknown>): void;
}

interface Item {
  readonly targets: readonly number[];
  readonly message: Uint8Array;
  readonly since: number;
  readonly settle: (result: number) => void;
  settled: boolean;
  /** It is with a thread, or will never be. */
  readonly left: () => void;
}

interface Lane {
  readonly thread: NotifierThread;
  item: Item | undefined;
}

export class NotifyQueue {
  private readonly waiting = new Set<Item>();
  private readonly lanes: Lane[] = [];
  private readonly startThread: StartNotifierThread;
  private held: HeldRequests | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private ended = false;

  constructor(startThread: StartNotifierThread) {
    this.startThread = startThread;
  }

  /** From now on handlers run on this thread. */
  watch(held: HeldRequests): void {
    this.held = held;
  }

  /** Sends a message about `targets`. The promise never rejects. */
  send(targets: readonly number[], message: Uint8Array): Promise<number> {
    if (this.ended) return Promise.resolve(-ERRNO.ENOTCONN);
    const { promise, resolve } = Promise.withResolvers<number>();
    const left = Promise.withResolvers<void>();
    this.waiting.add({
      targets,
      message,
      since: performance.now(),
      settle: resolve,
      settled: false,
      left: left.resolve,
    });
    this.timer ??= setInterval(() => this.look(), LOOK_MS);
    // LATER may settle one that this thread has still to send: it must not sleep before.
    this.keep(Promise.all([promise, left.promise]));
    if (this.lanes.length === 0) this.addLane();
    this.feed();
    return promise;
  }

  /** The connection is gone: what waits fails, and the threads end. */
  end(): void {
    this.ended = true;
    clearInterval(this.timer);
    for (const item of this.items()) {
      this.settle(item, -ERRNO.ENOTCONN);
      item.left();
    }
    this.waiting.clear();
    for (const lane of this.lanes) lane.thread.end();
    this.lanes.length = 0;
  }

  /** The thread's event loop turns until `work` has settled. */
  keep(work: Promise<unknown>): void {
    this.held?.also(work);
  }

  /** Whether a handler of this thread runs. */
  get handling(): boolean {
    return this.held !== undefined && this.held.requests > 0;
  }

  private *items(): Iterable<Item> {
    for (const { item } of this.lanes) if (item !== undefined) yield item;
    yield* this.waiting;
  }

  private settle(item: Item, result: number): void {
    if (item.settled) return;
    item.settled = true;
    item.settle(result);
  }

  private addLane(): void {
    const lane: Lane = { item: undefined, thread: this.startThread((result) => this.done(lane, result)) };
    this.lanes.push(lane);
  }

  private done(lane: Lane, result: number): void {
    const { item } = lane;
    lane.item = undefined;
    if (item !== undefined) this.settle(item, result);
    if (lane.thread.failed && !this.ended) this.replace(lane);
    this.feed();
  }

  // What made it fail (no descriptor was free) may be over: the next notification gets another thread.
  private replace(lane: Lane): void {
    const at = this.lanes.indexOf(lane);
    if (at >= 0) this.lanes.splice(at, 1);
    if (this.lanes.length === 0 && this.waiting.size > 0) this.addLane();
  }

  private feed(): void {
    for (const lane of this.lanes) {
      if (lane.item !== undefined) continue;
      const item = this.nextItem();
      if (item === undefined) return;
      this.waiting.delete(item);
      lane.item = item;
      item.left();
      lane.thread.send(item.message);
    }
  }

  // The first that shares no target with one before it.
  private nextItem(): Item | undefined {
    const before = new Set(this.lanes.flatMap(({ item }) => item?.targets ?? []));
    for (const item of this.waiting) {
      if (!item.targets.some((target) => before.has(target))) return item;
      for (const target of item.targets) before.add(target);
    }
    return undefined;
  }

  private look(): void {
    const now = performance.now();
    let open = false;
    for (const item of this.items()) {
      if (this.mayWaitForUs(item, now)) this.settle(item, NOTIFIED.LATER);
      open ||= !item.settled;
    }
    const stuck = this.lanes.every(({ item }) => item !== undefined && now - item.since > LOOK_MS);
    if (stuck && this.lanes.length < THREADS_PER_ASKER && this.nextItem() !== undefined) {
      this.addLane();
      this.feed();
    }
    if (open || this.waiting.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private mayWaitForUs({ targets, since }: Item, now: number): boolean {
    const { held } = this;
    if (held === undefined || held.requests === 0) return false;
    return held.holds(targets) || now - since > PATIENCE_MS;
  }
}
