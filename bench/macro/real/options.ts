// Command line of the real programs: words to checked options, and the help text. It starts nothing.
import { parseArgs } from "node:util";
import type { Peer } from "../peers/peer.ts";
import { REAL_PEERS } from "./peers.ts";
import type { Program } from "./programs.ts";

const TMPFS = "/dev/shm";

export type RealOptions = {
  /** Folder in which the working directory that all filesystems serve is made. */
  source: string;
  rounds: number;
  programs: readonly Program[];
  peers: readonly Peer[];
  baseline: string;
  named: boolean;
};

export const REAL_HELP = `use: bun run bench real [options]
  --rounds N      measured rounds, after one that warms up (5)
  --only P[,P]    programs (all)
  --peers P[,P]   filesystems: ${REAL_PEERS.map(({ name }) => name).join(", ")} (all)
  --baseline P    the filesystem that times refer to (passthrough_ll)
  --source DIR    folder in which the served files lie (${TMPFS})`;

function pick<T extends { name: string }>(kind: string, table: readonly T[], list: string | undefined): readonly T[] {
  if (list === undefined) return table;
  const wanted = new Set(list.split(","));
  for (const name of wanted) if (!table.some((row) => row.name === name)) throw new Error(`no ${kind} "${name}"`);
  return table.filter(({ name }) => wanted.has(name));
}

/** Reads the words; undefined when help is asked for. Errors: names the wrong word. */
export function parseRealOptions(words: readonly string[], programs: readonly Program[]): RealOptions | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...words],
    options: { rounds: text, only: text, peers: text, baseline: text, source: text, help: { type: "boolean" } },
  });
  if (values.help) return undefined;
  const rounds = Number(values.rounds ?? 5);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds needs a whole number, not "${values.rounds}"`);
  const baseline = values.baseline ?? "passthrough_ll";
  pick("filesystem", REAL_PEERS, baseline);
  return {
    rounds,
    programs: pick("program", programs, values.only),
    peers: pick("filesystem", REAL_PEERS, values.peers),
    baseline,
    named: values.peers !== undefined,
    source: values.source ?? TMPFS,
  };
}
