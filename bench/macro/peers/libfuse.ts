// Peers in C: libfuse's example filesystems, as the distribution ships them and from a newer release; bindfs.
// All have zero timeouts. Where a program is not told otherwise it has one thread.
import { buildLibfuseExample } from "../build.ts";
import { newerLibfuse } from "../newer-libfuse.ts";
import { need } from "../packages.ts";
import type { Command, Peer } from "./peer.ts";
import { serverPeer } from "./server.ts";

const ZERO = "cache=auto,timeout=0,default_permissions";

const lowLevel =
  (threads: readonly string[]): Command =>
  async (source, mountpoint) => {
    const program = await buildLibfuseExample("passthrough_ll");
    return [program, "-f", ...threads, "-o", `source=${source},${ZERO}`, mountpoint];
  };

// Its timeouts are zero in its source. It mirrors "/", so a module of libfuse narrows it to the source directory.
const highLevel: Command = async (source, mountpoint) => {
  const program = await buildLibfuseExample("passthrough_fh");
  return [program, "-f", "-s", "-o", `modules=subdir,subdir=${source},default_permissions`, mountpoint];
};

const newerLowLevel =
  (words: readonly string[], options: string): Command =>
  async (source, mountpoint) => {
    const { passthroughLl } = await newerLibfuse();
    return [passthroughLl, "-f", ...words, "-o", `source=${source},${ZERO}${options}`, mountpoint];
  };

const newerHighPerformance =
  (...words: readonly string[]): Command =>
  async (source, mountpoint) => {
    const { passthroughHp } = await newerLibfuse();
    return [passthroughHp, "--nocache", "--single", "--foreground", ...words, source, mountpoint];
  };

// Its attributes and entries are libfuse's, so libfuse's options reach them.
const bindfs: Command = async (source, mountpoint) => {
  const program = need("bindfs", "bindfs");
  return [program, "-f", "-o", "attr_timeout=0,entry_timeout=0,default_permissions", source, mountpoint];
};

const NEWER = { largePipes: true };

/** The peers in C, in the order of the report. */
export const LIBFUSE_PEERS: readonly Peer[] = [
  serverPeer("passthrough_ll", "libfuse's low-level example, distribution, one thread", lowLevel(["-s"])),
  serverPeer("passthrough_ll-mt", "the same with libfuse's default threads", lowLevel([])),
  serverPeer("passthrough_fh", "libfuse's high-level example, distribution, one thread", highLevel),
  serverPeer("bindfs", "bindfs, one thread", bindfs),
  serverPeer(
    "ll-newer",
    "passthrough_ll of libfuse >= 3.18 on /dev/fuse, one thread",
    newerLowLevel(["-s"], ""),
    NEWER,
  ),
  serverPeer(
    "ll-newer-uring",
    "passthrough_ll of libfuse >= 3.18 over io_uring, a thread per CPU",
    newerLowLevel([], ",io_uring"),
    { ...NEWER, uring: true },
  ),
  serverPeer(
    "hp-newer",
    "passthrough_hp of libfuse >= 3.18, one thread, no passthrough",
    newerHighPerformance("--nopassthrough"),
    NEWER,
  ),
  serverPeer(
    "hp-newer-passthrough",
    "passthrough_hp of libfuse >= 3.18 with FUSE passthrough",
    newerHighPerformance(),
    NEWER,
  ),
];
