// Presets: matrices of scenarios and peers that belong together, with the ratios that they are to show.
// Tables alone. A ratio is between two cells of one round of one run, never of two runs.
import { at, each, type Preset, scenario } from "./preset.ts";
import { RING_PRESETS } from "./ring-presets.ts";
import { WORKLOADS } from "./workloads.ts";

const SAME_CORE = ["stat", "rread", "dread128k", "sread", "create"];
/** All but those in a directory for all, which differ from the others with several clients alone. */
const UNPINNED = WORKLOADS.filter(({ shared }) => !shared).map(({ name }) => name);
const PASSED = ["rread", "dread128k", "sread", "mmap", "rwrite", "dwrite128k"];
const METADATA_AND_SMALL = ["stat", "open", "create", "rename", "readdir", "rread", "rwrite"];

/** What bindings are compared by, and where. */
const BOUND = ["stat", "rread", "create"];
const BOUND_AT = ["same", "none"] as const;

/** All presets, in the order of the help text. */
export const PRESETS: readonly Preset[] = [
  {
    name: "same-core",
    about: "our lanes against libfuse in C, client and server on one core",
    baseline: "ll-newer-uring",
    groups: [
      {
        scenarios: SAME_CORE.map((name) => scenario(name)),
        peers: ["passthrough_ll", "ll-newer", "ll-newer-uring", "rfuse-dev", "rfuse-uring"],
      },
    ],
    claims: [
      ...each(SAME_CORE, ["rfuse-uring", "ll-newer-uring"], 1),
      ...each(SAME_CORE, ["rfuse-dev", "passthrough_ll"], 1),
      ...each(SAME_CORE, ["rfuse-dev", "ll-newer"], 1),
    ],
  },
  {
    name: "unpinned",
    about: "io_uring against our one-worker /dev/fuse lane, nothing pinned",
    baseline: "rfuse-dev",
    groups: [{ scenarios: UNPINNED.map((name) => scenario(name, "none")), peers: ["rfuse-dev", "rfuse-uring"] }],
    claims: [
      ...each(["stat"], ["rfuse-uring", "rfuse-dev"], 2.5, "none"),
      ...each(
        UNPINNED.filter((name) => name !== "stat"),
        ["rfuse-uring", "rfuse-dev"],
        0.95,
        "none",
      ),
    ],
  },
  {
    name: "dedicated",
    about: "one spinning worker for all cores against a worker per core, client not pinned",
    baseline: "rfuse-uring",
    groups: [
      {
        scenarios: ["stat", "rread"].map((name) => scenario(name, "none")),
        peers: ["rfuse-dev", "rfuse-dev-dedicated", "rfuse-uring", "rfuse-uring-nospin", "rfuse-uring-dedicated"],
      },
    ],
    claims: [
      ...each(["stat"], ["rfuse-uring-dedicated", "rfuse-uring"], 1.5, "none"),
      ...each(["stat"], ["rfuse-dev-dedicated", "rfuse-dev"], 1.5, "none"),
    ],
  },
  {
    name: "passthrough",
    about: "FUSE passthrough against the raw file, and what it costs at open",
    baseline: "raw",
    groups: [
      {
        scenarios: [...PASSED, "open"].map((name) => scenario(name)),
        peers: ["raw", "hp-newer-passthrough", "rfuse-dev", "rfuse-passthrough"],
      },
      { scenarios: [scenario("open")], peers: ["rfuse-uring", "rfuse-uring-passthrough"] },
    ],
    claims: [
      ...each(["rread", "mmap"], ["rfuse-passthrough", "raw"], 0.9),
      ...each(["dread128k", "sread"], ["rfuse-passthrough", "raw"], 0.95),
      ...each(["open"], ["rfuse-passthrough", "rfuse-dev"], 0.85),
      ...each(["open"], ["rfuse-uring-passthrough", "rfuse-uring"], 0.85),
    ],
  },
  {
    name: "async",
    about: "handlers that await real input and output, with 1 and 16 clients",
    baseline: "rfuse-async",
    groups: [
      {
        scenarios: ["rread", "stat"].flatMap((name) => [scenario(name, "none"), scenario(name, "none", 16)]),
        peers: ["rfuse-async", "rfuse-uring-async"],
      },
    ],
    claims: ["rfuse-async", "rfuse-uring-async"].flatMap((peer) =>
      ["rread", "stat"].map((name) => ({
        text: `${peer}: 16 clients / 1`,
        over: at(name, peer, "none", 16),
        under: at(name, peer, "none"),
        atLeast: 3,
      })),
    ),
  },
  {
    name: "scaling",
    about: "two clients on two cores against one",
    baseline: "passthrough_ll-mt",
    groups: [
      {
        scenarios: ["stat", "rread"].flatMap((name) => [scenario(name), scenario(name, "spread", 2)]),
        peers: ["raw", "passthrough_ll-mt", "ll-newer-uring", "rfuse-dev-percore", "rfuse-uring"],
      },
    ],
    claims: ["rfuse-uring", "ll-newer-uring", "rfuse-dev-percore"].flatMap((peer) =>
      ["stat", "rread"].map((name) => ({
        text: `${peer}: 2 clients on 2 cores / 1 on 1`,
        over: at(name, peer, "spread", 2),
        under: at(name, peer),
        atLeast: 1.8,
      })),
    ),
  },
  {
    name: "bindings",
    about: "our lanes against the bindings that npm has, on one core and where the scheduler puts them",
    baseline: "fuse-native",
    groups: [
      {
        scenarios: BOUND_AT.flatMap((placement) => BOUND.map((name) => scenario(name, placement))),
        peers: ["passthrough_ll", "fuse-native", "fuse-napi", "rfuse-dev", "rfuse-uring"],
      },
    ],
    claims: BOUND_AT.flatMap((placement) =>
      ["rfuse-dev", "rfuse-uring"].flatMap((ours) =>
        ["fuse-native", "fuse-napi"].flatMap((theirs) => each(BOUND, [ours, theirs], 5, placement)),
      ),
    ),
  },
  {
    name: "equal-placement",
    about: "every lane against its C peer on names and 4 KiB, client and server on one core",
    baseline: "ll-newer-uring",
    groups: [
      {
        scenarios: METADATA_AND_SMALL.map((name) => scenario(name)),
        peers: ["ll-newer", "ll-newer-uring", "rfuse-dev", "rfuse-uring"],
      },
    ],
    claims: [
      ...each(METADATA_AND_SMALL, ["rfuse-uring", "ll-newer-uring"], 1),
      ...each(METADATA_AND_SMALL, ["rfuse-dev", "ll-newer"], 1),
    ],
  },
  ...RING_PRESETS,
];

/** The presets that `--preset lanes` stands for: everything about our lanes. */
export const LANES = ["same-core", "unpinned", "dedicated", "passthrough", "async"];

/** Presets by name, joined to one; `lanes` stands for several. Errors: names the one that there is not. */
export function presetNamed(names: readonly string[]): Preset {
  const wanted = names.flatMap((name) => (name === "lanes" ? LANES : [name]));
  const found = wanted.map((name) => {
    const preset = PRESETS.find((one) => one.name === name);
    if (!preset) throw new Error(`no preset "${name}"`);
    return preset;
  });
  return {
    name: names.join(","),
    about: found.map(({ about }) => about).join("; "),
    baseline: found[0]?.baseline ?? "passthrough_ll",
    groups: found.flatMap(({ groups }) => groups),
    claims: found.flatMap(({ claims }) => claims),
  };
}
