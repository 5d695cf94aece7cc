// The runner of the fio jobs: first every filesystem proves with checksums that it keeps data, then throughput in
// interleaved rounds. It owns the directories and mounts; every way out removes them. A wrong byte is exit status 1.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Fleet, startFleet } from "../fleet.ts";
import { runClient } from "../load-client.ts";
import { machineFacts } from "../machine.ts";
import { need } from "../packages.ts";
import { PEERS } from "../peers/table.ts";
import { createProgress, type Progress } from "../progress.ts";
import { RESULTS } from "../results.ts";
import { makeScratch, removeScratch, sweepScratch } from "../scratch.ts";
import { pairedRatio, rotate, type Spread, spread } from "../statistics.ts";
import { columns } from "../table.ts";
import { type FioJob, parseFio } from "./parse.ts";

const TMPFS = "/dev/shm";
const LIMIT_MS = 120_000;
const DEFAULT_PEERS = ["raw", "passthrough_ll", "ll-newer-uring", "rfuse-dev", "rfuse-uring", "rfuse-passthrough"];

const HELP = `use: bun run bench fio [options]
  --rounds N      measured rounds (3)
  --seconds S     time of one job (1)
  --size MIB      size of each file (32)
  --jobs N        threads per job (1)
  --peers P[,P]   ${PEERS.map(({ name }) => name).join(", ")}
                  (${DEFAULT_PEERS.join(", ")})
  --baseline P    what rates refer to (passthrough_ll)
  --verify        only the jobs that verify`;

type Options = {
  rounds: number;
  seconds: number;
  size: number;
  jobs: number;
  peers: string[];
  baseline: string;
  verifyOnly: boolean;
};
export type FioCell = { round: number; peer: string; file: string } & ({ jobs: FioJob[] } | { error: string });
type Bench = { options: Options; fleet: Fleet; cells: FioCell[]; progress: Progress; signal: AbortSignal };

