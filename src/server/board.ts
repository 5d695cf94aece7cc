// Owns: what the queues of one session share outside the request path: a bell per queue, by which another thread
// wakes a queue that waits in its event loop, and the list of recent interrupts, since any queue may read an INTERRUPT
// for a request that another one holds. All of it is one SharedArrayBuffer of int32 words.
// Ordering: `SEQUENCE` is raised to claim a slot, then the interrupt is written there, then the bells ring (Atomics are
// sequentially consistent); a queue that has seen a bell sees the entries before it. Uniques are never used twice, so that
// entries a queue sees again, or that are overwritten by 64 newer ones while it is not waiting, do no harm.

const SEQUENCE = 0;
const INTERRUPTS = 16;
const SLOTS = 64;
const BELLS = INTERRUPTS + SLOTS * 2;
const BELL_STRIDE = 32; // two cache lines per queue: the bell, and the doorbell's arm word

/** Words of a queue's bell: `RUNG` counts, `ARM` is 1 while a doorbell thread shall watch the device, 2 to end it. */
export const BELL = { RUNG: 0, ARM: 16 } as const;
export const ARM = { IDLE: 0, WATCH: 1, END: 2 } as const;

export type Board = Int32Array<SharedArrayBuffer>;

export function createBoard(queues: number): Board {
  return new Int32Array(new SharedArrayBuffer((BELLS + queues * BELL_STRIDE) * 4));
}

export function queueCount(board: Board): number {
  return (board.length - BELLS) / BELL_STRIDE;
}

/** Index of a queue's bell words in the board. */
export function bellIndex(queue: number): number {
  return BELLS + queue * BELL_STRIDE;
}

/** Wakes a queue that waits in its event loop. */
export function ring(board: Board, queue: number): void {
  Atomics.add(board, bellIndex(queue) + BELL.RUNG, 1);
  Atomics.notify(board, bellIndex(queue) + BELL.RUNG);
}

/** Tells every queue that the request `unique` was interrupted. */
export function postInterrupt(board: Board, uniqueLow: number, uniqueHigh: number): void {
  const slot = INTERRUPTS + ((Atomics.add(board, SEQUENCE, 1) >>> 0) % SLOTS) * 2;
  Atomics.store(board, slot, uniqueLow | 0);
  Atomics.store(board, slot + 1, uniqueHigh | 0);
  for (let queue = 0; queue < queueCount(board); queue++) ring(board, queue);
}

/** Calls `visit` with the unique of each of the last 64 interrupts. */
export function eachInterrupt(board: Board, visit: (uniqueLow: number, uniqueHigh: number) => void): void {
  const count = Math.min(Atomics.load(board, SEQUENCE) >>> 0, SLOTS);
  for (let index = 0; index < count; index++) {
    const slot = INTERRUPTS + index * 2;
    visit(Atomics.load(board, slot) >>> 0, Atomics.load(board, slot + 1) >>> 0);
  }
}
