// Owns: the proof of the rank test by probabilities that can be counted by hand.

import { expect, test } from "vitest";
import { rankTest } from "./rank-test.ts";

test("rankTest: is exact for small samples", () => {
  expect(rankTest([1, 2, 3], [4, 5, 6])).toBeCloseTo(2 / 20, 12);
  expect(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(2 / 252, 12);
  expect(rankTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBeCloseTo(2 / 252, 12);
  expect(rankTest([1, 2, 3, 4, 6], [5, 7, 8, 9, 10])).toBeCloseTo(4 / 252, 12);
});

test("rankTest: finds nothing in samples that interleave, and in none", () => {
  expect(rankTest([1, 4, 5, 8], [2, 3, 6, 7])).toBe(1);
  expect(rankTest([], [1, 2])).toBe(1);
  expect(rankTest([3, 3, 3], [3, 3, 3])).toBe(1);
});

test("rankTest: approximates where values are equal or many", () => {
  const low = Array.from({ length: 30 }, (_, index) => index);
  expect(
    rankTest(
      low,
      low.map((value) => value + 30),
    ),
  ).toBeLessThan(1e-9);
  expect(rankTest(low, low)).toBeCloseTo(1, 1);
  expect(rankTest([1, 1, 2, 2, 3], [8, 8, 9, 9, 9])).toBeLessThan(0.02);
});
