// Owns: a daemon in a child process, clients in child processes of their own, and the proof that nothing is left of
// them. Whatever may hang has a deadline: a hang fails its test and not the run.
// Must not: touch a mount from this process; it reads /proc only.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PATIENCE } from "../behaviour/pace.ts";
import type { DaemonSpec, Said } from "./fixtures/daemon.ts";

const MARK = "RFUSE_TEST_DAEMON";
/** Only what hangs waits so long; a busy machine may need most of it to unmount 40,000 files. */
const DEADLINE_MS = 30_000 * PATIENCE;
let serial = 0;

/** Waits until `condition` gives something other than undefined and false. Errors: at the deadline. */
export async function until<Value>(
  what: string,
  condition: () => Value | undefined | false | Promise<Value | undefined | false>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Value> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A promise that must settle in time. */
export async function within<Value>(what: string, promise: Promise<Value>, deadlineMs = DEADLINE_MS): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const textOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

const namesIn = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/** Mount options, type and source of the mounts on `path`, oldest first, as process `pid` sees them. */
export function mountsAt(path: string, pid: number | "self" = "self") {
  return textOf(`/proc/${pid}/mountinfo`)
    .split("\n")
    .flatMap((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [, , device = "", , point = "", flags = ""] = before.split(" ");
      const [type = "", source = "", superOptions = ""] = after.split(" ");
      const found = point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
      return found === path
        ? [{ device, flags: flags.split(","), type, source, options: superOptions.split(",") }]
        : [];
    });
}

/** Processes that carry a mark in their environment, as "pid command". */
function marked(mark: string): { pid: number; command: string }[] {
  return namesIn("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || !textOf(`/proc/${name}/environ`).split("\0").includes(`${MARK}=${mark}`)) return [];
    const command = textOf(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
    return command === "" ? [] : [{ pid: Number(name), command }];
  });
}

/** What the descriptors of a process lead to. */
export const descriptorsOf = (pid: number): string[] =>
  namesIn(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));

/** How a client ended; status null: by a signal. */
export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A client process under way. */
export interface Client {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

function collect(child: ChildProcess, what: string, deadlineMs: number): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data: Buffer) => (stdout += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      const stack = textOf(`/proc/${child.pid}/wchan`);
      reject(new Error(`${what}: hangs after ${deadlineMs} ms in ${stack}; so far ${JSON.stringify(stdout + stderr)}`));
    }, deadlineMs);
    child.on("error", reject);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, stdout, stderr });
    });
  });
}

const clients = new Map<ChildProcess, readonly string[]>();

/** Kills the clients under way whose command line names the directory `dir`. */
function killClients(dir: string): void {
  for (const [child, argv] of clients) if (argv.some((word) => word.includes(dir))) child.kill("SIGKILL");
}

/** Starts a client; it is killed, and `ended` rejects, when it has not ended at the deadline. */
export function startClient(argv: readonly string[], deadlineMs = DEADLINE_MS): Client {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: "/",
    env: { ...process.env, LC_ALL: "C" },
  });
  clients.set(child, argv);
  child.on("exit", () => clients.delete(child));
  const ended = collect(child, argv.join(" "), deadlineMs);
  ended.catch(() => {});
  return { pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal) };
}

/** Runs a client to its end. */
export const client = (...argv: string[]): Promise<Ended> => startClient(argv).ended;

/**
 * What to start: a fixture's name or the URL of any filesystem module, and how. It is served on the device, unless the
 * options name a lane, so that a test does not depend on what the machine has switched on.
 */
export interface StartOptions extends Partial<Omit<DaemonSpec, "module">> {
  readonly filesystem?: string | URL;
  /** Command line before the daemon's, such as `setpriv`, which runs it in its own process. */
  readonly wrap?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A daemon process. Dispose of it to be rid of all of it, however it is, and of every client under way on its mount. */
export interface Daemon extends AsyncDisposable {
  readonly pid: number;
  readonly mountpoint: string;
  /** A directory of this daemon's own, beside the mountpoint. */
  readonly dir: string;
  readonly said: readonly Said[];
  readonly exited: Promise<Ended>;
  stderr(): string;
  /** The line that says how mounting ended: `ready` or `failed`. */
  settled(deadlineMs?: number): Promise<Said>;
  /** The first line of this event, waiting for it. */
  event(name: string, deadlineMs?: number): Promise<Said>;
  /** Obeys an order; errors of the daemon's side are thrown with their `code`. */
  order<Value = unknown>(call: string, ...args: unknown[]): Promise<Value>;
  /** Ends the daemon's standard input: only its mount keeps it alive. */
  hangUp(): void;
  kill(signal: NodeJS.Signals): void;
  /** Threads, descriptors and children of the process. */
  census(): { threads: number; fds: string[]; children: string[] };
  /** Processes of this daemon besides itself, and its mounts. */
  leftovers(): string[];
}

function fixtureUrl(filesystem: string | URL): string {
  return filesystem instanceof URL ? filesystem.href : new URL(`./fixtures/${filesystem}.ts`, import.meta.url).href;
}

function sweep(mark: string, dir: string): void {
  for (const { pid } of marked(mark)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // it ended meanwhile
  }
  for (let count = 0; count < 8 && mountsAt(join(dir, "m")).length > 0; count++)
    spawnSync("umount", ["-l", join(dir, "m")]);
  if (mountsAt(join(dir, "m")).length === 0) rmSync(dir, { recursive: true, force: true });
}

function linesInto(child: ChildProcess, said: Said[]): void {
  let rest = "";
  child.stdout?.on("data", (data: Buffer) => {
    const lines = (rest + data.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) said.push(JSON.parse(line) as Said);
  });
}

/** A directory with an empty mountpoint `m` in it, that any user may enter. */
export function makePlace(): { dir: string; mountpoint: string } {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "rfuse-mount-")));
  spawnSync("chmod", ["777", dir]);
  mkdirSync(join(dir, "m"));
  spawnSync("chmod", ["777", join(dir, "m")]);
  return { dir, mountpoint: join(dir, "m") };
}

