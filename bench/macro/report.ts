// From measured cells to a summary and its table: pure functions.
// The summary's numbers are medians over rounds; ratios are taken within each round first. It does no I/O.
import type { Measured } from "./cell.ts";
import { median, pairedRatio, type Spread, spread } from "./statistics.ts";

/** One run of one workload on one peer in one round: what it measured, or why it failed. */
export type Cell = { round: number; workload: string; peer: string } & ({ measured: Measured } | { error: string });

/** Medians over the rounds of one workload on one peer; times in microseconds, server costs per operation. */
export type Row = {
  workload: string;
  peer: string;
  opsPerS: Spread;
  ratio: Spread | undefined;
  bytesPerS: number;
  p50Us: number;
  p99Us: number;
  serverCpuUs: number | undefined;
  serverSwitches: number | undefined;
};

/** Summarises cells, in the order in which their workloads and peers are given; pairs without a result have no row. */
export function summarise(
  cells: readonly Cell[],
  workloads: readonly string[],
  peers: readonly string[],
  baseline: string,
): Row[] {
  const rows: Row[] = [];
  for (const workload of workloads) {
    const base = rounds(cells, workload, baseline);
    for (const peer of peers) {
      const row = summariseOne(workload, peer, rounds(cells, workload, peer), base);
      if (row) rows.push(row);
    }
  }
  return rows;
}

function rounds(cells: readonly Cell[], workload: string, peer: string): Map<number, Measured> {
  const found = new Map<number, Measured>();
  for (const cell of cells) {
    if (cell.workload === workload && cell.peer === peer && "measured" in cell) found.set(cell.round, cell.measured);
  }
  return found;
}

function rates(results: ReadonlyMap<number, Measured>): Map<number, number> {
  return new Map([...results].map(([round, measured]) => [round, measured.ops_per_s]));
}

type Results = ReadonlyMap<number, Measured>;

function summariseOne(workload: string, peer: string, results: Results, base: Results): Row | undefined {
  const all = [...results.values()];
  const opsPerS = spread(all.map((measured) => measured.ops_per_s));
  if (!opsPerS) return undefined;
  const perOp = (cost: (measured: Measured) => number | undefined) =>
    median(all.flatMap((measured) => (cost(measured) ?? Number.NaN) / measured.ops).filter((value) => value >= 0));
  return {
    workload,
    peer,
    opsPerS,
    ratio: pairedRatio(rates(results), rates(base)),
    bytesPerS: median(all.map((measured) => measured.bytes_per_s)) ?? 0,
    p50Us: median(all.map((measured) => measured.p50_us)) ?? 0,
    p99Us: median(all.map((measured) => measured.p99_us)) ?? 0,
    serverCpuUs: perOp((measured) => measured.server_cpu_us),
    serverSwitches: perOp((measured) => measured.server_voluntary),
  };
}

const HEADINGS = [
  "workload",
  "peer",
  "ops/s (min..max)",
  "ratio (min..max)",
  "MB/s",
  "p50 us",
  "p99 us",
  "srv cpu us/op",
  "srv sleeps/op",
];

/** The table as text, one line per row, columns aligned. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [HEADINGS, ...rows.map(formatRow)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const align = (text: string, column: number) =>
    column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  const text = lines.map((line) => line.map(align).join("  ").trimEnd());
  text.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return text.join("\n");
}

function formatRow(row: Row): string[] {
  return [
    row.workload,
    row.peer,
    formatSpread(row.opsPerS, 0),
    row.ratio ? formatSpread(row.ratio, 2) : "-",
    row.bytesPerS > 0 ? (row.bytesPerS / 1e6).toFixed(0) : "-",
    row.p50Us.toFixed(1),
    row.p99Us.toFixed(1),
    row.serverCpuUs?.toFixed(1) ?? "-",
    row.serverSwitches?.toFixed(2) ?? "-",
  ];
}

function formatSpread({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`;
}
