// Owns: the proof that slices of a run become one result whose ratios stay within their rounds.

import { expect, test } from "vitest";
import { mergeResults } from "./merge.ts";
import type { Cell } from "./report.ts";
import type { Result } from "./results.ts";

const MEASURED = { ops: 10, voluntary: 0, involuntary: 0, user_us: 1, system_us: 1, quantiles: [] };

function result(scenario: string, rates: Record<string, readonly number[]>, over: Partial<Result> = {}): Result {
  const cells = Object.entries(rates).flatMap(([peer, values]) =>
    values.map(
      (ops_per_s, round) => ({ round, scenario, peer, measured: { ...MEASURED, ops_per_s } }) as unknown as Cell,
    ),
  );
  const peers = Object.keys(rates);
  return {
    version: 2,
    written: "2020-01-01T00:00:00.000Z",
    command: `bun run bench --only ${scenario}`,
    machine: { kernel: "6.18", commit: "abc" },
    settings: { baseline: "ll-newer", scenarios: [scenario], peers, seconds: 1, preset: "default" },
    interrupted: false,
    leftOut: [{ peer: "bindfs", reason: "bindfs is missing" }],
    idle: [{ peer: "rfuse-dev", cpuMs: 1, seconds: 2 }],
    summary: [],
    verdicts: [],
    counts: [{ scenario, peer: "ll-newer", client: 1, server: 2 }],
    cells,
    ...over,
  };
}

const NOW = "2020-01-02T00:00:00.000Z";

test("mergeResults: more rounds of one scenario, each ratio within its own round", () => {
  const slow = result("stat", { "ll-newer": [10, 20], "rfuse-dev": [20, 40] });
  const fast = result("stat", { "ll-newer": [100], "rfuse-dev": [300] });
  const merged = mergeResults([slow, fast], NOW);
  expect(merged.cells.map(({ round }) => round)).toEqual([0, 1, 0, 1, 2, 2]);
  const ours = merged.summary.find(({ peer }) => peer === "rfuse-dev");
  expect(ours?.ratio).toEqual({ median: 2, min: 2, max: 3 });
  expect(merged.counts.length).toBe(1);
  expect(merged.leftOut.length).toBe(1);
  expect(merged.idle.length).toBe(1);
  expect(merged.command).toBe("bun run bench --only stat");
});

test("mergeResults: slices of several workloads, with the claims of their preset", () => {
  const settings = { baseline: "ll-newer", seconds: 1, preset: "equal-placement", peers: ["ll-newer", "rfuse-dev"] };
  const slice = (name: string, rate: number) =>
    result(name, { "ll-newer": [100], "rfuse-dev": [rate] }, { settings: { ...settings, scenarios: [name] } });
  const merged = mergeResults([slice("stat", 150), slice("open", 50)], NOW);
  expect(merged.settings.scenarios).toEqual(["stat", "open"]);
  expect(merged.summary.map(({ scenario, ratio }) => [scenario, ratio?.median])).toEqual([
    ["stat", 1],
    ["stat", 1.5],
    ["open", 1],
    ["open", 0.5],
  ]);
  const judged = merged.verdicts.filter(({ holds }) => holds !== undefined);
  expect(judged.map(({ workload, holds }) => [workload, holds])).toEqual([
    ["stat", true],
    ["open", false],
  ]);
});

test("mergeResults: refuses what is not of one kind, and names the fact", () => {
  const one = result("stat", { "ll-newer": [1] });
  const other = result("stat", { "ll-newer": [1] }, { machine: { kernel: "6.18", commit: "def" } });
  expect(() => mergeResults([one, other], NOW)).toThrow("commit is abc and def");
  const longer = result("stat", {}, { settings: { ...one.settings, seconds: 2 } });
  expect(() => mergeResults([one, longer], NOW)).toThrow("seconds is 1 and 2");
  expect(() => mergeResults([one], NOW)).toThrow("use: bun run bench merge");
});
