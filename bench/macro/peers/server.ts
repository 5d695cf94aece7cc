// The life of a peer's server: started, awaited until it has mounted, stopped. stop() leaves neither process nor mount,
// whatever state they are in. It measures nothing and knows no peer by name.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { Command, Peer, Place, Running } from "./peer.ts";

const ROOT = join(import.meta.dirname, "../../..");
const MOUNT_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 5_000;
const POLL_MS = 10;
const COUNT_DEADLINE_MS = 10_000;
const run = promisify(execFile);

/** What is special about a server; `counts`: at SIGUSR2 it says how many requests it has served. */
export type Traits = {
  uring?: boolean;
  strict?: boolean;
  largePipes?: boolean;
  compiles?: boolean;
  counts?: boolean;
};

/** A peer whose server is the program that `command` names. */
export function serverPeer(
  name: string,
  about: string,
  command: Command,
  { uring = false, strict = false, largePipes = false, compiles = false, counts = false }: Traits = {},
): Peer {
  return {
    name,
    about,
    uring,
    strict,
    largePipes,
    compiles,
    start: async (source, mountpoint, place) =>
      serve(await command(source, mountpoint, place), mountpoint, place, counts),
  };
}

// A session of its own keeps Ctrl-C from reaching the server before stop() does; the death signal ends it should this
// process be killed.
function launch(words: readonly string[], { cpu }: Place): ChildProcess {
  const pin = cpu === undefined ? [] : ["taskset", "-c", String(cpu)];
  const [program = "", ...args] = ["setpriv", "--pdeathsig", "TERM", ...pin, ...words];
  return spawn(program, args, { cwd: ROOT, detached: true, stdio: ["ignore", "ignore", "pipe"] });
}

// The answer is a line of its own on standard error: "requests N".
async function askRequests(child: ChildProcess): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let said = "";
  const listen = (text: string) => {
    said += text;
    const found = /^requests (\d+)$/m.exec(said.slice(0, said.lastIndexOf("\n") + 1));
    if (found) resolve(Number(found[1]));
  };
  child.stderr?.on("data", listen);
  const late = setTimeout(() => resolve(Number.NaN), COUNT_DEADLINE_MS);
  child.kill("SIGUSR2");
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    child.stderr?.off("data", listen);
  }
}

async function serve(words: readonly string[], mountpoint: string, place: Place, counts: boolean): Promise<Running> {
  const child = launch(words, place);
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
    await answers(mountpoint);
  } catch (error) {
    await stop();
    throw new Error(`${error instanceof Error ? error.message : error}${said ? `; it said: ${said.trim()}` : ""}`);
  }
  const running = { pid: child.pid, directory: mountpoint, stop };
  return counts ? { ...running, requests: () => askRequests(child) } : running;
}

// The mount is in the table before its session is negotiated.
async function answers(mountpoint: string): Promise<void> {
  const limit = new AbortController();
  const late = pause(MOUNT_DEADLINE_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`the mount did not answer within ${MOUNT_DEADLINE_MS / 1000} s`);
  });
  late.catch(() => {});
  try {
    await Promise.race([stat(join(mountpoint, ".")), late]);
  } finally {
    limit.abort();
  }
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
