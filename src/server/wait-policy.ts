// Owns: how a worker waits for its next request: whether it looks for it for a while (a spin) before it sleeps, and for
// how long. One policy for all lanes; the lane gives a cheap look (`ready`) and a way to sleep.
// "auto" learns from what it sees. A spin pays where the next request comes soon and its sender runs elsewhere; it harms
// where the sender needs this very CPU. So misses end the spinning for a while, each time for longer, and hits bring
// it back. Must not: know lanes, or run code of theirs but those two.

import { COUNT, count, type StatisticsRow } from "./statistics.ts";

/** Longest learned spin. Two wake-ups take 5 to 10 us on hardware, 50 to 60 of a halted virtual CPU, 500 of an emulated one. */
const AUTO_MAX_NS = 1_000_000;
const AUTO_MIN_NS = 5_000;
/** A first guess, until gaps between requests have been seen. */
const FIRST_GAP_NS = 40_000;
/** Sleeps longer than this are idle time: they say nothing about traffic. */
const IDLE_NS = 2_000_000;
/** A look that took longer than this: the thread was taken off its CPU, which somebody else needs. */
const PREEMPTED_NS = 50_000;
/** A miss weighs as much as so many hits, and so does a spin during which the thread was taken off. */
const MISS_WEIGHT = 4;
const PREEMPTED_WEIGHT = 8;
const GIVE_UP = 16;
/** Sleeps between two trials; the longest bounds what trials in vain cost to a third of a percent. */
const REST_MIN = 256;
const REST_MAX = 2048;
/** Hits in a row after which an earlier rest counts no longer. */
const TRUSTED = 1024;
/** Longest time that CPUs are kept awake while the thread waits in its event loop. */
const LINGER_MS = 20;

/** Looks of a fixed spin between two readings of the clock, each of which takes longer than a look at memory. */
const LOOKS = 8;

export interface WaitPolicy {
  /** Whether it would spin now. Hot. */
  wants(): boolean;
  /** Looks until `ready` says yes (true) or the budget is used up. Hot. */
  spin(ready: () => boolean): boolean;
  /** Calls `sleep` once and learns from how long it took. Hot. */
  sleep(sleep: () => void): void;
  /** The queue waits in its event loop: who is kept awake need not be, unless it is soon back. */
  leave(): void;
  /** The queue has ended. */
  end(): void;
}

const nothing = () => {};

function createNever(statistics: StatisticsRow): WaitPolicy {
  return {
    wants: () => false,
    spin: () => false,
    sleep(sleep) {
      count(statistics, COUNT.sleeps, 1);
      sleep();
    },
    leave: nothing,
    end: nothing,
  };
}

// A spin that finds its request says that traffic flows: until one does not, other CPUs are kept awake as well, since
// callers sleep on them between requests. To say so takes a system call that concerns every CPU, so a thread that leaves for its
// event loop takes it back only when it has been away once `LINGER_MS` later, not for each promise.
function createFixed(budgetNs: number, statistics: StatisticsRow, keepAwake: (awake: boolean) => void): WaitPolicy {
  let awake = false;
  let away = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function keep(all: boolean): void {
    if (all !== awake) keepAwake(all);
    awake = all;
  }

  function found(hit: boolean): boolean {
    count(statistics, hit ? COUNT.spinHits : COUNT.spinMisses, 1);
    keep(hit);
    return hit;
  }

  return {
    wants: () => true,
    // hot
    spin(ready) {
      away = false;
      const end = Bun.nanoseconds() + budgetNs;
      do {
        for (let look = 0; look < LOOKS; look++) if (ready()) return found(true);
      } while (Bun.nanoseconds() < end);
      return found(false);
    },
    sleep(sleep) {
      count(statistics, COUNT.sleeps, 1);
      sleep();
    },
    leave() {
      away = true;
      if (!awake || timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        if (away) keep(false);
      }, LINGER_MS);
      timer.unref();
    },
    end() {
      clearTimeout(timer);
      keep(false);
    },
  };
}

function createAdaptive(statistics: StatisticsRow): WaitPolicy {
  let gapNs = FIRST_GAP_NS; // moving average of the time from a look to the next request
  let sleptNs = FIRST_GAP_NS; // the same of busy sleeps, in which somebody had to be woken as well
  let weight = 0; // of recent misses
  let rest = 0; // busy sleeps to go before the next trial
  let nextRest = REST_MIN;
  let hits = 0; // since the last miss

  // hot
  function hit(ns: number): void {
    gapNs += (ns - gapNs) / 16;
    if (weight > 0) weight--;
    if (++hits === TRUSTED) nextRest = REST_MIN;
    count(statistics, COUNT.spinHits, 1);
  }

  // hot
  function miss(by: number): void {
    hits = 0;
    weight += by;
    count(statistics, COUNT.spinMisses, 1);
    if (weight < GIVE_UP) return;
    weight = 0;
    rest = nextRest;
    nextRest = Math.min(nextRest * 2, REST_MAX);
  }

  return {
    wants: () => rest === 0,
    // hot
    spin(ready) {
      const began = Bun.nanoseconds();
      const budgetNs = Math.min(AUTO_MAX_NS, AUTO_MIN_NS + 3 * gapNs);
      let last = began;
      for (;;) {
        const found = ready();
        const now = Bun.nanoseconds();
        if (found) {
          hit(now - began);
          return true;
        }
        if (now - last > PREEMPTED_NS) {
          miss(PREEMPTED_WEIGHT);
          return false;
        }
        if (now - began > budgetNs) break;
        last = now;
      }
      miss(MISS_WEIGHT);
      return false;
    },
    // hot
    sleep(sleep) {
      count(statistics, COUNT.sleeps, 1);
      if (rest === 0) return sleep();
      const began = Bun.nanoseconds();
      sleep();
      const took = Bun.nanoseconds() - began;
      if (took >= IDLE_NS) return;
      sleptNs += (took - sleptNs) / 16;
      // A trial looks a little longer than a sleep takes: the first request may come from a caller that has to be woken.
      if (--rest === 0) gapNs = sleptNs / 2;
    },
    leave: nothing,
    end: nothing,
  };
}

/**
 * The policy of one queue. `spinUs`: microseconds to spin before each sleep, 0 never, "auto" as traffic suggests.
 * `keepAwake` is told when a fixed spin begins to find requests and when it finds none.
 */
export function createWaitPolicy(
  spinUs: number | "auto",
  statistics: StatisticsRow,
  keepAwake: (awake: boolean) => void = nothing,
): WaitPolicy {
  if (spinUs === "auto") return createAdaptive(statistics);
  return spinUs === 0 ? createNever(statistics) : createFixed(spinUs * 1000, statistics, keepAwake);
}
