// Mounts a directory on another: every file of SOURCE appears on MOUNTPOINT, served by TypeScript.
//   bun run examples/passthrough.ts SOURCE MOUNTPOINT        (npm run passthrough -- SOURCE MOUNTPOINT)
// Shows: the passthrough filesystem that ships, mount options, events, statistics, a clean end on every signal.

import { existsSync, openSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Mount, MountError, type MountOptions, mount, passthroughModule } from "rfuse";

const HELP = `usage: passthrough [options] SOURCE MOUNTPOINT

Mounts the directory SOURCE on the empty directory MOUNTPOINT until it is unmounted or interrupted.

  --read-only        refuse every change
  --allow-other      let other users in (permissions are checked)
  --cache SECONDS    how long the kernel may trust names and attributes (default 1; 0: never)
  --writeback        gather writes in the page cache
  --direct-io        bypass the page cache
  --passthrough P    let the kernel read and write files by itself: on, off, or auto (default): where it can
  --lane LANE        what carries the requests: ring, io_uring, dev, or auto (default): the fastest that works
  --workers N        worker threads, 1..256, or auto (default)
  --placement P      where they run: per-core, dedicated, none, or auto (default)
  --spin-us N        microseconds to look for the next request before sleeping, 0..1000000, or auto (default)
  --no-guardian      do not unmount when this process is killed
  --debug            print one line per request and per reply
  --foreground       stay in the foreground (default)
  --daemonize        go to the background once mounted
  --help             print this
`;

const OPTIONS = {
  "read-only": { type: "boolean" },
  "allow-other": { type: "boolean" },
  cache: { type: "string" },
  writeback: { type: "boolean" },
  "direct-io": { type: "boolean" },
  passthrough: { type: "string" },
  lane: { type: "string" },
  workers: { type: "string" },
  placement: { type: "string" },
  "spin-us": { type: "string" },
  "no-guardian": { type: "boolean" },
  debug: { type: "boolean" },
  foreground: { type: "boolean" },
  daemonize: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

interface Arguments {
  readonly source: string;
  readonly mountpoint: string;
  readonly daemonize: boolean;
  readonly mountOptions: MountOptions;
}

class UsageError extends Error {}

function numberOption(name: string, text: string, low: number, high: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= low && value <= high) return value;
  throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be a number in ${low}..${high}`);
}

function choiceOption<Choice extends string>(name: string, text: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be one of ${choices.join(", ")}`);
}

