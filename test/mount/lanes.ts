// Owns: the lanes that tests run on, as a table, and mounting on one of them. The kernel offers FUSE-over-io_uring
// only while the module's parameter enable_uring is Y, which root may set; it is put back as soon as the session is
// mounted. Without privilege, or on a kernel without it, those rows are left out.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { MountOptions } from "../../src/index.ts";
import { type Daemon, type StartOptions, startMount } from "./harness.ts";

const SWITCH = "/sys/module/fuse/parameters/enable_uring";

/** The io_uring lane can be tested here. */
export const uringTestable = process.getuid?.() === 0 && existsSync(SWITCH);

/** One way to carry a session's requests. */
export interface LaneCase {
  readonly name: string;
  readonly options: Pick<MountOptions, "lane" | "workers" | "placement" | "queueDepth" | "sleepIn">;
}

const lane = (name: string, options: LaneCase["options"]): LaneCase => ({ name, options });

export const DEV: LaneCase = lane("dev", { lane: "dev" });
export const DEV_PAIR: LaneCase = lane("dev, 2 workers", { lane: "dev", workers: 2 });
export const DEV_CORES: LaneCase = lane("dev, a worker per core", { lane: "dev", workers: 2, placement: "per-core" });
export const URING: LaneCase = lane("io_uring", { lane: "io_uring" });
export const URING_PAIR: LaneCase = lane("io_uring, 2 workers", { lane: "io_uring", workers: 2 });
export const URING_CORES: LaneCase = lane("io_uring, a worker per core", {
  ...{ lane: "io_uring", workers: 2, placement: "per-core" },
});
export const DEV_DOORBELL: LaneCase = lane("dev, asleep on a doorbell", {
  ...{ lane: "dev", workers: 2, sleepIn: "doorbell" },
});
export const URING_DOORBELL: LaneCase = lane("io_uring, asleep on a doorbell", {
  ...{ lane: "io_uring", workers: 2, sleepIn: "doorbell" },
});
/** Not among `LANES`: a handler that hangs takes half of a CPU's queue. */
export const URING_SHALLOW: LaneCase = lane("io_uring, a worker per core, queues two deep", {
  ...{ lane: "io_uring", workers: 2, placement: "per-core", queueDepth: 2 },
});

const ALL: readonly LaneCase[] = [
  DEV,
  DEV_PAIR,
  DEV_CORES,
  DEV_DOORBELL,
  URING,
  URING_PAIR,
  URING_CORES,
  URING_DOORBELL,
];

/** Whether a lane can be tested here. */
export function isTestable({ options }: LaneCase): boolean {
  return options.lane !== "io_uring" || uringTestable;
}

/** Every lane that can be tested here. */
export const LANES: readonly LaneCase[] = ALL.filter(isTestable);

/** The rows of `LANES` that serve by one worker: what a filesystem with state in its heap can have. */
export const SINGLE: readonly LaneCase[] = LANES.filter(({ options }) => options.workers === undefined);

let switched: Promise<unknown> = Promise.resolve();

/** Runs `body` while enable_uring is `state`; one after the other, since tests may run at the same time. */
export function whileSwitched<Value>(state: "Y" | "N", body: () => Promise<Value>): Promise<Value> {
  const turn = switched.then(() => switchFor(state, body));
  switched = turn.catch(() => {});
  return turn;
}

async function switchFor<Value>(state: "Y" | "N", body: () => Promise<Value>): Promise<Value> {
  const before = readFileSync(SWITCH, "utf8").trim();
  writeFileSync(SWITCH, state);
  try {
    return await body();
  } finally {
    writeFileSync(SWITCH, before);
  }
}

/** Mounts on a lane; `options` may add to the lane's. */
export function startOn(
  { options: own }: LaneCase,
  options: StartOptions & { deadlineMs?: number } = {},
): Promise<Daemon> {
  const start = () => startMount({ ...options, options: { ...options.options, ...own } });
  return own.lane === "io_uring" ? whileSwitched("Y", start) : start();
}
