// Facts of the machine that a result depends on, for the raw file. It reads; it changes nothing.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Git takes paths as from here. */
const ROOT = join(import.meta.dirname, "../..");

/** What the result's reader needs to know; a fact that cannot be had is null. */
export async function machineFacts(): Promise<Record<string, unknown>> {
  return {
    kernel: release(),
    cpu: cpus()[0]?.model ?? null,
    cpus: cpus().length,
    allowed_cpus: await allowedCpus(),
    siblings_of_cpu0: await text("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list"),
    clocksource: await text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    memory_bytes: totalmem(),
    loadavg: loadavg(),
    bun: process.versions["bun"] ?? null,
    gcc: (await output("gcc", "-dumpfullversion")) ?? null,
    libfuse: (await output("pkg-config", "--modversion", "fuse3")) ?? null,
    commit: (await output("git", "rev-parse", "HEAD")) ?? null,
    modified: (await output("git", "status", "--porcelain", "--", "src", "ffi", "examples", "bench")) !== "",
  };
}

/** The CPUs this process may use, ascending. Source: Cpus_allowed_list of proc_pid_status(5). */
export async function allowedCpus(): Promise<number[]> {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(await readFile("/proc/self/status", "latin1"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

async function text(path: string): Promise<string | null> {
  return readFile(path, "utf8").then(
    (content) => content.trim(),
    () => null,
  );
}

async function output(program: string, ...args: string[]): Promise<string | undefined> {
  return run(program, args, { cwd: ROOT }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
}
