// Proves that a synchronous request leaves nothing on the heap: a million of them through dispatch over a transport in
// memory, and a hundred thousand over the real one.

import { heapStats } from "bun:jsc";
import { describe, expect, it } from "vitest";
import { createArena } from "../../ffi/memory.ts";
import { Request } from "../../src/codec/request.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createDispatch } from "../../src/server/dispatch.ts";
import { createStatistics, statisticsRow, sumStatistics } from "../../src/server/statistics.ts";
import { NEXT, type Transport } from "../../src/transport/transport.ts";
import { connectionWith, createFakeKernel } from "./fake-kernel.ts";
import { request, u32, u64, z, zeros } from "./wire.ts";

const REQUESTS = 1_000_000;
const WARM_UP = 50_000;
/** Bytes that the heap may grow by in all, for what the engine itself keeps. */
const SLACK = 64 * 1024;
const OBJECTS = 200;

const filesystem: Filesystem = {
  lookup(req) {
    const { entry } = req;
    entry.nodeid = req.nodeid + 1;
    entry.attr_valid = 1;
    entry.attr.ino = req.nodeid;
    entry.attr.mode = 0o100644;
    return req.nameAddress > 0 ? 0 : -2;
  },
  getattr(req) {
    const { attrOut } = req;
    attrOut.attr_valid = 1;
    attrOut.attr.ino = req.nodeid;
    attrOut.attr.size = req.fh;
    attrOut.attr.mode = 0o100644;
    return 0;
  },
  read: (req) => (req.bufferAddress > 0 ? Math.min(req.size, req.capacity, req.buffer.length) : req.offset),
  write: (req) => (req.dataAddress > 0 ? req.dataSize : req.offset),
};

const KINDS: Readonly<Record<string, Uint8Array>> = {
  LOOKUP: request({ code: 1 }, z("some-name.txt")),
  GETATTR: request({ code: 3 }, u32(1), u32(0), u64(2 ** 40)),
  READ: request({ code: 15 }, u64(1), u64(2 ** 33), u32(4096), zeros(20)),
  WRITE: request({ code: 16 }, u64(1), u64(2 ** 33), u32(4096), zeros(20), zeros(4096)),
};
const OP_SIZES: Readonly<Record<number, number>> = { 1: 0, 3: 16, 15: 40, 16: 40 };

/** A transport of one tag per template, handed out in turn; replies are only counted. */
function memoryTransport(templates: readonly Uint8Array[]): Transport & { replies: number } {
  const slot = 16 * 4096;
  const arena = createArena(slot * templates.length);
  const requests = templates.map((bytes, tag) => {
    const inHeader = tag * slot;
    const opOut = inHeader + slot / 2;
    const made = new Request(tag, arena, {
      inHeader,
      outHeader: opOut - 16,
      opOut,
      dataOut: opOut,
      dataCapacity: slot / 2,
    });
    arena.bytes.set(bytes, inHeader);
    const opSize = OP_SIZES[made.opcode] ?? 0;
    made.opIn = inHeader + 40;
    made.payload = made.opIn + opSize;
    made.payloadLength = bytes.length - 40 - opSize;
    return made;
  });
  let turn = 0;
  const transport = {
    lane: "dev" as const,
    watched: -1,
    replies: 0,
    request: (tag: number) => requests[tag] as Request,
    next() {
      turn = turn + 1 < requests.length ? turn + 1 : 0;
      return turn;
    },
    reply(_: Request, error: number) {
      if (error === 0) transport.replies++;
      return 0;
    },
    release() {},
    ready: () => true,
    flush() {},
    sleep() {},
    setBlocking() {},
    close() {},
  };
  return transport;
}

const QUIET = {
  filesystem,
  connection: connectionWith([], 4096),
  timeoutMs: 1000,
  slowMs: 1000,
  events: { error() {}, slow() {}, foreignInterrupt() {}, retrieved() {}, released() {} },
};

/** After a collection: garbage that a request makes and drops is not seen. */
interface Heap {
  readonly bytes: number;
  readonly objects: number;
}

function heap(): Heap {
  for (let round = 0; round < 3; round++) Bun.gc(true);
  const { heapSize, objectCount } = heapStats();
  return { bytes: heapSize, objects: objectCount };
}

/** Growth of the heap while `serve` runs `count` times, after a warm-up. */
function growth(serve: () => void, count: number): Heap {
  for (let index = 0; index < WARM_UP; index++) serve();
  const before = heap();
  for (let index = 0; index < count; index++) serve();
  const after = heap();
  return { bytes: after.bytes - before.bytes, objects: after.objects - before.objects };
}

function expectFlat(grown: Heap): void {
  expect(grown.bytes).toBeLessThan(SLACK);
  expect(grown.objects).toBeLessThan(OBJECTS);
}

describe("a million synchronous requests", () => {
  it.each(["LOOKUP GETATTR READ WRITE", ...Object.keys(KINDS)])("%s: leave nothing on the heap", (kinds) => {
    const transport = memoryTransport(kinds.split(" ").map((kind) => KINDS[kind] ?? zeros(0)));
    const statistics = createStatistics(1);
    const dispatch = createDispatch({ ...QUIET, transport, statistics: statisticsRow(statistics, 0) });
    const grown = growth(() => dispatch.serve(transport.request(transport.next())), REQUESTS);
    expect(transport.replies).toBe(REQUESTS + WARM_UP);
    expect(sumStatistics(statistics)).toMatchObject({ replies: REQUESTS + WARM_UP, handlerFaults: 0 });
    expectFlat(grown);
  });

  it("measure: sees a handler that keeps one small object in a thousand requests", () => {
    const kept: object[] = [];
    let calls = 0;
    const grown = growth(() => {
      if (++calls % 1000 === 0) kept.push({ calls });
    }, REQUESTS);
    expect(grown.objects).toBeGreaterThan(OBJECTS);
    expect(kept.length).toBeGreaterThan(OBJECTS);
  });
});

describe("a hundred thousand requests over the real transport", () => {
  it("LOOKUP GETATTR READ WRITE: leave nothing on the heap", () => {
    using kernel = createFakeKernel(filesystem);
    const { transport, dispatch } = kernel;
    const bytes = Object.values(KINDS);
    let turn = 0;
    const serve = () => {
      kernel.send(bytes[turn++ % bytes.length] as Uint8Array);
      dispatch.serve(transport.request(transport.next()));
      if (!kernel.discard()) throw new Error("no reply");
    };
    expectFlat(growth(serve, 100_000));
    expect(transport.next()).toBe(NEXT.EMPTY);
    expect(kernel.errors).toEqual([]);
  });
});
