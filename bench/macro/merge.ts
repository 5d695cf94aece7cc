// Several results as one: a long run in slices, or more rounds of the same. Ratios stay within rounds: each round keeps
// its own cells, and the rounds of the second file are numbered after those of the first.
// It joins only what one run could have measured: one machine, one commit, one baseline, one length of a cell.
import { parseArgs } from "node:util";
import { formatVerdicts, judge } from "./claims.ts";
import { PEERS } from "./peers/table.ts";
import type { Claim } from "./preset.ts";
import { PRESETS, presetNamed } from "./presets.ts";
import { type Cell, formatTable, summarise } from "./report.ts";
import { type Result, readResult, writeResult } from "./results.ts";

export const MERGE_HELP = `use: bun run bench merge A.json B.json [C.json ...]
Joins results of one machine, commit, baseline and cell length to a new one, with its table, raw file and page: slices
of a long run, or more rounds of the same.`;

/** Facts that must be equal, or the numbers are not of one kind. */
const FACTS = ["kernel", "cpu", "cpus", "bun", "libfuse", "commit"] as const;

function requireAlike(first: Result, other: Result): void {
  for (const fact of FACTS) {
    const [a, b] = [first.machine[fact], other.machine[fact]];
    if (a !== b) throw new Error(`results of two kinds: ${fact} is ${a} and ${b}`);
  }
  for (const setting of ["baseline", "seconds", "fileSize", "source"] as const) {
    const [a, b] = [first.settings[setting], other.settings[setting]];
    if (a !== b) throw new Error(`results of two kinds: ${setting} is ${a} and ${b}`);
  }
}

// Rounds of a file begin after the last of those before it.
function renumber(results: readonly Result[]): Cell[] {
  let first = 0;
  return results.flatMap(({ cells }) => {
    const moved = cells.map((cell) => ({ ...cell, round: cell.round + first }));
    first = Math.max(first, ...moved.map(({ round }) => round + 1));
    return moved;
  });
}

function claimsOf(results: readonly Result[]): Claim[] {
  const names = new Set(results.flatMap(({ settings }) => String(settings["preset"]).split(",")));
  return [...names]
    .filter((name) => PRESETS.some((one) => one.name === name))
    .flatMap((name) => presetNamed([name]).claims);
}

// The first of those that say the same.
function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map([...items].reverse().map((item) => [key(item), item])).values()].reverse();
}

/** Joins two results or more. Errors: there are fewer, or they are not of one kind; names the fact that differs. */
export function mergeResults(results: readonly Result[], written: string): Omit<Result, "version"> {
  const [first, ...others] = results;
  if (first === undefined || others.length === 0) throw new Error(MERGE_HELP);
  for (const other of others) requireAlike(first, other);
  const cells = renumber(results);
  const counts = unique(
    results.flatMap((result) => result.counts),
    ({ scenario, peer }) => `${scenario}\n${peer}`,
  );
  const scenarios = [...new Set(results.flatMap(({ settings }) => settings.scenarios))];
  const wanted = new Set(results.flatMap(({ settings }) => settings.peers));
  const peers = PEERS.map(({ name }) => name).filter((name) => wanted.has(name));
  return {
    written,
    command: [...new Set(results.map(({ command }) => command))].join("; "),
    machine: first.machine,
    settings: { ...first.settings, preset: "merged", scenarios, peers },
    interrupted: results.some(({ interrupted }) => interrupted),
    leftOut: unique(
      results.flatMap(({ leftOut }) => leftOut),
      ({ peer, reason }) => `${peer}\n${reason}`,
    ),
    idle: unique(
      results.flatMap(({ idle }) => idle),
      ({ peer }) => peer,
    ),
    summary: summarise(cells, counts, scenarios, peers, first.settings.baseline),
    verdicts: judge(claimsOf(results), cells),
    counts,
    cells,
  };
}

/** The command; resolves to the exit status and the file it wrote, undefined when it only gave help. */
export async function runMerge(words: readonly string[]): Promise<{ status: number; path: string | undefined }> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(`${MERGE_HELP}\n`);
    return { status: 0, path: undefined };
  }
  const merged = mergeResults(await Promise.all(positionals.map(readResult)), new Date().toISOString());
  const path = await writeResult(merged);
  process.stdout.write(`${formatTable(merged.summary)}\n`);
  if (merged.verdicts.length > 0) process.stdout.write(`\n${formatVerdicts(merged.verdicts)}\n`);
  process.stderr.write(`ratio to ${merged.settings.baseline} within each round; raw: ${path}\n`);
  return { status: 0, path };
}
