// Proves how the ring lane serves, over a kernel of the test: what it takes in which order, whom it tells, and what it
// undoes. Every test runs with indices that wrap soon.
import { describe, expect, it } from "vitest";
import { close } from "../../ffi/file.ts";
import { createEventFd } from "../../ffi/io-uring.ts";
import { createArena } from "../../ffi/memory.ts";
import { RFUSE_FEATURE } from "../../src/abi/ring.ts";
import { Request } from "../../src/codec/request.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { NEXT, type Transport } from "../../src/transport/transport.ts";
import { createRingKernel } from "./ring-kernel.ts";
import { createRingQueue, type RingQueueOptions } from "./ring-queue.ts";
import { reply, request, shown, u32, z, zeros } from "./wire.ts";

const START = 0xffff_fffe | 0;
const EIO = -5;
const GETATTR = (unique: bigint) => request({ code: 3, unique }, zeros(16));
const quiet: Filesystem = { getattr: () => -2 };
const open = (filesystem: Filesystem, options: RingQueueOptions = {}) =>
  createRingQueue(filesystem, { start: START, ...options });
function opened(req: { open: { fh: number } }, fh: number): number {
  req.open.fh = fh;
  return 0;
}
const read = (size: number) => request({ code: 15 }, zeros(16), u32(size), zeros(20));

describe("requests", () => {
  it("many rounds: each gets its own reply, over rings that wrap many times", () => {
    using queue = open({ getattr: (req) => -(1 + (Number(req.unique) % 100)) }, { depth: 4 });
    for (let round = 0; round < 1000; round++) {
      const uniques = [0, 1, 2, 3].map((index) => BigInt(round * 4 + index + 1));
      const tags = uniques.map((unique) => queue.kernel.submit(GETATTR(unique), round % 2 === 0 ? "polls" : "sleeps"));
      expect(queue.serve()).toBe(NEXT.EMPTY);
      for (const [index, tag] of tags.entries()) {
        const unique = uniques[index] as bigint;
        expect(shown(queue.kernel.collect(tag))).toBe(shown(reply(-(1 + (Number(unique) % 100)), unique)));
      }
      queue.transport.flush();
    }
    expect(queue.stats()).toMatchObject({ requests: 4000, errors: 4000, malformed: 0 });
    expect(queue.kernel.woken.length).toBe(2000);
  });

  it("channels: all are served, in turn", () => {
    const order: number[] = [];
    using queue = open({ getattr: (req) => order.push(Number(req.unique)) * 0 - 2 }, { channels: 3 });
    const tags = [0, 1, 2].flatMap((channel) =>
      [1, 2].map((n) => [channel, queue.kernel.submit(GETATTR(BigInt(channel * 10 + n)), "polls", channel)] as const),
    );
    queue.serve();
    expect(order.toSorted((a, b) => a - b)).toEqual([1, 2, 11, 12, 21, 22]);
    for (const [channel, tag] of tags) expect(queue.kernel.collect(tag, channel)).toBeDefined();
    expect(queue.kernel.served).toEqual([0, 1, 2]);
  });

  it("payload: WRITE data and READ room are the mapped pages themselves, whose place differs by request", () => {
    const places = new Set<number>();
    const filesystem: Filesystem = {
      write(req) {
        places.add(req.dataAddress);
        return req.data.every((byte) => byte === 7) ? req.dataSize : EIO;
      },
      read(req) {
        places.add(req.bufferAddress);
        req.buffer.fill(9, 0, req.size);
        return req.size;
      },
    };
    using queue = open(filesystem);
    const tags = [1, 2, 3].map((n) =>
      queue.kernel.submit(request({ code: 16 }, zeros(16), u32(n * 4096), zeros(20), new Uint8Array(n * 4096).fill(7))),
    );
    const reads = [1, 2].map((n) => queue.kernel.submit(read(n * 4096)));
    queue.serve();
    for (const [index, tag] of tags.entries()) {
      expect(shown(queue.kernel.collect(tag))).toBe(shown(reply(0, undefined, u32((index + 1) * 4096), u32(0))));
    }
    for (const [index, tag] of reads.entries()) {
      const expected = reply(0, undefined, new Uint8Array((index + 1) * 4096).fill(9));
      expect(shown(queue.kernel.collect(tag))).toBe(shown(expected));
    }
    expect(places.size).toBe(5);
  });
});

