// The runner of the macro benchmark: scenarios x peers, interleaved in rounds, all peers mounted throughout.
// It owns the working directories and the result file; every way out stops and removes what was started.
// A cell that fails is recorded with its reason and makes the exit status 1; it does not end the run.
import { tmpdir } from "node:os";
import { buildLoad } from "./build.ts";
import { type ClientOptions, measure } from "./cell.ts";
import { formatVerdicts, judge } from "./claims.ts";
import { type Berth, type Fleet, startFleet } from "./fleet.ts";
import { HUNG, runClient } from "./load-client.ts";
import { allowedCpus, machineFacts } from "./machine.ts";
import { type Options, pairsOf } from "./options.ts";
import { PEERS } from "./peers/table.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type Cell, type Count, formatTable, summarise } from "./report.ts";
import { type Result, writeResult } from "./results.ts";
import { makeScratch, removeScratch, sweepScratch } from "./scratch.ts";
import { rotate } from "./statistics.ts";
import { countSyscalls } from "./syscall-count.ts";
import { type Cpus, choosePlacement, type Scenario, scenarioName } from "./workloads.ts";

const PREPARE_DEADLINE_MS = 60_000;
/**
 * Least length of a cell that warms up, in seconds, where a JavaScript engine serves: it compiles for so long and pauses
 * its callers meanwhile. A quick run has not the time for all of it.
 */
const WARM_S = 1;
const QUICK_WARM_S = 0.5;

type Matrix = ReadonlyMap<Scenario, readonly string[]>;
type Bench = {
  options: Options;
  client: ClientOptions;
  matrix: Matrix;
  cpus: readonly number[];
  fleet: Fleet;
  cells: Cell[];
  counts: Count[];
  failed: Set<string>;
  progress: Progress;
};
type Task = { round: number; scenario: Scenario; name: string; peer: string; cpus: Cpus };

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// One server per peer and place; raw has no place, since it has no server.
function berthsOf(matrix: Matrix, cpus: readonly number[]): Berth[] {
  const berths = new Map<string, Berth>();
  for (const [scenario, peers] of matrix) {
    const { server } = choosePlacement(scenario.placement, cpus);
    for (const name of peers) {
      const peer = PEERS.find((one) => one.name === name);
      if (peer) berths.set(`${name} ${server}`, { peer, cpu: server });
    }
  }
  return [...berths.values()];
}

// Round -1 warms up compilers, caches and the CPU's clock; its times are forgotten. The round after the last one counts
// system calls, when nothing is compiled any more.
async function measureRounds(bench: Bench, signal: AbortSignal): Promise<void> {
  const { options, matrix, cpus, progress } = bench;
  for (let round = -1; round <= options.rounds; round++) {
    const named = round === options.rounds ? "counting" : `round ${round + 1} of ${options.rounds}`;
    const stage = round < 0 ? "warming up" : named;
    if (!process.stderr.isTTY) progress.say(stage);
    for (const [scenario, peers] of matrix) {
      for (const peer of rotate(peers, round + 1)) {
        if (signal.aborted) return;
        const name = scenarioName(scenario);
        progress.step(`${stage}: ${name} on ${peer}`);
        await measureCell(
          bench,
          { round, scenario, name, peer, cpus: choosePlacement(scenario.placement, cpus) },
          signal,
        );
      }
    }
  }
}

function warming({ client, options }: Bench, peer: string): ClientOptions {
  const compiles = PEERS.find(({ name }) => name === peer)?.compiles ?? false;
  const least = options.preset === "quick" ? QUICK_WARM_S : WARM_S;
  return compiles ? { ...client, seconds: Math.max(least, client.seconds) } : client;
}

