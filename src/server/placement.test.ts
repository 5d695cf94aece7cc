// Proves where workers go and that every possible CPU's queue has exactly one of them.

import { describe, expect, it } from "vitest";
import { placeWorkers } from "./placement.ts";

const FOUR = [0, 1, 2, 3];

describe("placeWorkers", () => {
  it.each([
    ["per-core", 4, [0, 1, 2, 3], [[0], [1], [2], [3]]],
    [
      "per-core",
      2,
      [0, 1],
      [
        [0, 2],
        [1, 3],
      ],
    ],
    ["dedicated", 1, [3], [[0, 1, 2, 3]]],
    [
      "dedicated",
      2,
      [2, 3],
      [
        [0, 2],
        [1, 3],
      ],
    ],
    [
      "none",
      2,
      [-1, -1],
      [
        [0, 2],
        [1, 3],
      ],
    ],
  ] as const)("%s, %i workers on 4 CPUs: run on %j and serve %j", (placement, workers, pins, cpus) => {
    const places = placeWorkers(placement, workers, FOUR, FOUR);
    expect(places.map(({ pin }) => pin)).toEqual(pins);
    expect(places.map((place) => [...place.cpus].sort())).toEqual(cpus);
  });

  it("CPUs that are offline or not allowed: their queues are served by workers elsewhere", () => {
    const places = placeWorkers("per-core", 2, [0, 1, 2, 3, 4, 5], [2, 4]);
    expect(places).toEqual([
      { pin: 2, cpus: expect.arrayContaining([2]) },
      { pin: 4, cpus: expect.arrayContaining([4]) },
    ]);
    expect(places.flatMap(({ cpus }) => cpus).sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it.each(["per-core", "dedicated", "none"] as const)(
    "%s with more workers than CPUs: each queue has one",
    (placement) => {
      const places = placeWorkers(placement, 5, [0, 1], [0, 1]);
      expect(places).toHaveLength(5);
      expect(places.flatMap(({ cpus }) => cpus).sort()).toEqual([0, 1]);
      expect(places.every(({ pin }) => [-1, 0, 1].includes(pin))).toBe(true);
    },
  );
});