describe("telling callers", () => {
  it("no call is made for callers who poll", () => {
    using queue = open(quiet);
    for (let round = 1n; round <= 50n; round++) expect(queue.ask(GETATTR(round))).toBeDefined();
    queue.transport.flush();
    expect(queue.kernel.calls).toEqual({ doorbells: 0, waits: 0, sleeps: 0 });
  });

  it("one doorbell tells all callers of a batch who sleep", () => {
    using queue = open(quiet);
    const tags = [1n, 2n, 3n].map((unique) => queue.kernel.submit(GETATTR(unique), "sleeps"));
    queue.serve();
    expect(queue.kernel.woken).toEqual([]);
    queue.transport.flush();
    queue.transport.flush();
    expect(queue.kernel.woken).toEqual(tags.map((tag) => [0, tag]));
    expect(queue.kernel.calls).toEqual({ doorbells: 1, waits: 0, sleeps: 0 });
  });

  it("a caller who sleeps is told before the next batch, also while others keep the rings busy", () => {
    const queue = open(
      {
        getattr: (req) => {
          if (req.unique < 20n) queue.kernel.submit(GETATTR(req.unique + 1n));
          return -2;
        },
      },
      { depth: 32 },
    );
    const sleeper = queue.kernel.submit(GETATTR(1n), "sleeps");
    for (let served = 0; served < 3; served++) queue.dispatch.serve(queue.transport.request(queue.transport.next()));
    expect(queue.kernel.woken).toEqual([[0, sleeper]]);
    queue[Symbol.dispose]();
  });

  it("sleep: one WAIT tells and waits", () => {
    using queue = open(quiet);
    const tag = queue.kernel.submit(GETATTR(1n), "sleeps");
    queue.serve();
    queue.transport.sleep();
    expect(queue.kernel.woken).toEqual([[0, tag]]);
    expect(queue.kernel.calls).toEqual({ doorbells: 0, waits: 0, sleeps: 1 });
  });

  it("backlog: is moved in by a doorbell as soon as it is seen, as far as tags last", () => {
    using queue = open(quiet, { depth: 2 });
    for (let unique = 1n; unique <= 5n; unique++) queue.kernel.submit(GETATTR(unique), "background");
    expect(queue.serve()).toBe(NEXT.EMPTY);
    const done: unknown[] = [];
    for (let round = 0; round < 5; round++) {
      for (const tag of queue.kernel.moved().splice(0)) done.push(shown(queue.kernel.collect(tag)));
      queue.serve();
    }
    expect(done).toEqual([1n, 2n, 3n, 4n, 5n].map((unique) => shown(reply(-2, unique))));
  });
});

