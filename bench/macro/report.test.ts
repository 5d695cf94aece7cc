// Owns: the proof that tables, ratios and verdicts are what the measured numbers say.

import { expect, test } from "vitest";
import type { Measured } from "./cell.ts";
import { formatVerdicts, judge } from "./claims.ts";
import { parseLoad } from "./load-client.ts";
import { scenario } from "./preset.ts";
import { type Cell, formatTable, summarise } from "./report.ts";
import { parseCounts } from "./syscall-count.ts";

function measured(ops_per_s: number, server_cpu_us?: number): Measured {
  const times = { seconds: 1, p50_us: 2, p99_us: 9, p999_us: 10, max_us: 11, quantiles: [[0.5, 2] as const] };
  const client = {
    voluntary: 0,
    involuntary: ops_per_s,
    cpu_us: 3 * ops_per_s,
    user_us: ops_per_s,
    system_us: 2 * ops_per_s,
  };
  const server = {
    server_voluntary: server_cpu_us,
    server_involuntary: 0,
    server_user_us: server_cpu_us && server_cpu_us / 4,
  };
  return {
    ops: ops_per_s,
    ops_per_s,
    bytes_per_s: 0,
    ...times,
    ...client,
    ...server,
    server_cpu_us,
    server_rss_bytes: server_cpu_us === undefined ? undefined : 2 ** 20,
  };
}

const CELLS: Cell[] = [
  { round: 0, scenario: "stat", peer: "base", measured: measured(100, 200) },
  { round: 0, scenario: "stat", peer: "ours", measured: measured(200) },
  { round: 1, scenario: "stat", peer: "base", measured: measured(10, 40) },
  { round: 1, scenario: "stat", peer: "ours", measured: measured(30) },
  { round: 1, scenario: "open", peer: "ours", error: "ENOSYS" },
];

test("summarise: takes the ratio within each round and costs per operation", () => {
  const counts = [{ scenario: "stat", peer: "base", client: 1, server: 4 }];
  const [base, ours, ...rest] = summarise(CELLS, counts, ["stat", "open"], ["base", "ours"], "base");
  expect(rest).toEqual([]);
  expect(base).toMatchObject({ peer: "base", serverCpuUs: 0.75, kernelCpuUs: 4.25, ratio: { median: 1 }, syscalls: 5 });
  expect(base).toMatchObject({ clientCpuUs: 1, sleeps: 3, switches: 4, rssBytes: 2 ** 20 });
  expect(ours).toMatchObject({ opsPerS: { median: 115, min: 30, max: 200 }, ratio: { median: 2.5, min: 2, max: 3 } });
  expect(ours).toMatchObject({ clientCpuUs: 1, kernelCpuUs: 2 });
  expect(ours?.serverCpuUs).toBeUndefined();
  expect(ours?.syscalls).toBeUndefined();
});

test("formatTable: shows a dash for what does not exist", () => {
  const rows = summarise(CELLS, [], ["stat"], ["ours"], "absent");
  expect(formatTable(rows).split("\n")[2]).toMatch(
    /^stat +ours +115 \(30\.\.200\) +- +- +2\.0 +9\.0 +10\.0 +1\.0 +- +2\.0 +- +1\.00 +- +-$/,
  );
});

test("judge: takes the median of ratios within rounds, and says what was not measured", () => {
  const over = { scenario: scenario("stat"), peer: "ours" };
  const under = { scenario: scenario("stat"), peer: "base" };
  const missing = { scenario: scenario("open"), peer: "ours" };
  const verdicts = judge(
    [
      { text: "a", over, under, atLeast: 2.5 },
      { text: "b", over, under, atLeast: 2.6 },
      { text: "c", over: missing, under, atLeast: 1 },
    ],
    CELLS,
  );
  expect(verdicts.map(({ holds, rounds }) => [holds, rounds])).toEqual([
    [true, 2],
    [false, 2],
    [undefined, 0],
  ]);
  expect(formatVerdicts(verdicts).split("\n").slice(2)).toEqual([
    expect.stringMatching(/^a +stat +2\.50 +2\.00\.\.3\.00 +2\.50 +holds$/),
    expect.stringMatching(/MISSED$/),
    expect.stringMatching(/^c +open +- +- +1\.00 +not measured$/),
  ]);
});

test("parseLoad: names the field that is missing", () => {
  expect(parseLoad(JSON.stringify(measured(5)))).toMatchObject({ ops: 5, p99_us: 9 });
  expect(() => parseLoad('{"ops":1}')).toThrow("seconds");
  expect(() => parseLoad("null")).toThrow("ops");
  expect(() => parseLoad(JSON.stringify({ ...measured(5), quantiles: 1 }))).toThrow("quantiles");
});

test("parseCounts: divides what perf counted by the operations, the client's first", () => {
  const line = JSON.stringify(measured(10));
  const event = (count: string) => `${count},,raw_syscalls:sys_enter,854423,100.00,,`;
  expect(parseCounts(`${line}\n${event("50")}\n${event("20")}\n`, true)).toEqual({ client: 5, server: 2 });
  expect(parseCounts(`${line}\n${event("50")}\n`, false)).toEqual({ client: 5, server: undefined });
  expect(parseCounts(`${line}\n${event("50")}\n${event("<not counted>")}\n`, true)).toBeUndefined();
  expect(parseCounts(event("50"), false)).toBeUndefined();
});
