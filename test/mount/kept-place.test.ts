// A worker that has lost its CPU goes back to it while it serves. When a CPU goes offline the kernel widens the masks of its
// threads and leaves them so; here that is done from outside, since a machine's CPUs are not a test's to take away. CPUs
// that really go are test/ring/hotplug.test.ts's.

import { expect, it } from "vitest";
import { allowedCpus } from "../../ffi/affinity.ts";
import { makeSource } from "./features.ts";
import { client, errorsOf, startClient, until } from "./harness.ts";
import { isTestable, type LaneCase, startOn } from "./lanes.ts";
import { pinsOf } from "./pins.ts";

const PASSTHROUGH = new URL("../../src/fs/passthrough/module.ts", import.meta.url);
const CPUS = allowedCpus();

const CASES: readonly LaneCase[] = [
  { name: "dev, a worker per core", options: { lane: "dev", placement: "per-core" } },
  { name: "dev, a dedicated worker", options: { lane: "dev", workers: 1, placement: "dedicated" } },
  { name: "io_uring, a worker per core", options: { lane: "io_uring", placement: "per-core" } },
  { name: "io_uring, a dedicated worker", options: { lane: "io_uring", workers: 1, placement: "dedicated" } },
];

it.runIf(CPUS.length > 1).each(CASES.filter(isTestable))("$name: takes its CPU again", async (lane) => {
  const filesystemOptions = { source: makeSource(), cacheMs: 0, passthrough: "off" };
  await using daemon = await startOn(lane, { filesystem: PASSTHROUGH, options: { filesystemOptions } });
  const pins = pinsOf(daemon);
  expect(pins.map(({ cpu }) => cpu)).toEqual(lane.options.placement === "dedicated" ? CPUS.slice(-1) : CPUS);
  for (const { tid } of pins) {
    expect(await client("taskset", "-p", "-c", CPUS.join(","), String(tid))).toMatchObject({ status: 0 });
  }
  expect(pinsOf(daemon)).toEqual([]);
  // A caller on each CPU, so that on io_uring each worker is asked.
  const script = `while stat ${daemon.mountpoint}/.; do :; done > /dev/null`;
  const callers = CPUS.map((cpu) => startClient(["taskset", "-c", String(cpu), "sh", "-c", script]));
  await until("workers on their CPUs", () => JSON.stringify(pinsOf(daemon)) === JSON.stringify(pins));
  for (const { kill, ended } of callers) {
    kill("SIGKILL");
    await ended;
  }
  expect(errorsOf(daemon)).toBe("");
  await daemon.order("unmount");
  daemon.hangUp();
  expect(await daemon.exited).toMatchObject({ status: 0, stderr: "" });
});