describe("records", () => {
  it("FORGET: every record arrives once, over a ring that wraps and fills", () => {
    const seen: unknown[] = [];
    using queue = open({ forget: (...args) => void seen.push(args) });
    const sent: unknown[] = [];
    for (let node = 1; node <= 50; node++) {
      if (!queue.kernel.forget(node * 2 ** 33, node)) {
        queue.serve();
        expect(queue.kernel.forget(node * 2 ** 33, node)).toBe(true);
      }
      sent.push([node * 2 ** 33, node]);
    }
    queue.serve();
    expect(seen).toEqual(sent);
    expect(queue.stats()).toMatchObject({ forgets: 50, malformed: 0 });
  });

  it("INTERRUPT: aborts the request that it names, though both came at once", async () => {
    const reasons: string[] = [];
    using queue = open({
      getattr: (req) =>
        new Promise((resolve) => {
          req.signal.addEventListener("abort", () => {
            reasons.push(`aborted ${req.unique}`);
            resolve(-4);
          });
        }),
    });
    const other = queue.kernel.submit(GETATTR(0x1_0000_0005n), "sleeps");
    const tag = queue.kernel.submit(GETATTR(0x2_0000_0005n), "sleeps");
    expect(queue.kernel.interrupt(0x2_0000_0005n, tag)).toBe(true);
    queue.serve();
    expect(queue.dispatch.inFlight.size).toBe(2);
    await new Promise(setImmediate);
    expect(reasons).toEqual([`aborted ${0x2_0000_0005n}`]);
    expect(shown(queue.kernel.collect(tag))).toBe(shown(reply(-4, 0x2_0000_0005n)));
    expect(queue.kernel.collect(other)).toBeUndefined();
    expect(queue.foreign).toEqual([]);
  });

  it("INTERRUPT: of a request that is not here is passed on", () => {
    using queue = open(quiet);
    queue.kernel.interrupt(0x0102030405060708n, 3);
    queue.serve();
    expect(queue.foreign).toEqual([[0x05060708, 0x01020304]]);
  });

  it("memory: belongs to a handler until its promise settles", async () => {
    const gate = Promise.withResolvers<number>();
    using queue = open(
      { read: (req) => gate.promise.then((size) => req.buffer.fill(3, 0, size).length * 0 + size) },
      { depth: 1 },
    );
    const tag = queue.kernel.submit(read(100));
    queue.serve();
    expect(queue.kernel.collect(tag)).toBeUndefined();
    gate.resolve(100);
    await new Promise(setImmediate);
    expect(shown(queue.kernel.collect(tag))).toBe(shown(reply(0, undefined, new Uint8Array(100).fill(3))));
  });
});

describe("a caller that was killed", () => {
  function forgetting() {
    const log: string[] = [];
    const note = (line: string): number => log.push(line) * 0;
    const filesystem: Filesystem = {
      forget: (nodeid, nlookup) => void note(`forget ${nodeid} ${nlookup}`),
      release: (req) => note(`release ${req.nodeid} ${req.fh} ${req.flags}`),
      releasedir: (req) => note(`releasedir ${req.nodeid} ${req.fh}`),
      lookup(req) {
        if (req.name === "none") return -2;
        req.entry.nodeid = 77;
        req.entry.attr.mode = 0o100644;
        return 0;
      },
      create(req) {
        req.entry.nodeid = 78;
        req.entry.attr.mode = 0o100644;
        req.open.fh = 5;
        return 0;
      },
      open: (req) => opened(req, 6),
      opendir: (req) => opened(req, 8),
      readdirplus(req) {
        for (const [index, name] of [".", "..", "a", "negative", "b"].entries()) {
          req.entries.add(name, 1, 8, index + 1);
          req.request.setU64(req.entries.entryOut, name === "negative" ? 0 : 100 + index);
        }
        return req.entries.length;
      },
    };
    return { log, filesystem };
  }

  it.each<[string, Uint8Array, string[]]>([
    ["LOOKUP", request({ code: 1 }, z("a")), ["forget 77 1"]],
    ["LOOKUP that failed", request({ code: 1 }, z("none")), []],
    ["CREATE", request({ code: 35 }, u32(0o102), zeros(12), z("a")), ["release 78 5 66", "forget 78 1"]],
    ["OPEN", request({ code: 14, nodeid: 9 }, u32(2), u32(0)), ["release 9 6 2"]],
    ["OPENDIR", request({ code: 27, nodeid: 9 }, u32(0), u32(0)), ["releasedir 9 8"]],
    ["READDIRPLUS", request({ code: 44 }, zeros(16), u32(4096), zeros(20)), ["forget 102 1", "forget 104 1"]],
  ])("%s: what the late reply made is undone, once", (_, bytes, undone) => {
    const { log, filesystem } = forgetting();
    using queue = open(filesystem);
    const tag = queue.kernel.submit(bytes, "sleeps");
    expect(queue.kernel.abandon(tag)).toBe(true);
    queue.serve();
    queue.transport.flush();
    queue.serve();
    expect(log).toEqual(undone);
    expect(queue.kernel.woken).toEqual([[0, tag]]);
    expect(queue.errors).toEqual([]);
  });

  it("hundreds at once: all are undone, though more than it has tags for are with handlers", async () => {
    const gate = Promise.withResolvers<void>();
    let released = 0;
    using queue = open({
      open: (req) => opened(req, 6),
      release: () => gate.promise.then(() => void released++),
    });
    for (let round = 0; round < 100; round++) {
      const tag = queue.kernel.submit(request({ code: 14 }, u32(2), u32(0)), "sleeps");
      queue.kernel.abandon(tag);
      queue.serve();
      queue.kernel.collect(tag);
    }
    expect(queue.dispatch.inFlight.size).toBe(32);
    gate.resolve();
    for (let turn = 0; turn < 10 && released < 100; turn++) {
      await new Promise(setImmediate);
      queue.serve();
    }
    await new Promise(setImmediate);
    expect(released).toBe(100);
  });
});

