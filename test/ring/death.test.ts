// The end of a mount in every way, under load: the daemon is killed, the connection aborted, the mount taken off by
// force, the module's unloading tried. Afterwards nothing hangs, nothing is left of the connection, and the module can be
// unloaded. (CPUs that go: hotplug.test.ts.)

import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PATIENCE } from "../behaviour/pace.ts";
import { client, type Daemon, startMount, until } from "../mount/harness.ts";
import {
  abortConnection,
  connections,
  lane,
  modulePath,
  moduleUnloads,
  nothingHangs,
  SHORT,
  unload,
} from "./inspection.ts";
import { load } from "./storm.ts";

const MEMORY = new URL("../../src/fs/memory/module.ts", import.meta.url);
const STORM_MS = 60_000; // it is ended long before
const THREADS = 16;
const ROUNDS = SHORT ? 1 : 3;
const LIVING_MS = SHORT ? 2_000 : 4_000; // of a storm that nothing ends
const hasModule = modulePath !== undefined && existsSync("/sys/module/rfuse");

const mountMemory = (): Promise<Daemon> => startMount({ filesystem: MEMORY, options: { allowOther: true, lane } });

/** Ends a mount while a storm blows on it: every thread of the storm must notice. */
async function endUnderLoad(how: (daemon: Daemon) => Promise<unknown> | unknown): Promise<void> {
  await using daemon = await mountMemory();
  const storm = await load(daemon.mountpoint, THREADS, STORM_MS, true);
  await until("the storm has begun", async () => (await client("ls", daemon.mountpoint)).stdout.split("\n").length > 4);
  await how(daemon);
  daemon.hangUp();
  expect(await storm.counts).toMatchObject({ dead: THREADS });
  await daemon.exited;
  await until("the mount is gone", () => daemon.leftovers().length === 0, 10_000 * PATIENCE);
}

describe(`death on ${lane}`, () => {
  let before: readonly string[] = [];
  beforeEach(() => {
    before = connections();
  });
  afterEach(async () => {
    await nothingHangs();
    await until("the connection is gone", () => connections().length === before.length, 100_000);
    await moduleUnloads();
  });

  it(`SIGKILL of the daemon: every caller ends, ${ROUNDS} times`, async () => {
    for (let round = 0; round < ROUNDS; round++) await endUnderLoad((daemon) => daemon.kill("SIGKILL"));
  });

  it(`abort through fusectl: every caller ends, ${ROUNDS} times`, async () => {
    for (let round = 0; round < ROUNDS; round++) await endUnderLoad((daemon) => abortConnection(daemon.mountpoint));
  });

  it("umount -f, then -l: every caller ends", async () => {
    await endUnderLoad(async (daemon) => {
      await client("umount", "-f", daemon.mountpoint);
      await client("umount", "-l", daemon.mountpoint);
    });
  });

  it.runIf(hasModule)("rmmod: is refused while the mount lives, and the storm feels nothing", async () => {
    await using daemon = await mountMemory();
    const storm = await load(daemon.mountpoint, THREADS, LIVING_MS);
    let blowing = true;
    const over = storm.counts.finally(() => (blowing = false));
    for (let tries = 0; blowing && tries < 200; tries++) {
      if (lane === "ring") expect(unload()).toMatch(/in use/);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await over).toMatchObject({ dead: 0 });
    await daemon.order("unmount");
    daemon.hangUp();
    expect((await daemon.exited).status).toBe(0);
  });

  it("a mount after all that works", async () => {
    await using daemon = await mountMemory();
    expect(await (await load(daemon.mountpoint, 4, 500)).counts).toMatchObject({ dead: 0 });
    await daemon.order("unmount");
    daemon.hangUp();
    expect((await daemon.exited).status).toBe(0);
  });
});
