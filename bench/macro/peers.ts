// The filesystems that the macro benchmark compares: how each is built, started over a source directory, and stopped.
// It owns the server processes and their mounts: stop() leaves neither behind, whatever state they are in.
// It measures nothing.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { buildLibfuseExample } from "./build.ts";

const ROOT = join(import.meta.dirname, "../..");
const MOUNT_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 5_000;
const POLL_MS = 10;
const run = promisify(execFile);

/** Where a server runs: pinned to one CPU, or anywhere when undefined. */
export type Placement = { cpu: number | undefined };

/** A peer that serves. `directory` is what clients use; `pid` is the server's, undefined when there is none. */
export type Running = { pid: number | undefined; directory: string; stop(): Promise<void> };

/** One filesystem under comparison. start() resolves once it is mounted; it rejects, leaving nothing, with the reason. */
export type Peer = {
  name: string;
  about: string;
  start(source: string, mountpoint: string, placement: Placement): Promise<Running>;
};

/** Makes the command line of a server in the foreground. */
type Command = (source: string, mountpoint: string) => Promise<readonly string[]>;

function server(name: string, about: string, command: Command): Peer {
  return {
    name,
    about,
    start: async (source, mountpoint, placement) => serve(await command(source, mountpoint), mountpoint, placement),
  };
}

const raw: Peer = {
  name: "raw",
  about: "the source directory itself, no FUSE",
  start: async (source) => ({ pid: undefined, directory: source, stop: async () => {} }),
};

const libfuseLowLevel: Command = async (source, mountpoint) => {
  const program = await buildLibfuseExample("passthrough_ll");
  return [program, "-f", "-s", "-o", `source=${source},cache=auto,timeout=0,default_permissions`, mountpoint];
};

// Its timeouts are zero in its source. It mirrors "/", so a module of libfuse narrows it to the source directory.
const libfuseHighLevel: Command = async (source, mountpoint) => {
  const program = await buildLibfuseExample("passthrough_fh");
  return [program, "-f", "-s", "-o", `modules=subdir,subdir=${source},default_permissions`, mountpoint];
};

function rfuse(...flags: string[]): Command {
  return async (source, mountpoint) => {
    const example = join(ROOT, "examples/passthrough.ts");
    await access(example).catch(() => {
      throw new Error("examples/passthrough.ts does not exist");
    });
    return [process.execPath, "run", example, source, mountpoint, "--cache", "0", "--foreground", ...flags];
  };
}

/** All known peers, in the order of the report. */
export const PEERS: readonly Peer[] = [
  raw,
  server("passthrough_ll", "libfuse's low-level example, one thread, zero timeouts", libfuseLowLevel),
  server(
    "passthrough_fh",
    "libfuse's high-level example with file handles, one thread, zero timeouts",
    libfuseHighLevel,
  ),
  server("rfuse-dev", "examples/passthrough.ts on /dev/fuse, zero timeouts", rfuse()),
];

// A session of its own keeps Ctrl-C from reaching the server before stop() does; the death signal ends it should this
// process be killed.
function launch(words: readonly string[], { cpu }: Placement): ChildProcess {
  const pin = cpu === undefined ? [] : ["taskset", "-c", String(cpu)];
  const [program = "", ...args] = ["setpriv", "--pdeathsig", "TERM", ...pin, ...words];
  return spawn(program, args, { cwd: ROOT, detached: true, stdio: ["ignore", "ignore", "pipe"] });
}

async function serve(words: readonly string[], mountpoint: string, placement: Placement): Promise<Running> {
  const child = launch(words, placement);
  let said = "";
  let startError: Error | undefined;
  child.on("error", (error) => {
    startError = error;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4096);
  });
  const stop = () => stopServer(child, mountpoint);
  try {
    await until(MOUNT_DEADLINE_MS, "mounted", async () => {
      if (startError) throw startError;
      if (ended(child)) throw new Error("the server ended before it had mounted");
      return isMounted(mountpoint);
    });
  } catch (error) {
    await stop();
    throw new Error(`${error instanceof Error ? error.message : error}${said ? `; it said: ${said.trim()}` : ""}`);
  }
  return { pid: child.pid, directory: mountpoint, stop };
}

function ended(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

// The unmount lets the server end by itself; then signals; then the mount is detached by force. A frozen server would
// hold umount(8) for ever, so that is not waited for beyond its deadline; the death of the server frees it.
async function stopServer(child: ChildProcess, mountpoint: string): Promise<void> {
  if (await isMounted(mountpoint)) {
    const limit = new AbortController();
    const unmount = run("umount", [mountpoint]).catch(() => undefined);
    await Promise.race([unmount, pause(STOP_DEADLINE_MS, undefined, { signal: limit.signal }).catch(() => undefined)]);
    limit.abort();
  } else if (!ended(child)) child.kill("SIGTERM");
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (await holds(STOP_DEADLINE_MS, () => ended(child))) break;
    child.kill(signal);
  }
  const gone = await holds(STOP_DEADLINE_MS, () => ended(child));
  if (await isMounted(mountpoint)) await run("umount", ["-l", mountpoint]);
  if (!gone) throw new Error(`process ${child.pid} survived SIGKILL`);
}

/** Whether something is mounted there; reads mountinfo, so a server that hangs cannot block it. */
export async function isMounted(mountpoint: string): Promise<boolean> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return table.split("\n").some((line) => line.split(" ")[4] === mountpoint);
}

async function holds(deadlineMs: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await pause(POLL_MS);
  }
  return true;
}

async function until(deadlineMs: number, what: string, condition: () => Promise<boolean>): Promise<void> {
  if (!(await holds(deadlineMs, condition))) throw new Error(`not ${what} within ${deadlineMs / 1000} s`);
}
