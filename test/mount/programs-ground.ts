// Owns: the ground on which a program is tried: a mount of its own, a directory outside of it, and shells whose whole
// process group ends at a deadline. After each program the daemon must have reported no fault, the mount must come
// off without force, and nothing may be left.
// Must not: know a program.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { MountOptions } from "../../src/index.ts";
import { PATIENCE } from "../behaviour/pace.ts";
import { type Daemon, errorsOf, mountsAt, until, within } from "./harness.ts";
import { type LaneCase, startOn } from "./lanes.ts";

/** A filesystem to try programs on. */
export interface ProgramTarget {
  readonly lane: LaneCase;
  readonly filesystem: URL;
  /** Options of the mount; `source` is an empty directory, removed afterwards. */
  options(source: string): Omit<MountOptions, "signal" | "debug">;
  /** The kernel reads and writes the source by itself, so that what is cached is the source's. */
  readonly passed: boolean;
  /** Files in the largest tree. */
  readonly treeFiles: number;
}

/** What a program gets. */
export interface Ground {
  /** The empty root of the mount; `$M` in shells. */
  readonly mount: string;
  /** An empty directory outside of the mount; `$S` in shells. */
  readonly scratch: string;
  /** Runs a script of bash and gives its standard output. Errors: when any command of it fails, or at the deadline. */
  shell(script: string): Promise<string>;
}

const STRICT = 'set -euo pipefail; cd "$M"; trap \'echo "failed: line $LINENO: $BASH_COMMAND" >&2\' ERR\n';
const TAIL = 4000;

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {} // every process of it has ended
}

/** Runs bash as the leader of a process group; what is left of the group when it ends, ends with it. */
function runShell(script: string, env: Record<string, string>, deadlineMs: number): Promise<string> {
  const child = spawn("bash", ["-c", STRICT + script], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: "/",
    detached: true,
    env: { ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve, reject) => {
    const refuse = (why: string) =>
      reject(new Error(`${why}\n${script}\nstdout: ${stdout.slice(-TAIL)}\nstderr: ${stderr.slice(-TAIL)}`));
    const timer = setTimeout(() => {
      endGroup(child);
      refuse(`not done within ${deadlineMs} ms`);
    }, deadlineMs);
    child.on("error", reject);
    child.on("exit", () => endGroup(child));
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve(stdout);
      else refuse(`ended with ${signal ?? status}`);
    });
  });
}

/** Only what a program must not take from the user who runs the tests. */
const environment = (mount: string, scratch: string): Record<string, string> => ({
  M: mount,
  S: scratch,
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
  GIT_CONFIG_GLOBAL: join(scratch, ".gitconfig"),
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.org",
});

async function unmountProperly(daemon: Daemon): Promise<void> {
  expect(errorsOf(daemon)).toBe("");
  await daemon.order("unmount");
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
}

/** Registers a test of a program; `deadlineMs` is for each of its shells, on a machine that is not emulated. */
export function program(
  name: string,
  target: ProgramTarget,
  deadlineMs: number,
  body: (ground: Ground) => Promise<void>,
): void {
  const test = async () => {
    const outside = realpathSync(mkdtempSync(join(tmpdir(), "rfuse-programs-")));
    const [source, scratch] = [join(outside, "source"), join(outside, "scratch")];
    try {
      for (const dir of [source, scratch]) mkdirSync(dir);
      const { filesystem, options, lane } = target;
      await using daemon = await startOn(lane, { filesystem, options: options(source) });
      expect(mountsAt(daemon.mountpoint).map(({ type }) => type)).toEqual(["fuse.rfuse"]);
      const env = environment(daemon.mountpoint, scratch);
      const shell = (script: string) => runShell(script, env, deadlineMs * PATIENCE);
      await body({ mount: daemon.mountpoint, scratch, shell });
      await unmountProperly(daemon);
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  };
  it.concurrent(name, test, (deadlineMs + 60_000) * PATIENCE);
}
