// Proves the counters of the queues and their sums, and the percentiles with known data.
import { describe, expect, it } from "vitest";
import {
  COUNT,
  count,
  countLatency,
  countRefusal,
  countRequest,
  createStatistics,
  statisticsRow,
  sumStatistics,
} from "./statistics.ts";

/** Sums after one queue has seen these times in nanoseconds. */
function latencyOf(...times: readonly number[]) {
  const buffer = createStatistics(1);
  for (const time of times) countLatency(statisticsRow(buffer, 0), time);
  return sumStatistics(buffer).latencyUs;
}

describe("latency", () => {
  it("nothing yet: is 0", () => expect(latencyOf()).toEqual({ p50: 0, p99: 0, mean: 0 }));

  it.each([
    [0, 0.002],
    [1, 0.002],
    [2, 0.004],
    [1023, 1.024],
    [1024, 2.048],
    [2 ** 31 - 1, 2 ** 31 / 1000],
    [2 ** 31, 2 ** 32 / 1000],
    [2 ** 32 + 0.5, 2 ** 33 / 1000],
    [2 ** 39, 2 ** 40 / 1000],
    [2 ** 50, 2 ** 40 / 1000],
  ])("%d ns: is in the bucket up to %d us", (ns, bound) => {
    expect(latencyOf(ns)).toMatchObject({ p50: bound, p99: bound });
  });

  it("p50 and p99: are where that share of replies has been seen", () => {
    const fast = new Array<number>(98).fill(1000); // bucket 512..1023: up to 1.024 us
    expect(latencyOf(...fast, 1e6, 1e6)).toMatchObject({ p50: 1.024, p99: 1048.576 });
    expect(latencyOf(...fast, 1000, 1e6)).toMatchObject({ p50: 1.024, p99: 1.024 });
    expect(latencyOf(1000, 1e6)).toMatchObject({ p50: 1.024, p99: 1048.576 });
  });

  it("mean: is that of the buckets' middles", () => {
    expect(latencyOf(1000, 1000).mean).toBeCloseTo((1.5 * 512) / 1000);
    expect(latencyOf(512, 1024).mean).toBeCloseTo((1.5 * 512 + 1.5 * 1024) / 2 / 1000);
  });
});

describe("sumStatistics", () => {
  it("queues: are added up, by counter and by opcode", () => {
    const buffer = createStatistics(3);
    const [first, , third] = [0, 1, 2].map((queue) => statisticsRow(buffer, queue));
    if (first === undefined || third === undefined) throw new Error("no row");
    for (const opcode of [1, 1, 15, 60]) countRequest(first, opcode);
    for (const opcode of [1, 4096, 2 ** 32 - 1]) countRequest(third, opcode);
    count(first, COUNT.bytesRead, 2 ** 52);
    count(third, COUNT.bytesRead, 5);
    count(third, COUNT.forgets, 1);
    const sums = sumStatistics(buffer);
    expect(sums).toMatchObject({ requests: 7, bytesRead: 2 ** 52 + 5, forgets: 1, replies: 0 });
    expect(sums.byOpcode).toEqual({ LOOKUP: 3, READ: 1, OPCODE_60: 1 });
  });

  it("lastBackingRefusal: is the latest of all queues, and none at first", () => {
    const buffer = createStatistics(2);
    expect(sumStatistics(buffer)).toMatchObject({ backingRefusals: 0, lastBackingRefusal: "" });
    const [first, second] = [statisticsRow(buffer, 0), statisticsRow(buffer, 1)];
    for (const [row, errno] of [
      [second, 40],
      [first, 1],
      [second, 40],
      [first, 95],
    ] as const) {
      const before = Bun.nanoseconds();
      while (Bun.nanoseconds() === before);
      countRefusal(row, errno);
    }
    expect(sumStatistics(buffer)).toMatchObject({ backingRefusals: 4, lastBackingRefusal: "EOPNOTSUPP" });
  });

  it("rows: do not reach into each other", () => {
    const buffer = createStatistics(2);
    statisticsRow(buffer, 0).fill(1);
    expect(statisticsRow(buffer, 1).every((value) => value === 0)).toBe(true);
    expect(statisticsRow(buffer, 1).byteOffset).toBe(buffer.byteLength / 2);
  });
});
