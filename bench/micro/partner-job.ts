// What both sides of partner.ts share: the words of a trip, and the messages that say what to do.

/** Words that both sides share. */
export const WORD = { ASK: 0, ANSWER: 1, STOP: 2 } as const;

export type Job = { words: Int32Array; cpu: number } & (
  | { kind: "spin" }
  | { kind: "wait" }
  | { kind: "waitAsync" }
  | { kind: "doorbell"; eventFd: number }
  | { kind: "table"; table: SharedArrayBuffer; seed: number }
);
