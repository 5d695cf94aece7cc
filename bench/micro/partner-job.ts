// What both sides of partner.ts share: the words of a trip, the messages that say what to do, and the contended add.

/** Words that both sides share. */
export const WORD = { ASK: 0, ANSWER: 1, STOP: 2, COUNTER: 64 } as const;

/** Bytes of the words: COUNTER is on a cache line of its own. */
export const WORD_BYTES = 512;

export type Job = { words: Int32Array; cpu: number } & (
  | { kind: "spin" }
  | { kind: "wait" }
  | { kind: "waitAsync" }
  | { kind: "add" }
  | { kind: "doorbell"; eventFd: number }
  | { kind: "table"; table: SharedArrayBuffer; seed: number }
);

/** Adds to the counter often enough to be timed. */
export function addOften(words: Int32Array, times: number): void {
  for (let count = 0; count < times; count++) Atomics.add(words, WORD.COUNTER, 1);
}
