// An application that is hard on a mount: many threads, signals and kills at any moment, maximal names, huge buffers,
// little memory, and more requests than a ring holds. Everything read is compared, every killed process must end.

import { afterEach, describe, expect, it } from "vitest";
import { PATIENCE } from "../behaviour/pace.ts";
import { client, type Daemon, type StartOptions, startClient, startMount, until } from "../mount/harness.ts";
import { lane, moduleUnloads, nothingHangs, SHORT } from "./inspection.ts";
import { buildStorm, load, startStorm } from "./storm.ts";

const MEMORY = new URL("../../src/fs/memory/module.ts", import.meta.url);
const STORM_MS = SHORT ? 2_000 : 4_000;

/** A memory filesystem on the lane under test. */
const mountMemory = (options: StartOptions["options"] = {}): Promise<Daemon> =>
  startMount({ filesystem: MEMORY, options: { allowOther: true, lane, ...options } });

/** The mount comes off without force, and its daemon reported no fault. */
async function ends(daemon: Daemon): Promise<void> {
  expect(daemon.said.filter(({ event }) => event === "error")).toEqual([]);
  await daemon.order("unmount");
  daemon.hangUp();
  expect((await daemon.exited).status).toBe(0);
  await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
}

describe(`application on ${lane}`, () => {
  afterEach(async () => {
    await nothingHangs();
    await moduleUnloads();
  });

  it("threads: 64 on two CPUs read back every byte they wrote", async () => {
    await using daemon = await mountMemory();
    const storm = await load(daemon.mountpoint, 64, STORM_MS);
    const counts = await storm.counts;
    console.log("64 threads", counts);
    expect(counts).toMatchObject({ dead: 0, operations: expect.any(Number) });
    expect(counts["operations"]).toBeGreaterThan(640);
    await ends(daemon);
  });

  it("threads: a queue of two tags, and everything else waits its turn", async () => {
    await using daemon = await mountMemory({ queueDepth: 2 });
    const storm = await load(daemon.mountpoint, 32, STORM_MS);
    expect(await storm.counts).toMatchObject({ dead: 0 });
    await ends(daemon);
  });

  it("signals: reach sleeping callers, and SIGKILL ends them at any moment", async () => {
    await using daemon = await mountMemory();
    const storm = await startStorm(daemon.mountpoint, ["signals", 8, STORM_MS], STORM_MS);
    const counts = await storm.counts;
    console.log("signals", counts);
    expect(counts["kills"]).toBeGreaterThan(8);
    expect((await client("stat", daemon.mountpoint)).status).toBe(0);
    await ends(daemon);
  });

  it("SIGKILL: ends callers whose request a handler holds for ever", async () => {
    await using daemon = await startMount({ filesystem: "special", options: { lane, allowOther: true } });
    const held = Array.from({ length: 20 }, () => startClient(["cat", `${daemon.mountpoint}/hang`], 60_000 * PATIENCE));
    const other = await client("cat", `${daemon.mountpoint}/plain`);
    expect(other.stdout).toBe("plain\n");
    for (const caller of held) caller.kill("SIGKILL");
    for (const caller of held) expect((await caller.ended).signal).toBe("SIGKILL");
    expect((await client("cat", `${daemon.mountpoint}/plain`)).stdout).toBe("plain\n");
    await daemon.order("unmount", { force: true });
    daemon.hangUp();
    await daemon.exited;
  });

  it("names: 255 equal bytes of every kind, and targets of 4095", async () => {
    await using daemon = await mountMemory();
    const storm = await startStorm(daemon.mountpoint, ["names"], 10_000);
    expect(await storm.counts).toEqual({ names: 254 });
    await ends(daemon);
  });

  it("buffers: 32 MiB in one call, in a thousand parts, and mapped", async () => {
    await using daemon = await mountMemory();
    const storm = await startStorm(daemon.mountpoint, ["huge", 32], 30_000);
    expect(await storm.counts).toEqual({ bytes: 32 << 20 });
    await ends(daemon);
  });

  it("memory: callers in a group of 24 MiB finish, or are ended by the kernel and leave", async () => {
    await using daemon = await mountMemory();
    const script = [
      "mkdir -p /sys/fs/cgroup/storm; echo +memory >/sys/fs/cgroup/cgroup.subtree_control",
      "echo 25165824 >/sys/fs/cgroup/storm/memory.max; echo $$ >/sys/fs/cgroup/storm/cgroup.procs",
      'exec "$0" "$@"',
    ].join("\n");
    const argv = [
      "sh",
      "-c",
      script,
      await buildStorm(),
      daemon.mountpoint,
      "load",
      "64",
      String(STORM_MS),
      "immortal",
    ];
    const ended = await startClient(argv, STORM_MS + 60_000 * PATIENCE).ended;
    expect([0, null]).toContain(ended.status);
    if (ended.status === null) expect(ended.signal).toBe("SIGKILL");
    expect((await client("stat", daemon.mountpoint)).status).toBe(0);
    await ends(daemon);
  });
});
