// Owns: the wait policy of a worker that shares its CPU with its callers. The scheduler would send a caller that gets its
// answer to an idle CPU, which has to be woken first. So while requests come thick the worker sleeps, and answers, in the
// idle class: its CPU then counts as free, and the caller goes on there, where it was. Handlers never run in that class:
// what they start, threads and processes, would inherit it. It has no claim on a CPU: once the worker was ready and
// something else ran for long, it keeps to the ordinary class, for long in proportion.

import type { SchedulingClass } from "../../ffi/scheduler.ts";
import { COUNT, count, type StatisticsRow } from "./statistics.ts";
import type { WaitPolicy } from "./wait-policy.ts";

/** Longest delay that is not taken for want of a CPU: a caller may compute a little before its next request. */
const DELAY_NS = 1_000_000;
/** A sleep shorter than this is one between requests that come thick. */
const THICK_NS = 300_000;
/** How many of these there must be before a trial. */
const THICK = 64;
/** After a delay the worker keeps its CPU for so many times as long, and up to `WORST` times that when trials fail at once. */
const REST = 16;
const WORST = 16;
/** A trial with so many sleeps before its delay did not fail at once. */
const TRUSTED = 1024;

/** `thread` is the calling thread's class, which this policy alone changes; `now` is a clock in nanoseconds. */
export function createStandAside(
  thread: SchedulingClass,
  statistics: StatisticsRow,
  now: () => number = Bun.nanoseconds,
): WaitPolicy {
  let aside = false; // whether it sleeps in the idle class
  let thick = 0; // thick sleeps in a row of which none was aside
  let restUntil = 0;
  let factor = 1;
  let delayed = 0; // ns, when it was last looked at
  let sleepsAside = 0; // since it stood aside

  function stand(): void {
    thick = 0;
    delayed = thread.delayedNs();
    if (delayed < 0) {
      restUntil = Number.POSITIVE_INFINITY;
      return;
    }
    aside = true;
    sleepsAside = 0;
    count(statistics, COUNT.stoodAside, 1);
  }

  function leave(): void {
    aside = false;
    thick = 0;
  }

  // How long it was kept waiting for a CPU since it last looked; 0: not to speak of.
  function starvedNs(): number {
    const until = thread.delayedNs();
    const by = until - delayed;
    delayed = until;
    return until < 0 ? Number.POSITIVE_INFINITY : by > DELAY_NS ? by : 0;
  }

  // hot
  function sleepAside(sleep: () => void): void {
    const refused = thread.setIdle(true) < 0;
    const began = now();
    sleep();
    const ended = now();
    if (refused || thread.setIdle(false) < 0) {
      leave();
      restUntil = Number.POSITIVE_INFINITY;
      return;
    }
    sleepsAside++;
    if (ended - began < DELAY_NS) return;
    const by = starvedNs();
    if (by === 0) return;
    leave();
    count(statistics, COUNT.starved, 1);
    factor = sleepsAside < TRUSTED ? Math.min(factor * 2, WORST) : 1;
    restUntil = ended + by * REST * factor;
  }

  return {
    wants: () => false,
    spin: () => false,
    // hot
    sleep(sleep) {
      count(statistics, COUNT.sleeps, 1);
      if (aside) return sleepAside(sleep);
      const began = now();
      sleep();
      const ended = now();
      if (ended - began >= THICK_NS) thick = 0;
      else if (++thick >= THICK && ended >= restUntil) stand();
    },
    leave,
    end: leave,
  };
}
