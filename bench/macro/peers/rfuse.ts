// Our own peers: the passthrough filesystem on each lane and placement, with zero timeouts; and a filesystem that awaits.
// FUSE passthrough is off unless the peer's name says otherwise: it would take the data away from the lane.
import { join } from "node:path";
import type { MountOptions } from "../../../src/index.ts";
import { allowedCpus } from "../machine.ts";
import type { Command, Peer, Place } from "./peer.ts";
import { serverPeer } from "./server.ts";

const SERVER = join(import.meta.dirname, "serve.ts");

type Options = MountOptions & { passthrough?: "on" | "off" | "auto"; cacheMs?: number };
type Choose = (cpus: number) => Options;

function rfuse(kind: "passthrough" | "async", choose: Choose): Command {
  return async (source, mountpoint, place) => {
    const { passthrough = "off", cacheMs = 0, ...mountOptions } = choose(await cpusFor(place));
    const filesystemOptions = kind === "async" ? {} : { cacheMs, passthrough };
    return serverCommand(kind, source, mountpoint, { ...mountOptions, filesystemOptions });
  };
}

/** The command line of serve.ts. */
export function serverCommand(
  kind: "passthrough" | "async",
  source: string,
  mountpoint: string,
  options: MountOptions,
): readonly string[] {
  return [process.execPath, "run", SERVER, kind, source, mountpoint, JSON.stringify(options)];
}

// A server that is pinned has one worker wherever a worker per core is asked for.
async function cpusFor({ cpu }: Place): Promise<number> {
  return cpu === undefined ? (await allowedCpus()).length : 1;
}

const perCore: Choose = (cpus) => ({ workers: cpus, placement: "per-core" });
const uring: Choose = (cpus) => ({ ...perCore(cpus), lane: "io_uring" });
const dedicated: Options = { workers: 1, placement: "dedicated" };

function ours(name: string, about: string, choose: Choose, kind: "passthrough" | "async" = "passthrough"): Peer {
  return serverPeer(name, about, rfuse(kind, choose), { uring: choose(1).lane === "io_uring" });
}

/** rfuse on its lanes, in the order of the report. */
export const RFUSE_PEERS: readonly Peer[] = [
  ours("rfuse-dev", "/dev/fuse, one worker", () => ({ lane: "dev" })),
  ours("rfuse-dev-percore", "/dev/fuse, a worker per core", (cpus) => ({ ...perCore(cpus), lane: "dev" })),
  ours("rfuse-uring", "FUSE-over-io_uring, a worker per core", uring),
  ours("rfuse-uring-nospin", "the same, never spinning", (cpus) => ({ ...uring(cpus), spinUs: 0 })),
  ours("rfuse-uring-dedicated", "FUSE-over-io_uring, one spinning worker for all cores", () => ({
    ...dedicated,
    lane: "io_uring",
    spinUs: 1000,
  })),
  ours("rfuse-dev-dedicated", "/dev/fuse, one spinning worker", () => ({ ...dedicated, lane: "dev", spinUs: 1000 })),
  ours("rfuse-ring", "our kernel module, a worker per core", (cpus) => ({ ...perCore(cpus), lane: "ring" })),
  ours("rfuse-ring-dedicated", "our kernel module, one spinning worker", () => ({
    ...dedicated,
    lane: "ring",
    spinUs: 1000,
  })),
  ours("rfuse-ring-cache", "our kernel module, a worker per core, metadata answered by eBPF", (cpus) => ({
    ...perCore(cpus),
    lane: "ring",
    metadataCache: { ttlMs: 1e9 },
  })),
  ours("rfuse-passthrough", "/dev/fuse, one worker, FUSE passthrough", () => ({ lane: "dev", passthrough: "on" })),
  ours("rfuse-uring-passthrough", "FUSE-over-io_uring with FUSE passthrough", (cpus) => ({
    ...uring(cpus),
    passthrough: "on",
  })),
  ours("rfuse-async", "/dev/fuse, handlers that await node:fs/promises", () => ({ lane: "dev" }), "async"),
  ours("rfuse-uring-async", "FUSE-over-io_uring, handlers that await node:fs/promises", () => uring(1), "async"),
];
