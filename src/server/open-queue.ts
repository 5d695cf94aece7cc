// Owns: putting one queue together: transport, dispatch and loop over one descriptor, and the filesystem's context.

import { placeOn } from "../../ffi/affinity.ts";
import { limitCpuLatency, NO_LIMIT_US } from "../../ffi/cpu-latency.ts";
import { PAGE_SIZE } from "../../ffi/memory.ts";
import { schedulingClass } from "../../ffi/scheduler.ts";
import { type CacheSettings, MetadataCache } from "../bpf/cache/metadata-cache.ts";
import { messageOf } from "../codec/shown.ts";
import { traceReply, traceRequest } from "../codec/trace.ts";
import type { Connection } from "../fs/connection.ts";
import type { Filesystem, SessionContext } from "../fs/filesystem.ts";
import { type DevTransportOptions, openDevTransport } from "../transport/dev.ts";
import { openUringTransport } from "../transport/io-uring.ts";
import { openRingTransport } from "../transport/ring.ts";
import { createRingCommands } from "../transport/ring-commands.ts";
import type { RingLayout } from "../transport/ring-layout.ts";
import type { Lane, Transport } from "../transport/transport.ts";
import { createBacking } from "./backing.ts";
import type { Board } from "./board.ts";
import type { DispatchEvents } from "./dispatch.ts";
import type { StartDoorbell } from "./doorbell.ts";
import { inputSizes } from "./init.ts";
import { keepPlace } from "./kept-place.ts";
import type { Notifications } from "./notifications.ts";
import type { NotifierFds } from "./notifier-fds.ts";
import { createQueue, type Queue } from "./queue.ts";
import { createStandAside } from "./stand-aside.ts";
import { type StatisticsRow, statisticsRow } from "./statistics.ts";
import { createWaitPolicy, type WaitPolicy } from "./wait-policy.ts";

/** Ring: what one worker needs to serve its channels. */
export interface RingSettings {
  readonly fd: number;
  readonly layout: RingLayout;
  readonly channels: readonly { readonly index: number; readonly memory: SharedArrayBuffer }[];
}

/** What every queue of a session is told; plain data, so that it can be posted to a worker. */
export interface QueueSettings {
  readonly fd: number;
  /** The mounted descriptor, which outlives the queue's own. */
  readonly sessionFd: number;
  readonly mountpoint: string;
  /** Name of the session within the process. */
  readonly session: string;
  /** Descriptors of its notifier threads. */
  readonly notifierFds: NotifierFds;
  readonly index: number;
  readonly count: number;
  readonly connection: Connection;
  readonly board: SharedArrayBuffer;
  readonly statistics: SharedArrayBuffer;
  readonly maxInFlight: number;
  readonly timeoutMs: number;
  readonly slowMs: number;
  readonly trace: boolean;
  readonly lane: Lane;
  readonly ring: RingSettings | undefined;
  /** Ring: the metadata cache, whose programs answer in the kernel. */
  readonly cache: CacheSettings | undefined;
  /** io_uring: CPUs whose queues this worker serves, and requests in flight for each. */
  readonly cpus: readonly number[];
  readonly depth: number;
  /** io_uring: memory of the worker's ring, which outlives the worker. */
  readonly uring: SharedArrayBuffer | undefined;
  /** Microseconds to look for the next request before sleeping; 0: never. "auto" never does where a look is a system call. */
  readonly spinUs: "auto" | number;
  /** Where the worker sleeps: in the kernel, or on its bell, which a doorbell thread rings. */
  readonly sleepIn: "kernel" | "doorbell";
  /** Descriptor by which the worker keeps CPUs awake while requests flow, -1: none. */
  readonly latencyFd: number;
  /** CPU that the worker's thread is pinned to, -1: none. */
  readonly pin: number;
  /** It follows a worker that died, whose requests it may be given once more. */
  readonly successor: boolean;
}

/** What a queue tells the session. */
export interface QueueEvents extends Pick<DispatchEvents, "error" | "slow"> {
  trace(line: string): void;
}

/** The same, and what whoever outlives its thread has to know. */
export interface OpeningEvents extends QueueEvents {
  /** Descriptors that the queue holds: once before `init`, which may never return, and none when it is about to close them. */
  opened(fds: readonly number[]): void;
}

/** Code of an error that says that a fast lane was agreed and cannot be opened. */
export const LANE_FAILED = "LANE_UNAVAILABLE";

// The session has to be given up: once INIT has agreed on the lane, the kernel holds every request until all queues of it
// are registered.
class LaneError extends Error {
  readonly code = LANE_FAILED;

  constructor(lane: string, cause: unknown) {
    const hint =
      (cause as { code?: unknown } | null)?.code === "ENOMEM" ? "; RLIMIT_MEMLOCK is too low for its rings" : "";
    super(`${lane}: ${messageOf(cause)}${hint}`, { cause });
  }
}

