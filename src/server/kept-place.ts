// Owns: that a worker comes back to its CPU. When a CPU goes offline the kernel lets its threads run anywhere, and leaves
// it at that when the CPU comes online again. So the thread itself looks now and then, between requests.
// Must not: choose the CPU.

import type { ThreadPlace } from "../../ffi/affinity.ts";

/** Calls of `next` between two looks, each of which is a system call. */
export const CALLS_PER_LOOK = 256;

/** A transport's `next`, and the calling thread takes `place` again when it has lost it and the CPU is there. */
export function keepPlace(next: () => number, place: ThreadPlace): () => number {
  let calls = 0;
  // hot
  return () => {
    if (++calls === CALLS_PER_LOOK) {
      calls = 0;
      if (!place.isKept()) place.take();
    }
    return next();
  };
}
