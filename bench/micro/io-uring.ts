// Owns: what a turn through io_uring costs when nothing is done: one entry submitted and completed, and a batch of 16.

import { createRing, createRingMemory, enter, IoUringSqe, type Ring, SETUP } from "../../ffi/io-uring.ts";
import { type MicroTask, repeat } from "./task.ts";

const ENTRIES = 16;
const OP_NOP = 0;

function submitNops(ring: Ring, count: number): void {
  const { words, view } = ring.arena;
  let tail = words[ring.sqTail] as number;
  for (let index = 0; index < count; index++) {
    view.setUint8(ring.sqes + (tail & ring.sqMask) * IoUringSqe.size + IoUringSqe.at.opcode, OP_NOP);
    tail = (tail + 1) | 0;
  }
  Atomics.store(words, ring.sqTail, tail);
  const submitted = enter(ring, count, count);
  if (submitted !== count) throw new Error(`io_uring_enter: ${submitted}`);
  Atomics.store(words, ring.cqHead, Atomics.load(words, ring.kCqTail));
}

/** Tasks per operation; none where io_uring may not be used. */
export function ioUringTasks(): MicroTask[] {
  const kinds = { "": 0, ", DEFER_TASKRUN": SETUP.SINGLE_ISSUER | SETUP.DEFER_TASKRUN } as const;
  try {
    return Object.entries(kinds).flatMap(([name, flags]) => {
      const ring = createRing(createRingMemory(ENTRIES).buffer, ENTRIES, flags);
      return [
        repeat(`io_uring: one nop${name}`, 100, () => submitNops(ring, 1)),
        {
          name: `io_uring: nop in a batch of 16${name}`,
          batch: ENTRIES,
          run: () => submitNops(ring, ENTRIES),
        },
      ];
    });
  } catch {
    return [];
  }
}