// Worker 0 also serves the device for the others: FORGET, INTERRUPT, and what came before the queues were registered.
function openTransport(settings: QueueSettings): Transport {
  const { fd, connection, maxInFlight, lane, cpus, depth, index, spinUs, uring } = settings;
  const maxPayload = Math.max(connection.maxWrite, connection.maxPages * PAGE_SIZE);
  const common = { fd, maxPayload, maxInFlight, inSizes: inputSizes(connection), spins: devSpinUs(spinUs) > 0 };
  try {
    if (lane === "ring") return openRing(settings, common);
    if (lane === "dev" || uring === undefined) return openDevTransport(common);
    const dev = index === 0 ? openDevTransport({ ...common, firstTag: cpus.length * depth }) : undefined;
    dev?.setBlocking(false);
    const pooled = connection.flags.includes("HAS_IO_URING_BUFPOOL");
    return openUringTransport({ fd, cpus, depth, maxPayload, memory: uring, pooled, dev });
  } catch (thrown) {
    throw new LaneError(lane, thrown);
  }
}

// Worker 0 also serves the device for the others: whatever did not fit into a channel.
function openRing({ ring, index }: QueueSettings, common: DevTransportOptions): Transport {
  if (ring === undefined || ring.channels.length === 0) return openDevTransport(common);
  const openDev = (firstTag: number): Transport => {
    const dev = openDevTransport({ ...common, firstTag, spins: true });
    dev.setBlocking(false);
    return dev;
  };
  const { fd, layout, channels } = ring;
  const commands = createRingCommands(
    fd,
    channels.map((channel) => channel.index),
  );
  const { inSizes } = common;
  return openRingTransport({ layout, channels, commands, inSizes, openDev: index === 0 ? openDev : undefined });
}

const devSpinUs = (spinUs: "auto" | number): number => (spinUs === "auto" ? 0 : spinUs);

// A worker that died may have left its limit behind.
function keepAwakeBy(latencyFd: number): (awake: boolean) => void {
  if (latencyFd < 0) return () => {};
  limitCpuLatency(latencyFd, NO_LIMIT_US);
  return (awake) => void limitCpuLatency(latencyFd, awake ? 0 : NO_LIMIT_US);
}

// A pinned worker with the queue of its own CPU has its callers there: looking for their requests would keep them from
// making any. On the ring the module sends callers to a worker of another CPU, while that one is free.
function waitPolicyOf(settings: QueueSettings, { lane }: Transport, statistics: StatisticsRow): WaitPolicy {
  const { spinUs, latencyFd, cpus, pin, sleepIn } = settings;
  const shares = lane === "io_uring" && pin >= 0 && cpus.includes(pin);
  const thread = shares && spinUs === "auto" && sleepIn === "kernel" ? schedulingClass() : undefined;
  if (thread !== undefined) return createStandAside(thread, statistics);
  return createWaitPolicy(lane === "dev" ? devSpinUs(spinUs) : spinUs, statistics, keepAwakeBy(latencyFd));
}

/** Opens a queue; the filesystem has been initialised when this returns. */
export async function openQueue(
  filesystem: Filesystem,
  settings: QueueSettings,
  events: OpeningEvents,
  startDoorbell: StartDoorbell,
  notifications: Notifications,
): Promise<Queue> {
  const { fd, index, count, connection, mountpoint, trace, pin } = settings;
  const place = pin >= 0 ? placeOn([pin]) : undefined;
  place?.take();
  const opened = openTransport(settings);
  events.opened(opened.opened ?? []);
  const transport: Transport = {
    ...opened,
    next: place === undefined ? opened.next : keepPlace(opened.next, place),
    close() {
      events.opened([]);
      opened.close();
    },
  };
  const statistics = statisticsRow(settings.statistics, index);
  const backing = createBacking(fd, connection, statistics);
  // While `init` runs nobody answers here, whatever a notification waits for.
  notifications.watch({ requests: 1, holds: () => false, also: () => {} });
  const { notifier: notify } = notifications;
  const context: SessionContext = { mountpoint, connection, notify, backing, worker: { index, count } };
  try {
    await filesystem.init?.(context);
  } catch (thrown) {
    transport.close();
    throw thrown;
  }
  return createQueue({
    filesystem,
    connection,
    transport,
    index,
    startDoorbell,
    events,
    notifications,
    board: new Int32Array(settings.board) as Board,
    statistics,
    wait: waitPolicyOf(settings, transport, statistics),
    sleepIn: settings.sleepIn,
    timeoutMs: settings.timeoutMs,
    slowMs: settings.slowMs,
    repeatableOnly: settings.successor,
    cache: settings.cache === undefined ? undefined : new MetadataCache(settings.cache),
    tracer: trace
      ? {
          request: (opcode, request) => events.trace(traceRequest(opcode, request)),
          reply: (opcode, request, error, length) => events.trace(traceReply(opcode, request, error, length)),
        }
      : undefined,
  });
}
