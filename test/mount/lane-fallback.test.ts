// A lane that looked fine and cannot be opened once INIT has agreed on it: the kernel would hold every request. `auto` mounts
// again without it and says why; asked for by name it is an error. Here a ring needs more memory than may be locked.

import { describe, expect, it } from "vitest";
import { client, descriptorsOf, failedMount, type StartOptions, startMount, until } from "./harness.ts";
import { uringTestable, whileSwitched } from "./lanes.ts";

/** An ordinary user who may lock so many KiB. */
const lockingAtMost = (kib: number): readonly string[] => [
  ...["/usr/bin/prlimit", `--memlock=${kib * 1024}`],
  ...["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
];

/** Enough for the ring that the probe makes, not for one of 256 entries per CPU. */
const LIMITED = lockingAtMost(32);

describe.runIf(uringTestable)("lane io_uring, without the memory for its rings", () => {
  const cases: readonly (readonly [what: string, options: StartOptions])[] = [
    ["module form", { form: "module", options: { workers: 1 } }],
    ["two workers", { form: "module", options: { workers: 2 } }],
    ["object form", { form: "object" }],
  ];

  it.each(cases)("auto, %s: mounts on the device and says why", async (_, { form = "module", options }) => {
    const limited = { form, wrap: LIMITED, options: { lane: "auto" as const, ...options, queueDepth: 256 } };
    await using daemon = await whileSwitched("Y", () => startMount(limited));
    expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({
      lane: "dev",
      laneReason: expect.stringMatching(/ring: .+; io_uring: ENOMEM: .+RLIMIT_MEMLOCK/),
    });
    const hello = [
      "setpriv",
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      "cat",
      `${daemon.mountpoint}/hello`,
    ];
    expect(await client(...hello)).toMatchObject({ status: 0, stdout: "hello\n" });
    await daemon.order("unmount");
    daemon.hangUp();
    expect(await daemon.exited).toMatchObject({ status: 0 });
  });

  it("auto, one worker of two has the memory: its ring is closed as well", async () => {
    const options = { lane: "auto" as const, workers: 2, queueDepth: 256 };
    const limited = { form: "module" as const, wrap: lockingAtMost(128), options };
    await using daemon = await whileSwitched("Y", () => startMount(limited));
    expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: "dev" });
    // A ring has no descriptor, but the signal that goes with it has.
    await using plain = await startMount({ form: "module", options: { lane: "dev", workers: 2 } });
    const signals = ({ pid }: typeof plain) =>
      descriptorsOf(pid).filter((leadsTo) => leadsTo.includes("[eventfd]")).length;
    await until("the end of the first ring", () => signals(daemon) === signals(plain));
    await daemon.order("unmount");
    daemon.hangUp();
    expect(await daemon.exited).toMatchObject({ status: 0 });
  });

  it("by name: is LANE_UNAVAILABLE, and nothing is left", async () => {
    const limited = { wrap: LIMITED, options: { lane: "io_uring" as const, queueDepth: 256 } };
    const failed = await whileSwitched("Y", () => failedMount(limited));
    expect(failed).toMatchObject({
      code: "LANE_UNAVAILABLE",
      message: expect.stringMatching(/^lane io_uring: ENOMEM/),
    });
  });
});
