// Owns: running one suite as a process group, ending it at its deadline, and counting it.
// A suite is a command and a way to count it; this file knows nothing else about it.
// Must not: exit the process, or leave a member of the group alive after the suite has ended.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Run, runEnvironment, sweep } from "./leftovers.ts";
import { emptyTally, readResults, resultEnvironment, type Tally } from "./result-lines.ts";

/**
 * How a suite is counted: by its exit status, as one; by the events that it writes (result-lines.ts); or by the
 * closing line that it prints, "N passed, N failed, N skipped", which is the same as the gate's.
 */
export type Count = "exit" | "events" | "closing-line";

/** One row of the gate's table. */
export interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly count: Count;
  /** Longest time in all. */
  readonly totalMs: number;
  /** Longest time without an event or, where the gate reads the output, without output. */
  readonly idleMs: number;
  /** Runs only when the gate runs as root, because it changes to another user. */
  readonly rootOnly?: boolean;
}

interface Ending {
  readonly status: number;
  readonly output: string;
  /** Why the suite did not end by itself. */
  readonly ended?: string | undefined;
}

const GRACE_MS = 5_000;
const LOOK_MS = 200;
const ROOT = join(import.meta.dirname, "../..");
const SETPRIV = "/usr/bin/setpriv";

let interrupted: NodeJS.Signals | undefined;
let current: ChildProcess | undefined;

/** Signals the suite's whole process group, of which `spawn` made it the leader. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGTERM");
  setTimeout(() => signalGroup(child, "SIGKILL"), GRACE_MS).unref();
}

/** Ends the running suite, and every later one before it starts. */
export function interrupt(signal: NodeJS.Signals): void {
  interrupted = signal;
  if (current !== undefined) endGroup(current);
}

function start(suite: Suite, environment: Record<string, string>): ChildProcess {
  // The kernel ends the suite when the gate itself is killed and can no longer do so.
  const tied = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "KILL"] : [];
  const [command = "", ...args] = [...tied, ...suite.command];
  const plain = process.stdout.isTTY ? {} : { NO_COLOR: "1" };
  return spawn(command, args, {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", suite.count === "closing-line" ? "pipe" : "inherit", "inherit"],
    env: { ...process.env, ...plain, ...environment },
  });
}

const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;

/** Runs one suite to its end or its deadline; its output is seen as it comes. */
function runSuite(suite: Suite, events: string, environment: Record<string, string>): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const child = start(suite, environment);
  current = child;
  const began = performance.now();
  let alive = began;
  let size = 0;
  let output = "";
  let ended: string | undefined;
  child.stdout?.on("data", (chunk: Buffer) => {
    process.stdout.write(chunk);
    output += chunk.toString();
    alive = performance.now();
  });
  const watch = setInterval(() => {
    const now = performance.now();
    const grown = existsSync(events) ? statSync(events).size : 0;
    if (grown !== size) alive = now;
    size = grown;
    if (ended !== undefined || interrupted !== undefined) return;
    if (now - began > suite.totalMs) ended = `not done after ${seconds(suite.totalMs)}`;
    else if (now - alive > suite.idleMs) ended = `no sign of life for ${seconds(suite.idleMs)}`;
    if (ended !== undefined) endGroup(child);
  }, LOOK_MS);
  const finish = (status: number, why: string | undefined) => {
    clearInterval(watch);
    current = undefined;
    signalGroup(child, "SIGKILL");
    const stopped = interrupted === undefined ? ended : `interrupted by ${interrupted}`;
    resolve({ status, output, ended: stopped ?? why });
  };
  child.on("error", (error) => finish(1, `it cannot be run: ${error.message}`));
  child.on("exit", (status, signal) => {
    const why = signal === null ? undefined : `ended by ${signal}`;
    if (child.stdout === null || child.stdout.destroyed) finish(status ?? 1, why);
    else child.once("close", () => finish(status ?? 1, why));
  });
  return promise;
}

/** What became of `count` tests: as the suite's own lines "failed: NAME" name them, where it has one for each. */
function namesOf(suite: Suite, output: string, word: "failed" | "skipped", count: number): string[] {
  const named = [...output.matchAll(new RegExp(`^${word}: (.+)$`, "gm"))].map(([, name]) => `[${suite.name}] ${name}`);
  return named.length === count ? named : Array(count).fill(`[${suite.name}] a test of this suite, see above`);
}

/** Reads the last line of a suite that counts itself. */
function readClosingLine(suite: Suite, output: string): Tally {
  const tally = emptyTally();
  const line = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(output.trimEnd().split("\n").at(-1) ?? "");
  if (line === null) {
    tally.failures.push(`[${suite.name}] it printed no closing line`);
    return tally;
  }
  tally.passed = Number(line[1]);
  tally.failures.push(...namesOf(suite, output, "failed", Number(line[2])));
  tally.skips.push(...namesOf(suite, output, "skipped", Number(line[3])));
  return tally;
}

const COUNTERS: Record<Count, (suite: Suite, ending: Ending, events: string) => Tally> = {
  exit: (_suite, ending) => ({ ...emptyTally(), passed: ending.status === 0 && ending.ended === undefined ? 1 : 0 }),
  events: (_suite, _ending, events) => readResults(events),
  "closing-line": (suite, ending) => readClosingLine(suite, ending.output),
};

/** What the suite's own count cannot say: that it was ended, crashed, or ran nothing; at most one failure. */
function failureOfSuite(tally: Tally, { status, ended }: Ending): string | undefined {
  const unfinished = tally.unfinished.length > 0 ? `; not finished: ${tally.unfinished.join(", ")}` : "";
  if (ended !== undefined) return `${ended}${unfinished}`;
  if (unfinished !== "") return `it ended too early${unfinished}`;
  if (tally.failures.length > 0) return undefined;
  if (status !== 0) return `exit status ${status}`;
  return tally.passed + tally.skips.length === 0 ? "no test ran" : undefined;
}

/** Runs `suite`, prints its count and seconds, and returns the count; `directory` takes its file of events. */
export async function runAndCount(suite: Suite, directory: string, run: Run): Promise<Tally> {
  if (interrupted !== undefined) {
    return { ...emptyTally(), failures: [`[${suite.name}] not run: interrupted by ${interrupted}`] };
  }
  console.log(`\n== ${suite.name}`);
  const began = performance.now();
  const events = join(directory, `${suite.name}.jsonl`);
  const ending = await runSuite(suite, events, { ...resultEnvironment(events), ...runEnvironment(run) });
  const tally = COUNTERS[suite.count](suite, ending, events);
  const failure = failureOfSuite(tally, ending);
  if (failure !== undefined) tally.failures.push(`[${suite.name}] ${failure}`);
  // A suite that was ended could not clean up by itself.
  if (ending.ended !== undefined) for (const left of await sweep(run)) console.log(`   ended or unmounted: ${left}`);
  const counts = `${tally.passed} passed, ${tally.failures.length} failed, ${tally.skips.length} skipped`;
  console.log(`== ${suite.name}: ${counts} in ${seconds(performance.now() - began)}`);
  return tally;
}
