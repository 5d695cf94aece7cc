// Owns: the loop of one queue, in its two forms. Blocking: the thread waits for requests (`wait-policy.ts`) and nothing
// else runs on it; it sleeps in the kernel, or on its bell, which the doorbell thread rings.
// Events: the transport never blocks, and between requests the thread's event loop turns, so that promises, timers
// and I/O of handlers progress. A worker thread blocks while no promise is pending and serves by events while one is;
// the calling thread (object form) only ever serves by events.

import { drainMicrotasks } from "bun:jsc";
import { NEXT } from "../transport/transport.ts";
import { BELL, type Board, bellIndex, eachInterrupt, postInterrupt, queueCount, ring } from "./board.ts";
import { createDispatch, type DispatchEvents, type DispatchOptions } from "./dispatch.ts";
import { armDoorbell, endDoorbell, type StartDoorbell } from "./doorbell.ts";
import type { Notifications } from "./notifications.ts";
import { COUNT, count } from "./statistics.ts";
import type { WaitPolicy } from "./wait-policy.ts";

/** Requests served in one go before the event loop turns. */
const BATCH = 64;
/** Time between looks at a device that is not read because every tag is in use. */
const FULL_LOOK_MS = 250;
/** Time that handlers get to settle after the connection ended. */
const GRACE_MS = 1000;

export interface QueueOptions extends Omit<DispatchOptions, "events"> {
  readonly index: number;
  readonly board: Board;
  readonly startDoorbell: StartDoorbell;
  readonly wait: WaitPolicy;
  /** Where a blocking loop sleeps. */
  readonly sleepIn: "kernel" | "doorbell";
  readonly events: Pick<DispatchEvents, "error" | "slow">;
  readonly notifications: Pick<Notifications, "watch" | "retrieved" | "end">;
}

export interface Queue {
  /** Serves until the connection ends; the thread's event loop turns only while promises are pending. */
  serveBlocking(): Promise<void>;
  /** Serves until the connection ends, always by events. */
  serveEvents(): Promise<void>;
}

export function createQueue(options: QueueOptions): Queue {
  const { transport, board, index, wait, statistics } = options;
  const bell = bellIndex(index) + BELL.RUNG;
  let waiting = false;
  let doorbell = false;
  const dispatch = createDispatch({
    ...options,
    events: {
      ...options.events,
      retrieved: (unique, _, data) => options.notifications.retrieved(unique, data),
      // With one queue nobody else can hold the request: it was answered before its INTERRUPT came.
      foreignInterrupt: (low, high) => {
        if (queueCount(board) > 1) postInterrupt(board, low, high);
      },
      released: () => {
        if (waiting) ring(board, index);
      },
    },
  });

  options.notifications.watch(dispatch.inFlight);

  // hot
  function blockUntilPending(): "ended" | "pending" {
    for (;;) {
      const tag = transport.next();
      if (tag >= 0) {
        dispatch.serve(transport.request(tag));
        if (dispatch.inFlight.size === 0) continue;
        drainMicrotasks();
        if (dispatch.inFlight.size > 0) return "pending";
      } else if (tag === NEXT.EMPTY) waitForRequest();
      else return "ended"; // FULL only comes with promises pending
    }
  }

  // hot
  function waitForRequest(): void {
    if (wait.wants()) {
      transport.flush();
      if (wait.spin(transport.ready)) return;
    }
    wait.sleep(sleep);
  }

  const sleep = options.sleepIn === "kernel" ? transport.sleep : sleepOnBell;

  // The doorbell polls for what has already come as well, so it may be armed after the last look.
  function sleepOnBell(): void {
    const seen = Atomics.load(board, bell);
    startWatching();
    Atomics.wait(board, bell, seen);
    count(statistics, COUNT.wakes, 1);
  }

  function serveBatch(): number {
    for (let served = 0; served < BATCH; served++) {
      const tag = transport.next();
      if (tag < 0) return tag;
      dispatch.serve(transport.request(tag));
    }
    return 0;
  }

  function startWatching(): void {
    if (!doorbell) options.startDoorbell(transport.watched, board, index);
    doorbell = true;
    armDoorbell(board, index);
  }

  // Without `watch` (the queue is full) nobody watches the device: look again after a while, whether it still lives.
  async function waitForBell(seen: number, watch: boolean): Promise<void> {
    if (watch) startWatching();
    const { async, value } = Atomics.waitAsync(board, bell, seen, watch ? Number.POSITIVE_INFINITY : FULL_LOOK_MS);
    waiting = true;
    if (async) await value;
    count(statistics, COUNT.wakes, 1);
    waiting = false;
  }

  async function eventsUntil(leaveWhenSettled: boolean): Promise<"ended" | "settled"> {
    for (;;) {
      const seen = Atomics.load(board, bell);
      const state = serveBatch();
      if (state === NEXT.ENDED) return "ended";
      if (dispatch.inFlight.size > 0) eachInterrupt(board, (low, high) => void dispatch.inFlight.interrupt(low, high));
      if (state === 0) await new Promise(setImmediate);
      else if (!leaveWhenSettled || dispatch.inFlight.size > 0) await waitForBell(seen, state === NEXT.EMPTY);
      if (leaveWhenSettled && dispatch.inFlight.size === 0) return "settled";
    }
  }

  async function end(): Promise<void> {
    wait.end();
    if (doorbell) endDoorbell(board, index);
    options.notifications.end();
    dispatch.inFlight.end(new Error("the mount has ended"));
    const deadline = Bun.nanoseconds() + GRACE_MS * 1e6;
    while (dispatch.inFlight.size > 0 && Bun.nanoseconds() < deadline) await Bun.sleep(5);
    transport.close();
  }

  async function serveBlocking(): Promise<void> {
    const blocking = options.sleepIn === "kernel";
    for (;;) {
      transport.setBlocking(blocking);
      if (blockUntilPending() === "ended") break;
      wait.leave();
      transport.setBlocking(false);
      if ((await eventsUntil(true)) === "ended") break;
    }
    await end();
  }

  async function serveEvents(): Promise<void> {
    transport.setBlocking(false);
    await eventsUntil(false);
    await end();
  }

  return { serveBlocking, serveEvents };
}
