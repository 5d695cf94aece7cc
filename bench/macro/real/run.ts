// The runner of the real programs: programs x filesystems, interleaved in rounds; the time of each by the clock.
// It owns a tools directory, the source and the mounts; every way out removes them. A program whose proof differs from
// that of the first filesystem of its round failed, whatever its exit status.
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fleet, startFleet } from "../fleet.ts";
import { runClient } from "../load-client.ts";
import { machineFacts } from "../machine.ts";
import { createProgress, type Progress } from "../progress.ts";
import { makeScratch, removeScratch, sweepScratch } from "../scratch.ts";
import { rotate } from "../statistics.ts";
import { parseRealOptions, REAL_HELP, type RealOptions } from "./options.ts";
import { PROGRAMS, type Program } from "./programs.ts";
import { formatReal, type RealCell, realVerdicts, summariseReal, writeReal } from "./report.ts";

const TMPFS = "/dev/shm";
const ROOT = join(import.meta.dirname, "../../..");
const LIMIT_MS = 120_000;
/** Lines of an error that are said; the result file has all. */
const SAID = 4;

type Bench = {
  options: RealOptions;
  tools: string;
  fleet: Fleet;
  cells: RealCell[];
  proofs: Map<string, string>;
  progress: Progress;
  signal: AbortSignal;
};

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function shell(bench: { tools: string; signal: AbortSignal }, folder: string, script: string): Promise<string> {
  const environment = [`TOOLS=${bench.tools}`, `PROJECT=${ROOT}`, "LC_ALL=C"];
  const words = ["env", "-C", folder, ...environment, "sh", "-ec", script];
  return runClient(words, LIMIT_MS, bench.signal);
}

async function measureOne(bench: Bench, program: Program, peer: string, round: number): Promise<void> {
  const running = bench.fleet.find(peer, undefined);
  if (!running) return;
  const folder = join(running.directory, `${program.name}-${round + 1}`);
  const name = { round, program: program.name, peer };
  try {
    await mkdir(folder);
    if (program.before !== undefined) await shell(bench, folder, program.before);
    const start = performance.now();
    await shell(bench, folder, program.run);
    const seconds = (performance.now() - start) / 1000;
    const proof = await shell(bench, folder, program.proof);
    const expected = bench.proofs.get(program.name);
    bench.proofs.set(program.name, expected ?? proof);
    if (expected !== undefined && expected !== proof) throw new Error(`its proof is ${JSON.stringify(proof)}`);
    if (round >= 0) bench.cells.push({ ...name, seconds });
  } catch (error) {
    if (bench.signal.aborted) return;
    bench.cells.push({ ...name, error: message(error) });
    bench.progress.say(`${program.name} on ${peer}: ${message(error).split("\n").slice(0, SAID).join("\n")}`);
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function prepare(bench: Bench): Promise<Program[]> {
  const ready: Program[] = [];
  for (const program of bench.options.programs) {
    bench.progress.step(`preparing ${program.name}`);
    await shell(bench, bench.tools, program.prepare).then(
      () => ready.push(program),
      (error) => bench.fleet.leftOut.push({ peer: program.name, reason: message(error) }),
    );
  }
  return ready;
}

async function measureRounds(bench: Bench): Promise<void> {
  const programs = await prepare(bench);
  for (let round = -1; round < bench.options.rounds; round++) {
    for (const program of programs) {
      for (const { name } of rotate(bench.options.peers, round + 1)) {
        if (bench.signal.aborted) return;
        bench.progress.step(`round ${round + 1} of ${bench.options.rounds}: ${program.name} on ${name}`);
        await measureOne(bench, program, name, round);
      }
    }
  }
}

async function withDirectories(
  served: string,
  run: (source: string, folder: string, tools: string) => Promise<number>,
): Promise<number> {
  for (const parent of new Set([served, TMPFS, tmpdir()])) await sweepScratch(parent);
  const made: string[] = [];
  try {
    for (const parent of [served, tmpdir(), TMPFS]) made.push(await makeScratch(parent));
    const [source = "", folder = "", tools = ""] = made;
    return await run(source, folder, tools);
  } finally {
    for (const directory of made.reverse()) await removeScratch(directory);
  }
}

/** Runs the programs and resolves to the exit status. */
export async function runReal(words: readonly string[], signal: AbortSignal): Promise<number> {
  const options = parseRealOptions(words, PROGRAMS);
  if (!options) {
    process.stdout.write(`${REAL_HELP}\n`);
    return 0;
  }
  const pairs = options.programs.length * options.peers.length;
  const progress = createProgress(pairs * (options.rounds + 1) + options.programs.length + options.peers.length);
  return withDirectories(options.source, async (source, folder, tools) => {
    const berths = options.peers.map((peer) => ({ peer, cpu: undefined }));
    const fleet = await startFleet(berths, source, folder, { all: options.named, say: progress.step, signal });
    const bench: Bench = { options, tools, fleet, cells: [], proofs: new Map(), progress, signal };
    let failures: string[] = [];
    try {
      await measureRounds(bench);
    } finally {
      progress.end();
      failures = await fleet.stop();
      for (const failure of failures) progress.say(failure);
    }
    const names = { programs: options.programs.map(({ name }) => name), peers: options.peers.map(({ name }) => name) };
    const rows = summariseReal(bench.cells, names.programs, names.peers, options.baseline);
    const verdicts = realVerdicts(bench.cells);
    const command = ["bun run bench real", ...words].join(" ");
    const path = await writeReal({
      command,
      source: options.source,
      machine: await machineFacts(),
      rows,
      verdicts,
      cells: bench.cells,
      leftOut: fleet.leftOut,
    });
    process.stdout.write(`${formatReal(rows, verdicts)}\n`);
    for (const { peer, reason } of fleet.leftOut) progress.say(`not measured: ${peer}: ${reason}`);
    progress.say(`times relative to ${options.baseline} within each round; raw: ${path}`);
    return failures.length === 0 && bench.cells.every((cell) => "seconds" in cell) ? 0 : 1;
  });
}
