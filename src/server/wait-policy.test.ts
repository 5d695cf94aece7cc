// Proves when a worker looks for its next request, and when it sleeps, from what the policy is shown.

import { describe, expect, it } from "vitest";
import { createStatistics, statisticsRow, sumStatistics } from "./statistics.ts";
import { createWaitPolicy } from "./wait-policy.ts";

function policy(spinUs: number | "auto", keepAwake?: (awake: boolean) => void) {
  const buffer = createStatistics(1);
  const made = createWaitPolicy(spinUs, statisticsRow(buffer, 0), keepAwake);
  const counted = () => {
    const { spinHits, spinMisses, sleeps } = sumStatistics(buffer);
    return { spinHits, spinMisses, sleeps };
  };
  return { ...made, counted };
}

const never = () => false;
const atOnce = () => true;

/** Says yes at the n-th look. */
function atLook(n: number): () => boolean {
  let looks = 0;
  return () => ++looks >= n;
}

/** A sleep of about so many microseconds. */
const sleepOf = (us: number) => () => {
  const end = Bun.nanoseconds() + us * 1000;
  while (Bun.nanoseconds() < end);
};

describe("spinUs 0", () => {
  it("sleeps at once, and counts it", () => {
    const wait = policy(0);
    expect(wait.wants()).toBe(false);
    let slept = 0;
    wait.sleep(() => void slept++);
    expect([slept, wait.counted()]).toEqual([1, { spinHits: 0, spinMisses: 0, sleeps: 1 }]);
  });
});

describe("spinUs fixed", () => {
  it("looks until there is something, or for as long as it was told and not much shorter", () => {
    const wait = policy(500);
    expect(wait.wants()).toBe(true);
    expect(wait.spin(atLook(20))).toBe(true);
    const began = Bun.nanoseconds();
    expect(wait.spin(never)).toBe(false);
    expect(Bun.nanoseconds() - began).toBeGreaterThanOrEqual(500_000);
    expect(wait.counted()).toEqual({ spinHits: 1, spinMisses: 1, sleeps: 0 });
    expect(wait.wants()).toBe(true);
  });

  it("looks once more than never, even where the thread was held up before its first look", () => {
    expect(policy(0.001).spin(atOnce)).toBe(true);
  });

  it("keepAwake: is told of the first hit and of the first miss after it, once each", () => {
    const told: boolean[] = [];
    const wait = policy(1, (awake) => void told.push(awake));
    wait.spin(never);
    expect(told).toEqual([]);
    for (let n = 0; n < 3; n++) wait.spin(atOnce);
    for (let n = 0; n < 3; n++) wait.spin(never);
    wait.spin(atOnce);
    expect(told).toEqual([true, false, true]);
  });

  it("leave: a thread that is soon back says nothing, however often it leaves", () => {
    const told: boolean[] = [];
    const wait = policy(1, (awake) => void told.push(awake));
    for (let n = 0; n < 1000; n++) {
      wait.leave();
      wait.spin(atOnce);
    }
    expect(told).toEqual([true]);
    wait.end();
    wait.end();
    expect(told).toEqual([true, false]);
  });

  it("leave: a thread that stays away keeps nobody awake, until a spin finds a request again", async () => {
    const told: boolean[] = [];
    const wait = policy(1, (awake) => void told.push(awake));
    wait.leave();
    wait.spin(atOnce);
    wait.leave();
    while (told.length < 2) await Bun.sleep(1);
    wait.leave();
    await Bun.sleep(50); // one that is not awake has nothing to take back
    expect(told).toEqual([true, false]);
    wait.spin(atOnce);
    expect(told).toEqual([true, false, true]);
    wait.end();
  });
});

describe("spinUs auto", () => {
  /** Spins in vain until the policy wants no more; how often that was. */
  function tire(wait: ReturnType<typeof policy>): number {
    let spins = 0;
    for (; wait.wants() && spins < 1000; spins++) wait.spin(never);
    return spins;
  }

  /** Sleeps until the policy wants to spin again; how often that was. */
  function rest(wait: ReturnType<typeof policy>, us: number, most: number): number {
    let sleeps = 0;
    for (; !wait.wants() && sleeps < most; sleeps++) wait.sleep(sleepOf(us));
    return sleeps;
  }

  it("gives up after a few misses, each no longer than the longest spin", () => {
    const wait = policy("auto");
    const began = Bun.nanoseconds();
    expect(tire(wait)).toBeLessThanOrEqual(4);
    expect(wait.counted().spinMisses).toBeGreaterThan(0);
    expect(Bun.nanoseconds() - began).toBeLessThan(100e6); // four spins of 1 ms at most, on a machine that is busy
  });

  it("tries again after busy sleeps, and rests twice as long when that was in vain", () => {
    const wait = policy("auto");
    tire(wait);
    const first = rest(wait, 1, 100_000);
    tire(wait);
    const second = rest(wait, 1, 100_000);
    expect(first).toBeGreaterThanOrEqual(256);
    // Sleeps that the machine itself made long do not count, so there may be more of them, never fewer.
    expect(second).toBeGreaterThanOrEqual(512);
    expect(wait.wants()).toBe(true);
  });

  it("a trial looks for longer than the sleeps before it took: its request's sender may have to be woken", () => {
    const wait = policy("auto");
    tire(wait);
    // A spin ends early where the machine takes this thread off its CPU.
    let longest = 0;
    for (let trial = 0; trial < 10 && longest <= 400_000; trial++) {
      rest(wait, 400, 4000);
      while (wait.wants()) {
        const began = Bun.nanoseconds();
        wait.spin(never);
        longest = Math.max(longest, Bun.nanoseconds() - began);
      }
    }
    expect(longest).toBeGreaterThan(400_000);
  });

  it("does not take idle time for traffic", () => {
    const wait = policy("auto");
    tire(wait);
    expect(rest(wait, 2100, 300)).toBe(300);
    expect(wait.wants()).toBe(false);
  });

  it("goes on as long as requests are found", () => {
    const wait = policy("auto");
    for (let n = 0; n < 5000; n++) if (wait.wants()) wait.spin(atOnce);
    expect(wait.counted().spinHits).toBeGreaterThan(100);
  });
});