describe("the device beside the rings", () => {
  /** A device with so many requests, each a GETATTR of a tag of its own. */
  function device(waiting: { count: number; ended: boolean }, served: string[]) {
    return (firstTag: number): Transport & { fd: number } => {
      const arena = createArena(4096);
      const place = { inHeader: 0, outHeader: 2048, opOut: 2064, dataOut: 2064, dataCapacity: 1024 };
      const made = new Request(firstTag, arena, place);
      arena.bytes.set(GETATTR(99n), 0);
      made.opIn = 40;
      made.payload = 56;
      const fd = createEventFd();
      return {
        lane: "dev",
        watched: fd,
        fd,
        request: () => made,
        next: () => (waiting.ended ? NEXT.ENDED : waiting.count > 0 && waiting.count-- > 0 ? firstTag : NEXT.EMPTY),
        ready: () => waiting.count > 0 || waiting.ended,
        flush() {},
        sleep() {},
        reply: () => served.push("device") * 0,
        release() {},
        setBlocking() {},
        close: () => void close(fd),
      };
    };
  }

  it("is served at once when the rings are empty, and among ring requests when they never are", () => {
    const waiting = { count: 2, ended: false };
    const served: string[] = [];
    const queue = open(quiet, { openDev: device(waiting, served) });
    expect(queue.serve()).toBe(NEXT.EMPTY);
    expect(served).toEqual(["device", "device"]);
    waiting.count = 3;
    const busy = new Set<number>();
    for (let turn = 0; turn < 400; turn++) {
      busy.add(queue.kernel.submit(GETATTR(1n)));
      queue.dispatch.serve(queue.transport.request(queue.transport.next()));
      for (const tag of busy) if (queue.kernel.collect(tag) !== undefined) busy.delete(tag);
    }
    expect(served.length).toBe(5);
    waiting.ended = true;
    queue[Symbol.dispose]();
  });

  it("sleep: one WAIT for channels and device, and a return without work is the device's", () => {
    const waiting = { count: 0, ended: false };
    const served: string[] = [];
    using queue = open(quiet, { openDev: device(waiting, served) });
    queue.serve();
    const tag = queue.kernel.submit(GETATTR(1n), "sleeps");
    queue.transport.sleep();
    queue.serve();
    expect(queue.kernel.collect(tag)).toBeDefined();
    waiting.count = 1;
    queue.transport.sleep();
    expect(queue.serve()).toBe(NEXT.EMPTY);
    expect(served).toEqual(["device"]);
    expect(queue.kernel.calls).toEqual({ doorbells: 0, waits: 0, sleeps: 2 });
    expect(queue.kernel.devices).toBe(2);
  });

  it("sleep: wakes by the epoll set where WAIT does not know the device", () => {
    const waiting = { count: 0, ended: false };
    const features = RFUSE_FEATURE.EVENTFD | RFUSE_FEATURE.FORGET_RING | RFUSE_FEATURE.INTERRUPT_RING;
    const kernel = createRingKernel({}, { features });
    using queue = open(quiet, { kernel, openDev: device(waiting, []) });
    queue.serve();
    const tag = queue.kernel.submit(GETATTR(1n), "sleeps");
    queue.transport.sleep(); // it returns, since `events` has changed
    expect(queue.kernel.words()[queue.kernel.control("need_wakeup")]).toBe(0);
    queue.serve();
    expect(queue.kernel.collect(tag)).toBeDefined();
    expect(queue.kernel.calls.sleeps).toBe(0);
  });
});
