// Presets of the ring lane, which are for a guest, where our kernel module is: bun run bench guest KERNEL --preset ring.
// Nothing is pinned unless said otherwise: our own workers place themselves.
import { each, type Preset, scenario } from "./preset.ts";

const DIRECT = ["rread", "rwrite", "dread128k", "dwrite128k"];
const RING_NAMES = ["stat", "open", "create", "readdir"];
const RING_PEERS = ["rfuse-dev", "rfuse-ring-auto", "rfuse-ring", "rfuse-ring-dedicated"];

/** In the order of the help text. */
export const RING_PRESETS: readonly Preset[] = [
  {
    name: "ring",
    about: "our kernel module on names, in a guest: nothing pinned, two clients on two CPUs, all on one CPU",
    baseline: "rfuse-dev",
    groups: [
      { scenarios: RING_NAMES.map((name) => scenario(name, "none")), peers: RING_PEERS },
      {
        scenarios: [
          ...["stat", "create"].map((name) => scenario(name, "spread", 2)),
          ...["stat", "create"].map((name) => scenario(name)),
        ],
        peers: ["rfuse-dev", "rfuse-ring-auto", "rfuse-ring"],
      },
    ],
    claims: [
      ...each(["stat"], ["rfuse-ring-dedicated", "rfuse-dev"], 5, "none"),
      ...each(["stat"], ["rfuse-ring", "rfuse-dev"], 1.3, "none"),
      ...each(["stat"], ["rfuse-ring", "rfuse-dev"], 1.3, "spread", 2),
      ...each(RING_NAMES, ["rfuse-ring-auto", "rfuse-dev"], 0.9, "none"),
      ...each(["stat", "create"], ["rfuse-ring-auto", "rfuse-dev"], 0.9, "spread", 2),
      ...each(["stat", "create"], ["rfuse-ring-auto", "rfuse-dev"], 0.9),
    ],
  },
  {
    name: "ring-data",
    about: "our kernel module on data, in a guest: nothing pinned, two clients on two CPUs",
    baseline: "rfuse-dev",
    groups: [
      {
        scenarios: [...DIRECT, "sread", "swrite"].map((name) => scenario(name, "none")),
        peers: ["rfuse-dev", "rfuse-ring-auto", "rfuse-ring-dedicated"],
      },
      { scenarios: DIRECT.map((name) => scenario(name, "spread", 2)), peers: ["rfuse-dev", "rfuse-ring-auto"] },
    ],
    claims: [
      ...each(DIRECT, ["rfuse-ring-dedicated", "rfuse-dev"], 1.5, "none"),
      ...each(DIRECT, ["rfuse-ring-auto", "rfuse-dev"], 1.5, "none"),
      ...each(["sread", "swrite"], ["rfuse-ring-auto", "rfuse-dev"], 0.9, "none"),
      ...each(DIRECT, ["rfuse-ring-auto", "rfuse-dev"], 0.9, "spread", 2),
    ],
  },
  {
    name: "ring-alone",
    about: "what the lane itself costs, in a guest: files in memory, whose server makes no system calls of its own",
    baseline: "rfuse-memory-dev",
    groups: [
      {
        scenarios: [scenario("stat", "none"), scenario("rread", "none")],
        peers: ["rfuse-memory-dev", "rfuse-memory-ring", "rfuse-memory-ring-dedicated"],
      },
    ],
    claims: [
      ...each(["stat"], ["rfuse-memory-ring-dedicated", "rfuse-memory-dev"], 5, "none"),
      ...each(["stat"], ["rfuse-memory-ring", "rfuse-memory-dev"], 0.9, "none"),
    ],
  },
  {
    name: "ring-cache",
    about: "stat with the metadata cache, in a guest: against tmpfs itself, /dev/fuse, and the ring without it",
    baseline: "rfuse-dev",
    groups: [{ scenarios: [scenario("stat", "none")], peers: ["raw", "rfuse-dev", "rfuse-ring", "rfuse-ring-cache"] }],
    claims: [
      ...each(["stat"], ["rfuse-ring-cache", "rfuse-dev"], 15, "none"),
      ...each(["stat"], ["rfuse-ring-cache", "rfuse-ring"], 1.5, "none"),
      ...each(["stat"], ["rfuse-ring-cache", "raw"], 0.5, "none"),
    ],
  },
  {
    name: "ring-lanes",
    about: "our kernel module against FUSE-over-io_uring and FUSE passthrough, in the guest 7.2",
    baseline: "rfuse-uring",
    groups: [
      {
        scenarios: [scenario("stat", "none"), scenario("rread", "none")],
        peers: ["rfuse-dev", "rfuse-uring", "rfuse-uring-dedicated", "rfuse-ring-auto", "rfuse-ring-dedicated"],
      },
      {
        scenarios: ["rread", "dread128k"].map((name) => scenario(name, "none")),
        peers: ["rfuse-ring-dedicated", "rfuse-passthrough", "rfuse-ring-passthrough"],
      },
    ],
    claims: [
      ...each(["stat"], ["rfuse-ring-dedicated", "rfuse-uring"], 2, "none"),
      ...each(["stat"], ["rfuse-ring-dedicated", "rfuse-uring-dedicated"], 2, "none"),
      ...each(["stat"], ["rfuse-ring-auto", "rfuse-uring"], 2, "none"),
    ],
  },
];
