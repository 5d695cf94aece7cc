// Owns: where a measuring thread runs.

import { checked } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import { addressOf } from "../../ffi/memory.ts";

const MASK_BYTES = 1024;

/** Lets the calling thread run on these CPUs only. Errors: none of them may be used. */
export function pin(cpus: readonly number[]): void {
  const mask = new Uint8Array(MASK_BYTES);
  for (const cpu of cpus) mask[cpu >> 3] = (mask[cpu >> 3] ?? 0) | (1 << (cpu & 7));
  const result = checked(libc.sched_setaffinity(0, mask.length, addressOf(mask)));
  if (result < 0) throw new Error(`CPUs ${cpus.join(",")} cannot be used: errno ${-result}`);
}
