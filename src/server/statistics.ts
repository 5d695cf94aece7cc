// Owns: counters of one queue in shared memory, and their sum over queues. Each row is written by its queue's thread
// alone and read by the main thread without locks: a reader may see a request counted before its reply.

import { errnoName } from "../../ffi/errno.ts";
import { OPCODE_BY_CODE } from "../abi/fuse-opcodes.ts";

const BUCKETS = 40;
const OPCODES = 64;
const COUNTERS = [
  "requests",
  "replies",
  "errors",
  "bytesRead",
  "bytesWritten",
  "asynchronous",
  "interrupted",
  "timedOut",
  "handlerFaults",
  "malformed",
  "refusedReplies",
  "forgets",
  "passthroughOpens",
  "ordinaryOpens",
  "backingRefusals",
  "workerRestarts",
  "spinHits",
  "spinMisses",
  "sleeps",
  "wakes",
  "stoodAside",
  "starved",
] as const;

export type Counter = (typeof COUNTERS)[number];

/** Index of each counter in a queue's row. */
export const COUNT = Object.freeze(Object.fromEntries(COUNTERS.map((name, index) => [name, index]))) as Readonly<
  Record<Counter, number>
>;

/** The last refusal of a backing file in a queue: errno, and its time in nanoseconds. */
const REFUSAL = COUNTERS.length;
const REFUSED_AT = REFUSAL + 1;
const LATENCY = REFUSED_AT + 1;
const BY_OPCODE = LATENCY + BUCKETS;
const ROW = BY_OPCODE + OPCODES;

/** A queue's row: float64 words, so that counts and bytes are exact up to 2^53. */
export type StatisticsRow = Float64Array<SharedArrayBuffer>;

export function createStatistics(queues: number): SharedArrayBuffer {
  return new SharedArrayBuffer(queues * ROW * 8);
}

export function statisticsRow(buffer: SharedArrayBuffer, queue: number): StatisticsRow {
  return new Float64Array(buffer, queue * ROW * 8, ROW);
}

/** Counts a request of `opcode`. Hot. */
export function countRequest(row: StatisticsRow, opcode: number): void {
  row[COUNT.requests] = (row[COUNT.requests] as number) + 1;
  if (opcode < OPCODES) row[BY_OPCODE + opcode] = (row[BY_OPCODE + opcode] as number) + 1;
}

/** Adds to a counter. Hot. */
export function count(row: StatisticsRow, counter: number, by: number): void {
  row[counter] = (row[counter] as number) + by;
}

/** Counts the time from arrival to reply; bucket b holds [2^b, 2^(b+1)) ns. Hot. */
export function countLatency(row: StatisticsRow, ns: number): void {
  const bucket = ns < 1 ? 0 : ns < 2 ** 31 ? 31 - Math.clz32(ns) : Math.min(BUCKETS - 1, Math.floor(Math.log2(ns)));
  row[LATENCY + bucket] = (row[LATENCY + bucket] as number) + 1;
}

/** Counts a file that the kernel would not take for passthrough. */
export function countRefusal(row: StatisticsRow, errno: number): void {
  count(row, COUNT.backingRefusals, 1);
  row[REFUSAL] = errno;
  row[REFUSED_AT] = Bun.nanoseconds();
}

/**
 * Sums since the mount, over all its queues. How workers waited: `spinHits` and `spinMisses` are spins that found a
 * request, or did not; `sleeps` are waits in the kernel or on a bell; `wakes` are ends of waits on a bell, those of an
 * event loop included. `stoodAside` counts how often a worker left its CPU to its callers (the idle scheduling class), and
 * `starved` how often it took it back because it had to wait for it.
 */
export type Statistics = { readonly [Name in Counter]: number } & {
  /** Requests by wire name, only those that came. */
  readonly byOpcode: Readonly<Record<string, number>>;
  /**
   * From arrival to reply in microseconds, of every asynchronous request and one in eight others; upper bounds of
   * power-of-two buckets; 0 before the first.
   */
  readonly latencyUs: { readonly p50: number; readonly p99: number; readonly mean: number };
  /** Name of the errno with which a file was last refused for FUSE passthrough, "" when none was. */
  readonly lastBackingRefusal: string;
};

function percentile(buckets: readonly number[], total: number, share: number): number {
  let seen = 0;
  for (const [bucket, inBucket] of buckets.entries()) {
    seen += inBucket;
    if (total > 0 && seen >= total * share) return 2 ** (bucket + 1) / 1000;
  }
  return 0;
}

function latency(buckets: readonly number[]): Statistics["latencyUs"] {
  const total = buckets.reduce((sum, inBucket) => sum + inBucket, 0);
  const weighted = buckets.reduce((sum, inBucket, bucket) => sum + inBucket * 1.5 * 2 ** bucket, 0);
  return {
    p50: percentile(buckets, total, 0.5),
    p99: percentile(buckets, total, 0.99),
    mean: total === 0 ? 0 : weighted / total / 1000,
  };
}

function lastRefusal(rows: readonly StatisticsRow[]): string {
  let [errno, at] = [0, 0];
  for (const row of rows) {
    if ((row[REFUSED_AT] as number) > at) [errno, at] = [row[REFUSAL] as number, row[REFUSED_AT] as number];
  }
  return errno === 0 ? "" : errnoName(-errno);
}

/** Adds up the rows of all queues. */
export function sumStatistics(buffer: SharedArrayBuffer): Statistics {
  const sums = new Float64Array(ROW);
  const rows = Array.from({ length: buffer.byteLength / 8 / ROW }, (_, queue) => statisticsRow(buffer, queue));
  for (const row of rows) {
    for (const [index, value] of row.entries()) sums[index] = (sums[index] ?? 0) + value;
  }
  const byOpcode: Record<string, number> = {};
  for (let code = 0; code < OPCODES; code++) {
    const requests = sums[BY_OPCODE + code] ?? 0;
    if (requests > 0) byOpcode[OPCODE_BY_CODE[code]?.name ?? `OPCODE_${code}`] = requests;
  }
  const counters = Object.fromEntries(COUNTERS.map((name, index) => [name, sums[index] ?? 0])) as Record<
    Counter,
    number
  >;
  const latencyUs = latency(Array.from(sums.subarray(LATENCY, BY_OPCODE)));
  return { ...counters, byOpcode, latencyUs, lastBackingRefusal: lastRefusal(rows) };
}
