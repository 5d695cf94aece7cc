// Proves order, overtaking and patience of a thread's notifications over threads that the test plays itself.
import { afterEach, describe, expect, it } from "vitest";
import { NOTIFIED } from "../fs/notifier.ts";
import { type HeldRequests, NotifyQueue } from "./notify-queue.ts";

const ENOTCONN = -107;

interface Played {
  /** First byte of each message that was given to it. */
  readonly sent: number[];
  done(result: number): void;
  ended: boolean;
  failed: boolean;
}

function open(held?: HeldRequests) {
  const threads: Played[] = [];
  const queue = new NotifyQueue((done) => {
    const played: Played = { sent: [], done, ended: false, failed: false };
    threads.push(played);
    return {
      get failed() {
        return played.failed;
      },
      send: (message) => void played.sent.push(message[0] as number),
      end: () => {
        played.ended = true;
      },
    };
  });
  if (held !== undefined) queue.watch(held);
  opened.push(queue);
  const results: (readonly [id: number, result: number])[] = [];
  return {
    queue,
    threads,
    results,
    /** Sends message `id` about `targets`. */
    send: (id: number, ...targets: number[]) =>
      void queue.send(targets, new Uint8Array([id])).then((result) => results.push([id, result])),
    sent: () => threads.flatMap(({ sent }) => sent),
  };
}

const opened: NotifyQueue[] = [];
afterEach(() => {
  for (const queue of opened.splice(0)) queue.end();
});

async function until(done: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${done.toString()}`);
    await Bun.sleep(2);
  }
}

/** Handlers that run: `nodeids` of their requests. */
const holding = (...nodeids: number[]): HeldRequests & { readonly kept: Promise<unknown>[] } => {
  const kept: Promise<unknown>[] = [];
  return {
    kept,
    requests: nodeids.length,
    holds: (targets) => targets.some((target) => nodeids.includes(target)),
    also: (work) => void kept.push(work),
  };
};

describe("NotifyQueue", () => {
  it("starts no thread before the first notification, and sends one at a time to a thread", async () => {
    const { send, threads, results } = open();
    expect(threads).toEqual([]);
    send(1, 10);
    send(2, 11);
    expect(threads.map(({ sent }) => sent)).toEqual([[1]]);
    threads[0]?.done(0);
    expect(threads[0]?.sent).toEqual([1, 2]);
    threads[0]?.done(-2);
    await until(() => results.length === 2);
    expect(results).toEqual([
      [1, 0],
      [2, -2],
    ]);
  });

  it("stuck on one inode: the others go by another thread, those of the same inode wait", async () => {
    const { send, threads, sent } = open();
    send(1, 10);
    send(2, 10);
    send(3, 11, 12);
    send(4, 12);
    await until(() => sent().length === 2);
    expect(threads.map((thread) => thread.sent)).toEqual([[1], [3]]);
    threads[1]?.done(0);
    expect(threads[1]?.sent).toEqual([3, 4]);
    threads[1]?.done(0);
    expect(sent()).toEqual([1, 3, 4]);
    threads[0]?.done(0);
    expect(sent().sort()).toEqual([1, 2, 3, 4]);
  });

  it("all stuck: four threads are the most, and what waits is sent when one is free", async () => {
    const { send, threads, sent } = open();
    for (let id = 1; id <= 6; id++) send(id, id);
    await until(() => sent().length === 4);
    await Bun.sleep(50);
    expect([threads.length, sent().length]).toEqual([4, 4]);
    threads[2]?.done(0);
    expect(sent()).toContain(5);
    expect(sent()).not.toContain(6);
  });

  it("a thread that failed: fails what it has, and the others go by another thread", async () => {
    const { send, threads, results } = open();
    send(1, 10);
    send(2, 10);
    const [first] = threads as [Played];
    first.failed = true;
    first.done(-5);
    expect(threads.map(({ sent }) => sent)).toEqual([[1], [2]]);
    threads[1]?.done(0);
    await until(() => results.length === 2);
    expect(results).toEqual([
      [1, -5],
      [2, NOTIFIED.DONE],
    ]);
    send(3, 11);
    expect(threads.map(({ sent }) => sent)).toEqual([[1], [2, 3]]);
  });

  it("a handler here holds the inode: LATER, and what the kernel says afterwards changes nothing", async () => {
    const { send, threads, results } = open(holding(10));
    send(1, 9, 10);
    await until(() => results.length === 1);
    expect(results).toEqual([[1, NOTIFIED.LATER]]);
    threads[0]?.done(-22);
    await Bun.sleep(5);
    expect(results).toEqual([[1, NOTIFIED.LATER]]);
  });

  it("one waits behind another about the same inode: the event loop turns until it is sent, LATER or not", async () => {
    const held = holding(10);
    const { queue, send, sent, results, threads } = open(held);
    send(1, 10);
    send(2, 10);
    let free = false;
    void Promise.all(held.kept).then(() => (free = true));
    await until(() => results.length === 2);
    expect(results.map(([, result]) => result)).toEqual([NOTIFIED.LATER, NOTIFIED.LATER]);
    await Bun.sleep(0);
    expect(free).toBe(false);
    threads[0]?.done(0);
    expect(sent()).toEqual([1, 2]);
    await until(() => free);
    send(3, 10);
    const kept = Promise.all(held.kept);
    queue.end();
    await kept;
  });

  it("some handler here runs: LATER after a second, not before", async () => {
    const { send, results } = open(holding(99));
    const started = performance.now();
    send(1, 10);
    await until(() => results.length === 1);
    expect(results).toEqual([[1, NOTIFIED.LATER]]);
    expect(performance.now() - started).toBeGreaterThan(950);
  });

  it("no handler runs here: waits for the kernel, however long", async () => {
    const { send, threads, results } = open(holding());
    send(1, 10);
    await Bun.sleep(1200);
    expect(results).toEqual([]);
    threads[0]?.done(0);
    await until(() => results.length === 1);
    expect(results).toEqual([[1, NOTIFIED.DONE]]);
  });

  it("promises: keep the thread's event loop turning", () => {
    const held = holding();
    const { send } = open(held);
    send(1, 10);
    send(2, 11);
    expect(held.kept).toHaveLength(2);
  });

  it("end: whatever waits and whatever comes is ENOTCONN, and the threads end", async () => {
    const { queue, send, threads, results } = open();
    send(1, 10);
    send(2, 10);
    queue.end();
    send(3, 11);
    await until(() => results.length === 3);
    expect(results.map(([, result]) => result)).toEqual([ENOTCONN, ENOTCONN, ENOTCONN]);
    expect(threads.map(({ ended, sent }) => [ended, sent])).toEqual([[true, [1]]]);
    threads[0]?.done(0);
  });
});
