// CPUs go offline and come back while a mount is in use, on each lane and with workers in every place: no operation fails
// or waits for ever, workers go back to their CPUs, and the mount comes off cleanly. A filesystem that several workers
// can serve, its source on tmpfs, without caching, so that every call of a client is a request.

import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PATIENCE } from "../behaviour/pace.ts";
import { makeSource } from "../mount/features.ts";
import { client, type Daemon, errorsOf, until, within } from "../mount/harness.ts";
import { isTestable, type LaneCase, startOn } from "../mount/lanes.ts";
import { pinsOf } from "../mount/pins.ts";
import { connections, moduleUnloads, nothingHangs, removableCpus, SHORT, setOnline } from "./inspection.ts";
import { load, type Storm } from "./storm.ts";

const PASSTHROUGH = new URL("../../src/fs/passthrough/module.ts", import.meta.url);
const STORM_MS = 240_000; // it is stopped long before
const THREADS = 16;
/** Requests that have to be answered between two changes. */
const SOME = 200;

const CASES: readonly LaneCase[] = [
  { name: "ring", options: { lane: "ring" } },
  { name: "dev, one worker", options: { lane: "dev", workers: 1 } },
  { name: "dev, a worker per core", options: { lane: "dev", placement: "per-core" } },
  { name: "dev, a dedicated worker", options: { lane: "dev", workers: 1, placement: "dedicated" } },
  { name: "io_uring, one worker", options: { lane: "io_uring", workers: 1 } },
  { name: "io_uring, a worker per core", options: { lane: "io_uring", placement: "per-core" } },
  { name: "io_uring, a dedicated worker", options: { lane: "io_uring", workers: 1, placement: "dedicated" } },
];
const HERE = CASES.filter((one) => (one.options.lane === "ring" ? existsSync("/dev/rfuse") : isTestable(one)));

const mountOn = async (lane: LaneCase): Promise<Daemon> => {
  const filesystemOptions = { source: makeSource(), cacheMs: 0, passthrough: "off" };
  const daemon = await startOn(lane, { filesystem: PASSTHROUGH, options: { allowOther: true, filesystemOptions } });
  expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: lane.options.lane });
  return daemon;
};

/** All orders of these. */
const ordersOf = (cpus: readonly number[]): number[][] =>
  cpus.length < 2
    ? [[...cpus]]
    : cpus.flatMap((first) => ordersOf(cpus.filter((cpu) => cpu !== first)).map((rest) => [first, ...rest]));

const repliesOf = async (daemon: Daemon) => (await daemon.order<{ replies: number }>("stats")).replies;

async function goesOn(daemon: Daemon, what: string): Promise<void> {
  const before = await repliesOf(daemon);
  await until(`answers, ${what}`, async () => (await repliesOf(daemon)) > before + SOME, 60_000 * PATIENCE);
}

async function stopped(storm: Storm): Promise<void> {
  storm.stop();
  expect(await storm.counts).toMatchObject({ dead: 0 });
}

async function endsCleanly(daemon: Daemon): Promise<void> {
  await daemon.order("unmount");
  daemon.hangUp();
  expect(errorsOf(daemon)).toBe("");
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0);
}

/** Not of the short run. */
const whole: (name: string, run: () => Promise<void>) => void = SHORT ? () => {} : it;

describe.runIf(removableCpus().length > 0).each(HERE)("CPUs that go and come, $name", (lane) => {
  const cpus = removableCpus();
  let before: readonly string[] = [];
  beforeEach(() => {
    before = connections();
  });
  afterEach(async () => {
    for (const cpu of cpus) setOnline(cpu, true);
    await nothingHangs();
    await until("the connection is gone", () => connections().length === before.length, 100_000);
    await moduleUnloads();
  });

  it("under load, in every order: no operation fails, and workers are on their CPUs again", async () => {
    await using daemon = await mountOn(lane);
    const pins = pinsOf(daemon);
    expect(pins.length > 0).toBe(/per core|dedicated/.test(lane.name));
    const storm = await load(daemon.mountpoint, THREADS, STORM_MS);
    await goesOn(daemon, "at first");
    const orders = ordersOf(cpus);
    for (const [at, order] of orders.entries()) {
      for (const cpu of order) {
        setOnline(cpu, false);
        await goesOn(daemon, `CPU ${cpu} of ${order} went`);
      }
      const back = orders[(at + 1) % orders.length] ?? order;
      for (const cpu of back) {
        setOnline(cpu, true);
        await goesOn(daemon, `CPU ${cpu} of ${back} came`);
      }
    }
    await until("workers on their CPUs", () => JSON.stringify(pinsOf(daemon)) === JSON.stringify(pins));
    await stopped(storm);
    await endsCleanly(daemon);
  });

  it("away when the mount begins: those that come are served", async () => {
    for (const cpu of cpus) setOnline(cpu, false);
    await using daemon = await mountOn(lane);
    for (const cpu of cpus) {
      setOnline(cpu, true);
      const storm = await load(daemon.mountpoint, 4, STORM_MS, false, ["taskset", "-c", String(cpu)]);
      await goesOn(daemon, `clients on CPU ${cpu}`);
      await stopped(storm);
    }
    const storm = await load(daemon.mountpoint, THREADS, STORM_MS);
    for (const cpu of cpus) {
      setOnline(cpu, false);
      await goesOn(daemon, `CPU ${cpu} went again`);
    }
    await stopped(storm);
    await endsCleanly(daemon);
  });

  whole("idle while they go and come: the next operations end", async () => {
    await using daemon = await mountOn(lane);
    const look = async () =>
      expect(await client("sh", "-c", `echo a > ${daemon.mountpoint}/f && cat ${daemon.mountpoint}/f`)).toMatchObject({
        ...{ status: 0, stdout: "a\n" },
      });
    await look();
    for (const cpu of cpus) setOnline(cpu, false);
    await look();
    for (const cpu of cpus) setOnline(cpu, true);
    for (const cpu of [0, ...cpus]) {
      const ended = await client("taskset", "-c", String(cpu), "cat", `${daemon.mountpoint}/f`);
      expect(ended).toMatchObject({ status: 0, stdout: "a\n" });
    }
    await endsCleanly(daemon);
  });

  it("away when the daemon is killed: every caller ends, and nothing is left", async () => {
    await using daemon = await mountOn(lane);
    const storm = await load(daemon.mountpoint, THREADS, STORM_MS, true);
    await goesOn(daemon, "at first");
    for (const cpu of cpus) setOnline(cpu, false);
    daemon.kill("SIGKILL");
    expect(await storm.counts).toMatchObject({ dead: THREADS });
    await daemon.exited;
    await until("the mount is gone", () => daemon.leftovers().length === 0, 10_000 * PATIENCE);
  });
});
