// Owns: the proof that the mount project leaves nothing behind: no FUSE mount, no process.
// A process is this run's when it carries RUN_VARIABLE in its environment, also after its parent died. A mount is
// this run's when it lies under the run's own TMPDIR; in CI, where nobody else works, every new FUSE mount is.
// What is found is cleaned up, so that the next run starts clean, and fails this run.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeResult } from "./result-lines.ts";

const RUN_VARIABLE = "RFUSE_TEST_RUN";
const PROCESS_EXIT_MS = 5_000;

interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/** Mount points of FUSE filesystems in the text of /proc/PID/mountinfo (proc(5): octal escapes for blanks). */
export function fuseMounts(mountinfo: string): string[] {
  const found: string[] = [];
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const type = after.split(" ")[0] ?? "";
    const point = before.split(" ")[4];
    if (point === undefined || !/^fuse(blk)?(\.|$)/.test(type)) continue;
    found.push(point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
  }
  return found;
}

/** Mount points in `now` that are neither in `before` nor, unless everything new counts, outside of `own`. */
export function leftMounts(before: readonly string[], now: readonly string[], own: string, all: boolean): string[] {
  const fresh = now.filter((point) => !before.includes(point));
  return fresh.filter((point) => all || point.startsWith(`${own}/`));
}

/** The text of a file of /proc; empty when its process is gone. */
function procText(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** Processes of the run `id`, without this one and Vitest's own workers, which end after this check. */
export function processesOf(id: string): Leftover[] {
  const found: Leftover[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    if (!procText(pid, "environ").split("\0").includes(`${RUN_VARIABLE}=${id}`)) continue;
    const command = procText(pid, "cmdline")
      .replace(/[\0\s]+/g, " ")
      .trim();
    if (!/\/vitest\/dist\/workers?/.test(command)) found.push({ pid: Number(pid), command });
  }
  return found;
}

async function lastingProcesses(id: string): Promise<Leftover[]> {
  const deadline = performance.now() + PROCESS_EXIT_MS;
  for (;;) {
    const found = processesOf(id);
    if (found.length === 0 || performance.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself between the look and the kill.
  }
}

const mountsNow = () => fuseMounts(readFileSync("/proc/self/mountinfo", "utf8"));

/** One run of the mount project: its mark, its temporary directory, and the FUSE mounts that were there before it. */
export interface Run {
  readonly id: string;
  readonly own: string;
  readonly mountsBefore: readonly string[];
}

/** Describes the run `id` as of now. */
export const startRun = (id: string): Run => ({
  id,
  own: join(tmpdir(), `rfuse-run-${id}`),
  mountsBefore: mountsNow(),
});

/** Environment that marks a process and its descendants as the run's. */
export const runEnvironment = (run: Run): Record<string, string> => ({ [RUN_VARIABLE]: run.id });

/** Ends and unmounts what `run` left after a grace time; returns a name for each thing that it found. */
export async function sweep(run: Run): Promise<string[]> {
  const processes = await lastingProcesses(run.id);
  const mounts = leftMounts(run.mountsBefore, mountsNow(), run.own, process.env["CI"] === "true");
  for (const { pid } of processes) endProcess(pid);
  for (const point of mounts) {
    if (process.getuid?.() === 0) spawnSync("umount", ["--lazy", point]);
    else spawnSync("fusermount3", ["-u", "-z", point]);
  }
  // Never delete through a mount that is still there: the files behind it are not ours.
  if (mountsNow().every((point) => !point.startsWith(`${run.own}/`))) rmSync(run.own, { recursive: true, force: true });
  return [...processes.map((left) => `process ${left.pid} (${left.command})`), ...mounts.map((at) => `mount ${at}`)];
}

/** Vitest's global set-up: marks the run; what it returns sweeps, reports, and fails the run for what it found. */
export default function setup(): () => Promise<void> {
  const run = startRun(process.env[RUN_VARIABLE] ?? `${process.pid}`);
  const outer = process.env["TMPDIR"];
  mkdirSync(run.own, { recursive: true, mode: 0o755 });
  Object.assign(process.env, runEnvironment(run), { TMPDIR: run.own });
  return async () => {
    if (outer === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = outer;
    const names = await sweep(run);
    for (const name of names) writeResult({ event: "failed", name: "[mount] leftovers", why: name });
    if (names.length === 0) return;
    process.exitCode = 1;
    throw new Error(`the mount tests left behind: ${names.join(", ")}`);
  };
}
