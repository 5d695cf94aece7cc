// Owns: the plan of a session's queues: which lane, how many, on which CPUs, over which descriptors.

import { randomUUID } from "node:crypto";
import { allowedCpus, possibleCpus } from "../ffi/affinity.ts";
import { openCpuLatency } from "../ffi/cpu-latency.ts";
import { close, ioctl } from "../ffi/file.ts";
import { addressOf } from "../ffi/memory.ts";
import { DEV_IOC } from "./abi/fuse-constants.ts";
import type { Connection } from "./fs/connection.ts";
import { openDevice } from "./mounting/attach.ts";
import { MountError } from "./mounting/errors.ts";
import type { ResolvedOptions } from "./mounting/options.ts";
import { createBoard } from "./server/board.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import { placeWorkers, type WorkerPlace } from "./server/placement.ts";
import { createStatistics } from "./server/statistics.ts";
import { probe } from "./transport/probe.ts";

/** How long a worker spins that has its CPU for itself, before it lets that CPU sleep. */
const DEDICATED_SPIN_US = 1000;

/** Most workers that "auto" starts. */
const AUTO_WORKERS = 64;

/** What was decided before the filesystem is made. */
export interface LaneChoice {
  readonly lane: "dev" | "io_uring";
  /** Why no faster lane was taken; empty when there is none. */
  readonly reason: string;
}

/** What was decided before INIT. */
export interface LanePlan extends LaneChoice {
  readonly places: readonly WorkerPlace[];
}

/** Decides the lane. Errors: `MountError` LANE_UNAVAILABLE for a lane asked by name. */
export function chooseLane(options: ResolvedOptions): LaneChoice {
  const reports = probe();
  const uring = reports.find((report) => report.lane === "io_uring");
  const ring = reports.find((report) => report.lane === "ring");
  const asked = options.lane === "dev" ? undefined : reports.find((report) => report.lane === options.lane);
  if (asked?.available === false) {
    const remedy = asked.remedy === "" ? "" : `; to enable it: ${asked.remedy}`;
    throw new MountError("LANE_UNAVAILABLE", `lane ${asked.lane}: ${asked.reason}${remedy}`);
  }
  // Over io_uring a request cannot be answered before its handler has settled, so a time-out needs the device.
  const timed = options.lane === "auto" && options.requestTimeoutMs > 0;
  const lane = options.lane === "dev" || timed || !uring?.available ? "dev" : "io_uring";
  const why = [`ring: ${ring?.reason}`];
  if (lane === "dev") why.push(`io_uring: ${uring?.available ? "it has no time-outs" : uring?.reason}`);
  return { lane, reason: options.lane === "auto" ? why.join("; ") : "as asked" };
}

/**
 * How many workers a filesystem gets that may have several. "auto": one per CPU where each CPU has a queue of its own,
 * a quarter of the CPUs where they are dedicated, else one: workers that read the same queue wake one another's callers
 * on other CPUs.
 */
export function workerCount({ workers, placement }: ResolvedOptions, { lane }: LaneChoice): number {
  if (workers !== "auto") return workers;
  const cpus = Math.min(allowedCpus().length, AUTO_WORKERS);
  if (placement === "dedicated") return Math.max(1, Math.floor(cpus / 4));
  return placement === "per-core" || lane === "io_uring" ? cpus : 1;
}

/** Places `queues` workers. A single worker that nobody placed is not pinned: it follows its callers. */
export function planPlaces(choice: LaneChoice, { placement }: ResolvedOptions, queues: number): LanePlan {
  const spread = choice.lane === "io_uring" && queues > 1 ? "per-core" : "none";
  const where = placement === "auto" ? spread : placement;
  return { ...choice, places: placeWorkers(where, queues, possibleCpus(), allowedCpus()) };
}

/** The plan after INIT, which may not have agreed. Errors: `MountError` LANE_UNAVAILABLE for a lane asked by name. */
export function agreedPlan(plan: LanePlan, { flags }: Connection, { lane }: ResolvedOptions): LanePlan {
  if (plan.lane === "dev" || flags.includes("OVER_IO_URING")) return plan;
  const failure = `${plan.lane}: the kernel did not agree to it`;
  if (lane !== "auto") throw new MountError("LANE_UNAVAILABLE", `lane ${failure}`);
  return { ...plan, ...insteadOf(plan, failure) };
}

/** What is left when a lane that was chosen cannot be used; `failure` says which and why. */
export const insteadOf = ({ reason }: LaneChoice, failure: string): LaneChoice => ({
  lane: "dev",
  reason: `${reason}; ${failure}`,
});

// A clone of the mounted descriptor; -1 where /dev/fuse may not be opened again, as in a process that only fusermount3
// could help: then a single queue uses the mounted one.
function cloneDevice(fd: number): number {
  const clone = openDevice();
  if (clone < 0) return -1;
  if (ioctl(clone, DEV_IOC.CLONE, addressOf(new Uint32Array([fd]))) >= 0) return clone;
  close(clone);
  return -1;
}

/** Settings of every queue. Descriptors that it opens are added to `opened`. */
export function queueSettings(
  plan: LanePlan,
  fd: number,
  connection: Connection,
  options: ResolvedOptions,
  opened: number[],
): QueueSettings[] {
  const { places } = plan;
  const awake = options.cpuIdle === "poll" || (options.cpuIdle === "auto" && options.placement === "dedicated");
  const common = {
    connection,
    sessionFd: fd,
    session: `rfuse-${randomUUID()}`,
    count: places.length,
    board: createBoard(places.length).buffer,
    statistics: createStatistics(places.length),
    maxInFlight: options.maxInFlight,
    timeoutMs: options.requestTimeoutMs,
    slowMs: options.slowMs,
    trace: options.debug !== false,
    depth: options.queueDepth,
    successor: false,
    spinUs: options.spinUs === "auto" && options.placement === "dedicated" ? DEDICATED_SPIN_US : options.spinUs,
    sleepIn: options.sleepIn,
    lane: plan.lane,
  };
  return places.map(({ cpus, pin }, index) => {
    const clone = cloneDevice(fd);
    if (clone >= 0) opened.push(clone);
    else if (places.length > 1) {
      throw new MountError("NO_DEVICE", `${places.length} workers need /dev/fuse once each; it cannot be opened again`);
    }
    const latencyFd = awake ? openCpuLatency() : -1;
    if (latencyFd >= 0) opened.push(latencyFd);
    return { ...common, index, cpus, pin, latencyFd, fd: clone >= 0 ? clone : fd };
  });
}
