// Owns: the options of `mount`: their types, defaults and checks. A table of checks, so that an unknown key, a wrong
// type and a value out of range all get an error that names the key, the value and the limit.

import type { InitWishes } from "../fs/connection.ts";
import { cacheOptions, type MetadataCacheOptions } from "./cache-options.ts";
import {
  autoOr,
  boolean,
  type Check,
  checkEach,
  integer,
  mountString,
  object,
  oneOf,
  refuse,
} from "./option-checks.ts";

/** Lanes that can be asked for by name. */
export type LaneChoice = "auto" | "ring" | "io_uring" | "dev";

/** Options of `mount`. An option of 0 means 0. */
export interface MountOptions {
  /** What the mount table shows as source. Default "rfuse". */
  readonly name?: string;
  /** The mount table shows type `fuse.SUBTYPE`. Default "rfuse". */
  readonly subtype?: string;
  /** The kernel refuses every change. Default false. */
  readonly readOnly?: boolean;
  /** Other users may enter. Brings `defaultPermissions` unless that is set to false. Default false. */
  readonly allowOther?: boolean;
  /** The kernel checks permissions by mode, owner and ACL. Default true. */
  readonly defaultPermissions?: boolean;
  /** Set-id bits work. Default false (nosuid). */
  readonly allowSuid?: boolean;
  /** Device files work. Default false (nodev). */
  readonly allowDevices?: boolean;
  /** Programs on the mount cannot be run. Default false. */
  readonly noExec?: boolean;
  /** Mounting over a directory with content, or over another FUSE mount, is fine. Default false. */
  readonly allowNonEmpty?: boolean;
  /** How to mount: "auto" (mount(2) when privileged, else fusermount3), or one of them. */
  readonly via?: "auto" | "mount" | "fusermount";
  /** Which lane carries the requests. Default "auto": the fastest that works here. */
  readonly lane?: LaneChoice;
  /**
   * Worker threads, module form only, 1..256. Default "auto": where the filesystem is `parallel`, one per CPU on lane
   * io_uring and for placement per-core, half of that on lane ring, for dedicated a quarter; else one.
   */
  readonly workers?: "auto" | number;
  /**
   * Where workers run: each pinned to a core and serving that core's callers ("per-core", module form), on cores of
   * their own that serve all the others ("dedicated", module form), or anywhere ("none"). Default "auto": per-core
   * for several workers on lane io_uring, else none.
   */
  readonly placement?: "auto" | "per-core" | "dedicated" | "none";
  /**
   * Microseconds that a worker looks for the next request before it sleeps, 0..1000000; 0: never. Default "auto": as
   * long as that pays, judged by the gaps between requests, and never on lane dev; 1000 for placement dedicated. Per-core
   * workers of a fast lane leave their CPU to their callers instead, where they may (CAP_SYS_NICE).
   */
  readonly spinUs?: "auto" | number;
  /**
   * What idle CPUs do while a worker's fixed spin finds requests: wait awake ("poll": callers wake at once, every CPU
   * draws power; root only, else as if not asked), or halt as ever ("sleep"). Default "auto": "poll" for dedicated
   * placement alone.
   */
  readonly cpuIdle?: "auto" | "poll" | "sleep";
  /** Where idle workers sleep: in the kernel (default), or on a shared word, woken by a doorbell thread. */
  readonly sleepIn?: "kernel" | "doorbell";
  /** Lanes ring and io_uring: requests in flight per CPU, 1..1024 (io_uring: 256). Default "auto": 64 and 8. */
  readonly queueDepth?: "auto" | number;
  /** Lane ring: bytes of request and reply data in flight per CPU, 4096..67108864. Default "auto": the module's, 1 MiB. */
  readonly payloadPool?: "auto" | number;
  /** Lane ring: microseconds that callers look for their reply before they sleep, 0..10000. Default "auto": the module's. */
  readonly callerSpinUs?: "auto" | number;
  /** Milliseconds until a promise's request is answered ETIMEDOUT (ring, io_uring: once it settled); 0 (default): never. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds after which a waiting request raises `slow`; 0: never. Default 1000. */
  readonly slowMs?: number;
  /**
   * Requests in flight per worker, 16..4096. A promise that never settles keeps its place, also after its time-out; when
   * all are taken, the worker serves no more. Default 1024.
   */
  readonly maxInFlight?: number;
  /** A small process unmounts should this one die. Default true. */
  readonly guardian?: boolean;
  /** One readable line per request and reply: true writes to standard error. Default false. */
  readonly debug?: boolean | ((line: string) => void);
  /** Overrides of the filesystem's own wishes for INIT. */
  readonly wishes?: InitWishes;
  /** Module form: passed to the module's default export; must be structured-cloneable. */
  readonly filesystemOptions?: unknown;
  /**
   * Lane ring, as root: metadata that the filesystem has answered once is answered again by eBPF programs in the kernel, until
   * it changes. Where that cannot be, the mount works without and `stats().metadataCache.reason` says why. Default false.
   */
  readonly metadataCache?: boolean | MetadataCacheOptions;
  /** Aborting it unmounts lazily (or gives the mounting up). */
  readonly signal?: AbortSignal;
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<Omit<MountOptions, "signal" | "filesystemOptions">> &
  Pick<MountOptions, "signal" | "filesystemOptions">;

const DEFAULTS: ResolvedOptions = {
  name: "rfuse",
  subtype: "rfuse",
  readOnly: false,
  allowOther: false,
  defaultPermissions: true,
  allowSuid: false,
  allowDevices: false,
  noExec: false,
  allowNonEmpty: false,
  via: "auto",
  lane: "auto",
  workers: "auto",
  placement: "auto",
  spinUs: "auto",
  cpuIdle: "auto",
  sleepIn: "kernel",
  queueDepth: "auto",
  payloadPool: "auto",
  callerSpinUs: "auto",
  requestTimeoutMs: 0,
  slowMs: 1000,
  maxInFlight: 1024,
  guardian: true,
  debug: false,
  wishes: {},
  metadataCache: false,
};

const WORKERS_MAX = 256;
/** Most requests in flight per CPU. */
export const QUEUE_DEPTH_MAX = { ring: 1024, io_uring: 256 } as const;
/** A worker that looks for longer than a second takes its core from everybody else for good. */
const SPIN_US_MAX = 1_000_000;

const CHECKS: { readonly [Key in keyof MountOptions]-?: Check } = {
  name: mountString,
  subtype: mountString,
  readOnly: boolean,
  allowOther: boolean,
  defaultPermissions: boolean,
  allowSuid: boolean,
  allowDevices: boolean,
  noExec: boolean,
  allowNonEmpty: boolean,
  via: oneOf("auto", "mount", "fusermount"),
  lane: oneOf("auto", "ring", "io_uring", "dev"),
  workers: autoOr(1, WORKERS_MAX),
  placement: oneOf("auto", "per-core", "dedicated", "none"),
  cpuIdle: oneOf("auto", "poll", "sleep"),
  sleepIn: oneOf("kernel", "doorbell"),
  spinUs: (key, value) => {
    const fine = value === "auto" || (typeof value === "number" && value >= 0 && value <= SPIN_US_MAX);
    if (!fine) refuse(key, value, `"auto" or a number in 0..${SPIN_US_MAX}`);
  },
  queueDepth: autoOr(1, QUEUE_DEPTH_MAX.ring),
  payloadPool: autoOr(4096, 64 * 2 ** 20),
  callerSpinUs: autoOr(0, 10_000),
  requestTimeoutMs: integer(0, 2 ** 31 - 1),
  slowMs: integer(0, 2 ** 31 - 1),
  maxInFlight: integer(16, 4096),
  guardian: boolean,
  debug: (key, value) => {
    if (typeof value !== "boolean" && typeof value !== "function") refuse(key, value, "a boolean or a function");
  },
  wishes: object,
  filesystemOptions: () => {},
  metadataCache: cacheOptions,
  signal: (key, value) => {
    if (!(value instanceof AbortSignal)) refuse(key, value, "an AbortSignal");
  },
};

/** Fills in defaults. Errors: `MountError` INVALID_OPTION. */
export function resolveOptions(options: MountOptions): ResolvedOptions {
  const given = checkEach(options, CHECKS, "");
  const resolved: ResolvedOptions = { ...DEFAULTS, ...given };
  const { lane, queueDepth } = resolved;
  if (lane === "io_uring") autoOr(1, QUEUE_DEPTH_MAX.io_uring)("queueDepth", queueDepth);
  return resolved;
}

/** Refuses what a filesystem object cannot have: the thread that serves it is its caller's. Errors: as above. */
export function refuseForObject({ workers, placement, filesystemOptions }: ResolvedOptions): void {
  if (filesystemOptions !== undefined) {
    refuse("filesystemOptions", filesystemOptions, "left out for a filesystem object; a module's export gets them");
  }
  if (workers !== "auto" && workers > 1) refuse("workers", workers, '1 or "auto" for a filesystem object');
  if (placement === "per-core" || placement === "dedicated") {
    refuse("placement", placement, 'none or "auto" for a filesystem object, whose thread is the caller\'s');
  }
}
