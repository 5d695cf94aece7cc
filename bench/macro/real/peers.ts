// The filesystems that real programs run on, with the caching that their users get by default: names and attributes
// for a second, all threads. The distribution's passthrough_ll is the baseline.
import type { MountOptions } from "../../../src/index.ts";
import { buildLibfuseExample } from "../build.ts";
import { newerLibfuse } from "../newer-libfuse.ts";
import type { Peer } from "../peers/peer.ts";
import { serverCommand } from "../peers/rfuse.ts";
import { serverPeer } from "../peers/server.ts";

const LONG_MS = 60_000;

function ours(name: string, about: string, mountOptions: MountOptions, filesystemOptions: object, uring = false): Peer {
  const command = (source: string, mountpoint: string) =>
    Promise.resolve(serverCommand("passthrough", source, mountpoint, { ...mountOptions, filesystemOptions }));
  return serverPeer(name, about, command, { uring, strict: true });
}

/** In the order of the report. */
export const REAL_PEERS: readonly Peer[] = [
  {
    name: "raw",
    about: "the source directory itself, no FUSE",
    uring: false,
    strict: true,
    largePipes: false,
    start: async (source) => ({ pid: undefined, directory: source, stop: async () => {} }),
  },
  serverPeer(
    "passthrough_ll",
    "libfuse's low-level example, distribution, its defaults",
    async (source, mountpoint) => [
      await buildLibfuseExample("passthrough_ll"),
      "-f",
      "-o",
      `source=${source},cache=auto,default_permissions`,
      mountpoint,
    ],
  ),
  serverPeer(
    "ll-newer-uring",
    "the same of libfuse >= 3.18 over io_uring",
    async (source, mountpoint) => [
      (await newerLibfuse()).passthroughLl,
      "-f",
      "-o",
      `source=${source},cache=auto,default_permissions,io_uring`,
      mountpoint,
    ],
    { uring: true, largePipes: true },
  ),
  ours("rfuse-default", "rfuse with the defaults of mount() on /dev/fuse", { lane: "dev" }, {}),
  ours(
    "rfuse-uring",
    "the same over io_uring, a worker per core",
    { lane: "io_uring", placement: "per-core" },
    {},
    true,
  ),
  ours(
    "rfuse-passthrough",
    "FUSE passthrough, names and attributes cached for a minute",
    { lane: "dev" },
    { passthrough: "on", cacheMs: LONG_MS },
  ),
  ours(
    "rfuse-uring-passthrough",
    "the same over io_uring, locks kept by the kernel of the mount",
    { lane: "io_uring", placement: "per-core" },
    { passthrough: "on", cacheMs: LONG_MS, locks: "local" },
    true,
  ),
];
