// examples/passthrough.ts as a user runs it where the module is loaded: without flags it takes the ring, and says so.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeSource } from "../mount/features.ts";
import { type Client, client, makePlace, mountsAt, startClient, until } from "../mount/harness.ts";
import { lane, moduleUnloads } from "./inspection.ts";

const EXAMPLE = new URL("../../examples/passthrough.ts", import.meta.url).pathname;
const COUNTERS = "/sys/kernel/debug/rfuse";

/** Requests that went through the channels of the connection with this device number. */
function ringRequests(minor: string): number {
  const text = readFileSync(join(COUNTERS, minor, "counters"), "utf8");
  const perChannel = /^ring_requests (.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  return perChannel.reduce((sum, count) => sum + Number(count), 0);
}

describe.runIf(lane === "ring")("examples/passthrough.ts", () => {
  const source = makeSource();
  writeFileSync(join(source, "file"), "text\n");
  const { mountpoint } = makePlace();
  let running: Client | undefined;

  afterEach(async () => {
    running?.kill("SIGKILL");
    await until("the unmount", () => mountsAt(mountpoint).length === 0);
    await moduleUnloads();
  });

  it("without flags: takes the ring, says so, and serves through it", async () => {
    running = startClient([process.execPath, EXAMPLE, source, mountpoint], 60_000);
    await until("the mount", () => mountsAt(mountpoint).length > 0);
    expect(await client("cat", join(mountpoint, "file"))).toMatchObject({ stdout: "text\n" });
    const minor = mountsAt(mountpoint)[0]?.device.split(":")[1] ?? "";
    expect(readdirSync(COUNTERS)).toContain(minor);
    expect(ringRequests(minor)).toBeGreaterThan(2);
    running.kill("SIGINT");
    const ended = await running.ended;
    expect(ended).toMatchObject({ status: 0, stderr: expect.stringContaining("unmounted") });
    expect(ended.stdout).toMatch(/^\S+ is mounted on \S+ through lane ring; FUSE passthrough is (on|off)\n$/);
  });
});
