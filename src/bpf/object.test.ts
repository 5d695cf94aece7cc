// Proves the loading of objects that clang makes, here and now, with maps of both kinds, global data and calls; and that
// a broken object is refused. Loading needs root.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BPF_MAP_TYPE } from "../../ffi/bpf-structs.ts";
import { u32, u64 } from "./codecs.ts";
import { readElf } from "./elf.ts";
import { BpfError } from "./errors.ts";
import { BpfMap } from "./map.ts";
import { BpfObject } from "./object.ts";
import { mapsOf } from "./object-maps.ts";

const root = process.getuid?.() === 0;
const compiler = ["clang", "clang-14"].find((name) => spawnSync(name, ["--version"]).status === 0);

const HEAD = `
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
typedef unsigned int u32;
typedef unsigned long long u64;
static void *(*const lookup)(void *map, const void *key) = (void *)1;
static long (*const update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
char _license[] SEC("license") = "Dual MIT/GPL";
`;

const TYPED = `${HEAD}
struct key { u32 uid; u32 opcode; };
struct { __uint(type, 9); __uint(max_entries, 128); __type(key, struct key); __type(value, u64); } hits SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 8); } totals SEC(".maps");
const volatile u32 limit = 3;
u32 calls = 40;
u64 zeroed[4];
struct context { u32 opcode, flags, uid; };

static __attribute__((noinline)) u32 add(u32 a, u32 b) { zeroed[1] = a; return a + b + limit; }

SEC("count") int counted(struct context *ctx)
{
	struct key key = { ctx->uid, ctx->opcode };
	u64 *seen = lookup(&hits, &key), one = 1;
	u32 at = 2;
	u64 *total = lookup(&totals, &at);

	if (seen)
		__sync_fetch_and_add(seen, 1);
	else
		update(&hits, &key, &one, 0);
	if (total)
		*total += 10;
	calls++;
	return add(ctx->uid, calls);
}
SEC("count") int plain(struct context *ctx) { return 7; }
SEC("other") int called(struct context *ctx) { return add(ctx->opcode, 1) + add(ctx->uid, 2); }
`;

