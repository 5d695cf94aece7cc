// Command line of the macro benchmark: words to a checked Options value, and the help text.
// It starts nothing. An unknown word is an error that names it.
import { parseArgs } from "node:util";
import { PEERS } from "./peers/table.ts";
import { type Claim, type Group, scenario } from "./preset.ts";
import { PRESETS, presetNamed } from "./presets.ts";
import { PLACEMENTS, type PlacementName, type Scenario, WORKLOADS } from "./workloads.ts";

const TMPFS = "/dev/shm";

/** `seconds` is the time of one cell; `named` says that the user chose the peers, so that each of them must start. */
export type Options = {
  preset: string;
  rounds: number;
  seconds: number;
  idleSeconds: number;
  fileSize: number;
  /** Folder in which the working directory that all peers serve is made. */
  source: string;
  baseline: string;
  groups: readonly Group[];
  claims: readonly Claim[];
  named: boolean;
  page: boolean;
};

const DEFAULT_PEERS = [
  "raw",
  "passthrough_ll",
  "passthrough_fh",
  "ll-newer",
  "ll-newer-uring",
  "hp-newer",
  "bindfs",
  "rfuse-dev",
  "rfuse-uring",
  "rfuse-passthrough",
  "fuse-native",
  "fuse-napi",
];
const QUICK_WORKLOADS = ["stat", "open", "create", "readdir", "rread", "dread128k", "fileserver"];

export const HELP = `use: bun run bench [options]              measures, prints a table, writes raw JSON and a page
     bun run bench compare A.json B.json  says what became better or worse; status 1 when something became worse
     bun run bench merge A.json B.json... joins slices of a long run, or more rounds, to one result
     bun run bench report FILE.json       makes the page of an earlier run again
     bun run bench real [options]         real programs; --help lists the options
     bun run bench fio [options]          fio jobs with verification; --help lists the options
     bun run bench guest KERNEL [options] in a guest of QEMU, with our kernel module
     bun run bench micro [--json FILE]    the pieces, without a kernel
  --quick            2 rounds of 0.15 s over ${QUICK_WORKLOADS.length} workloads and all kinds of peers: under 3 minutes
  --full             5 rounds of 1 s over all workloads and peers, then two clients on two cores: an hour
  --preset P[,P]     ratios that belong together: ${PRESETS.map(({ name }) => name).join(", ")};
                     lanes is the first five
  --rounds N         measured rounds, between one that warms up and one that counts system calls (5)
  --seconds S        time of one cell (1)
  --only W[,W]       workloads: ${WORKLOADS.map(({ name }) => name).join(", ")}
  --peers P[,P]      peers: ${PEERS.map(({ name }) => name).join(", ")}
                     (one of the default peers that cannot start is left out with the reason)
  --baseline P       the peer that ratios refer to (the preset's, else passthrough_ll)
  --placement WHERE  client and server on the same CPU, apart, none (not pinned), or spread: a client on each CPU (same)
  --threads N        client threads (1; spread: one per CPU)
  --file-size MIB    size of each data file (64)
  --source DIR       folder in which the files lie that are served (${TMPFS})
  --no-page          leave the page out`;

type Words = Record<string, string | boolean | undefined>;

/** Reads the words after the program's name; undefined when help is asked for. Errors: names the wrong word. */
export function parseOptions(words: readonly string[], cpus: number): Options | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const names = { only: text, peers: text, baseline: text, placement: text, rounds: text, seconds: text, preset: text };
  const flags = { quick: flag, full: flag, help: flag, "no-page": flag };
  const { values } = parseArgs({
    args: [...words],
    options: { ...names, ...flags, threads: text, "file-size": text, source: text },
  });
  if (values.help) return undefined;
  if (values.quick && values.full) throw new Error("--quick and --full exclude each other");
  const preset = values.preset === undefined ? undefined : presetNamed(values.preset.split(","));
  const groups = preset ? narrow(preset.groups, values) : freeGroups(values, cpus);
  const baseline = values.baseline ?? preset?.baseline ?? usualBaseline(groups);
  pick("peer", PEERS, baseline);
  return {
    preset: preset?.name ?? (values.quick ? "quick" : values.full ? "full" : "default"),
    rounds: wholeNumber("rounds", values.rounds ?? (values.quick ? "2" : "5")),
    seconds: positive("seconds", values.seconds ?? (values.quick ? "0.15" : "1")),
    idleSeconds: values.quick ? 1 : values.full ? 10 : 2,
    fileSize: wholeNumber("file-size", values["file-size"] ?? (values.quick ? "16" : "64")) * 2 ** 20,
    source: values.source ?? TMPFS,
    baseline,
    groups,
    claims: preset?.claims ?? [],
    named: values.peers !== undefined,
    page: !values["no-page"],
  };
}

