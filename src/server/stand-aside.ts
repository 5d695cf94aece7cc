// Owns: the wait policy of a worker that shares its CPU with its callers, as a per-core worker of a fast lane does. While
// requests come thick it takes the idle class: then the kernel counts the worker's CPU as free, and a caller that gets
// its answer goes on there, where it was. Else it is sent to a CPU that is idle, which has to be woken first, and its next
// request wakes that CPU's worker.
// The idle class has no claim on a CPU. So once the worker was ready and something else ran for long, it goes back to
// the ordinary class, each time for longer; and it does so whenever it leaves its loop.

import type { SchedulingClass } from "../../ffi/scheduler.ts";
import { COUNT, count, type StatisticsRow } from "./statistics.ts";
import type { WaitPolicy } from "./wait-policy.ts";

/** Longest delay that is not taken for want of a CPU: a caller may compute a little before its next request. */
const DELAY_NS = 1_000_000;
/** A sleep shorter than this is one between requests that come thick. */
const THICK_NS = 300_000;
/** How many of these there must be before the first trial, and between trials. */
const FIRST_TRIAL = 64;
const REST_MIN = 256;
const REST_MAX = 262_144;
/** Sleeps aside after which an earlier delay counts no longer. */
const TRUSTED = 4096;

/** `thread` is the calling thread's class, which this policy alone changes; `now` is a clock in nanoseconds. */
export function createStandAside(
  thread: SchedulingClass,
  statistics: StatisticsRow,
  now: () => number = Bun.nanoseconds,
): WaitPolicy {
  let aside = false;
  let rest = FIRST_TRIAL; // thick sleeps to go before the next trial
  let nextRest = REST_MIN;
  let delayed = 0; // ns, when it was last looked at
  let trusted = 0; // sleeps since it stood aside

  function stand(): void {
    delayed = thread.delayedNs();
    if (delayed < 0 || thread.setIdle(true) < 0) {
      rest = REST_MAX;
      return;
    }
    aside = true;
    trusted = 0;
    count(statistics, COUNT.stoodAside, 1);
  }

  function comeBack(): void {
    aside = false;
    rest = FIRST_TRIAL;
    thread.setIdle(false);
  }

  function leave(): void {
    if (aside) comeBack();
  }

  function starved(): boolean {
    const until = thread.delayedNs();
    const by = until - delayed;
    delayed = until;
    return until < 0 || by > DELAY_NS;
  }

  return {
    wants: () => false,
    spin: () => false,
    // hot
    sleep(sleep) {
      count(statistics, COUNT.sleeps, 1);
      const began = now();
      sleep();
      const ns = now() - began;
      if (!aside) {
        if (ns < THICK_NS && --rest === 0) stand();
        return;
      }
      if (++trusted === TRUSTED) nextRest = REST_MIN;
      if (ns < DELAY_NS || !starved()) return;
      comeBack();
      count(statistics, COUNT.starved, 1);
      rest = nextRest;
      nextRest = Math.min(nextRest * 4, REST_MAX);
    },
    leave,
    end: leave,
  };
}
