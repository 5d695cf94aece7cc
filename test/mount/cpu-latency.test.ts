// The limit on how long idle CPUs may take to wake, which dedicated workers set while requests flow: it is the machine's,
// so it must be gone whenever they do not, and after every end.

import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { NO_LIMIT_US } from "../../ffi/cpu-latency.ts";
import { type Daemon, startClient, until } from "./harness.ts";
import { DEV, isTestable, type LaneCase, startOn, URING } from "./lanes.ts";

const DEVICE = "/dev/cpu_dma_latency";
/** Elsewhere such workers set no limit, and are served all the same. */
const limits = process.getuid?.() === 0 && existsSync(DEVICE);

/** In microseconds; the lowest that anybody on the machine has set. */
function limit(): number {
  if (!limits) return NO_LIMIT_US;
  const fd = openSync(DEVICE, "r");
  const value = Buffer.alloc(4);
  readSync(fd, value);
  closeSync(fd);
  return value.readInt32LE(0);
}

/** Requests without pause, until it is killed or the mount ends. */
const SCRIPT = (mountpoint: string) => `while stat -f ${mountpoint} > /dev/null; do :; done`;

const dedicated = ({ name, options }: LaneCase): LaneCase => ({
  name,
  options: { ...options, workers: 1, placement: "dedicated" },
});

interface Stop {
  readonly name: string;
  run(daemon: Daemon): unknown;
}

const STOPS: readonly Stop[] = [
  { name: "no request comes", run: () => {} },
  { name: "a handler is pending", run: hang },
  { name: "it is unmounted by force", run: ({ order }) => order("unmount", { force: true }) },
  { name: "its process is killed", run: ({ kill }) => kill("SIGKILL") },
];

// The spin that finds its READ keeps the CPUs awake, and then its worker waits in its event loop.
async function hang(daemon: Daemon): Promise<void> {
  startClient(["cat", `${daemon.mountpoint}/hang`], 30_000);
  await until("the read", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous > 0);
}

describe.each([DEV, URING].filter(isTestable).map(dedicated))("dedicated worker, $name", (lane) => {
  it.each(STOPS)("limit on the CPUs' latency: is gone when $name", async ({ run }) => {
    const before = await until("a machine without limit", () => limit() || undefined);
    await using daemon = await startOn(lane, { filesystem: "special", options: { spinUs: 50_000 } });
    const busy = startClient(["sh", "-c", SCRIPT(daemon.mountpoint)], 30_000);
    if (limits) await until("the limit", () => limit() === 0);
    await run(daemon);
    busy.kill("SIGKILL");
    expect(await until("no limit", () => limit() === before)).toBe(true);
  });
});
