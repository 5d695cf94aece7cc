// From timed programs to a table, verdicts and the result file. Ratios are of times, within each round: lower is better.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LeftOut } from "../fleet.ts";
import { RESULTS } from "../results.ts";
import { pairedRatio, type Spread, spread } from "../statistics.ts";
import { columns } from "../table.ts";

export type RealCell = { round: number; program: string; peer: string } & ({ seconds: number } | { error: string });
export type RealRow = { program: string; peer: string; seconds: Spread; ratio: Spread | undefined };
export type RealVerdict = { text: string; program: string; atMost: number; ratio: Spread | undefined };

const CACHED = ["make", "sqlite-delete", "sqlite-wal"];

/** What the times of programs are to be at most, relative to another filesystem. */
const GOALS = [
  { over: "rfuse-default", under: "passthrough_ll", atMost: 1.15, programs: undefined },
  { over: "rfuse-uring", under: "passthrough_ll", atMost: 1.15, programs: undefined },
  { over: "rfuse-passthrough", under: "raw", atMost: 1.3, programs: CACHED },
  { over: "rfuse-uring-passthrough", under: "raw", atMost: 1.3, programs: CACHED },
] as const;

function times(cells: readonly RealCell[], program: string, peer: string): Map<number, number> {
  const found = new Map<number, number>();
  for (const cell of cells) {
    if (cell.program === program && cell.peer === peer && "seconds" in cell) found.set(cell.round, cell.seconds);
  }
  return found;
}

/** One row per program and filesystem that has a time, in the order given. */
export function summariseReal(
  cells: readonly RealCell[],
  programs: readonly string[],
  peers: readonly string[],
  baseline: string,
): RealRow[] {
  return programs.flatMap((program) =>
    peers.flatMap((peer) => {
      const seconds = spread([...times(cells, program, peer).values()]);
      const ratio = pairedRatio(times(cells, program, peer), times(cells, program, baseline));
      return seconds ? [{ program, peer, seconds, ratio }] : [];
    }),
  );
}

/** The goals for every program that ran. */
export function realVerdicts(cells: readonly RealCell[]): RealVerdict[] {
  const ran = [...new Set(cells.map((cell) => cell.program))];
  return GOALS.flatMap(({ over, under, atMost, programs }) =>
    ran
      .filter((program) => programs === undefined || (programs as readonly string[]).includes(program))
      .map((program) => ({
        text: `${over} / ${under}`,
        program,
        atMost,
        ratio: pairedRatio(times(cells, program, over), times(cells, program, under)),
      })),
  );
}

function range({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}..${max.toFixed(2)})`;
}

function word({ ratio, atMost }: RealVerdict): string {
  if (!ratio) return "not measured";
  return ratio.median <= atMost ? "holds" : "MISSED";
}

/** Both as tables. */
export function formatReal(rows: readonly RealRow[], verdicts: readonly RealVerdict[]): string {
  const measured = rows.map((row) => [row.program, row.peer, range(row.seconds), row.ratio ? range(row.ratio) : "-"]);
  const judged = verdicts.map((one) => [
    one.text,
    one.program,
    one.ratio ? range(one.ratio) : "-",
    one.atMost.toFixed(2),
    word(one),
  ]);
  const first = columns(["program", "filesystem", "seconds (min..max)", "relative (min..max)"], measured, 2);
  return `${first}\n\n${columns(["time", "program", "median (min..max)", "at most", ""], judged, 2)}`;
}

/** Writes the result under a name made of the time and resolves to the path. */
export async function writeReal(result: {
  command: string;
  source: string;
  machine: Record<string, unknown>;
  rows: RealRow[];
  verdicts: RealVerdict[];
  cells: RealCell[];
  leftOut: LeftOut[];
}): Promise<string> {
  await mkdir(RESULTS, { recursive: true });
  const written = new Date().toISOString();
  const path = join(RESULTS, `real-${written.replaceAll(/[:.]/g, "-")}.json`);
  await writeFile(path, `${JSON.stringify({ written, ...result }, null, 1)}\n`);
  return path;
}
