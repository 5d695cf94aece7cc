// Owns: which requests reach the daemon with a metadata cache and without, by opcode, for programs as they are: unpacking
// and building a C project, find and du over 20,000 files. Numbers of requests, no times. In a guest with rfuse.ko:
//   npm run guest -- 6.1 bun bench/requests.ts
// Building needs make and a compiler in the guest (RFUSE_CC, by --file); without them that row is left out.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mount, memoryModule, mount } from "../src/index.ts";

const FILES = 20_000;
const PER_DIRECTORY = 100;
const COUNTED = ["LOOKUP", "GETATTR", "GETXATTR", "READLINK"] as const;
const CC = process.env["RFUSE_CC"];

/** A project of sources that include headers, and what a build does with it. */
const PROJECT = `
set -e
mkdir -p "$0/project/include" "$0/project/src"
cd "$0/project"
for i in $(seq 40); do echo "#define VALUE_$i $i" >include/h$i.h; done
for i in $(seq 60); do
  for j in $(seq 40); do echo "#include \\"h$j.h\\""; done >src/f$i.c
  echo "int f$i(void) { return VALUE_1 + $i; }" >>src/f$i.c
done
{ echo "all: \\$(patsubst src/%.c,%.o,\\$(wildcard src/*.c))"; echo "%.o: src/%.c \\$(wildcard include/*.h)"
  printf '\\t%s -nostdinc -Iinclude -c -o $@ $<\\n' "$1"; } >Makefile
`;

interface Workload {
  readonly name: string;
  /** Before counting begins: $0 is the mount, $1 a directory beside it. */
  readonly prepare: string;
  readonly script: string;
}

const WORKLOADS: readonly Workload[] = [
  {
    name: "untar a project",
    prepare: 'tar cf "$1/project.tar" -C /rfuse src ffi test docs',
    script: 'mkdir "$0/tree" && tar xf "$1/project.tar" -C "$0/tree"',
  },
  ...(CC === undefined
    ? []
    : [
        { name: "make, all of it", prepare: PROJECT, script: 'make -s -C "$0/project"' },
        { name: "make, nothing to do", prepare: "true", script: 'make -s -C "$0/project"' },
      ]),
  {
    name: `find, ${FILES} files`,
    prepare: `mkdir "$0/many" && cd "$0/many" && for d in $(seq ${FILES / PER_DIRECTORY}); do
      mkdir $d; for f in $(seq ${PER_DIRECTORY}); do : >$d/file-$f; done; done`,
    script: 'find "$0/many" -type f -size 0 -mtime -1 >/dev/null',
  },
  { name: `du, ${FILES} files`, prepare: "true", script: 'du -s "$0/many" >/dev/null' },
  {
    name: `ls -l by name, ${FILES} files`,
    prepare: "true",
    script: 'for d in "$0"/many/*; do ls -ld "$d"/* >/dev/null; done',
  },
];

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
  const [mountpoint, beside] = [join(directory, "m"), join(directory, "beside")];
  for (const path of [mountpoint, beside]) mkdirSync(path);
  const metadataCache = cached && { entries: 65_536, ttlMs: Number.POSITIVE_INFINITY };
  const filesystemOptions = { attrTimeoutMs: 0, entryTimeoutMs: 0 };
  const mounted = await mount(mountpoint, memoryModule, { lane: "ring", metadataCache, filesystemOptions });
  const found = new Map<string, Counts>();
  try {
    for (const { name, prepare, script } of WORKLOADS) {
      run(prepare, mountpoint, prepare === PROJECT ? (CC ?? "") : beside);
      const before = requests(mounted);
      run(script, mountpoint, beside);
      found.set(name, between(before, requests(mounted)));
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

const [without, having] = [await count(false), await count(true)];
console.log(`| | ${COUNTED.join(" | ")} | these together | all |\n|---|${"---|".repeat(COUNTED.length + 2)}`);
for (const [name, before] of without) {
  const after = having.get(name) ?? {};
  const cells = COUNTED.map((opcode) => `${before[opcode] ?? 0} / ${after[opcode] ?? 0}`);
  const [old, now] = [sum(before, COUNTED), sum(after, COUNTED)];
  const fewer = old === 0 ? "" : ` (${Math.round((1 - now / old) * 100)} % fewer)`;
  const all = `${sum(before, Object.keys(before))} / ${sum(after, Object.keys(after))}`;
  console.log(`| ${name} | ${cells.join(" | ")} | ${old} / ${now}${fewer} | ${all} |`);
}
