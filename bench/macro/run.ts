// The runner of the macro benchmark: workloads x peers, interleaved in rounds, all peers mounted throughout.
// It owns the working directory on tmpfs, the peers' lives and the result file; every way out stops and removes them.
// A cell that fails is recorded with its reason and makes the exit status 1; it does not end the run.
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLoad } from "./build.ts";
import { type ClientOptions, HUNG, measure, runLoad, type Workload } from "./cell.ts";
import { allowedCpus, machineFacts } from "./machine.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import type { Peer, Running } from "./peers.ts";
import { type Cell, formatTable, summarise } from "./report.ts";
import { makeScratch, removeScratch, sweepScratch } from "./scratch.ts";
import { rotate } from "./statistics.ts";

const RESULTS = join(import.meta.dirname, "../results");
const TMPFS = "/dev/shm";
const PREPARE_DEADLINE_MS = 60_000;

type Started = { peer: Peer; running: Running };
type LeftOut = { peer: string; reason: string };
type Bench = { options: Options; client: ClientOptions; started: Started[]; leftOut: LeftOut[]; cells: Cell[] };

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function choosePlacement({ placement }: Options): Promise<{ client?: number; server?: number }> {
  if (placement === "none") return {};
  const allowed = await allowedCpus();
  const last = allowed.at(-1);
  const other = placement === "same" ? last : allowed.at(-2);
  if (last === undefined || other === undefined) throw new Error("--placement apart needs two CPUs");
  return { client: other, server: last };
}

async function startPeers(bench: Bench, source: string, folder: string, cpu: number | undefined): Promise<void> {
  for (const peer of bench.options.peers) {
    const mountpoint = join(folder, peer.name);
    await mkdir(mountpoint);
    try {
      bench.started.push({ peer, running: await peer.start(source, mountpoint, { cpu }) });
    } catch (error) {
      if (bench.options.named) throw new Error(`${peer.name}: ${message(error)}`);
      bench.leftOut.push({ peer: peer.name, reason: message(error) });
    }
  }
}

// Round -1 warms up: compilers, caches and the clock of the CPU. It is measured like the others and then forgotten.
async function measureRounds(bench: Bench, signal: AbortSignal): Promise<void> {
  const failed = new Set<string>();
  for (let round = -1; round < bench.options.rounds; round++) {
    say(round < 0 ? "warming up" : `round ${round + 1} of ${bench.options.rounds}`);
    for (const workload of bench.options.workloads) {
      for (const started of rotate(bench.started, round + 1)) {
        if (signal.aborted) return;
        const key = `${workload.name} ${started.peer.name}`;
        if (!failed.has(key) && !(await measureCell(bench, round, workload, started, signal))) failed.add(key);
      }
    }
  }
}

// False when the pair failed and is not to be tried again. A peer whose client hangs is stopped at once.
async function measureCell(
  bench: Bench,
  round: number,
  workload: Workload,
  started: Started,
  signal: AbortSignal,
): Promise<boolean> {
  const { peer, running } = started;
  const name = { round, workload: workload.name, peer: peer.name };
  try {
    const measured = await measure(workload, running, bench.client, signal);
    if (round >= 0) bench.cells.push({ ...name, measured });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    bench.cells.push({ ...name, error: message(error) });
    say(`${workload.name} on ${peer.name}: ${message(error)}`);
    if (!(error instanceof Error) || error.cause !== HUNG) return false;
    bench.started.splice(bench.started.indexOf(started), 1);
    bench.leftOut.push({ peer: peer.name, reason: `hung in ${workload.name}; stopped` });
    await running.stop().catch((failure) => say(`${peer.name}: ${message(failure)}`));
    return false;
  }
}

async function stopPeers(bench: Bench): Promise<boolean> {
  let clean = true;
  for (const { peer, running } of bench.started.splice(0).reverse()) {
    await running.stop().catch((error) => {
      clean = false;
      say(`${peer.name}: ${message(error)}`);
    });
  }
  return clean;
}

async function writeResults(bench: Bench, interrupted: boolean): Promise<void> {
  const { options, cells, leftOut } = bench;
  const workloads = options.workloads.map(({ name }) => name);
  const peers = options.peers.map(({ name }) => name);
  const rows = summarise(cells, workloads, peers, options.baseline);
  if (cells.length === 0) return say("nothing was measured");
  const started = new Date().toISOString();
  const settings = { ...options, workloads, peers, client_cpu: bench.client.cpu ?? null };
  const result = {
    written: started,
    machine: await machineFacts(),
    settings,
    interrupted,
    leftOut,
    summary: rows,
    cells,
  };
  await mkdir(RESULTS, { recursive: true });
  const path = join(RESULTS, `macro-${started.replaceAll(/[:.]/g, "-")}.json`);
  await writeFile(path, `${JSON.stringify(result, null, 1)}\n`);
  process.stdout.write(`${formatTable(rows)}\n`);
  say(`ratio to ${options.baseline} within each round; placement ${options.placement}; raw: ${path}`);
  for (const { peer, reason } of leftOut) say(`not measured: ${peer}: ${reason}`);
}

async function runBench(options: Options, signal: AbortSignal): Promise<number> {
  const cpus = await choosePlacement(options);
  const program = await buildLoad();
  const client = { program, seconds: options.seconds, fileSize: options.fileSize, cpu: cpus.client };
  const bench: Bench = { options, client, started: [], leftOut: [], cells: [] };
  for (const parent of [TMPFS, tmpdir()]) await sweepScratch(parent);
  const source = await makeScratch(TMPFS);
  let clean = true;
  try {
    const folder = await makeScratch(tmpdir());
    try {
      const threads = Math.max(...options.workloads.map((workload) => workload.threads));
      const size = ["--file-size", String(options.fileSize)];
      await runLoad(program, ["prepare", source, "--threads", String(threads), ...size], PREPARE_DEADLINE_MS, signal);
      await startPeers(bench, source, folder, cpus.server);
      await measureRounds(bench, signal);
    } finally {
      clean = await stopPeers(bench);
      await removeScratch(folder);
    }
  } finally {
    await removeScratch(source);
    await writeResults(bench, signal.aborted);
  }
  return clean && bench.cells.every((cell) => "measured" in cell) ? 0 : 1;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
  const status = await runBench(options, stop.signal);
  return stop.signal.aborted ? 130 : status;
}

process.exitCode = await main().catch((error) => {
  say(`bench: ${message(error)}`);
  return 1;
});