function countOption(name: string, text: string, low: number, high: number): "auto" | number {
  if (text === "auto") return text;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be auto or an integer in ${low}..${high}`);
}

// A source that could only be reached through its own mount. The other way round, the mount is ELOOP within itself.
function refuseSourceInside(source: string, mountpoint: string): void {
  const target = existsSync(mountpoint) ? realpathSync(mountpoint) : resolve(mountpoint);
  const holds = (outer: string, inner: string) => `${inner}/`.startsWith(outer === "/" ? outer : `${outer}/`);
  if (holds(target, source)) throw new UsageError(`SOURCE ${source} may not be inside MOUNTPOINT ${target}`);
}

function readArguments(words: string[]): Arguments | "help" {
  const { values, positionals } = parseArgs({ args: words, options: OPTIONS, allowPositionals: true });
  if (values.help) return "help";
  const [source, mountpoint, ...rest] = positionals;
  if (source === undefined || mountpoint === undefined || rest.length > 0) {
    throw new UsageError(`expected SOURCE and MOUNTPOINT, got ${positionals.length} words`);
  }
  if (values.foreground && values.daemonize) throw new UsageError("--foreground and --daemonize exclude each other");
  if (!existsSync(source) || !statSync(source).isDirectory())
    throw new UsageError(`SOURCE ${JSON.stringify(source)} is not a directory`);
  refuseSourceInside(realpathSync(source), mountpoint);
  const cacheMs = Math.round(numberOption("cache", values.cache ?? "1", 0, 86_400 * 365) * 1000);
  return {
    source: realpathSync(source),
    mountpoint,
    daemonize: values.daemonize ?? false,
    mountOptions: {
      name: realpathSync(source)
        .replaceAll(/[,\\\p{Cc}]/gu, "?")
        .slice(0, 200),
      subtype: "rfuse-passthrough",
      readOnly: values["read-only"] ?? false,
      allowOther: values["allow-other"] ?? false,
      guardian: !(values["no-guardian"] ?? false),
      debug: values.debug ?? false,
      lane: choiceOption("lane", values.lane ?? "auto", ["auto", "ring", "io_uring", "dev"]),
      workers: countOption("workers", values.workers ?? "auto", 1, 256),
      placement: choiceOption("placement", values.placement ?? "auto", ["auto", "per-core", "dedicated", "none"]),
      spinUs: countOption("spin-us", values["spin-us"] ?? "auto", 0, 1_000_000),
      filesystemOptions: {
        source: realpathSync(source),
        cacheMs,
        directIo: values["direct-io"] ?? false,
        readOnly: values["read-only"] ?? false,
        writebackCache: values.writeback ?? false,
        passthrough: choiceOption("passthrough", values.passthrough ?? "auto", ["auto", "on", "off"]),
      },
    },
  };
}

/** Which lane carries the requests, and why no faster one; and whether files need any. */
function waysOf({ lane, laneReason, connection }: Mount): string {
  const why = laneReason === "" ? "" : ` (${laneReason})`;
  return `through lane ${lane}${why}; FUSE passthrough is ${connection.maxStackDepth > 0 ? "on" : "off"}`;
}

/** Redraws one line on a terminal twice a second until the mount ends. */
function showStatus(mounted: Mount): () => void {
  if (!process.stderr.isTTY) return () => {};
  let before = mounted.stats();
  let at = performance.now();
  const timer = setInterval(() => {
    const now = mounted.stats();
    const seconds = (performance.now() - at) / 1000;
    at = performance.now();
    const rate = Math.round((now.requests - before.requests) / seconds);
    const megabytes = (now.bytesRead + now.bytesWritten - before.bytesRead - before.bytesWritten) / seconds / 1e6;
    before = now;
    const { p50, p99 } = now.latencyUs;
    const latency = `p50 < ${p50.toFixed(0)} us, p99 < ${p99.toFixed(0)} us`;
    const total = `${now.requests} served, ${now.handlerFaults} faults`;
    process.stderr.write(
      `\r\x1b[K${mounted.lane} | ${rate} requests/s | ${megabytes.toFixed(1)} MB/s | ${latency} | ${total}`,
    );
  }, 500);
  return () => {
    clearInterval(timer);
    process.stderr.write("\r\x1b[K");
  };
}

/** Unmounts on the first signal; on a second one aborts, whatever is in use. */
function unmountOnSignals(mounted: Mount): void {
  let asked = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      asked++;
      const how = asked > 1 ? { force: true } : {};
      mounted.unmount(how).catch((error: Error) => {
        process.stderr.write(`\r\x1b[K${error.message}\n`);
        if (asked === 1) mounted.unmount({ lazy: true }).catch(() => {});
      });
    });
  }
}

/** Starts this program again in a session of its own and returns when that one has mounted. */
async function daemonize(words: string[]): Promise<number> {
  const nothing = openSync("/dev/null", "r");
  const child = Bun.spawn(
    ["setsid", process.execPath, import.meta.path, ...words.filter((word) => word !== "--daemonize")],
    {
      stdio: [nothing, "pipe", "inherit"],
      env: { ...process.env, RFUSE_DAEMON: "1" },
    },
  );
  for await (const chunk of child.stdout) {
    process.stdout.write(chunk);
    child.unref();
    return 0; // the one line that says what is mounted
  }
  return (await child.exited) || 1;
}

async function main(words: string[]): Promise<number> {
  const parsed = readArguments(words);
  if (parsed === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (parsed.daemonize) return daemonize(words);
  const { source, mountpoint, mountOptions } = parsed;
  const mounted = await mount(mountpoint, passthroughModule, mountOptions);
  unmountOnSignals(mounted);
  process.stdout.write(`${source} is mounted on ${mounted.mountpoint} ${waysOf(mounted)}\n`);
  const hideStatus = mountOptions.debug ? () => {} : showStatus(mounted);
  const reason = await mounted.closed;
  hideStatus();
  const inBackground = process.env["RFUSE_DAEMON"] === "1"; // the terminal is somebody else's by now
  if (!inBackground) process.stderr.write(`${mounted.mountpoint}: ${reason}\n`);
  return reason === "unmounted" ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  const usage = thrown instanceof UsageError || (thrown as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
  const text = thrown instanceof MountError ? `${thrown.code}: ${thrown.message}` : (thrown as Error).message;
  process.stderr.write(`passthrough: ${text}\n${usage ? "Try --help.\n" : ""}`);
  process.exitCode = usage ? 2 : 1;
}
