// A long life in short: hundreds of thousands of inodes that the kernel looks up and forgets leave nothing behind in
// the node table (each node there holds a descriptor), among the descriptors, or in memory.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeSource } from "./features.ts";
import { client, type Daemon, until } from "./harness.ts";
import { LANES, type LaneCase, startOn } from "./lanes.ts";

const PASSTHROUGH = new URL("../../src/fs/passthrough/module.ts", import.meta.url);
const NAMES = 5000;
const WARM_UP = 4;
const ROUNDS = 20;
const ROOT = 1;
/** Bytes that the process may grow by after the warm-up: 160 for each inode, and what heaps of two workers may still take. */
const GROWTH = 160 * NAMES * ROUNDS + 16 * 1024 * 1024;

interface Counts {
  readonly forgets: number;
}

const stats = (daemon: Daemon) => daemon.order<Counts>("stats");

/** Looks every name up and makes the kernel forget them; resolves when the filesystem has been told. */
async function round(daemon: Daemon): Promise<void> {
  const { forgets } = await stats(daemon);
  const listed = await client("sh", "-c", `find ${daemon.mountpoint} -mindepth 1 -size -9 | wc -l`);
  expect(Number(listed.stdout)).toBe(NAMES);
  await daemon.order("forgetNames", ROOT, NAMES);
  await until("the forgets", async () => (await stats(daemon)).forgets >= forgets + NAMES);
}

const memory = async (daemon: Daemon) => {
  await daemon.order("gc");
  return daemon.order<number>("memory");
};

const CASES = LANES.filter(
  ({ options }) => options.workers === undefined || (options.lane === "dev" && options.placement !== undefined),
);

it.concurrent.each(CASES)(
  `$name: ${NAMES * ROUNDS} inodes that were looked up and forgotten leave nothing`,
  async (lane: LaneCase) => {
    const source = makeSource();
    mkdirSync(source, { recursive: true });
    for (let name = 0; name < NAMES; name++) writeFileSync(join(source, String(name)), "");
    await using daemon = await startOn(lane, { filesystem: PASSTHROUGH, options: { filesystemOptions: { source } } });
    for (let count = 0; count < WARM_UP; count++) await round(daemon);
    const before = { fds: daemon.census().fds.length, rss: await memory(daemon) };
    for (let count = 0; count < ROUNDS; count++) await round(daemon);
    await until("as few descriptors", () => daemon.census().fds.length <= before.fds);
    const grown = (await memory(daemon)) - before.rss;
    process.stdout.write(`${lane.name}: ${(grown / 1024).toFixed(0)} KiB grown, ${before.fds} descriptors\n`);
    expect(grown).toBeLessThan(GROWTH);
    expect((await stats(daemon)).forgets).toBeGreaterThanOrEqual(NAMES * (WARM_UP + ROUNDS));
    await daemon.order("unmount");
  },
);