// A pair that failed is not tried again. A peer whose client hangs is stopped at once.
async function measureCell(bench: Bench, task: Task, signal: AbortSignal): Promise<void> {
  const { round, scenario, name, peer, cpus } = task;
  const running = bench.fleet.find(peer, cpus.server);
  const key = `${name} ${peer}`;
  if (!running || bench.failed.has(key)) return;
  try {
    if (round === bench.options.rounds) {
      const count = await countSyscalls(scenario, running, bench.client, cpus, signal);
      if (count) bench.counts.push({ scenario: name, peer, ...count });
      return;
    }
    const client = round < 0 ? warming(bench, peer) : bench.client;
    const measured = await measure(scenario, running, client, cpus, signal);
    if (round >= 0) bench.cells.push({ round, scenario: name, peer, measured });
  } catch (error) {
    if (signal.aborted) return;
    bench.failed.add(key);
    bench.cells.push({ round, scenario: name, peer, error: message(error) });
    bench.progress.say(`${name} on ${peer}: ${message(error)}`);
    if (!(error instanceof Error) || error.cause !== HUNG) return;
    const dropped = bench.fleet.drop(peer, cpus.server, `hung in ${name}; stopped`);
    await dropped.catch((failure) => bench.progress.say(`${peer}: ${message(failure)}`));
  }
}

async function finish(bench: Bench, idle: Result["idle"], command: string, interrupted: boolean): Promise<Result> {
  const { options, cells, counts, fleet } = bench;
  const scenarios = [...bench.matrix.keys()].map(scenarioName);
  const wanted = new Set([...bench.matrix.values()].flat());
  const peers = PEERS.map(({ name }) => name).filter((name) => wanted.has(name));
  const { groups: _groups, claims, ...plain } = options;
  return {
    version: 2,
    written: new Date().toISOString(),
    command,
    machine: await machineFacts(),
    settings: { ...plain, scenarios, peers },
    interrupted,
    leftOut: fleet.leftOut,
    idle,
    summary: summarise(cells, counts, scenarios, peers, options.baseline),
    verdicts: judge(claims, cells),
    counts,
    cells,
  };
}

function show(result: Result, path: string, say: (text: string) => void): void {
  process.stdout.write(`${formatTable(result.summary)}\n`);
  if (result.verdicts.length > 0) process.stdout.write(`\n${formatVerdicts(result.verdicts)}\n`);
  for (const { peer, cpuMs, seconds } of result.idle) {
    if (cpuMs >= 0.5) say(`idle: ${peer} used ${cpuMs.toFixed(1)} ms of CPU in ${seconds} s`);
  }
  for (const { peer, reason } of result.leftOut) say(`not measured: ${peer}: ${reason}`);
  say(`ratio to ${result.settings.baseline} within each round; raw: ${path}`);
}

/** Runs the benchmark; resolves to the exit status and the file of the result, which is undefined when there is none. */
export async function runMacro(
  options: Options,
  command: string,
  signal: AbortSignal,
): Promise<{ status: number; path: string | undefined }> {
  const program = await buildLoad();
  const client = { program, seconds: options.seconds, fileSize: options.fileSize };
  const matrix: Matrix = pairsOf(options.groups, scenarioName);
  const cpus = await allowedCpus();
  const steps = [...matrix.values()].reduce((sum, peers) => sum + peers.length, 0) * (options.rounds + 2);
  const berths = berthsOf(matrix, cpus);
  for (const parent of new Set([options.source, tmpdir()])) await sweepScratch(parent);
  const source = await makeScratch(options.source);
  try {
    const folder = await makeScratch(tmpdir());
    try {
      const threads = Math.max(...[...matrix.keys()].map((scenario) => scenario.threads));
      const size = ["--file-size", String(options.fileSize), "--threads", String(threads)];
      await runClient([program, "prepare", source, ...size], PREPARE_DEADLINE_MS, signal);
      const starting = createProgress(berths.length);
      const fleet = await startFleet(berths, source, folder, { all: options.named, say: starting.step, signal });
      starting.end();
      const progress = createProgress(steps);
      const bench: Bench = { options, client, matrix, cpus, fleet, cells: [], counts: [], failed: new Set(), progress };
      let idle: Result["idle"] = [];
      let failures: string[] = [];
      try {
        idle = await fleet.idle(options.idleSeconds, signal);
        await measureRounds(bench, signal);
      } finally {
        progress.end();
        failures = await fleet.stop();
        for (const failure of failures) progress.say(failure);
      }
      if (bench.cells.length === 0) {
        progress.say("nothing was measured");
        return { status: 1, path: undefined };
      }
      const result = await finish(bench, idle, command, signal.aborted);
      const path = await writeResult(result);
      show(result, path, progress.say);
      const clean = failures.length === 0 && bench.failed.size === 0;
      return { status: clean ? 0 : 1, path };
    } finally {
      await removeScratch(folder);
    }
  } finally {
    await removeScratch(source);
  }
}
