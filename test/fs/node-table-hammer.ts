// Owns: one thread of the contention test of the node table: finds, inserts and drops at random, and tells which
// descriptors it put in and which it was told to close. Loaded by node-table.test.ts only.

import { NodeTable } from "../../src/fs/node-table.ts";

interface Order {
  readonly buffer: SharedArrayBuffer;
  readonly started: Int32Array;
  readonly threads: number;
  readonly index: number;
  readonly steps: number;
}

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(message: { owned: number[]; closed: number[] }): void;
};

scope.onmessage = ({ data: { buffer, started, threads, index, steps } }) => {
  const nodes = new NodeTable(buffer);
  const held: number[] = [];
  const owned: number[] = [];
  const closed: number[] = [];
  const drop = (count: number) => {
    for (let done = 0; done < count; done++) {
      const fd = nodes.drop(held.pop() ?? 0, 1);
      if (fd >= 0) closed.push(fd);
    }
  };
  Atomics.add(started, 0, 1);
  while (Atomics.load(started, 0) < threads) Atomics.wait(started, 0, Atomics.load(started, 0), 1);
  let state = index + 1;
  for (let step = 0; step < steps; step++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const ino = (state >>> 16) % 24;
    const fd = index * steps + step;
    let id = nodes.find(7, ino, 0);
    if (id === 0) {
      id = nodes.insert(7, ino, 0, fd);
      if (nodes.fdOf(id) === fd) owned.push(fd);
    }
    held.push(id);
    if (held.length > (state >>> 8) % 4) drop(held.length);
  }
  drop(held.length);
  scope.postMessage({ owned, closed });
};
