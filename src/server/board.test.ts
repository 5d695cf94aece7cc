// Proves the board that queues share: bells, and the ring of recent interrupts, also when it wraps.
import { describe, expect, it } from "vitest";
import { ARM, BELL, bellIndex, createBoard, eachInterrupt, postInterrupt, queueCount, ring } from "./board.ts";
import { armDoorbell, endDoorbell } from "./doorbell.ts";

const interrupts = (board: ReturnType<typeof createBoard>) => {
  const seen: (readonly [number, number])[] = [];
  eachInterrupt(board, (low, high) => seen.push([low, high]));
  return seen;
};

describe("board", () => {
  it.each([1, 2, 64])("%i queues: have a bell each, 128 bytes apart", (queues) => {
    const board = createBoard(queues);
    expect(queueCount(board)).toBe(queues);
    expect(bellIndex(queues - 1) - bellIndex(0)).toBe(32 * (queues - 1));
    expect(bellIndex(queues - 1) + 32).toBe(board.length);
  });

  it("ring: raises one bell, and wakes who waits for it", async () => {
    const board = createBoard(2);
    const { async, value } = Atomics.waitAsync(board, bellIndex(1) + BELL.RUNG, 0);
    ring(board, 1);
    expect([async, await value]).toEqual([true, "ok"]);
    expect([board[bellIndex(0)], board[bellIndex(1)]]).toEqual([0, 1]);
  });
});

describe("interrupts", () => {
  it("none: are visited on a new board", () => expect(interrupts(createBoard(1))).toEqual([]));

  it("posted: are visited as unsigned words, and every bell rings", () => {
    const board = createBoard(3);
    postInterrupt(board, 2 ** 32 - 1, 2 ** 31);
    postInterrupt(board, 7, 0);
    expect(interrupts(board)).toEqual([
      [2 ** 32 - 1, 2 ** 31],
      [7, 0],
    ]);
    expect([0, 1, 2].map((queue) => board[bellIndex(queue)])).toEqual([2, 2, 2]);
  });

  it("more than 64: the last 64 are kept", () => {
    const board = createBoard(1);
    for (let unique = 1; unique <= 150; unique++) postInterrupt(board, unique, 0);
    const kept = interrupts(board).map(([low]) => low);
    expect(kept.sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, index) => 87 + index));
  });

  it.each([2 ** 31 - 3, -3])("counter wrapping at %i: still lands in the ring", (start) => {
    const board = createBoard(1);
    board[0] = start;
    for (let unique = 1; unique <= 70; unique++) postInterrupt(board, unique, 5);
    const kept = new Set(interrupts(board).map(([low]) => low));
    for (let unique = 7; unique <= 70; unique++) expect(kept.has(unique)).toBe(true);
    expect(board[bellIndex(0)]).toBe(70);
  });
});

describe("doorbell", () => {
  it("arming: is idle to watching, and an end stays an end", () => {
    const board = createBoard(1);
    const arm = bellIndex(0) + BELL.ARM;
    armDoorbell(board, 0);
    armDoorbell(board, 0);
    expect(board[arm]).toBe(ARM.WATCH);
    endDoorbell(board, 0);
    armDoorbell(board, 0);
    expect(board[arm]).toBe(ARM.END);
  });
});
