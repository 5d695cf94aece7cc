// A lock whose holder ended: it is taken over where its table can be repaired, and an error at once where it cannot.

import { expect, it } from "vitest";
import { lock, unlock } from "../../src/fs/spin-lock.ts";

/** Words of which a thread that has ended holds the second as its lock. */
async function heldByNobody(): Promise<Int32Array> {
  const words = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(new URL("./hold-lock.ts", import.meta.url));
  const ended = new Promise((resolve) => worker.addEventListener("close", resolve));
  worker.postMessage(words);
  await ended;
  expect(words[1]).not.toBe(0);
  return words;
}

it("lock: is taken over from a thread that has ended, once what it protects is repaired", async () => {
  const words = await heldByNobody();
  const repaired: number[] = [];
  lock(words, 1, (at) => void repaired.push(at));
  unlock(words, 1);
  lock(words, 1, (at) => void repaired.push(at));
  expect(repaired).toEqual([1]);
});

it("lock: without a repair it is an error that names the thread", async () => {
  const words = await heldByNobody();
  expect(() => lock(words, 1)).toThrow(`a table is locked by thread ${words[1]}, which has ended`);
});
