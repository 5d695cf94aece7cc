// Workers that sleep on a shared word until a doorbell thread rings: what handlers of both kinds answer, and what the
// statistics say. The suites that every lane is judged by run over the tables of lanes.ts and served.ts.

import { describe, expect, it } from "vitest";
import type { Statistics } from "../../src/index.ts";
import { client, type Daemon, until, within } from "./harness.ts";
import { DEV_DOORBELL, isTestable, type LaneCase, startOn, URING_DOORBELL } from "./lanes.ts";

const FILES = ["plain", "timer", "microtask"];
const ROUNDS = 20;

const stats = (daemon: Daemon) => daemon.order<Statistics>("stats");

async function rounds({ mountpoint }: Daemon): Promise<void> {
  const paths = FILES.map((name) => `${mountpoint}/${name}`).join(" ");
  const { stdout, stderr } = await client("sh", "-c", `for n in $(seq ${ROUNDS}); do cat ${paths}; done`);
  expect(stderr).toBe("");
  expect(stdout).toBe(
    FILES.map((name) => `${name}\n`)
      .join("")
      .repeat(ROUNDS),
  );
}

async function endsCleanly(daemon: Daemon): Promise<void> {
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0);
}

const CASES = [DEV_DOORBELL, URING_DOORBELL].filter(isTestable).flatMap((lane) =>
  [1, 2].flatMap((workers) =>
    ([0, "auto", 200] as const).map((spinUs) => ({
      lane: { ...lane, options: { ...lane.options, workers } } satisfies LaneCase,
      options: { spinUs },
      name: `${lane.options.lane}, workers ${workers}, spinUs ${spinUs}`,
    })),
  ),
);

describe.each(CASES)("sleepIn doorbell, $name", ({ lane, options }) => {
  it("synchronous and asynchronous handlers: are answered, and each sleep ends by a bell", async () => {
    await using daemon = await startOn(lane, { filesystem: "special", options });
    await Promise.all([rounds(daemon), rounds(daemon)]);
    const { sleeps, wakes, handlerFaults, asynchronous } = await stats(daemon);
    expect(handlerFaults).toBe(0);
    expect(asynchronous).toBeGreaterThanOrEqual(2 * ROUNDS); // timers
    expect(sleeps).toBeGreaterThan(0);
    expect(wakes).toBeGreaterThan(sleeps - Number(lane.options.workers) - 1); // those that sleep now have still to be woken
    await daemon.order("unmount");
    await endsCleanly(daemon);
  });
});
