// Command line of the macro benchmark: words to a checked Options value, and the help text.
// It starts nothing. An unknown word is an error that names it.
import { parseArgs } from "node:util";
import { WORKLOADS, type Workload } from "./cell.ts";
import { PEERS, type Peer } from "./peers.ts";

/** Where client and server run: on one CPU, on two, or wherever the scheduler likes. */
const PLACEMENTS = ["same", "apart", "none"] as const;
export type PlacementName = (typeof PLACEMENTS)[number];

/** `seconds` is the time of one cell; `named` says that the user chose the peers, so that each of them must start. */
export type Options = {
  rounds: number;
  seconds: number;
  fileSize: number;
  placement: PlacementName;
  baseline: string;
  workloads: readonly Workload[];
  peers: readonly Peer[];
  named: boolean;
};

const DEFAULT_PEERS = ["raw", "passthrough_ll", "rfuse-dev"];

export const HELP = `use: bun run bench/macro/run.ts [options]
  --quick            2 rounds of 0.2 s per cell: shows that it works, measures little
  --rounds N         measured rounds, after one that only warms up (5)
  --seconds S        time of one cell (1)
  --only W[,W]       workloads: ${WORKLOADS.map(({ name }) => name).join(", ")}
  --peers P[,P]      peers: ${PEERS.map(({ name }) => name).join(", ")}
                     (${DEFAULT_PEERS.join(", ")}; one that cannot start is left out with the reason)
  --baseline P       the peer that ratios refer to (passthrough_ll)
  --placement WHERE  client and server on the same CPU, apart, or none: not pinned (same)
  --file-size MIB    size of each data file on tmpfs (64)`;

/** Reads the words after the program's name; undefined when help is asked for. Errors: names the wrong word. */
export function parseOptions(words: readonly string[]): Options | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const names = { only: text, peers: text, baseline: text, placement: text, rounds: text, seconds: text };
  const { values } = parseArgs({
    args: [...words],
    options: { ...names, "file-size": text, quick: flag, help: flag },
  });
  if (values.help) return undefined;
  const baseline = values.baseline ?? "passthrough_ll";
  pick("peer", PEERS, baseline);
  return {
    rounds: wholeNumber("rounds", values.rounds ?? (values.quick ? "2" : "5")),
    seconds: positive("seconds", values.seconds ?? (values.quick ? "0.2" : "1")),
    fileSize: wholeNumber("file-size", values["file-size"] ?? "64") * 2 ** 20,
    placement: placement(values.placement ?? "same"),
    baseline,
    workloads: values.only === undefined ? WORKLOADS : pick("workload", WORKLOADS, values.only),
    peers: pick("peer", PEERS, values.peers ?? DEFAULT_PEERS.join(",")),
    named: values.peers !== undefined,
  };
}

function positive(name: string, word: string): number {
  const value = Number(word);
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`--${name} needs a number above 0, not "${word}"`);
  return value;
}

function wholeNumber(name: string, word: string): number {
  const value = positive(name, word);
  if (!Number.isInteger(value)) throw new Error(`--${name} needs a whole number, not "${word}"`);
  return value;
}

function placement(word: string): PlacementName {
  const found = PLACEMENTS.find((name) => name === word);
  if (found === undefined) throw new Error(`--placement is one of ${PLACEMENTS.join(", ")}, not "${word}"`);
  return found;
}

// Keeps the order of the table, and each once, whatever the order of the words.
function pick<T extends { name: string }>(kind: string, table: readonly T[], list: string): T[] {
  const wanted = new Set(list.split(","));
  for (const name of wanted) {
    if (!table.some((row) => row.name === name)) throw new Error(`no ${kind} "${name}"`);
  }
  return table.filter(({ name }) => wanted.has(name));
}
