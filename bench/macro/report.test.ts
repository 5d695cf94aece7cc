// Owns: the proof that tables and ratios are what the measured numbers say.

import { expect, test } from "vitest";
import { type Measured, parseLoad } from "./cell.ts";
import { parseOptions } from "./options.ts";
import { type Cell, formatTable, summarise } from "./report.ts";

function measured(ops_per_s: number, server_cpu_us?: number): Measured {
  const times = { seconds: 1, p50_us: 2, p99_us: 9, p999_us: 10, max_us: 11 };
  const costs = { voluntary: 0, involuntary: 0, cpu_us: 1, server_cpu_us, server_voluntary: server_cpu_us };
  return { ops: ops_per_s, ops_per_s, bytes_per_s: 0, ...times, ...costs };
}

const CELLS: Cell[] = [
  { round: 0, workload: "stat", peer: "base", measured: measured(100, 200) },
  { round: 0, workload: "stat", peer: "ours", measured: measured(200) },
  { round: 1, workload: "stat", peer: "base", measured: measured(10, 40) },
  { round: 1, workload: "stat", peer: "ours", measured: measured(30) },
  { round: 1, workload: "open", peer: "ours", error: "ENOSYS" },
];

test("summarise: takes the ratio within each round and the server's cost per operation", () => {
  const [base, ours, ...rest] = summarise(CELLS, ["stat", "open"], ["base", "ours"], "base");
  expect(rest).toEqual([]);
  expect(base).toMatchObject({ peer: "base", serverCpuUs: 3, ratio: { median: 1 } });
  expect(ours).toMatchObject({ opsPerS: { median: 115, min: 30, max: 200 }, ratio: { median: 2.5, min: 2, max: 3 } });
  expect(ours?.serverCpuUs).toBeUndefined();
});

test("formatTable: shows a dash for what does not exist", () => {
  const rows = summarise(CELLS, ["stat"], ["ours"], "absent");
  expect(formatTable(rows).split("\n")[2]).toMatch(/^stat +ours +115 \(30\.\.200\) +- +- +2\.0 +9\.0 +- +-$/);
});

test("parseLoad: names the field that is missing", () => {
  expect(parseLoad(JSON.stringify(measured(5)))).toMatchObject({ ops: 5, p99_us: 9 });
  expect(() => parseLoad('{"ops":1}')).toThrow("seconds");
  expect(() => parseLoad("null")).toThrow("ops");
});

test("parseOptions: has defaults, and keeps the table's order and each name once", () => {
  expect(parseOptions([])).toMatchObject({ rounds: 5, seconds: 1, placement: "same", named: false });
  expect(parseOptions(["--quick", "--rounds", "3"])).toMatchObject({ rounds: 3, seconds: 0.2 });
  expect(parseOptions(["--only", "open,stat,open"])?.workloads.map(({ name }) => name)).toEqual(["stat", "open"]);
  expect(parseOptions(["--help"])).toBeUndefined();
});

test.each([
  [["--only", "stta"], "stta"],
  [["--peers", "nobody"], "nobody"],
  [["--baseline", "nobody"], "nobody"],
  [["--rounds", "1.5"], "1.5"],
  [["--seconds=-1"], "-1"],
  [["--placement", "near"], "near"],
])("parseOptions: refuses %j by name", (words, wrong) => {
  expect(() => parseOptions(words)).toThrow(wrong);
});
