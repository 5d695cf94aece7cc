// Proves when a worker leaves its CPU to its callers, and when it takes it back, from what the policy is shown.

import { describe, expect, it } from "vitest";
import { createStandAside } from "./stand-aside.ts";
import { createStatistics, statisticsRow, sumStatistics } from "./statistics.ts";

const THICK = 64;
const QUICK_NS = 20_000;
const ASIDE_NS = 5_000;
const VAIN = 2048;
const TRUST = 16_384;
const MS = 1_000_000;

/**
 * A policy over a class that does what it is told. `delayed` is what the scheduler counts, in ns; `asleep`: whether the
 * last sleep was in the idle class; `asideNs`: how long a quick sleep takes there.
 */
function policy({ refuses = false, asideNs = ASIDE_NS } = {}) {
  const buffer = createStatistics(1);
  const thread = { idle: false, changes: 0, delayed: 1000, looks: 0, clock: 0, asleep: false };
  const made = createStandAside(
    {
      setIdle(idle) {
        if (refuses) return -1;
        thread.idle = idle;
        thread.changes++;
        return 0;
      },
      delayedNs: () => {
        thread.looks++;
        return thread.delayed;
      },
    },
    statisticsRow(buffer, 0),
    () => thread.clock,
  );
  const quick = (times: number) => {
    for (let time = 0; time < times; time++) {
      made.sleep(() => {
        thread.clock += thread.idle ? asideNs : QUICK_NS;
        thread.asleep = thread.idle;
      });
    }
  };
  const counted = () => {
    const { sleeps, stoodAside, starved } = sumStatistics(buffer);
    return { sleeps, stoodAside, starved };
  };
  return { ...made, thread, quick, counted };
}

type Policy = ReturnType<typeof policy>;

/** A sleep of so many ms, of which the thread was ready to run for all but `sleptMs`. */
const lasting = (thread: Policy["thread"], ms: number, sleptMs: number) => () => {
  thread.asleep = thread.idle;
  thread.clock += ms * MS;
  thread.delayed += (ms - sleptMs) * MS;
};

describe("createStandAside", () => {
  it("stands aside when requests come thick, and never looks for them by spinning", () => {
    const wait = policy();
    expect([wait.wants(), wait.spin(() => true)]).toEqual([false, false]);
    wait.quick(THICK);
    expect(wait.thread.asleep).toBe(false);
    wait.quick(1);
    expect(wait.thread.asleep).toBe(true);
    wait.quick(9999);
    expect(wait.thread).toMatchObject({ asleep: true, changes: 20_000, looks: 1 });
    expect(wait.counted()).toEqual({ sleeps: THICK + 10_000, stoodAside: 1, starved: 0 });
  });

  it("is in the idle class while it sleeps, and never while a handler runs", () => {
    const wait = policy();
    for (let time = 0; time < THICK * 2; time++) {
      wait.quick(1);
      expect(wait.thread.idle).toBe(false);
    }
    wait.sleep(lasting(wait.thread, 2, 0));
    expect(wait.thread).toMatchObject({ asleep: true, idle: false });
  });

  it("does not where they come one at a time", () => {
    const wait = policy();
    for (let time = 0; time < THICK * 2; time++) wait.sleep(lasting(wait.thread, 0.4, 0.4));
    expect(wait.thread.changes).toBe(0);
  });

  it("stays aside while it sleeps for want of requests, however long", () => {
    const wait = policy();
    wait.quick(THICK);
    wait.sleep(lasting(wait.thread, 3, 3));
    wait.quick(1);
    expect(wait.thread.asleep).toBe(true);
  });

  // Quick sleeps until it stands aside again, and how many ms they took.
  function rest(wait: Policy): number {
    const began = wait.thread.clock;
    do wait.quick(1);
    while (!wait.thread.asleep);
    return (wait.thread.clock - began) / MS;
  }

  // It looks whether to try again after each `THICK` sleeps.
  const WINDOW_MS = (THICK * QUICK_NS) / MS;
  function expectRest(wait: Policy, ms: number): void {
    const took = rest(wait);
    expect(took).toBeGreaterThan(ms - 0.1); // one quick sleep may have come before
    expect(took).toBeLessThan(ms + WINDOW_MS + 1);
  }

  it("takes its CPU back when it had to wait for it, for long in proportion", () => {
    const wait = policy();
    wait.quick(THICK + 2000);
    wait.sleep(lasting(wait.thread, 2, 0));
    wait.quick(1);
    expect(wait.thread.asleep).toBe(false);
    expectRest(wait, 2 * 16);
    wait.quick(2000);
    wait.sleep(lasting(wait.thread, 12, 0));
    expectRest(wait, 12 * 16);
    expect(wait.counted()).toMatchObject({ stoodAside: 3, starved: 2 });
  });

  it("takes it back for longer when that happens at once, and not when it was long ago", () => {
    const wait = policy();
    wait.quick(THICK);
    for (const ms of [64, 128, 256, 512, 512, 512]) {
      wait.sleep(lasting(wait.thread, 2, 0));
      expectRest(wait, ms);
    }
    wait.quick(2000);
    wait.sleep(lasting(wait.thread, 2, 0));
    expectRest(wait, 2 * 16);
  });

  it("ends where callers come back no sooner for it, and tries again later", () => {
    const wait = policy({ asideNs: QUICK_NS });
    wait.quick(2 * THICK);
    expect(wait.thread).toMatchObject({ asleep: true, changes: 2 * THICK });
    wait.quick(VAIN + THICK);
    expect(wait.thread).toMatchObject({ asleep: false, changes: 2 * THICK });
    wait.quick(1);
    expect(wait.thread.asleep).toBe(true);
    expect(wait.counted()).toEqual({ sleeps: VAIN + 3 * THICK + 1, stoodAside: 2, starved: 0 });
  });

  it("a single pause does not decide a trial", () => {
    const wait = policy();
    wait.quick(THICK + 10);
    for (let time = 0; time < 5; time++) wait.sleep(lasting(wait.thread, 0.29, 0.29));
    wait.quick(THICK);
    expect(wait.thread.asleep).toBe(true);
  });

  it("looks again whether it is worth it after long", () => {
    const wait = policy();
    wait.quick(THICK + TRUST);
    expect(wait.thread.asleep).toBe(true);
    wait.quick(THICK);
    expect(wait.thread.asleep).toBe(false);
    wait.quick(1);
    expect(wait.thread.asleep).toBe(true);
  });

  it("leave: begins anew", () => {
    const wait = policy();
    wait.quick(THICK);
    wait.leave();
    wait.quick(THICK);
    expect(wait.thread).toMatchObject({ asleep: false, changes: 0 });
    wait.quick(1);
    expect(wait.thread.asleep).toBe(true);
  });

  it("goes on as it is where the class cannot be changed, or the delay not be told", () => {
    const refused = policy({ refuses: true });
    refused.quick(10_000);
    expect(refused.counted()).toEqual({ sleeps: 10_000, stoodAside: 1, starved: 0 });
    const blind = policy();
    blind.thread.delayed = -24;
    blind.quick(10_000);
    expect(blind.thread.changes).toBe(0);
    const blinded = policy();
    blinded.quick(THICK);
    blinded.thread.delayed = -24;
    blinded.sleep(lasting(blinded.thread, 2, 2));
    blinded.quick(10_000);
    expect(blinded.thread).toMatchObject({ asleep: false, changes: 2 });
  });
});
