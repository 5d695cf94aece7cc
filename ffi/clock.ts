// Owns: the kernel's monotonic clock, which eBPF programs read too; `Bun.nanoseconds` counts from the process's start.

import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";

const CLOCK_MONOTONIC = 1;
const now = new Int32Array(4); // struct timespec with 64-bit time
const address = addressOf(now);

/** Nanoseconds of CLOCK_MONOTONIC, exact to some nanoseconds for centuries. Hot. */
export function monotonicNs(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, address);
  const seconds = (now[1] as number) * 0x1_0000_0000 + ((now[0] as number) >>> 0);
  return seconds * 1e9 + (now[2] as number);
}
