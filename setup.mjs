#!/usr/bin/env node
// @ts-check
// Owns: everything between a fresh clone and a running command: npm packages, Bun, Debian packages, /dev/fuse.
// Runs on plain Node 18 or later without any package, because it is what installs the packages.
// Silent when nothing is missing; otherwise one line on stderr per action, and every failure names its remedy.
// Usage: node setup.mjs [--for build|run|guest|test|bench] [-- COMMAND ARGUMENT...]

import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { constants as osConstants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** @typedef {"build" | "run" | "guest" | "test" | "bench"} Purpose */

const ROOT = dirname(fileURLToPath(import.meta.url));
const BIN = join(ROOT, "node_modules", ".bin");
const IS_ROOT = process.getuid?.() === 0;
/** Ctrl-C reaches this process from the terminal and once more from npm: two within this time are one. */
const SAME_SIGNAL_MS = 200;

/**
 * Debian package, what shows that it is there (a command, or a file when it begins with "/"), and who needs it.
 * @type {ReadonlyArray<readonly [name: string, probe: string, purpose: Purpose]>}
 */
const DEBIAN = [
  ["fuse3", "fusermount3", "run"],
  ["qemu-system-x86", "qemu-system-x86_64", "guest"],
  ["busybox-static", "/usr/share/doc/busybox-static", "guest"],
  ["gcc", "gcc", "guest"],
  ["libc6-dev", "/usr/include/stdio.h", "guest"],
  ["linux-libc-dev", "/usr/include/linux/fuse.h", "guest"],
  ["make", "make", "guest"],
  ["fio", "fio", "guest"],
  ["sqlite3", "sqlite3", "guest"],
  ["git", "git", "guest"],
  ["acl", "setfacl", "guest"],
  ["attr", "setfattr", "guest"],
  ["strace", "strace", "guest"],
  ["procps", "ps", "guest"],
  ["util-linux", "unshare", "guest"],
  ["util-linux-extra", "fincore", "guest"],
  ["mount", "mount", "guest"],
  ["kmod", "modprobe", "guest"],
  ["rsync", "rsync", "guest"],
  ["xz-utils", "xz", "guest"],
  ["e2fsprogs", "mke2fs", "guest"],
  ["clang", "clang", "test"],
  ["pkg-config", "pkg-config", "test"],
  ["libfuse3-dev", "/usr/include/fuse3/fuse.h", "test"],
  ["python3", "python3", "test"],
  ["gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc", "test"],
  ["libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/include/stdio.h", "test"],
  ["bindfs", "bindfs", "bench"],
  ["g++", "g++", "bench"],
  ["meson", "meson", "bench"],
  ["ninja-build", "ninja", "bench"],
  ["liburing-dev", "/usr/include/liburing.h", "bench"],
  ["libnuma-dev", "/usr/include/numa.h", "bench"],
  ["linux-perf", "perf", "bench"],
];

/** Each purpose needs its own packages and those of the purposes before it. @type {readonly Purpose[]} */
const PURPOSES = ["build", "run", "guest", "test", "bench"];

/** @param {string} text */
const say = (text) => process.stderr.write(`setup: ${text}\n`);

/**
 * Ends the process: what failed, why, and the command that would mend it.
 * @param {string} what @param {string} why @param {string} remedy @returns {never}
 */
function fail(what, why, remedy) {
  say(`${what}: ${why.trim().split("\n").slice(-3).join(" | ")}; to mend it: ${remedy}`);
  process.exit(1);
}

/**
 * @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env]
 * @returns {{ ok: boolean, why: string }}
 */
function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  if (result.error) return { ok: false, why: result.error.message };
  const ending = result.signal ? `ended by ${result.signal}` : `exit status ${result.status}`;
  return { ok: result.status === 0, why: (result.stderr || result.stdout).trim() || ending };
}

/** @param {string} probe */
function present(probe) {
  if (probe.startsWith("/")) return existsSync(probe);
  const path = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`;
  return path.split(delimiter).some((dir) => existsSync(join(dir, probe)));
}

/**
 * Why node_modules does not hold what package-lock.json asks for; undefined when it does.
 * Versions are compared, not times: a clone or a copy changes every time stamp.
 * @returns {string | undefined}
 */
function staleness() {
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return "node_modules is missing";
  /** @param {string} file @returns {Record<string, { version?: string, optional?: boolean }>} */
  const packages = (file) => JSON.parse(readFileSync(file, "utf8")).packages;
  const have = packages(installed);
  for (const [place, want] of Object.entries(packages(join(ROOT, "package-lock.json")))) {
    if (place === "") continue;
    const found = have[place];
    if (found === undefined && want.optional) continue;
    if (found?.version !== want.version) return `${place} is ${found?.version ?? "missing"}, not ${want.version}`;
  }
  return undefined;
}

/** Installs what the lock says; `--no-save` leaves the lock alone, also where a registry lacks other platforms' files. */
function npmPackages() {
  const reason = staleness();
  if (reason === undefined) return;
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  say(`npm ${args.join(" ")} (${reason})`);
  const result = run("npm", args);
  if (!result.ok) fail("npm packages are not installed", result.why, `cd ${ROOT} && npm install`);
}

/** @param {string} path */
const runs = (path) => existsSync(path) && run(path, ["--version"]).ok;

/** The binary of Bun's platform package, which is there even where npm refuses to run install scripts. */
function platformBun() {
  const scope = join(ROOT, "node_modules", "@oven");
  if (!existsSync(scope)) return undefined;
  return readdirSync(scope)
    .map((name) => join(scope, name, "bin", "bun"))
    .find(runs);
}

/** Makes node_modules/.bin/bun work; @returns {string} its path */
function bun() {
  const linked = join(BIN, "bun");
  if (runs(linked)) return linked;
  const binary = platformBun();
  if (binary !== undefined) {
    say(`linking ${linked} to ${binary} (npm did not run Bun's install script)`);
    mkdirSync(BIN, { recursive: true });
    rmSync(linked, { force: true });
    symlinkSync(binary, linked);
    return linked;
  }
  const script = join(ROOT, "node_modules", "bun", "install.js");
  say(`node ${script} (Bun has no working binary yet)`);
  const result = run(process.execPath, [script]);
  if (runs(linked)) return linked;
  return fail("Bun does not run", result.why, `cd ${ROOT} && rm -rf node_modules && npm install`);
}