/** Starts a daemon and waits for nothing. */
export function startDaemon(given: StartOptions): Daemon {
  const { filesystem = "tiny", wrap = [], env = {}, form = "module", ...rest } = given;
  const place = makePlace();
  const mountpoint = rest.mountpoint ?? place.mountpoint;
  const mark = `${process.pid}-${++serial}`;
  const options = { lane: "dev" as const, ...rest.options };
  const spec: DaemonSpec = { ...rest, options, form, mountpoint, module: fixtureUrl(filesystem) };
  const script = new URL("./fixtures/daemon.ts", import.meta.url).pathname;
  const [command = "", ...args] = [...wrap, process.execPath, script, JSON.stringify(spec)];
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    env: { ...process.env, [MARK]: mark, ...env },
  });
  const said: Said[] = [];
  let stderr = "";
  let over = false;
  let orders = 0;
  linesInto(child, said);
  child.stdin.on("error", () => {});
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  const exited = new Promise<Ended>((resolve) => {
    const end = (status: number | null, signal: string | null) => {
      over = true;
      resolve({ status, signal, stdout: "", stderr });
    };
    child.on("exit", end);
    child.on("error", (error) => {
      stderr += error.message;
      end(null, null);
    });
  });
  const pid = child.pid ?? 0;

  const find = (test: (line: Said) => boolean, what: string, deadlineMs?: number) =>
    until(
      what,
      () => {
        const line = said.find(test);
        if (line === undefined && over) throw new Error(`${what}: the daemon ended: ${stderr}${JSON.stringify(said)}`);
        return line;
      },
      deadlineMs,
    );

  return {
    pid,
    mountpoint,
    dir: place.dir,
    said,
    exited,
    stderr: () => stderr,
    settled: (deadlineMs) => find(({ event }) => event === "ready" || event === "failed", "the mount", deadlineMs),
    event: (name, deadlineMs) => find((line) => line.event === name, `event ${name}`, deadlineMs),
    async order<Value>(call: string, ...args: unknown[]) {
      const id = ++orders;
      child.stdin.write(`${JSON.stringify({ id, call, args })}\n`);
      const { value, error } = await find((line) => line.event === "answer" && line["id"] === id, `order ${call}`);
      if (error !== undefined) throw Object.assign(new Error(), error);
      return value as Value;
    },
    hangUp: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    census: () => ({
      threads: namesIn(`/proc/${pid}/task`).length,
      fds: descriptorsOf(pid),
      children: marked(mark).flatMap((found) => (found.pid === pid ? [] : [found.command])),
    }),
    leftovers: () => [
      ...marked(mark).flatMap((found) => (found.pid === pid && !over ? [] : [found.command])),
      ...mountsAt(mountpoint).map(({ type }) => `mount of ${type}`),
    ],
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      killClients(place.dir);
      killClients(mountpoint);
      sweep(mark, place.dir);
      if (!over) await within("the daemon's end", exited);
      sweep(mark, place.dir);
    },
  };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The daemon's error events so far, a line each, whole. */
export function errorsOf({ said }: Daemon): string {
  return said.flatMap((event) => (event.event === "error" ? [JSON.stringify(event)] : [])).join("\n");
}

/**
 * Starts a daemon and waits until its mount answers. Errors: what `mount` threw, with its `code`, and the daemon's end.
 */
export async function startMount({
  deadlineMs,
  ...options
}: StartOptions & { deadlineMs?: number } = {}): Promise<Daemon> {
  const daemon = startDaemon(options);
  try {
    const { event, ...failed } = await daemon.settled(deadlineMs);
    if (event === "failed") throw Object.assign(new Error(), failed);
    return daemon;
  } catch (thrown) {
    const stderr = daemon.stderr();
    await daemon[Symbol.asyncDispose]();
    if (stderr !== "" && thrown instanceof Error) thrown.message += `; stderr: ${stderr}`;
    throw thrown;
  }
}

/** Starts a daemon whose mount must fail; gives its error and proves that the process ends and leaves nothing. */
export async function failedMount(options: StartOptions): Promise<{ code: string; message: string; stderr: string }> {
  await using daemon = startDaemon(options);
  const before = mountsAt(daemon.mountpoint).length;
  const failed = await daemon.event("failed");
  daemon.hangUp();
  await within("the daemon's end", daemon.exited);
  await until("nothing left", () => daemon.leftovers().length === before);
  return { code: String(failed["code"]), message: String(failed["message"]), stderr: daemon.stderr() };
}
