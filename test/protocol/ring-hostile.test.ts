// Proves that no word of shared memory is believed unseen: the ring lane over a kernel that writes nonsense refuses what it
// can refuse, passes over the rest, and serves the next request.
import { describe, expect, it } from "vitest";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { NEXT } from "../../src/transport/transport.ts";
import { createRingQueue, type RingQueueOptions } from "./ring-queue.ts";
import { reply, request, u32, zeros } from "./wire.ts";

const START = 0xffff_fffe | 0;
const GETATTR = (unique: bigint) => request({ code: 3, unique }, zeros(16));
const quiet: Filesystem = { getattr: () => -2 };
const open = (filesystem: Filesystem, options: RingQueueOptions = {}) =>
  createRingQueue(filesystem, { start: START, ...options });
const read = (size: number) => request({ code: 15 }, zeros(16), u32(size), zeros(20));

describe("nonsense in shared memory", () => {
  const SLOT = ["in_len", "payload_in", "payload_offset", "payload_size"] as const;
  const VALUES = [0, 1, 39, 41, 4095, 12_001, 0x7fffffff, -1, -4096, 1 << 20];

  it.each(SLOT)("%s: any value is refused or harmless, and the next request is served", (field) => {
    using queue = open({
      read: (req) => Math.min(req.size, req.capacity),
      write: (req) => req.dataSize,
      getattr: () => -2,
    });
    const requests = [read(4096), request({ code: 16 }, zeros(16), u32(64), zeros(20), zeros(64)), GETATTR(9n)];
    for (const bytes of requests) {
      for (const value of VALUES) {
        const tag = queue.kernel.submit(bytes);
        const honest = queue.kernel.words()[queue.kernel.slotWord(tag, field)] as number;
        queue.kernel.words()[queue.kernel.slotWord(tag, field)] = value;
        queue.serve();
        queue.kernel.words()[queue.kernel.slotWord(tag, field)] = honest;
        const got = queue.kernel.collect(tag);
        expect([field, value, got?.length === undefined]).toEqual([field, value, false]);
      }
    }
    expect(queue.ask(GETATTR(10n))).toEqual(reply(-2, 10n));
    expect(queue.kernel.free()).toBe(8);
    expect(queue.stats().malformed).toBeGreaterThan(0);
  });

  it("pending ring: numbers that are no tags, and tags that are in use, are passed over", async () => {
    const gate = Promise.withResolvers<number>();
    using queue = open({ getattr: () => gate.promise }, { depth: 4 });
    const tag = queue.kernel.submit(GETATTR(1n));
    queue.serve();
    const { kernel } = queue;
    const words = kernel.words();
    const tail = kernel.control("pending_tail");
    for (const value of [tag, 4, 0x7fffffff, -1]) {
      words[(kernel.at.pending_offset >> 2) + ((words[tail] as number) & 3)] = value;
      Atomics.add(words, tail, 1);
      kernel.stir();
      expect(queue.serve()).toBe(NEXT.EMPTY);
    }
    expect(queue.dispatch.inFlight.size).toBe(1);
    gate.resolve(-2);
    await new Promise(setImmediate);
    expect(kernel.collect(tag)).toEqual(reply(-2, 1n));
  });

  it.each(["pending_tail", "forget_tail", "interrupt_tail"] as const)("%s: a jump is not followed", (field) => {
    let calls = 0;
    using queue = open({ getattr: () => calls++ * 0 - 2, forget: () => void calls++ });
    const words = queue.kernel.words();
    for (const by of [9, 1000, -1, 0x40000000, -0x80000000]) {
      const honest = words[queue.kernel.control(field)] as number;
      words[queue.kernel.control(field)] = honest + by;
      queue.kernel.stir();
      expect(queue.serve()).toBe(NEXT.EMPTY);
      words[queue.kernel.control(field)] = honest;
    }
    expect([calls, queue.foreign.length]).toEqual([0, 0]);
    expect(queue.ask(GETATTR(3n))).toEqual(reply(-2, 3n));
  });

  it("completion ring that the kernel never empties: is never overrun", () => {
    using queue = open(quiet, { depth: 2 });
    queue.kernel.commands.doorbell = () => 0;
    const words = queue.kernel.words();
    const head = words[queue.kernel.control("completion_head")] as number;
    for (let unique = 1n; unique <= 10n; unique++) {
      const tag = queue.kernel.submit(GETATTR(unique), "sleeps");
      queue.serve();
      expect(queue.kernel.collect(tag)).toBeDefined();
    }
    expect(((words[queue.kernel.control("completion_tail")] as number) - head) >>> 0).toBe(4);
  });
});
