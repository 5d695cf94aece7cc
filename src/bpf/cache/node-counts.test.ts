// Proves the table of numbers by nodeid against a Map, also when it is full and when runs of cells collapse.

import { expect, it } from "vitest";
import { NodeCounts } from "./node-counts.ts";

const CAPACITY = 64;
const table = () => new NodeCounts(new SharedArrayBuffer(NodeCounts.byteLength(CAPACITY)), 0, CAPACITY);

it("NodeCounts: is a Map whose zeros take no place", () => {
  const counts = table();
  const model = new Map<number, number>();
  let state = 1;
  const below = (bound: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  for (let step = 0; step < 20_000; step++) {
    const nodeid = 1 + below(60) * (below(2) === 0 ? 1 : 2 ** 33);
    const had = model.get(nodeid) ?? 0;
    const kind = below(4);
    if (kind < 2) {
      const by = 1 + below(4);
      expect(counts.reduce(nodeid, by)).toBe(Math.min(had, by));
      if (had > by) model.set(nodeid, had - by);
      else model.delete(nodeid);
    } else {
      const by = 1 + below(3);
      if (counts.add(nodeid, by)) model.set(nodeid, had + by);
      else expect([had, model.size]).toEqual([0, CAPACITY - CAPACITY / 4]);
    }
    expect(counts.used).toBe(model.size);
  }
});

it("NodeCounts: says when it is full, and takes what it has", () => {
  const counts = table();
  let nodeid = 1;
  while (counts.add(nodeid, 1)) nodeid++;
  expect(counts.used).toBe(CAPACITY - CAPACITY / 4);
  expect([counts.add(1, 2 ** 40), counts.reduce(1, 2 ** 41), counts.reduce(1, 1)]).toEqual([true, 2 ** 40 + 1, 0]);
  expect(counts.add(nodeid, 1)).toBe(true);
});

it("NodeCounts: is whole again after its holder ended in the middle of a removal, with a node in two cells", () => {
  const buffer = new SharedArrayBuffer(NodeCounts.byteLength(CAPACITY));
  const counts = new NodeCounts(buffer, 0, CAPACITY);
  for (let nodeid = 1; nodeid <= 20; nodeid++) counts.add(nodeid, nodeid);
  const cells = new Float64Array(buffer, 16);
  const free = cells.findIndex((value, at) => at % 2 === 0 && value === 0);
  cells.set([7, 7], free);
  new Int32Array(buffer)[0] = 0x7fff_fff0; // no thread's id
  expect(counts.reduce(3, 1)).toBe(1);
  expect(counts.used).toBe(20);
  for (let nodeid = 1; nodeid <= 20; nodeid++) expect(counts.reduce(nodeid, 100)).toBe(nodeid === 3 ? 2 : nodeid);
  expect(counts.used).toBe(0);
});
