// Owns: what can be known about the thread that waits for a request, beyond the request itself. Slow path only.

import { readFileSync } from "node:fs";

/** Bit of SIGKILL in a signal mask. The kernel sets it for every thread of a process that dies of whatever signal. */
const SIGKILL = 1n << 8n;

/** Whether thread `tid` waits to die of a signal; false when that cannot be known (0: it has no id here). */
export function isDying(tid: number): boolean {
  if (tid === 0) return false;
  try {
    const pending = /^SigPnd:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${tid}/status`, "latin1"))?.[1];
    return pending !== undefined && (BigInt(`0x${pending}`) & SIGKILL) !== 0n;
  } catch {
    return false; // it is gone, or hidden from us
  }
}
