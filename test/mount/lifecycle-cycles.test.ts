// Many sessions in one process: nothing adds up.

import { expect, it } from "vitest";
import { type Daemon, mountsAt, startMount, until } from "./harness.ts";

const CYCLES = 150;
const MIB = 1024 * 1024;
const MOST_GROWTH_MIB = 1;

interface Cycle {
  readonly content: string;
  readonly answeredMs: number;
  readonly totalMs: number;
  readonly rss: number;
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

// The doorbell's thread starts when it is first needed, and its descriptors come with it: look when nothing changes.
async function settledCensus(daemon: Daemon): Promise<ReturnType<Daemon["census"]>> {
  let last = -1;
  let same = 0;
  await until("a settled daemon", () => {
    const { length } = daemon.census().fds;
    same = length === last ? same + 1 : 0;
    last = length;
    return same >= 50;
  });
  return daemon.census();
}

it.each(["module", "object"] as const)(
  `mount: ${CYCLES} times in one process leaks nothing, %s form`,
  async (form) => {
    await using few = await startMount({ form, cycles: 3 });
    const expected = await settledCensus(few);
    await using many = await startMountSlowly(form);
    const cycles = many.said.filter(({ event }) => event === "cycle") as unknown as Cycle[];
    expect(cycles).toHaveLength(CYCLES);
    expect(cycles.every(({ content }) => content === "hello\n")).toBe(true);
    const answeredMs = median(cycles.map((cycle) => cycle.answeredMs));
    const totalMs = median(cycles.map((cycle) => cycle.totalMs));
    process.stdout.write(
      `${form}: mount to first answer ${answeredMs.toFixed(1)} ms, cycle ${totalMs.toFixed(1)} ms (medians)\n`,
    );
    expect(answeredMs).toBeLessThan(250);

    // The threads and the guardian of the last cycle take a moment to end.
    await until("as few descriptors", () => many.census().fds.length <= expected.fds.length);
    await until("as few threads", () => many.census().threads <= expected.threads + 2);
    const found = many.census();
    expect(found.fds.filter((fd) => fd === "/dev/fuse")).toHaveLength(2);
    expect(found.children).toHaveLength(1);
    expect(mountsAt(many.mountpoint)).toHaveLength(1);
    // The first third warms the allocators up. What is kept of a session shows: a thread of the engine is 2.4 MiB, a
    // queue's arena more. Below that it is the heap, which grows to its plateau the later the busier the machine is.
    const settled = cycles[Math.floor(CYCLES / 3)]?.rss ?? 0;
    const grown = ((cycles.at(-1)?.rss ?? 0) - settled) / (CYCLES * (2 / 3)) / MIB;
    process.stdout.write(`${form}: ${(settled / MIB).toFixed(0)} MiB, then ${grown.toFixed(2)} MiB more per cycle\n`);
    expect(grown).toBeLessThan(MOST_GROWTH_MIB);
    await many.order("unmount");
    await few.order("unmount");
  },
  180_000,
);

const startMountSlowly = (form: "module" | "object") => startMount({ form, cycles: CYCLES, deadlineMs: 150_000 });