// The distribution's libfuse, or the first peer with a server where that is not among them.
function usualBaseline(groups: readonly Group[]): string {
  const peers = groups.flatMap((group) => group.peers);
  if (peers.includes("passthrough_ll")) return "passthrough_ll";
  return peers.find((peer) => peer !== "raw") ?? "raw";
}

function freeGroups(values: Words, cpus: number): Group[] {
  const place = placement(word(values, "placement") ?? "same");
  const threads = wholeNumber("threads", word(values, "threads") ?? (place === "spread" ? String(cpus) : "1"));
  const all = WORKLOADS.map(({ name }) => name);
  const named = word(values, "only");
  const workloads =
    named === undefined ? (values["quick"] ? QUICK_WORKLOADS : all) : chosen("workload", WORKLOADS, named);
  const listed = values["full"] ? PEERS.map(({ name }) => name) : DEFAULT_PEERS;
  const peers = chosen("peer", PEERS, word(values, "peers") ?? listed.join(","));
  const scenarios = workloads.map((name) => scenario(name, place, threads));
  const groups: Group[] = [{ scenarios, peers }];
  if (values["full"] && place === "same" && cpus > 1) {
    groups.push({
      scenarios: ["stat", "create", "create-shared", "rread"].map((name) => scenario(name, "spread", cpus)),
      peers,
    });
    groups.push({ scenarios: ["stat", "rread"].map((name) => scenario(name, "none")), peers });
  }
  return groups;
}

// A preset's matrix without the workloads and peers that were not asked for.
function narrow(groups: readonly Group[], values: Words): Group[] {
  const only = word(values, "only");
  const workloads = only === undefined ? undefined : new Set(chosen("workload", WORKLOADS, only));
  const named = word(values, "peers");
  const peers = named === undefined ? undefined : new Set(chosen("peer", PEERS, named));
  return groups.map((group) => ({
    scenarios: group.scenarios.filter(({ workload }) => workloads?.has(workload.name) ?? true),
    peers: group.peers.filter((peer) => peers?.has(peer) ?? true),
  }));
}

/** Every pair of the groups once, by scenario in the order given. */
export function pairsOf(groups: readonly Group[], name: (scenario: Scenario) => string): Map<Scenario, string[]> {
  const found = new Map<string, { scenario: Scenario; peers: Set<string> }>();
  for (const { scenarios, peers } of groups) {
    for (const one of scenarios) {
      const entry = found.get(name(one)) ?? { scenario: one, peers: new Set<string>() };
      for (const peer of peers) entry.peers.add(peer);
      found.set(name(one), entry);
    }
  }
  const order = PEERS.map((peer) => peer.name);
  return new Map([...found.values()].map((entry) => [entry.scenario, order.filter((peer) => entry.peers.has(peer))]));
}

function word(values: Words, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`--${name} needs a number above 0, not "${text}"`);
  return value;
}

function wholeNumber(name: string, text: string): number {
  const value = positive(name, text);
  if (!Number.isInteger(value)) throw new Error(`--${name} needs a whole number, not "${text}"`);
  return value;
}

function placement(text: string): PlacementName {
  const found = PLACEMENTS.find((name) => name === text);
  if (found === undefined) throw new Error(`--placement is one of ${PLACEMENTS.join(", ")}, not "${text}"`);
  return found;
}

function chosen<T extends { name: string }>(kind: string, table: readonly T[], list: string): string[] {
  return pick(kind, table, list).map(({ name }) => name);
}

// Keeps the order of the table, and each once, whatever the order of the words.
function pick<T extends { name: string }>(kind: string, table: readonly T[], list: string): T[] {
  const wanted = new Set(list.split(","));
  for (const name of wanted) {
    if (!table.some((row) => row.name === name)) throw new Error(`no ${kind} "${name}"`);
  }
  return table.filter(({ name }) => wanted.has(name));
}
