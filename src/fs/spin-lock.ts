// Owns: a lock in one word of shared memory, for critical sections of some hundred nanoseconds.
// The word is 0 when free, 1 when held. Nobody is woken: whoever waits looks again within a millisecond.
// Must not: be held over anything that throws or that may wait for long.

const SPINS = 200;
const STUCK_MS = 10_000;

function lockSlowly(words: Int32Array, at: number): void {
  const deadline = performance.now() + STUCK_MS;
  while (Atomics.compareExchange(words, at, 0, 1) !== 0) {
    if (performance.now() > deadline) throw new Error("a table is locked by a thread that has ended");
    Atomics.wait(words, at, 1, 1);
  }
}

/** Takes the lock. Pairs with `unlock`: what was written before it is seen after. Errors: `Error` after 10 s. Hot. */
export function lock(words: Int32Array, at: number): void {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.compareExchange(words, at, 0, 1) === 0) return;
  lockSlowly(words, at);
}

/** Gives the lock back. Hot. */
export function unlock(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0);
}
