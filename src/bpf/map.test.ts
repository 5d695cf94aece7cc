// Proves maps, programs over maps and ring buffers against the kernel of this machine; as root only.

import { readdirSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BPF_MAP_FLAG } from "../../ffi/bpf-structs.ts";
import { BpfAssembler } from "./assembler.ts";
import { bytes, record, text, u32, u64 } from "./codecs.ts";
import { BpfError } from "./errors.ts";
import { r0, r1, r2, r3, r4, r6, r10 } from "./instructions.ts";
import { BpfMap } from "./map.ts";
import { BpfProgram } from "./program.ts";
import { BpfRingBuffer } from "./ring-buffer.ts";

const root = process.getuid?.() === 0;

/** Descriptors of this process that lead to maps and programs. */
const descriptors = (): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return /bpf-(map|prog)/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false; // the directory's own
    }
  }).length;

/** What `make` throws, which must be a `BpfError`. */
function refusal(make: () => unknown): BpfError {
  try {
    make();
  } catch (thrown) {
    if (thrown instanceof BpfError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

describe.runIf(root)("BpfMap", () => {
  const person = record({ age: u32, id: u64, name: text(12), raw: bytes(2) });

  it("hash: sets, gets, walks and deletes typed entries", () => {
    using map = BpfMap.create({ kind: "hash", key: text(8), value: person, maxEntries: 4, name: "people" });
    const ada = { age: 36, id: 2n ** 60n, name: "Ada", raw: new Uint8Array([1, 2]) };
    expect(map.get("ada")).toBeUndefined();
    expect(map.set("ada", ada).get("ada")).toEqual(ada);
    expect([...map.keys()]).toEqual(["ada"]);
    expect(map.entries()).toEqual([["ada", ada]]);
    expect([map.delete("ada"), map.delete("ada"), map.get("ada")]).toEqual([true, false, undefined]);
  });

  it("set: tells new keys from known ones, and a full map by E2BIG", () => {
    using map = BpfMap.create({ kind: "hash", key: u32, value: u32, maxEntries: 2 });
    map.set(1, 1, "new");
    expect(refusal(() => map.set(1, 2, "new")).code).toBe("EEXIST");
    expect(refusal(() => map.set(2, 2, "known")).code).toBe("ENOENT");
    map.set(2, 2).set(1, 3, "known");
    const full = refusal(() => map.set(3, 3));
    expect([full.code, full.message]).toEqual(["E2BIG", expect.stringContaining("the map is full")]);
    expect(map.get(1)).toBe(3);
  });

  it("lru-hash: takes more entries than it holds", () => {
    using map = BpfMap.create({ kind: "lru-hash", key: u32, value: u32, maxEntries: 64 });
    for (let key = 0; key < 1000; key++) map.set(key, key);
    expect(map.get(999)).toBe(999);
    expect(map.entries().length).toBeLessThanOrEqual(64);
  });

  it("setMany, entries, deleteMany: carry thousands", () => {
    using map = BpfMap.create({ kind: "hash", key: u32, value: u64, maxEntries: 5000 });
    map.setMany(Array.from({ length: 3000 }, (_, key) => [key, BigInt(key) * 3n] as const));
    expect(new Map(map.entries()).get(2999)).toBe(8997n);
    map.deleteMany([5000, ...Array.from({ length: 2999 }, (_, key) => key), 6000]);
    expect(map.entries()).toEqual([[2999, 8997n]]);
  });

  it("array: has all keys from the start, refuses others", () => {
    using map = BpfMap.create({ kind: "array", key: u32, value: u32, maxEntries: 2, flags: BPF_MAP_FLAG.MMAPABLE });
    expect(map.set(1, 7).entries()).toEqual([
      [0, 0],
      [1, 7],
    ]);
    expect(refusal(() => map.set(2, 1)).code).toBe("E2BIG");
    expect(refusal(() => map.delete(1)).code).toBe("EINVAL");
  });

  it("codecs: refuse what does not fit", () => {
    using map = BpfMap.create({ kind: "hash", key: text(4), value: bytes(2), maxEntries: 2 });
    expect(() => map.set("abcde", new Uint8Array(2))).toThrow(RangeError);
    expect(() => map.set("a", new Uint8Array(3))).toThrow("3 bytes where 2 are due");
  });

  it("create: says what the kernel does not take", () => {
    const bad = { kind: "array", key: u64, value: u32, maxEntries: 1 } as const;
    expect(refusal(() => BpfMap.create(bad)).code).toBe("EINVAL");
  });

  it("close: leaves no descriptor, and later calls get EBADF", () => {
    const before = descriptors();
    const map = BpfMap.create({ kind: "hash", key: u32, value: u32, maxEntries: 2 });
    expect(descriptors()).toBe(before + 1);
    map.close();
    map.close();
    expect(descriptors()).toBe(before);
    expect(refusal(() => map.get(1)).code).toBe("EBADF");
  });
});

describe.runIf(root)("BpfProgram", () => {
  it("run: counts in a map that the program was loaded with", () => {
    using map = BpfMap.create({ kind: "array", key: u32, value: u64, maxEntries: 1 });
    const code = new BpfAssembler().store("u32", r10, -4, 0).loadMap(r1, map).mov(r2, r10).alu("add", r2, -4);
    code.call("map_lookup_elem").jump("eq", r0, 0, "end").mov(r1, 1).atomic("add", "u64", r0, 0, r1);
    using program = BpfProgram.load(code.label("end").exit(5), { name: "count" });
    expect([program.run(new Uint8Array(8)), program.run(new Uint8Array(8))]).toEqual([5, 5]);
    expect(map.get(0)).toBe(2n);
    expect(program.id).toBeGreaterThan(0);
  });

  it("load: gives the verifier's log with what it refuses, and leaks nothing", () => {
    const before = descriptors();
    const wild = new BpfAssembler().mov(r1, 0).load("u64", r0, r1, 0).exit();
    const error = refusal(() => BpfProgram.load(wild, { name: "wild" }));
    expect(error.code).toBe("EACCES");
    expect(error.log).toContain("R1 invalid mem access");
    expect(error.message).toContain('program "wild": the verifier refused an access');
    expect(descriptors()).toBe(before);
  });
});

describe.runIf(root)("BpfRingBuffer", () => {
  it("read: gives records in order, also when it wraps", () => {
    using ring = new BpfRingBuffer(4096, "records");
    const code = new BpfAssembler().mov(r6, r1).load("u64", r2, r6, 0).store("u64", r10, -8, r2).loadMap(r1, ring);
    code.mov(r2, r10).alu("add", r2, -8).mov(r3, 8).mov(r4, 0).call("ringbuf_output").exit();
    using program = BpfProgram.load(code, { name: "emit" });
    const context = new Uint8Array(8);
    const seen: number[] = [];
    for (let round = 0; round < 1000; round++) {
      context[0] = round & 0xff;
      expect(program.run(context)).toBe(0);
      if (round % 7 === 0) ring.read((data) => seen.push(data[0] as number));
    }
    ring.read((data) => seen.push(data[0] as number));
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, round) => round & 0xff));
    expect(ring.read(() => {})).toBe(0);
  });

  it("new: refuses a size that is no power of two of pages, and leaks nothing", () => {
    const before = descriptors();
    expect(refusal(() => new BpfRingBuffer(5000)).code).toBe("EINVAL");
    expect(descriptors()).toBe(before);
  });
});
