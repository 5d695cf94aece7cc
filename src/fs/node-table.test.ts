// NodeTable: exact accounting against a Map, one owner per descriptor under contention, and no decay under churn.
import { describe, expect, it } from "vitest";
import { NodeTable } from "./node-table.ts";

function table(capacity: number): { nodes: NodeTable; buffer: SharedArrayBuffer } {
  const buffer = new SharedArrayBuffer(NodeTable.byteLength(capacity));
  NodeTable.format(buffer, 0, capacity);
  return { nodes: new NodeTable(buffer), buffer };
}

/** A generator with a seed, so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("NodeTable", () => {
  it("find: takes a reference of a known key, and is 0 for an unknown one", () => {
    const { nodes } = table(8);
    expect(nodes.find(1, 2, 3)).toBe(0);
    const id = nodes.insert(1, 2, 3, 40);
    expect(id).toBe(1);
    expect(nodes.find(1, 2, 3)).toBe(id);
    expect(nodes.countAt(id)).toBe(2);
    expect(nodes.fdOf(id)).toBe(40);
    for (const other of [
      [0, 2, 3],
      [1, 0, 3],
      [1, 2, 0],
      [1, 3, 2],
    ] as const) {
      expect(nodes.find(other[0], other[1], other[2])).toBe(0);
    }
  });

  it("insert: answers the winner's id when the key is there, so that the loser sees another descriptor", () => {
    const { nodes } = table(8);
    const id = nodes.insert(1, 2, 3, 40);
    expect(nodes.insert(1, 2, 3, 41)).toBe(id);
    expect(nodes.fdOf(id)).toBe(40);
    expect(nodes.drop(id, 1)).toBe(-1);
    expect(nodes.drop(id, 1)).toBe(40);
    expect(nodes.fdOf(id)).toBe(-1);
  });

  it("insert: is 0 and counted when the table is full, and works again after a drop", () => {
    const { nodes } = table(3);
    const ids = [1, 2, 3].map((ino) => nodes.insert(0, ino, 0, 100 + ino));
    expect(nodes.insert(0, 4, 0, 104)).toBe(0);
    expect(nodes.counters()).toMatchObject({ live: 3, capacity: 3, full: 1 });
    expect(nodes.drop(ids[1] ?? 0, 1)).toBe(102);
    expect(nodes.insert(0, 4, 0, 104)).toBe(ids[1]);
    expect(nodes.generationOf(ids[1] ?? 0)).toBe(1);
    expect(nodes.generationOf(ids[0] ?? 0)).toBe(0);
  });

  it("drop: of an unknown id or of too many is counted and never negative", () => {
    const { nodes } = table(8);
    for (const id of [0, -1, 1, 8, 9, 2 ** 40, Number.NaN]) expect(nodes.drop(id, 1)).toBe(-1);
    expect(nodes.counters().unknown).toBe(7);
    const id = nodes.insert(1, 1, 1, 7);
    expect(nodes.drop(id, 2 ** 52)).toBe(7);
    expect(nodes.drop(id, 1)).toBe(-1);
    expect(nodes.counters()).toMatchObject({ live: 0, unknown: 8, excess: 1 });
  });

  it("count: is exact beyond 2^32", () => {
    const { nodes } = table(2);
    const id = nodes.insert(1, 1, 1, 7);
    const low = new Int32Array((nodes as unknown as { words: Int32Array }).words.buffer);
    low[low.length - 2 * 9 + 6] = -1; // low word of the first slot's count
    expect(nodes.countAt(id)).toBe(2 ** 32 - 1);
    expect(nodes.hold(id)).toBe(true);
    expect(nodes.countAt(id)).toBe(2 ** 32);
    expect(nodes.drop(id, 2 ** 32 - 1)).toBe(-1);
    expect(nodes.drop(id, 1)).toBe(7);
  });

  it("accounting: agrees with a Map over 200,000 random operations", () => {
    const { nodes } = table(64);
    const next = random(20261121);
    const model = new Map<number, { id: number; count: number; fd: number }>();
    let serial = 100;
    for (let step = 0; step < 200_000; step++) {
      const ino = next(96);
      const known = model.get(ino);
      const action = next(4);
      if (action === 0) {
        const id = nodes.find(5, ino, -ino);
        expect(id).toBe(known?.id ?? 0);
        if (known) known.count++;
      } else if (action === 1) {
        const fd = serial++;
        const id = nodes.insert(5, ino, -ino, fd);
        if (known) {
          expect(id).toBe(known.id);
          known.count++;
        } else if (model.size === 64) expect(id).toBe(0);
        else model.set(ino, { id, count: 1, fd });
      } else if (known) {
        const drop = 1 + next(3);
        const dead = drop >= known.count;
        expect(nodes.drop(known.id, drop)).toBe(dead ? known.fd : -1);
        if (dead) model.delete(ino);
        else known.count -= drop;
      }
    }
    expect(nodes.counters().live).toBe(model.size);
    expect(new Set([...model.values()].map(({ id }) => id)).size).toBe(model.size);
    for (const { id, count, fd } of model.values()) {
      expect(nodes.countAt(id)).toBe(count);
      expect(nodes.fdOf(id)).toBe(fd);
    }
    const drained: number[] = [];
    nodes.drain((fd) => drained.push(fd));
    expect(drained.sort()).toEqual([...model.values()].map(({ fd }) => fd).sort());
    expect(nodes.counters().live).toBe(0);
    expect(nodes.insert(1, 1, 1, 9)).toBe(1);
  });

  it("churn: a million inserts and drops neither fill the table nor slow it down", () => {
    const { nodes } = table(256);
    const round = (from: number): number => {
      const start = performance.now();
      for (let ino = from; ino < from + 250_000; ino++) {
        const id = nodes.insert(1, ino, 0, ino);
        if (id === 0 || nodes.drop(id, 1) !== ino) throw new Error(`lost ${ino}`);
      }
      return performance.now() - start;
    };
    const times = [0, 1, 2, 3].map((index) => round(index * 250_000 + 1));
    expect(nodes.counters()).toMatchObject({ live: 0, full: 0, unknown: 0, excess: 0 });
    expect(nodes.highestId).toBe(1);
    expect(times[3]).toBeLessThan(5 * (times[1] ?? 0) + 50);
  });

  it("contention: threads that hammer one table hand back every descriptor exactly once", async () => {
    const threads = 3;
    const { nodes, buffer } = table(32);
    const started = new Int32Array(new SharedArrayBuffer(4));
    const workers = Array.from(
      { length: threads },
      () => new Worker(new URL("../../test/fs/node-table-hammer.ts", import.meta.url)),
    );
    const results = await Promise.all(
      workers.map(
        (worker, index) =>
          new Promise<{ owned: number[]; closed: number[] }>((resolve, reject) => {
            worker.onmessage = (event: MessageEvent) => resolve(event.data as { owned: number[]; closed: number[] });
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage({ buffer, started, threads, index, steps: 60_000 });
          }),
      ),
    );
    for (const worker of workers) worker.terminate();
    const owned = results.flatMap((result) => result.owned).sort((a, b) => a - b);
    const closed = results.flatMap((result) => result.closed).sort((a, b) => a - b);
    expect(owned.length).toBeGreaterThan(1000);
    expect(new Set(results.map((result) => result.owned.length > 0))).toEqual(new Set([true]));
    expect(closed).toEqual(owned);
    expect(nodes.counters()).toMatchObject({ live: 0, unknown: 0, excess: 0 });
  });
});
