// Owns: the wait policy of a worker that shares its CPU with its callers. The scheduler would send a caller that gets its
// answer to an idle CPU, which has to be woken first. So while requests come thick the worker sleeps, and answers, in the
// idle class: its CPU then counts as free, and the caller goes on there, where it was. Handlers never run in that class:
// what they start, threads and processes, would inherit it. It has no claim on a CPU: once the worker was ready and
// something else ran for long, it keeps to the ordinary class, for long in proportion. Nor is it for nothing, two system
// calls for each sleep: where callers come back no sooner for it, because they are pinned or every CPU is busy, it ends.

import type { SchedulingClass } from "../../ffi/scheduler.ts";
import { COUNT, count, type StatisticsRow } from "./statistics.ts";
import type { WaitPolicy } from "./wait-policy.ts";

/** Longest delay that is not taken for want of a CPU: a caller may compute a little before its next request. */
const DELAY_NS = 1_000_000;
/** A sleep shorter than this is one between requests that come thick. */
const THICK_NS = 300_000;
/** How many of these there must be before a trial, and how many are its length. */
const THICK = 64;
/** One sleep counts for no more than this when a trial is judged, lest a single pause decide it. */
const OUTLIER_NS = 100_000;
/** A trial is worth going on where sleeps became shorter than this part of what they were. */
const WORTH = 3 / 4;
/** Sleeps until the next trial after one that was not worth it, and until one that was is looked at again. */
const VAIN = 2048;
const TRUST = 16_384;
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
  let thick = 0; // thick sleeps of the trial, or in a row before it
  let thickNs = 0; // how long they were together
  let beforeNs = 0; // how long those before the trial were
  let rest = 0; // sleeps to go before they count again
  let restUntil = 0;
  let factor = 1;
  let delayed = 0; // ns, when it was last looked at
  let sleepsAside = 0; // since it stood aside

  function begin(): void {
    thick = 0;
    thickNs = 0;
  }

  // hot
  function add(ns: number): boolean {
    thickNs += ns < OUTLIER_NS ? ns : OUTLIER_NS;
    return ++thick === THICK;
  }

  function stand(): void {
    beforeNs = thickNs;
    begin();
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
    begin();
  }

  // hot
  function learn(ns: number): void {
    if (thick === THICK || !add(ns) || thickNs < beforeNs * WORTH) return;
    leave();
    rest = VAIN;
  }

  // How long it was kept waiting for a CPU since it last looked; 0: not to speak of.
  function starvedNs(): number {
    const until = thread.delayedNs();
    const by = until - delayed;
    delayed = until;
    return until < 0 ? Number.POSITIVE_INFINITY : by > DELAY_NS ? by : 0;
  }

  // A sleep was long: perhaps for want of a CPU.
  function mind(ended: number): void {
    const by = starvedNs();
    if (by === 0) return;
    leave();
    count(statistics, COUNT.starved, 1);
    factor = sleepsAside < TRUSTED ? Math.min(factor * 2, WORST) : 1;
    restUntil = ended + by * REST * factor;
  }

  // hot
  function sleepAside(sleep: () => void): void {
    const began = now();
    const refused = thread.setIdle(true) < 0;
    sleep();
    if (refused || thread.setIdle(false) < 0) {
      leave();
      restUntil = Number.POSITIVE_INFINITY;
      return;
    }
    const ended = now();
    if (++sleepsAside === TRUST) leave();
    else if (ended - began < THICK_NS) learn(ended - began);
    else if (ended - began >= DELAY_NS) mind(ended);
  }

  return {
    wants: () => false,
    spin: () => false,
    // hot
    sleep(sleep) {
      count(statistics, COUNT.sleeps, 1);
      if (aside) return sleepAside(sleep);
      if (rest > 0) {
        rest--;
        return sleep();
      }
      const began = now();
      sleep();
      const ended = now();
      if (ended - began >= THICK_NS) begin();
      else if (add(ended - began)) {
        if (ended >= restUntil) stand();
        else begin();
      }
    },
    leave,
    end: leave,
  };
}
