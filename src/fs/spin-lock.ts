// Owns: a lock in one word of shared memory, for critical sections of some hundred nanoseconds.
// The word is 0 when free, else the id of the thread that holds it. Nobody is woken: whoever waits looks again within a
// millisecond, and takes over from a thread that has ended (a worker that was terminated).
// Must not: be held over anything that throws or that may wait for long.

import { gettid, threadLives } from "../../ffi/thread.ts";

const SPINS = 200;
/** Milliseconds between looks whether the holder lives. */
const LOOK_MS = 20;
const STUCK_MS = 10_000;

const own = gettid();

/** Makes what the lock at word `at` protects whole again: its last holder left off in the middle of a change. */
export type Repair = (at: number) => void;

function lockSlowly(words: Int32Array, at: number, repair: Repair | undefined): void {
  const began = performance.now();
  for (let looked = began; ; ) {
    const holder = Atomics.compareExchange(words, at, 0, own);
    if (holder === 0) return;
    const now = performance.now();
    if (now - began > STUCK_MS) throw new Error(`a table is locked by thread ${holder} for ${STUCK_MS} ms`);
    if (now - looked > LOOK_MS) {
      looked = now;
      if (!threadLives(holder) && takeOver(words, at, holder, repair)) return;
    }
    Atomics.wait(words, at, holder, 1);
  }
}

function takeOver(words: Int32Array, at: number, holder: number, repair: Repair | undefined): boolean {
  if (repair === undefined) throw new Error(`a table is locked by thread ${holder}, which has ended`);
  if (Atomics.compareExchange(words, at, holder, own) !== holder) return false;
  repair(at);
  return true;
}

/**
 * Takes the lock. Pairs with `unlock`: what was written before it is seen after. Its holder may have ended: then `repair`
 * runs first, under the lock. Errors: `Error` after 10 s, and where there is no `repair` once the holder has ended. Hot.
 */
export function lock(words: Int32Array, at: number, repair?: Repair): void {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.compareExchange(words, at, 0, own) === 0) return;
  lockSlowly(words, at, repair);
}

/** Gives the lock back. Hot. */
export function unlock(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0);
}
