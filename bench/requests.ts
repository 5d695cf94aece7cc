// Owns: which requests reach the daemon with a metadata cache and without, by opcode, for programs as they are: unpacking
// and building a C project, find and du over 20,000 files, ls. Numbers of requests, no times. A passthrough of tmpfs that
// grants the kernel no time-outs, both times with READDIRPLUS for whole directories, which fills the cache; what is only
// read lies in the source before it is mounted. In a guest with rfuse.ko:
//   npm run guest -- --file /usr/bin/make=/usr/bin/make --file /usr/bin/tcc=/usr/bin/tcc 6.1 bun bench/requests.ts
// Without make and tcc (Debian has both) the rows of building are left out.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mount, mount, passthroughModule } from "../src/index.ts";

const FILES = 20_000;
const PER_DIRECTORY = 100;
const HEADERS = 20;
const SOURCES = 30;
const COUNTED = ["LOOKUP", "GETATTR", "GETXATTR"] as const;
const builds = Bun.which("make") !== null && Bun.which("tcc") !== null;

interface Workload {
  readonly name: string;
  /** $0 is the mount, $1 a directory beside it. */
  readonly script: string;
}

const WORKLOADS: readonly Workload[] = [
  { name: `untar a C project, ${HEADERS + SOURCES} files`, script: 'tar xf "$1/project.tar" -C "$0"' },
  ...(builds
    ? [
        { name: "make, all of it", script: 'make -s -C "$0/project"' },
        { name: "make, nothing to do", script: 'make -s -C "$0/project"' },
      ]
    : []),
  { name: `find, ${FILES} files`, script: 'find "$0/many" -type f -size 0 -mtime -1 >/dev/null' },
  { name: `du, ${FILES} files`, script: 'du -s "$0/many" >/dev/null' },
  { name: `ls -l, ${10 * PER_DIRECTORY} files`, script: 'ls -l "$0"/many/d1? >/dev/null' },
  { name: "ls -l once more", script: 'ls -l "$0"/many/d1? >/dev/null' },
];

/** A project of sources that include headers, as an archive. */
function writeProject(directory: string): void {
  const root = join(directory, "project");
  for (const folder of ["include", "src"]) mkdirSync(join(root, folder), { recursive: true });
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
  for (const i of numbers(HEADERS)) writeFileSync(join(root, `include/h${i}.h`), `#define VALUE_${i} ${i}\n`);
  const includes = numbers(HEADERS).map((i) => `#include "h${i}.h"\n`);
  for (const i of numbers(SOURCES)) {
    writeFileSync(join(root, `src/f${i}.c`), `${includes.join("")}int f${i}(void) { return VALUE_1 + ${i}; }\n`);
  }
  const makefile = [
    "all: $(patsubst src/%.c,%.o,$(wildcard src/*.c))",
    "%.o: src/%.c $(wildcard include/*.h)",
    "\ttcc -nostdinc -Iinclude -c -o $@ $<",
  ];
  writeFileSync(join(root, "Makefile"), `${makefile.join("\n")}\n`);
  run('tar cf "$0/project.tar" -C "$0" project', directory);
}

function writeTree(directory: string): void {
  for (let written = 0; written < FILES; written += PER_DIRECTORY) {
    const folder = join(directory, "many", `d${written / PER_DIRECTORY}`);
    mkdirSync(folder, { recursive: true });
    for (let file = 0; file < PER_DIRECTORY; file++) writeFileSync(join(folder, `file-${file}`), "");
  }
}

function run(script: string, ...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script, ...words]);
  if (exitCode !== 0) throw new Error(`${script}: ${stderr.toString()}`);
}

type Counts = Readonly<Record<string, number>>;
const requests = (mounted: Mount): Counts => mounted.stats().byOpcode;
const between = (before: Counts, after: Counts): Counts =>
  Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));

/** Requests of each workload, by opcode. */
async function count(cached: boolean): Promise<Map<string, Counts>> {
  const directory = mkdtempSync(join(tmpdir(), "rfuse-requests-"));
  const [source, mountpoint] = [join(directory, "source"), join(directory, "m")];
  for (const path of [source, mountpoint]) mkdirSync(path);
  writeProject(directory);
  writeTree(source);
  const metadataCache = cached && { entries: 65_536, ttlMs: Number.POSITIVE_INFINITY };
  const filesystemOptions = { source, cacheMs: 0 };
  const wishes = { readdirplus: "always" } as const;
  const mounted = await mount(mountpoint, passthroughModule, {
    ...{ lane: "ring", workers: 1, placement: "dedicated" }, // the fastest where a processor is emulated
    ...{ metadataCache, filesystemOptions, wishes },
  });
  const found = new Map<string, Counts>();
  try {
    for (const { name, script } of WORKLOADS) {
      const before = requests(mounted);
      const began = performance.now();
      run(script, mountpoint, directory);
      found.set(name, between(before, requests(mounted)));
      console.error(`${cached ? "with" : "without"} the cache: ${name}, ${Math.round(performance.now() - began)} ms`);
    }
    const { active, reason } = mounted.stats().metadataCache;
    if (cached && !active) throw new Error(reason);
  } finally {
    await mounted.unmount();
    rmSync(directory, { recursive: true, force: true });
  }
  return found;
}

const sum = (counts: Counts, names: readonly string[]): number =>
  names.reduce((total, name) => total + (counts[name] ?? 0), 0);

function report(without: Map<string, Counts>, having: Map<string, Counts>): void {
  console.log(`| | ${COUNTED.join(" | ")} | these together | all |\n|---|${"---|".repeat(COUNTED.length + 2)}`);
  for (const [name, before] of without) {
    const after = having.get(name) ?? {};
    const cells = COUNTED.map((opcode) => `${before[opcode] ?? 0} / ${after[opcode] ?? 0}`);
    const [old, now] = [sum(before, COUNTED), sum(after, COUNTED)];
    const fewer = old === 0 ? "" : ` (${Math.round((1 - now / old) * 100)} % fewer)`;
    const all = `${sum(before, Object.keys(before))} / ${sum(after, Object.keys(after))}`;
    console.log(`| ${name} | ${cells.join(" | ")} | ${old} / ${now}${fewer} | ${all} |`);
  }
}

if (!builds) console.error("make and tcc are not here: the rows of building are left out");
report(await count(false), await count(true));
