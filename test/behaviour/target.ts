// What a behaviour test runs against, and the bench it works on: a fresh directory per test and probes that end with it.
// Owns cleanup: every probe is killed by pid and every file removed, also when the test fails.
// It holds no expectation about the filesystem.
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "vitest";
import { PATIENCE } from "./pace.ts";
import { type Identity, Probe, type Stat } from "./probe.ts";

/** A feature is there (true), or the named errno is what a caller of it is told. */
export type Support = true | (string & {});

/** The modes of fallocate(2), by the names that the tests and the exerciser use. */
export type FallocateMode = "allocate" | "keep-size" | "punch-hole" | "zero-range" | "collapse-range" | "insert-range";

/** What a target can do. Lengths in bytes. */
export type Features = {
  /** user.* attributes on files and directories. */
  xattr: Support;
  /** The largest value of one attribute that must be accepted: at most 65536. */
  xattrValueMax: number;
  /** POSIX access control lists, as system.posix_acl_* attributes, enforced. */
  acl: Support;
  /** POSIX record locks and flock. */
  locks: Support;
  /** The modes that work; every other one is EOPNOTSUPP. */
  fallocate: readonly FallocateMode[];
  /** SEEK_DATA and SEEK_HOLE find real holes; else the file is one extent of data. */
  holes: boolean;
  /** st_blocks counts allocated space: less than the size for a sparse file. */
  sparse: boolean;
  copyFileRange: Support;
  hardLinks: Support;
  symlinks: Support;
  tmpfile: Support;
  renameNoReplace: Support;
  renameExchange: Support;
  renameWhiteout: Support;
  /** Char and block devices made by root. */
  mknodDevices: Support;
  /** FIFOs and sockets. */
  mknodPipes: Support;
  /** statx says when a file was made. */
  birthTime: boolean;
  /** st_nlink of a directory is 2 + its subdirectories; else only that it is at least 1 is checked. */
  directoryNlink: boolean;
  /** read(2) and readdir(3) move the access time as `relatime` says. */
  accessTime: boolean;
  /** Seconds since 1970 that utimensat keeps exactly; the kernel drops the nanoseconds of a range's very first second. */
  timeRange: readonly [bigint, bigint];
  /** Shared writable mappings. */
  sharedMmap: Support;
  /** Programs can be started from the mount. */
  execute: Support;
  /** The largest file size that ftruncate accepts; one byte more is EFBIG. */
  fileSizeMax: bigint;
  /** What a size beyond that is told where it is not EFBIG: the server, not the filesystem, sets the limit. */
  fileSizeBeyond?: "EOVERFLOW";
  /** The largest size that a write may reach, where it is not that of ftruncate: the server does not see writes. */
  writeSizeMax?: bigint;
  /** telldir and seekdir return to a place in a directory that has not changed. */
  directoryOffsets: boolean;
  /** Bytes that fit, when the filesystem is small enough for a test to fill it; undefined when it is not. */
  capacity: number | undefined;
};

/** One mounted directory to judge. */
export type Target = {
  name: string;
  /** An empty writable directory on the mount; others may search it when `asRoot`. */
  dir(): string;
  /** This process is root and other users reach the mount: tests that need other uids run. */
  asRoot: boolean;
  features: Features;
};

/** Uids and gids that own nothing on the machine. */
export const USER = { alice: 61_001, bob: 61_002, carol: 61_003 } as const;
export const GROUP = { staff: 61_101, guests: 61_102, none: 61_103 } as const;

/** What one test works with. Relative names are below its own empty directory, mode 0777. */
export type Bench = {
  dir: string;
  target: Target;
  features: Features;
  /** A probe with this process's identity. */
  p: Probe;
  path(...names: string[]): string;
  probe(identity?: Identity): Promise<Probe>;
  /** Makes a file with this process's identity and exact permissions. */
  file(name: string, content?: string | Uint8Array, mode?: number): Promise<string>;
  /** Makes a directory with this process's identity and exact permissions. */
  folder(name: string, mode?: number): Promise<string>;
  content(name: string): Promise<string>;
  /** Names in a directory, sorted. */
  names(name?: string): Promise<string[]>;
  /** Resolves when the filesystem's clock has passed the newest time of these files. */
  tick(...stats: Stat[]): Promise<void>;
};

// A test that hangs ends like one that fails: its probes are killed, so that its next call rejects and cleanup runs.
const HANG_MS = 50_000 * PATIENCE;

let serial = 0;

async function makeBench(target: Target, area: string, started: Probe[]): Promise<Bench> {
  const dir = join(target.dir(), `${area}-${process.pid}-${++serial}`);
  await mkdir(dir);
  await chmod(dir, 0o777);
  const start = async (identity?: Identity) => {
    const probe = await Probe.start(identity);
    started.push(probe);
    return probe;
  };
  const p = await start();
  const path = (...names: string[]) => join(dir, ...names);
  return {
    dir,
    target,
    features: target.features,
    p,
    path,
    probe: start,
    file: async (name, content = "", mode = 0o644) => {
      await writeFile(path(name), content);
      await chmod(path(name), mode);
      return path(name);
    },
    folder: async (name, mode = 0o755) => {
      await mkdir(path(name));
      await chmod(path(name), mode);
      return path(name);
    },
    content: (name) => readFile(path(name), "utf8"),
    names: async (name = ".") => (await readdir(path(name))).sort(),
    tick: (...stats) => tick(p, `${dir}.clock`, stats),
  };
}

// The clock file lies beside the bench's directory, so that it changes no time in it.
async function tick(p: Probe, clock: string, stats: readonly Stat[]): Promise<void> {
  const newest = stats.flatMap((s) => [s.ctime, s.btime ?? 0n]).reduce((a, b) => (a > b ? a : b), 0n);
  const end = performance.now() + 10_000 * PATIENCE;
  await p.call("close", await p.open(clock, "O_CREAT|O_WRONLY"));
  for (;;) {
    await p.call("chmod", clock, 0o600);
    if ((await p.stat(clock)).ctime > newest) break;
    if (performance.now() > end) throw new Error("the filesystem's clock stands still");
  }
  await p.call("unlink", clock);
}

async function run(target: Target, area: string, body: (bench: Bench) => Promise<void>): Promise<void> {
  const started: Probe[] = [];
  const watchdog = setTimeout(() => void Promise.all(started.map((probe) => probe.close())), HANG_MS);
  let dir: string | undefined;
  try {
    const bench = await makeBench(target, area, started);
    dir = bench.dir;
    await body(bench);
  } finally {
    clearTimeout(watchdog);
    await Promise.all(started.map((probe) => probe.close()));
    if (dir) await rm(dir, { recursive: true, force: true });
  }
}

/** Registers a test; `as root` variants run only on targets that other users reach. */
export type Register = {
  (title: string, body: (bench: Bench) => Promise<void>): void;
  /** Needs other uids. */
  root(title: string, body: (bench: Bench) => Promise<void>): void;
};

/** The `it` of one area: each test gets its own bench. */
export function area(target: Target, name: string): Register {
  const register = (title: string, body: (bench: Bench) => Promise<void>) =>
    void test(title, () => run(target, name, body));
  const root = (title: string, body: (bench: Bench) => Promise<void>) => {
    if (target.asRoot) register(`${title} [other uids]`, body);
  };
  return Object.assign(register, { root });
}
