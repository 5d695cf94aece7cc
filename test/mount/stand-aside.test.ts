// A worker that shares its CPU with its callers leaves that CPU to them while requests come thick. Others who want the
// CPU must not keep it from serving.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { client, type Daemon, makePlace, startClient } from "./harness.ts";
import { startOn, URING_CORES, uringTestable } from "./lanes.ts";

const { dir } = makePlace();
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const READS = 5000;
writeFileSync(join(dir, "file"), Buffer.alloc(READS * 512));

const mounted = () =>
  startOn(URING_CORES, {
    filesystem: new URL("../../src/fs/passthrough/module.ts", import.meta.url),
    options: { filesystemOptions: { source: dir, directIo: true } },
  });

/** Reads by one client without pause, on one CPU; a request each. Result: how many ms they took. */
async function read({ mountpoint }: Daemon): Promise<number> {
  const began = performance.now();
  const { status } = await client("taskset", "-c", "0", "dd", `if=${mountpoint}/file`, "of=/dev/null", "bs=512");
  expect(status).toBe(0);
  return performance.now() - began;
}

const counted = ({ order }: Daemon) => order<{ stoodAside: number; starved: number; requests: number }>("stats");

describe.runIf(uringTestable)("io_uring, a worker per core", () => {
  it("worker: leaves its CPU to its callers while requests come thick", async () => {
    await using daemon = await mounted();
    await read(daemon);
    expect((await counted(daemon)).stoodAside).toBeGreaterThan(0);
  });

  it("worker: serves on while somebody computes on its CPU", async () => {
    await using daemon = await mounted();
    const hog = startClient(["taskset", "-c", "0", "sh", "-c", "while :; do :; done"]);
    const ms = await read(daemon);
    const { stoodAside, starved, requests } = await counted(daemon);
    hog.kill("SIGKILL");
    // Without a way back to the ordinary class each read takes milliseconds, all of them half a minute.
    expect(requests).toBeGreaterThan(READS);
    expect(stoodAside).toBeLessThan(64);
    expect(starved).toBeLessThanOrEqual(stoodAside);
    expect(ms).toBeLessThan(10_000);
  });
});
