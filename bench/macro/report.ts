// From measured cells to a summary and its table: pure functions.
// The summary's numbers are medians over rounds; ratios are taken within each round first. It does no I/O.
import type { Measured } from "./cell.ts";
import { median, pairedRatio, type Spread, spread } from "./statistics.ts";
import type { Counts } from "./syscall-count.ts";
import { columns } from "./table.ts";

/** One run of one scenario on one peer in one round: what it measured, or why it failed. */
export type Cell = { round: number; scenario: string; peer: string } & ({ measured: Measured } | { error: string });

/** System calls per operation of one scenario on one peer. */
export type Count = { scenario: string; peer: string } & Counts;

/** Requests per operation, and what each cost the server: context switches of its threads, system calls. */
export type DaemonSide = { requests: number; switches: number; syscalls: number | undefined };

/**
 * Medians over the rounds of one scenario on one peer; times in microseconds. CPU time and what is counted is per
 * operation: the client in user mode, the server in user mode, the kernel for both of them.
 */
export type Row = {
  scenario: string;
  peer: string;
  opsPerS: Spread;
  ratio: Spread | undefined;
  bytesPerS: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  clientCpuUs: number;
  serverCpuUs: number | undefined;
  kernelCpuUs: number;
  clientSystemUs: number;
  serverSystemUs: number | undefined;
  sleeps: number | undefined;
  switches: number;
  syscalls: number | undefined;
  rssBytes: number | undefined;
  daemon?: DaemonSide | undefined;
  quantiles: ReadonlyArray<readonly [number, number]>;
};

/** Summarises cells, in the order in which their scenarios and peers are given; pairs without a result have no row. */
export function summarise(
  cells: readonly Cell[],
  counts: readonly Count[],
  scenarios: readonly string[],
  peers: readonly string[],
  baseline: string,
): Row[] {
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const base = ratesOf(cells, scenario, baseline);
    for (const peer of peers) {
      const results = roundsOf(cells, scenario, peer);
      const count = counts.find((one) => one.scenario === scenario && one.peer === peer);
      const rates = ratesOf(cells, scenario, peer);
      const row = summariseOne([...results.values()], count, pairedRatio(rates, base));
      if (row) rows.push({ scenario, peer, ...row });
    }
  }
  return rows;
}

function roundsOf(cells: readonly Cell[], scenario: string, peer: string): Map<number, Measured> {
  const found = new Map<number, Measured>();
  for (const cell of cells) {
    if (cell.scenario === scenario && cell.peer === peer && "measured" in cell) found.set(cell.round, cell.measured);
  }
  return found;
}

/** Operations per second of each round of one scenario on one peer. */
export function ratesOf(cells: readonly Cell[], scenario: string, peer: string): Map<number, number> {
  return new Map([...roundsOf(cells, scenario, peer)].map(([round, measured]) => [round, measured.ops_per_s]));
}

function summariseOne(
  all: readonly Measured[],
  count: Count | undefined,
  ratio: Spread | undefined,
): Omit<Row, "scenario" | "peer"> | undefined {
  const opsPerS = spread(all.map((measured) => measured.ops_per_s));
  const middle = all[all.length >> 1];
  if (!opsPerS || !middle) return undefined;
  const of = (value: (measured: Measured) => number | undefined) =>
    median(all.map((measured) => value(measured) ?? Number.NaN).filter((number) => !Number.isNaN(number)));
  const perOp = (value: (measured: Measured) => number | undefined) =>
    of((measured) => (value(measured) ?? Number.NaN) / measured.ops);
  const serverSystem = (one: Measured) =>
    one.server_cpu_us === undefined ? undefined : one.server_cpu_us - (one.server_user_us ?? 0);
  const switches = (one: Measured) =>
    one.voluntary + one.involuntary + (one.server_voluntary ?? 0) + (one.server_involuntary ?? 0);
  return {
    opsPerS,
    ratio,
    bytesPerS: of((one) => one.bytes_per_s) ?? 0,
    p50Us: of((one) => one.p50_us) ?? 0,
    p99Us: of((one) => one.p99_us) ?? 0,
    p999Us: of((one) => one.p999_us) ?? 0,
    clientCpuUs: perOp((one) => one.user_us) ?? 0,
    serverCpuUs: perOp((one) => one.server_user_us),
    kernelCpuUs: perOp((one) => one.system_us + (serverSystem(one) ?? 0)) ?? 0,
    clientSystemUs: perOp((one) => one.system_us) ?? 0,
    serverSystemUs: perOp(serverSystem),
    sleeps: perOp((one) => one.server_voluntary),
    switches: perOp(switches) ?? 0,
    syscalls: count && count.client + (count.server ?? 0),
    rssBytes: of((one) => one.server_rss_bytes),
    daemon: daemonSide(all, count),
    quantiles: medianQuantiles(all, middle),
  };
}

// Of each quantile the median over rounds, so that one round with a pause does not draw the curve.
function medianQuantiles(all: readonly Measured[], { quantiles }: Measured): Row["quantiles"] {
  return quantiles.map(([fraction, us], index) => {
    const over = all.flatMap((one) => one.quantiles[index]?.[1] ?? []);
    return [fraction, median(over) ?? us] as const;
  });
}

function daemonSide(all: readonly Measured[], count: Count | undefined): DaemonSide | undefined {
  const told = all.filter(({ server_requests }) => (server_requests ?? 0) > 0);
  const each = (value: (one: Measured) => number) => median(told.map(value));
  const requests = each((one) => (one.server_requests ?? 0) / one.ops);
  const switches = each(
    (one) => ((one.server_voluntary ?? 0) + (one.server_involuntary ?? 0)) / (one.server_requests ?? 1),
  );
  if (requests === undefined || switches === undefined) return undefined;
  return { requests, switches, syscalls: count?.server === undefined ? undefined : count.server / requests };
}

const HEADINGS = [
  "workload",
  "peer",
  "ops/s (min..max)",
  "ratio (min..max)",
  "MB/s",
  "p50 us",
  "p99 us",
  "p99.9 us",
  "cpu us/op: client",
  "server",
  "kernel",
  "sleeps/op",
  "switches/op",
  "syscalls/op",
  "RSS MiB",
];

/** The table as text, one line per row, columns aligned. */
export function formatTable(rows: readonly Row[]): string {
  return columns(HEADINGS, rows.map(formatRow), 2);
}

function formatRow(row: Row): string[] {
  return [
    row.scenario,
    row.peer,
    formatSpread(row.opsPerS, 0),
    row.ratio ? formatSpread(row.ratio, 2) : "-",
    row.bytesPerS > 0 ? (row.bytesPerS / 1e6).toFixed(0) : "-",
    row.p50Us.toFixed(1),
    row.p99Us.toFixed(1),
    row.p999Us.toFixed(1),
    row.clientCpuUs.toFixed(1),
    row.serverCpuUs?.toFixed(1) ?? "-",
    row.kernelCpuUs.toFixed(1),
    row.sleeps?.toFixed(2) ?? "-",
    row.switches.toFixed(2),
    row.syscalls?.toFixed(1) ?? "-",
    row.rssBytes === undefined ? "-" : (row.rssBytes / 2 ** 20).toFixed(0),
  ];
}

function formatSpread({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`;
}
