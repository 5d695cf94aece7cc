// Owns: the plan of a session's queues: which lane, how many, on which CPUs, over which descriptors.

import { randomUUID } from "node:crypto";
import { allowedCpus, possibleCpus } from "../ffi/affinity.ts";
import { openCpuLatency } from "../ffi/cpu-latency.ts";
import type { CacheSettings } from "./bpf/cache/metadata-cache.ts";
import { cloneDevice } from "./clone-device.ts";
import type { Connection } from "./fs/connection.ts";
import type { Held } from "./held.ts";
import { MountError } from "./mounting/errors.ts";
import { QUEUE_DEPTH_MAX, type ResolvedOptions } from "./mounting/options.ts";
import { createBoard } from "./server/board.ts";
import { createNotifierFds } from "./server/notifier-fds.ts";
import type { QueueSettings, RingSettings } from "./server/open-queue.ts";
import { placeWorkers, type WorkerPlace } from "./server/placement.ts";
import { createStatistics } from "./server/statistics.ts";
import { createUringMemory } from "./transport/io-uring.ts";
import { type LaneReport, probe } from "./transport/probe.ts";
import { openRing, type Ring } from "./transport/ring-setup.ts";
import type { Lane } from "./transport/transport.ts";

/** How long a worker spins that has its CPU for itself, before it lets that CPU sleep; and its callers on theirs. */
const DEDICATED_SPIN_US = 1000;

/** Lane io_uring: requests in flight per CPU. */
const URING_DEPTH = 8;

/** Most workers that "auto" starts. */
const AUTO_WORKERS = 64;

/** What was decided before the filesystem is made. */
export interface LaneChoice {
  readonly lane: Lane;
  /** Why no faster lane was taken; empty when there is none. */
  readonly reason: string;
}

/** What was decided before INIT. */
export interface LanePlan extends LaneChoice {
  readonly places: readonly WorkerPlace[];
}

/**
 * Decides the lane: the fastest that suits, but none that has failed; `failed` holds why. Errors: `MountError`
 * LANE_UNAVAILABLE for a lane asked by name.
 */
export function chooseLane(
  options: ResolvedOptions,
  failed: ReadonlyMap<Lane, string>,
  reports: readonly LaneReport[] = probe(),
): LaneChoice {
  if (options.lane !== "auto") {
    const asked = options.lane === "dev" ? undefined : reports.find((report) => report.lane === options.lane);
    if (asked?.available !== false) return { lane: options.lane, reason: "as asked" };
    const remedy = asked.remedy === "" ? "" : `; to enable it: ${asked.remedy}`;
    throw new MountError("LANE_UNAVAILABLE", `lane ${asked.lane}: ${asked.reason}${remedy}`);
  }
  const why: string[] = [];
  for (const { lane, available, reason } of reports) {
    if (lane === "dev") continue;
    const unsuitable = available ? lacks(lane, options) : reason;
    const failure = failed.get(lane) ?? (unsuitable === undefined ? undefined : `${lane}: ${unsuitable}`);
    if (failure === undefined) return { lane, reason: why.join("; ") };
    why.push(failure);
  }
  return { lane: "dev", reason: why.join("; ") };
}

/** What a fast lane does not have of what is asked for; undefined: it has all. */
function lacks(lane: "ring" | "io_uring", { requestTimeoutMs, queueDepth }: ResolvedOptions): string | undefined {
  // Where an answer hands the memory back, it cannot go out before its handler has settled: time-outs need the device.
  if (requestTimeoutMs > 0) return "it has no time-outs";
  const most = QUEUE_DEPTH_MAX[lane];
  return queueDepth !== "auto" && queueDepth > most
    ? `its queueDepth is at most ${most}, not ${queueDepth}`
    : undefined;
}

/**
 * How many workers a filesystem gets that may have several. "auto": one per CPU where each CPU has a queue of its own,
 * half as many on the ring, where worker and caller need no system call while both have a CPU, a quarter where workers
 * are dedicated, else one: workers that read the same queue wake one another's callers on other CPUs.
 */
export function workerCount({ workers, placement }: ResolvedOptions, { lane }: LaneChoice): number {
  if (workers !== "auto") return workers;
  const cpus = Math.min(allowedCpus().length, AUTO_WORKERS);
  if (placement === "dedicated") return Math.max(1, Math.floor(cpus / 4));
  if (placement === "auto" && lane === "ring") return Math.ceil(cpus / 2);
  return placement === "per-core" || lane !== "dev" ? cpus : 1;
}