/** @param {Purpose} purpose */
function debianPackages(purpose) {
  const needs = PURPOSES.slice(0, PURPOSES.indexOf(purpose) + 1);
  const missing = DEBIAN.filter(([, probe, who]) => needs.includes(who) && !present(probe));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(" ");
  const probes = missing.map(([, probe]) => probe).join(", ");
  const remedy = `apt-get update && apt-get install -y --no-install-recommends ${names}`;
  if (!present("apt-get"))
    return say(`without ${probes} some things will fail; install them with your package manager`);
  if (!IS_ROOT) return say(`without ${probes} some things will fail; as root, run: ${remedy}`);
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  say(`apt-get install ${names}`);
  const update = run("apt-get", ["update", "-qq"], quiet);
  const install = run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names.split(" ")], quiet);
  if (!install.ok) fail(`Debian packages (${names})`, update.ok ? install.why : update.why, remedy);
}

/** Makes /dev/fuse exist and, as root, usable by the unprivileged half of the tests. @param {Purpose} purpose */
function fuseDevice(purpose) {
  const device = "/dev/fuse";
  if (!existsSync(device)) makeFuseDevice(device);
  if (!existsSync(device)) return;
  if (IS_ROOT && purpose === "test" && (statSync(device).mode & 0o666) !== 0o666) {
    say(`chmod 0666 ${device}, as udev would, so that unprivileged mounts can be tested`);
    chmodSync(device, 0o666);
  }
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
  } catch (error) {
    say(`mounting will fail: ${error instanceof Error ? error.message : error}; as root, run: chmod 0666 ${device}`);
  }
}

/** @param {string} device */
function makeFuseDevice(device) {
  const remedy = "modprobe fuse (in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN)";
  if (!IS_ROOT) return say(`mounting will fail: there is no ${device}; as root, run: ${remedy}`);
  say(`modprobe fuse (there is no ${device})`);
  const loaded = run("modprobe", ["fuse"]);
  if (existsSync(device)) return;
  const sysfs = "/sys/class/misc/fuse/dev";
  if (!existsSync(sysfs)) return say(`mounting will fail: this kernel has no FUSE (${loaded.why}); run: ${remedy}`);
  const numbers = readFileSync(sysfs, "utf8").trim().split(":");
  say(`mknod -m 0666 ${device} c ${numbers.join(" ")}`);
  const made = run("mknod", ["-m", "0666", device, "c", ...numbers]);
  if (!made.ok) say(`mounting will fail: ${device} was not made (${made.why}); run: ${remedy}`);
}

/**
 * Runs the command in the place of this process: same standard streams, signals passed on once, same ending.
 * The command gets a session of its own, because a terminal and npm would otherwise each deliver Ctrl-C to it.
 * @param {readonly string[]} argv
 */
function become(argv) {
  const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env["PATH"] ?? ""}` };
  const tied = present("setpriv") ? ["setpriv", "--pdeathsig", "TERM", ...argv] : argv;
  const child = spawn(tied[0] ?? "", tied.slice(1), { stdio: "inherit", detached: true, env });
  child.on("error", (error) => fail(`cannot run ${argv[0]}`, error.message, "check the command's name"));
  /** @type {Map<string, number>} */
  const last = new Map();
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])) {
    process.on(signal, () => {
      const now = performance.now();
      const repeated = now - (last.get(signal) ?? Number.NEGATIVE_INFINITY) < SAME_SIGNAL_MS;
      last.set(signal, now);
      if (!repeated) child.kill(signal);
    });
  }
  child.on("exit", (status, signal) => {
    if (signal === null) process.exit(status ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + osConstants.signals[signal]), 100);
  });
}

/** @returns {{ purpose: Purpose, command: string[] }} */
function parseArguments() {
  const usage = `node setup.mjs [--for ${PURPOSES.join("|")}] [-- COMMAND ARGUMENT...]`;
  const args = process.argv.slice(2);
  const split = args.indexOf("--");
  const own = split < 0 ? args : args.slice(0, split);
  const named = own.length === 0 ? "run" : own[1];
  if ((own.length > 0 && own[0] !== "--for") || own.length > 2) fail("unknown arguments", own.join(" "), usage);
  const purpose = PURPOSES.find((known) => known === named);
  if (purpose === undefined) return fail("unknown purpose", String(named), usage);
  return { purpose, command: split < 0 ? [] : args.slice(split + 1) };
}

const { purpose, command } = parseArguments();
npmPackages();
const bunPath = bun();
if (purpose !== "build") {
  debianPackages(purpose);
  if (purpose !== "guest") fuseDevice(purpose);
}
if (command.length > 0) become(command[0] === "bun" ? [bunPath, ...command.slice(1)] : command);