const LEGACY = `${HEAD}
struct bpf_map_def { u32 type, key_size, value_size, max_entries, map_flags; };
struct bpf_map_def SEC("maps") first = { 2, 4, 4, 1, 0 };
struct bpf_map_def SEC("maps") second = { 1, 4, 8, 16, 1 };
SEC("syscall") int store(void *ctx)
{
	u32 key = 5;
	u64 value = 99;

	return update(&second, &key, &value, 0);
}
`;

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rfuse-bpf-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function compile(name: string, source: string, ...flags: string[]): string {
  const [from, to] = [join(directory, `${name}.c`), join(directory, `${name}.o`)];
  writeFileSync(from, source);
  const args = ["-target", "bpf", "-O2", "-g", "-Wall", "-c", from, "-o", to, ...flags];
  const done = spawnSync(compiler as string, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  return to;
}

function refusal(make: () => unknown): BpfError {
  try {
    make();
  } catch (thrown) {
    if (thrown instanceof BpfError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

const context = (opcode: number, uid: number) => new Uint8Array(new Uint32Array([opcode, 0, uid]).buffer);

describe.runIf(compiler !== undefined)("objects of clang", () => {
  it("mapsOf: reads typed definitions and global data", () => {
    const maps = mapsOf(readElf(readFileSync(compile("typed", TYPED))));
    const hits = maps.get("hits")?.shape;
    expect(hits).toMatchObject({ type: BPF_MAP_TYPE.LRU_HASH, keySize: 8, valueSize: 8, maxEntries: 128, flags: 0 });
    expect(maps.get("totals")?.shape).toMatchObject({ type: BPF_MAP_TYPE.ARRAY, valueSize: 8, maxEntries: 4 });
    expect([...maps.keys()].sort()).toEqual([".bss", ".data", ".rodata", "hits", "totals"]);
  });

  it("mapsOf: reads the older definitions", () => {
    const maps = mapsOf(readElf(readFileSync(compile("legacy", LEGACY))));
    expect(maps.get("first")?.shape).toMatchObject({ type: BPF_MAP_TYPE.ARRAY, keySize: 4, valueSize: 4 });
    expect(maps.get("second")?.shape).toMatchObject({ type: BPF_MAP_TYPE.HASH, valueSize: 8, flags: 1 });
  });

  it("mapsOf: refuses a definition that it cannot honour, by name", () => {
    const pinned = `${HEAD}struct { __uint(type, 1); __uint(pinning, 1); } kept SEC(".maps");`;
    const file = readFileSync(compile("pinned", pinned));
    expect(refusal(() => mapsOf(readElf(file))).message).toContain('map "kept": "pinning" is not supported');
    const bare = readFileSync(compile("bare", TYPED, "-g0"));
    expect(refusal(() => mapsOf(readElf(bare))).message).toContain("compile it with -g");
  });

  it.runIf(root)("load: runs programs over its maps and global data, and calls between functions", () => {
    using object = BpfObject.load(compile("run", TYPED));
    expect([...object.programs.keys()].sort()).toEqual(["called", "counted", "plain"]);
    const counted = object.program("counted");
    expect(counted.run(context(3, 1000))).toBe(1000 + 41 + 3);
    expect(counted.run(context(3, 1000))).toBe(1000 + 42 + 3);
    expect(object.program("called").run(context(5, 9))).toBe(5 + 1 + 3 + 9 + 2 + 3);
    expect(object.program("plain").run(context(0, 0))).toBe(7);
    expect(object.map("totals", u32, u64).get(2)).toBe(20n);
    const [entry] = object.maps.get("hits")?.entries() ?? [];
    expect(entry).toEqual([
      new Uint8Array(new Uint32Array([1000, 3]).buffer),
      new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]),
    ]);
  });

  it.runIf(root)("load: takes a map of the caller's in place of its own", () => {
    using mine = BpfMap.create({ kind: "hash", key: u32, value: u64, maxEntries: 16 });
    using object = BpfObject.load(readFileSync(compile("given", LEGACY)), { maps: { second: mine } });
    expect(object.program("store").run(new Uint8Array(8))).toBe(0);
    expect(mine.get(5)).toBe(99n);
    expect([...object.maps.keys()]).toEqual(["first"]);
  });

  it.runIf(root)("load: gives the verifier's log, and names what is missing", () => {
    const wild = `${HEAD}SEC("syscall") int wild(void *ctx) { return *(int *)(long)*(int *)ctx; }`;
    const error = refusal(() => BpfObject.load(compile("wild", wild)));
    expect([error.code, error.log]).toEqual(["EACCES", expect.stringContaining("invalid mem access")]);
    using object = BpfObject.load(compile("names", LEGACY));
    expect(refusal(() => object.program("stor")).message).toContain('no program "stor"; there are store');
    expect(refusal(() => object.map("third", u32, u32)).message).toMatch(/there are (first, second|second, first)/);
  });

  it("readElf: refuses every truncation and never reads beyond the file", () => {
    const file = new Uint8Array(readFileSync(compile("cut", TYPED)));
    for (let length = 0; length < file.length; length += 7) {
      const cut = () => mapsOf(readElf(file.slice(0, length)));
      expect(refusal(cut).code, `${length} bytes`).toBe("EINVAL");
    }
  });

  it("readElf: lives through any single byte that is wrong", () => {
    const file = new Uint8Array(readFileSync(compile("bad", LEGACY)));
    for (let at = 0; at < file.length; at++) {
      const wrong = file.slice();
      wrong[at] = (wrong[at] as number) ^ 0xff;
      try {
        mapsOf(readElf(wrong));
      } catch (thrown) {
        expect(thrown, `byte ${at}`).toBeInstanceOf(BpfError);
      }
    }
  });
});

it("readElf: refuses what is no object for eBPF", () => {
  expect(refusal(() => readElf(new Uint8Array(10))).message).toContain("10 bytes");
  expect(refusal(() => readElf(new Uint8Array(64))).message).toContain("ELF magic");
  expect(refusal(() => readElf(readFileSync("/proc/self/exe").subarray(0, 4096))).message).toContain("for machine");
});