function parseOptions(words: readonly string[]): Options | undefined {
  const text = { type: "string" } as const;
  const names = { rounds: text, seconds: text, size: text, jobs: text, peers: text, baseline: text };
  const flags = { verify: { type: "boolean" }, help: { type: "boolean" } } as const;
  const { values } = parseArgs({ args: [...words], options: { ...names, ...flags } });
  if (values.help) return undefined;
  const whole = (name: "rounds" | "seconds" | "size" | "jobs", preset: number) => {
    const value = Number(values[name] ?? preset);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} needs a whole number, not "${values[name]}"`);
    return value;
  };
  const peers = values.peers?.split(",") ?? DEFAULT_PEERS;
  const baseline = values.baseline ?? "passthrough_ll";
  for (const name of [...peers, baseline]) {
    if (!PEERS.some((peer) => peer.name === name)) throw new Error(`no peer "${name}"`);
  }
  const numbers = {
    rounds: whole("rounds", 3),
    seconds: whole("seconds", 1),
    size: whole("size", 32),
    jobs: whole("jobs", 1),
  };
  return { ...numbers, peers, baseline, verifyOnly: values.verify ?? false };
}

async function runFile(bench: Bench, file: string, peer: string, round: number): Promise<void> {
  const running = bench.fleet.find(peer, undefined);
  if (!running || bench.signal.aborted) return;
  const { seconds, size, jobs } = bench.options;
  const folder = join(running.directory, `fio-${file}-${round}`);
  bench.progress.step(`${file} on ${peer}`);
  try {
    await mkdir(folder);
    const settings = [`DIRECTORY=${folder}`, `SIZE=${size}m`, `SECONDS=${seconds}`, `JOBS=${jobs}`];
    const job = join(import.meta.dirname, `${file}.fio`);
    const words = ["env", "-C", "/", ...settings, need("fio", "fio"), "--output-format=json", job];
    const found = parseFio(await runClient(words, LIMIT_MS, bench.signal));
    const wrong = found.find(({ error }) => error !== 0);
    if (wrong) throw new Error(`${wrong.job}: error ${wrong.error}`);
    bench.cells.push({ round, peer, file, jobs: found });
  } catch (error) {
    if (bench.signal.aborted) return;
    const text = error instanceof Error ? error.message : String(error);
    bench.cells.push({ round, peer, file, error: text });
    bench.progress.say(`${file} on ${peer}: ${text}`);
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

function rates(cells: readonly FioCell[], job: string, peer: string): Map<number, number> {
  const found = new Map<number, number>();
  for (const cell of cells) {
    const one = cell.peer === peer && "jobs" in cell ? cell.jobs.find((row) => row.job === job) : undefined;
    if (one) found.set(cell.round, one.iops);
  }
  return found;
}

/** The table of the throughput jobs: medians over rounds, ratios within them. */
export function formatFio(cells: readonly FioCell[], peers: readonly string[], baseline: string): string {
  const measured = cells.filter((cell) => cell.file === "throughput");
  const names = [...new Set(measured.flatMap((cell) => ("jobs" in cell ? cell.jobs.map(({ job }) => job) : [])))];
  const text = ({ median, min, max }: Spread, digits: number) =>
    `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`;
  const rows = names.flatMap((job) =>
    peers.flatMap((peer) => {
      const own = rates(measured, job, peer);
      const iops = spread([...own.values()]);
      const ratio = pairedRatio(own, rates(measured, job, baseline));
      return iops ? [[job, peer, text(iops, 0), ratio ? text(ratio, 2) : "-"]] : [];
    }),
  );
  return columns(["job", "peer", "ops/s (min..max)", "ratio (min..max)"], rows, 2);
}

async function measureAll(bench: Bench): Promise<void> {
  const { options } = bench;
  for (const peer of options.peers) await runFile(bench, "verify", peer, 0);
  if (options.verifyOnly) return;
  for (let round = 0; round < options.rounds; round++) {
    for (const peer of rotate(options.peers, round)) await runFile(bench, "throughput", peer, round);
  }
}

async function report({ options, cells, fleet, progress }: Bench, command: string): Promise<void> {
  const proven = cells.filter((cell) => cell.file === "verify" && "jobs" in cell).map(({ peer }) => peer);
  if (!options.verifyOnly) process.stdout.write(`${formatFio(cells, options.peers, options.baseline)}\n`);
  process.stdout.write(`kept every byte: ${proven.join(", ") || "none"}\n`);
  for (const { peer, reason } of fleet.leftOut) progress.say(`not measured: ${peer}: ${reason}`);
  await mkdir(RESULTS, { recursive: true });
  const written = new Date().toISOString();
  const path = join(RESULTS, `fio-${written.replaceAll(/[:.]/g, "-")}.json`);
  const result = { written, command, machine: await machineFacts(), settings: options, leftOut: fleet.leftOut, cells };
  await writeFile(path, `${JSON.stringify(result, null, 1)}\n`);
  progress.say(`raw: ${path}`);
}

/** Runs the jobs and resolves to the exit status. */
export async function runFio(words: readonly string[], signal: AbortSignal): Promise<number> {
  const options = parseOptions(words);
  if (!options) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  for (const parent of [TMPFS, tmpdir()]) await sweepScratch(parent);
  const source = await makeScratch(TMPFS);
  const folder = await makeScratch(tmpdir());
  const progress = createProgress(options.peers.length * (2 + (options.verifyOnly ? 0 : options.rounds)));
  try {
    const berths = PEERS.filter(({ name }) => options.peers.includes(name)).map((peer) => ({ peer, cpu: undefined }));
    const fleet = await startFleet(berths, source, folder, { all: false, say: progress.step, signal });
    const bench: Bench = { options, fleet, cells: [], progress, signal };
    let failures: string[] = [];
    try {
      await measureAll(bench);
    } finally {
      progress.end();
      failures = await fleet.stop();
      for (const failure of failures) progress.say(failure);
    }
    await report(bench, ["bun run bench fio", ...words].join(" "));
    return failures.length === 0 && bench.cells.every((cell) => "jobs" in cell) ? 0 : 1;
  } finally {
    await removeScratch(folder);
    await removeScratch(source);
  }
}
