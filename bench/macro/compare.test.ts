// Owns: the proof that a comparison tells better, worse and noise apart, by ratios within rounds.

import { expect, test } from "vitest";
import { compareResults, formatDifferences } from "./compare.ts";
import type { Cell } from "./report.ts";
import type { Result } from "./results.ts";

type Part = Pick<Result, "cells" | "settings">;

function result(rates: Record<string, readonly number[]>): Part {
  const cells = Object.entries(rates).flatMap(([key, values]) => {
    const [scenario = "", peer = ""] = key.split(" ");
    return values.map((ops_per_s, round) => ({ round, scenario, peer, measured: { ops_per_s } }) as unknown as Cell);
  });
  return { cells, settings: { baseline: "base", scenarios: [], peers: [], seconds: 1 } };
}

const BASE = [100, 100, 100, 100, 100, 100];

test("compareResults: says better, worse and noise", () => {
  const before = result({
    "stat base": BASE,
    "stat ours": [90, 91, 92, 93, 94, 95],
    "open base": BASE,
    "open ours": [90, 91, 92, 93, 94, 95],
    "create base": BASE,
    "create ours": [90, 91, 92, 93, 94, 95],
  });
  const after = result({
    "stat base": BASE,
    "stat ours": [120, 121, 122, 123, 124, 125],
    "open base": BASE,
    "open ours": [80, 81, 82, 83, 84, 85],
    "create base": BASE,
    "create ours": [90.5, 91.5, 92.5, 93.5, 94.5, 89],
  });
  const words = compareResults(before, after).map(({ scenario, peer, word }) => `${scenario} ${peer} ${word}`);
  expect(words).toEqual(["stat ours better", "open ours worse", "create ours noise"]);
});

test("compareResults: a machine that became slower is no regression, unless absolute", () => {
  const before = result({ "stat base": BASE, "stat ours": [90, 91, 92, 93, 94, 95] });
  const slow = result({ "stat base": BASE.map((rate) => rate / 2), "stat ours": [45, 45.5, 46, 46.5, 47, 47.5] });
  expect(compareResults(before, slow).map(({ word }) => word)).toEqual(["noise"]);
  expect(compareResults(before, slow, true).map(({ peer, word }) => `${peer} ${word}`)).toEqual([
    "base worse",
    "ours worse",
  ]);
});

test("compareResults: a difference below the smallest that counts is noise, however sure", () => {
  const before = result({ "stat base": BASE, "stat ours": [100, 100.1, 100.2, 100.3, 100.4, 100.5] });
  const after = result({ "stat base": BASE, "stat ours": [101, 101.1, 101.2, 101.3, 101.4, 101.5] });
  const [only] = compareResults(before, after);
  expect(only).toMatchObject({ word: "noise" });
  expect(only?.p).toBeLessThan(0.01);
});

test("compareResults: what one side lacks is not compared", () => {
  const before = result({ "stat base": BASE, "stat ours": [1, 2, 3] });
  const after = result({ "stat base": BASE, "stat theirs": [1, 2, 3] });
  expect(compareResults(before, after)).toEqual([]);
  expect(formatDifferences([], 2).split("\n")).toHaveLength(2);
});
