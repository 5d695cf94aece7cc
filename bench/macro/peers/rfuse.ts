// Our own peers: the passthrough filesystem on each lane and placement, with zero timeouts; and a filesystem that awaits.
// FUSE passthrough is off unless the peer's name says otherwise: it would take the data away from the lane. The memory
// filesystem makes no system calls of its own, so what is left is what the lane costs.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MountOptions } from "../../../src/index.ts";
import { allowedCpus } from "../machine.ts";
import type { Command, Peer, Place } from "./peer.ts";
import { serverPeer } from "./server.ts";

const SERVER = join(import.meta.dirname, "serve.ts");

type Options = MountOptions & { passthrough?: "on" | "off" | "auto"; cacheMs?: number };
type Choose = (cpus: number) => Options;
type Kind = "passthrough" | "memory" | "async";

function rfuse(kind: Kind, choose: Choose): Command {
  return async (source, mountpoint, place) => {
    const { passthrough = "off", cacheMs = 0, ...mountOptions } = choose(await cpusFor(place));
    const filesystemOptions = {
      async: {},
      memory: { attrTimeoutMs: cacheMs, entryTimeoutMs: cacheMs },
      passthrough: { cacheMs, passthrough },
    }[kind];
    return serverCommand(kind, source, mountpoint, { ...mountOptions, filesystemOptions });
  };
}

/** The command line of serve.ts. */
export function serverCommand(
  kind: Kind,
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

const run = promisify(execFile);

function ours(name: string, about: string, choose: Choose, kind: Kind = "passthrough"): Peer {
  return serverPeer(name, about, rfuse(kind, choose), {
    uring: choose(1).lane === "io_uring",
    strict: true,
    compiles: true,
    counts: true,
  });
}

// It begins empty, and is given what the source holds.
function inMemory(name: string, about: string, choose: Choose): Peer {
  const peer = ours(name, about, choose, "memory");
  return {
    ...peer,
    async start(source, mountpoint, place) {
      const running = await peer.start(source, mountpoint, place);
      try {
        await run("cp", ["-a", `${source}/.`, mountpoint]);
      } catch (error) {
        await running.stop();
        throw error;
      }
      return running;
    },
  };
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
  ours("rfuse-ring-auto", "our kernel module, workers that nobody placed", () => ({ lane: "ring" })),
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
  inMemory("rfuse-memory-dev", "files in memory on /dev/fuse, one worker", () => ({ lane: "dev" })),
  inMemory("rfuse-memory-ring", "files in memory on our kernel module, one worker that nobody placed", () => ({
    lane: "ring",
  })),
  inMemory("rfuse-memory-ring-dedicated", "files in memory on our kernel module, one spinning worker", () => ({
    ...dedicated,
    lane: "ring",
    spinUs: 1000,
  })),
  ours("rfuse-ring-passthrough", "our kernel module with FUSE passthrough", (cpus) => ({
    ...perCore(cpus),
    lane: "ring",
    passthrough: "on",
  })),
  ours("rfuse-passthrough", "/dev/fuse, one worker, FUSE passthrough", () => ({ lane: "dev", passthrough: "on" })),
  ours("rfuse-uring-passthrough", "FUSE-over-io_uring with FUSE passthrough", (cpus) => ({
    ...uring(cpus),
    passthrough: "on",
  })),
  ours("rfuse-async", "/dev/fuse, handlers that await node:fs/promises", () => ({ lane: "dev" }), "async"),
  ours("rfuse-uring-async", "FUSE-over-io_uring, handlers that await node:fs/promises", () => uring(1), "async"),
];
