// The benchmark inside a guest of QEMU, where our kernel module can be loaded: the ring lane beside everything else that
// runs there. Programs are built here and given to the guest; its result comes back as JSON and is shown like any other.
// QEMU emulates the CPU where there is no KVM: costs of code grow more than those of waiting, so ratios are the guest's.
import { execFile, spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeReport } from "../report/write.ts";
import { buildLoad } from "./build.ts";
import { formatVerdicts } from "./claims.ts";
import { formatDaemonSide } from "./daemon-side.ts";
import { newerLibfuse } from "./newer-libfuse.ts";
import { need } from "./packages.ts";
import { formatTable } from "./report.ts";
import { parseResult, writeResult } from "./results.ts";

const ROOT = join(import.meta.dirname, "../..");
const LIMIT_S = 900;
const PEERS = "ll-newer,rfuse-dev,rfuse-ring,rfuse-ring-dedicated";
const run = promisify(execFile);

const HELP = `use: bun run bench guest KERNEL [options of bun run bench]
  KERNEL is one of bun run guest; try: bun run bench guest 6.1 --only stat,rread --rounds 3 --seconds 1
  --peers ${PEERS} unless given, and unless there is a --preset: ring, ring-alone, ring-cache, ring-data, ring-lanes`;

// Where a file of this machine is in the guest: the project is in /rfuse there, and /lib is a link into /usr.
function fileOption(path: string): string[] {
  const place = path.startsWith(`${ROOT}/`)
    ? `/rfuse/${path.slice(ROOT.length + 1)}`
    : path.replace(/^\/lib/, "/usr/lib");
  return ["--file", `${place}=${realpathSync(path)}`];
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run("ldd", [program]);
  return [...stdout.matchAll(/=> (\/\S+)/g)].flatMap(([, path]) => (path === undefined ? [] : [path]));
}

async function filesForGuest(): Promise<string[]> {
  const files = [await buildLoad()];
  const libfuse = await newerLibfuse().catch(() => undefined);
  if (libfuse) {
    const { passthroughLl } = libfuse;
    files.push(passthroughLl, join(passthroughLl, "../version"), ...(await librariesOf(passthroughLl)));
  }
  const perf = counter();
  if (perf !== undefined) files.push(perf, ...(await librariesOf(perf)));
  return files.filter((path) => existsSync(path)).flatMap(fileOption);
}

// Without it no system calls are counted.
function counter(): string | undefined {
  try {
    return need("perf", "linux-perf");
  } catch {
    return undefined;
  }
}

// What the benchmark says goes to the guest's standard error; standard output is its raw file alone.
async function inGuest(kernel: string, words: readonly string[], signal: AbortSignal): Promise<string> {
  const script =
    'rm -rf bench/results; bun run bench/run.ts --no-page "$@" >&2; cat "$(ls -t bench/results/macro-*.json | head -1)"';
  const guest = ["run", join(ROOT, "test/guest/cli.ts"), "--timeout", String(LIMIT_S), ...(await filesForGuest())];
  const child = spawn(process.execPath, [...guest, kernel, "sh", "-c", script, "sh", ...words], {
    cwd: ROOT,
    signal,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const status = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (out.trim() === "") throw new Error(`the guest ended with status ${status} and gave no result`);
  return out;
}

/** The command; resolves to the exit status. Errors: what the guest's start or the benchmark in it said. */
export async function runInGuest(words: readonly string[], signal: AbortSignal): Promise<number> {
  const [kernel, ...options] = words;
  if (kernel === undefined || kernel.startsWith("-")) throw new Error(HELP);
  if (!options.includes("--peers") && !options.includes("--preset")) options.push("--peers", PEERS);
  const result = parseResult(await inGuest(kernel, options, signal), "the guest's result");
  const path = await writeResult({ ...result, command: ["bun run bench guest", ...words].join(" ") });
  process.stdout.write(`${formatTable(result.summary)}\n`);
  process.stdout.write(`\n${formatDaemonSide(result.summary)}\n`);
  if (result.verdicts.length > 0) process.stdout.write(`\n${formatVerdicts(result.verdicts)}\n`);
  process.stderr.write(`raw: ${path}\npage: ${await writeReport(path, result)}\n`);
  return result.cells.every((cell) => "measured" in cell) ? 0 : 1;
}
