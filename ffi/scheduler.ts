// Owns: the scheduling class of the calling thread, and how long it was kept from running.
// Must not: decide when to change it.

import { readFileSync } from "node:fs";
import { checked } from "./errno.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
const PRIO_PROCESS = 0;
const THIS_THREAD = 0;

/** The calling thread as the scheduler sees it. Only that thread may use it. */
export interface SchedulingClass {
  /**
   * true: SCHED_IDLE, which runs where nothing else wants to, and whose CPU the kernel takes for free when it looks for
   * a place for another thread. false: back to SCHED_OTHER. Result 0 or -errno.
   */
  setIdle(idle: boolean): number;
  /** Nanoseconds since it began that the thread was ready to run and something else ran; negative: it cannot be told. */
  delayedNs(): number;
}

// Only who may lower a thread's nice value may also bring it back from SCHED_IDLE.
function mayComeBack(): boolean {
  const nice = libc.getpriority(PRIO_PROCESS, THIS_THREAD);
  if (libc.setpriority(PRIO_PROCESS, THIS_THREAD, nice - 1) < 0) return false;
  libc.setpriority(PRIO_PROCESS, THIS_THREAD, nice);
  return true;
}

// Its text is "running waiting slices".
function delayedNs(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]);
  } catch {
    return -1;
  }
}

/**
 * The calling thread's class; undefined where it may not be changed and changed back (that takes CAP_SYS_NICE), where
 * it is not the ordinary one, or where the kernel does not count how long threads wait.
 */
export function schedulingClass(): SchedulingClass | undefined {
  if (libc.sched_getscheduler(THIS_THREAD) !== SCHED_OTHER || !mayComeBack()) return undefined;
  if (delayedNs() <= 0) return undefined; // a thread that never waited for its first CPU is one that nobody counts
  const priority = new Int32Array(1);
  return {
    setIdle: (idle) =>
      checked(libc.sched_setscheduler(THIS_THREAD, idle ? SCHED_IDLE : SCHED_OTHER, addressOf(priority))),
    delayedNs,
  };
}