/**
 * Places `queues` workers. A single worker that nobody placed is not pinned: it follows its callers. Nor is one of the ring,
 * which leaves the CPU that its callers are on.
 */
export function planPlaces(choice: LaneChoice, { placement }: ResolvedOptions, queues: number): LanePlan {
  const spread = choice.lane === "io_uring" && queues > 1 ? "per-core" : "none";
  const where = placement === "auto" ? spread : placement;
  return { ...choice, places: placeWorkers(where, queues, possibleCpus(), allowedCpus()) };
}

/** The plan after INIT, which may not have agreed. Errors: `MountError` LANE_UNAVAILABLE. */
export function agreedPlan(plan: LanePlan, { flags }: Connection): LanePlan {
  if (plan.lane !== "io_uring" || flags.includes("OVER_IO_URING")) return plan;
  throw new MountError("LANE_UNAVAILABLE", "lane io_uring: the kernel did not agree to it");
}

/** The ring of a connection, if that is the plan. Errors: those of `openRing`; the connection has ended then. */
export function ringOf({ lane }: LanePlan, fd: number, options: ResolvedOptions): Ring | undefined {
  const wish = (value: "auto" | number): number | undefined => (value === "auto" ? undefined : value);
  const dedicated = options.placement === "dedicated";
  if (lane !== "ring") return undefined;
  return openRing(fd, {
    depth: wish(options.queueDepth),
    payloadPool: wish(options.payloadPool),
    spinUs: dedicated && options.callerSpinUs === "auto" ? DEDICATED_SPIN_US : wish(options.callerSpinUs),
  });
}

// Each channel has one worker: the one that has its CPU, else they take turns. CPU c submits to channel c % channels.
function ringSettings({ fd, layout, channels }: Ring, places: readonly WorkerPlace[], index: number): RingSettings {
  const mine = (channel: number): boolean => {
    const owner = places.findIndex(({ cpus }) => cpus.includes(channel));
    return (owner >= 0 ? owner : channel % places.length) === index;
  };
  const all = channels.map((memory, channel) => ({ index: channel, memory }));
  return { fd, layout, channels: all.filter((channel) => mine(channel.index)) };
}

// The ring of a worker, which outlives its thread.
function uringOf({ lane }: LanePlan, cpus: number, depth: number, { memory }: Held): SharedArrayBuffer | undefined {
  if (lane !== "io_uring" || cpus === 0) return undefined;
  const mapping = createUringMemory(cpus, depth);
  memory.push(mapping);
  return mapping.buffer;
}

/** Settings of every queue of the mount on `mountpoint`. What they need is added to what is `held`. */
export function queueSettings(
  mountpoint: string,
  plan: LanePlan,
  fd: number,
  connection: Connection,
  options: ResolvedOptions,
  ring: Ring | undefined,
  cache: CacheSettings | undefined,
  held: Held,
): QueueSettings[] {
  const { places } = plan;
  const awake = options.cpuIdle === "poll" || (options.cpuIdle === "auto" && options.placement === "dedicated");
  const common = {
    connection,
    mountpoint,
    sessionFd: fd,
    session: `rfuse-${randomUUID()}`,
    notifierFds: createNotifierFds(places.length + 1), // the calling thread, then the workers
    count: places.length,
    board: createBoard(places.length).buffer,
    statistics: createStatistics(places.length),
    maxInFlight: options.maxInFlight,
    timeoutMs: options.requestTimeoutMs,
    slowMs: options.slowMs,
    trace: options.debug !== false,
    depth: options.queueDepth === "auto" ? URING_DEPTH : options.queueDepth,
    successor: false,
    spinUs: options.spinUs === "auto" && options.placement === "dedicated" ? DEDICATED_SPIN_US : options.spinUs,
    sleepIn: options.sleepIn,
    lane: plan.lane,
    cache,
  };
  return places.map(({ cpus, pin }, index) => {
    const clone = cloneDevice(fd); // none: a single queue uses the mounted descriptor
    if (clone >= 0) held.fds.push(clone);
    else if (places.length > 1) {
      throw new MountError("NO_DEVICE", `${places.length} workers need /dev/fuse once each; it cannot be opened again`);
    }
    const latencyFd = awake ? openCpuLatency() : -1;
    if (latencyFd >= 0) held.fds.push(latencyFd);
    const channels = ring === undefined ? undefined : ringSettings(ring, places, index);
    const uring = uringOf(plan, cpus.length, common.depth, held);
    return { ...common, index, cpus, pin, latencyFd, ring: channels, uring, fd: clone >= 0 ? clone : fd };
  });
}
