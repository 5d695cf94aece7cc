// Owns: the proof of median, ratio and spread by known answers.

import { describe, expect, test } from "vitest";
import { median, pairedRatio, rotate, spread } from "./statistics.ts";

describe("statistics", () => {
  test("median: middle value when the count is odd, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 9, 100])).toBe(10);
  });

  test("median: mean of the middle two when the count is even", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test("median: leaves its input alone and has no value for nothing", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(median([])).toBeUndefined();
    expect(spread([])).toBeUndefined();
  });

  test("spread: reports the extremes beside the median", () => {
    expect(spread([2, 8, 4])).toEqual({ median: 4, min: 2, max: 8 });
  });

  test("pairedRatio: pairs by round, so a slow round of both cancels", () => {
    const ours = new Map([
      [0, 50],
      [1, 5],
      [2, 60],
    ]);
    const base = new Map([
      [0, 100],
      [1, 10],
      [2, 100],
    ]);
    expect(pairedRatio(ours, base)).toEqual({ median: 0.5, min: 0.5, max: 0.6 });
  });

  test("pairedRatio: differs from the ratio of medians when rounds differ", () => {
    const ours = new Map([
      [0, 1],
      [1, 20],
      [2, 300],
    ]);
    const base = new Map([
      [0, 10],
      [1, 10],
      [2, 1000],
    ]);
    expect(pairedRatio(ours, base)?.median).toBe(0.3);
  });

  test("pairedRatio: ignores rounds that one side lacks and a baseline of 0", () => {
    const base = new Map([
      [1, 2],
      [2, 0],
      [3, 4],
    ]);
    const ours = new Map([
      [0, 7],
      [1, 6],
      [2, 5],
    ]);
    expect(pairedRatio(ours, base)).toEqual({ median: 3, min: 3, max: 3 });
    expect(pairedRatio(ours, new Map())).toBeUndefined();
  });

  test("rotate: every element is first once in as many rounds as there are elements", () => {
    expect(rotate(["a", "b", "c"], 1)).toEqual(["b", "c", "a"]);
    expect([0, 1, 2, 3].map((by) => rotate(["a", "b", "c"], by)[0])).toEqual(["a", "b", "c", "a"]);
    expect(rotate([], 5)).toEqual([]);
  });
});
