// File data of the in-memory filesystem against a plain array of bytes: random writes, truncations, holes, shifts and
// copies, at offsets around the edges of pages and chunks. A failure names its seed.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import { MemoryFilesystem } from "../../src/fs/memory/memory-filesystem.ts";
import { Caller } from "./memory-caller.ts";

const PAGE = 4096;
const SPACE = 600_000;
const FALLOC = { grow: 0, keep: 1, punch: 3, zero: 0x10, zeroKeep: 0x11, collapse: 8, insert: 0x20 } as const;

/** A small generator (mulberry32): the same numbers for a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface File {
  readonly nodeid: number;
  bytes: Uint8Array;
}

class Bench {
  readonly filesystem = new MemoryFilesystem();
  readonly caller = new Caller(this.filesystem);
  readonly files: File[];
  readonly random: (below: number) => number;

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.files = ["a", "b"].map((name) => ({ nodeid: this.caller.create(1, name), bytes: new Uint8Array(0) }));
  }

  // Half of all offsets lie within a byte of a page's edge.
  offset(limit: number): number {
    const any = this.random(limit);
    const near = Math.round(any / PAGE) * PAGE + this.random(3) - 1;
    return this.random(2) === 0 ? any : Math.max(0, Math.min(limit, near));
  }

  grow(file: File, size: number): void {
    if (size <= file.bytes.length) return;
    const grown = new Uint8Array(size);
    grown.set(file.bytes);
    file.bytes = grown;
  }

  fallocate(file: File, mode: number, offset: number, length: number): number {
    return this.caller.result("FALLOCATE", { nodeid: file.nodeid, fields: { mode, offset, length } });
  }
}

type Step = (bench: Bench, file: File, other: File) => void;

const write: Step = (bench, file) => {
  const offset = bench.offset(SPACE);
  const data = new Uint8Array(1 + bench.random(bench.random(4) === 0 ? 300_000 : 9_000)).fill(1 + bench.random(255));
  expect(bench.caller.write(file.nodeid, offset, data)).toBe(data.length);
  bench.grow(file, offset + data.length);
  file.bytes.set(data, offset);
};

const truncate: Step = (bench, file) => {
  const size = bench.offset(SPACE);
  expect(bench.caller.result("SETATTR", { nodeid: file.nodeid, fields: { valid: 8, size } })).toBe(0);
  bench.grow(file, size);
  file.bytes = file.bytes.slice(0, size);
};

const range =
  (mode: number): Step =>
  (bench, file) => {
    const offset = bench.offset(SPACE);
    const length = 1 + bench.offset(100_000);
    expect(bench.fallocate(file, mode, offset, length)).toBe(0);
    if (mode === FALLOC.grow || mode === FALLOC.zero) bench.grow(file, offset + length);
    if (mode !== FALLOC.grow && mode !== FALLOC.keep) file.bytes.fill(0, offset, offset + length);
  };

const collapse: Step = (bench, file) => {
  const offset = bench.random(40) * PAGE;
  const length = (1 + bench.random(40)) * PAGE;
  const fine = offset + length < file.bytes.length;
  expect(bench.fallocate(file, FALLOC.collapse, offset, length)).toBe(fine ? 0 : -ERRNO.EINVAL);
  if (!fine) return;
  file.bytes.copyWithin(offset, offset + length);
  file.bytes = file.bytes.slice(0, file.bytes.length - length);
};

const insert: Step = (bench, file) => {
  const offset = bench.random(100) * PAGE;
  const length = (1 + bench.random(40)) * PAGE;
  const size = file.bytes.length;
  const fine = offset < size && size + length < 2 * SPACE;
  if (!fine) return;
  expect(bench.fallocate(file, FALLOC.insert, offset, length)).toBe(0);
  bench.grow(file, size + length);
  file.bytes.copyWithin(offset + length, offset, size);
  file.bytes.fill(0, offset, offset + length);
};

const copy: Step = (bench, file, other) => {
  const source = bench.random(3) === 0 ? file : other;
  const off_in = bench.offset(SPACE);
  const off_out = bench.offset(SPACE);
  const len = 1 + bench.offset(200_000);
  const length = Math.max(0, Math.min(len, source.bytes.length - off_in));
  const overlaps = source === file && length > 0 && Math.abs(off_in - off_out) < length;
  const fields = { off_in, off_out, len, nodeid_out: file.nodeid };
  const result = bench.caller.result("COPY_FILE_RANGE", { nodeid: source.nodeid, fields });
  expect(result).toBe(overlaps ? -ERRNO.EINVAL : length);
  if (result <= 0) return;
  const data = source.bytes.slice(off_in, off_in + length);
  bench.grow(file, off_out + length);
  file.bytes.set(data, off_out);
};

const STEPS: readonly Step[] = [
  write,
  write,
  truncate,
  range(FALLOC.grow),
  range(FALLOC.keep),
  range(FALLOC.punch),
  range(FALLOC.zero),
  range(FALLOC.zeroKeep),
  collapse,
  insert,
  copy,
  copy,
];

function compare(bench: Bench, file: File, what: string): void {
  const { caller } = bench;
  expect([what, caller.attr(file.nodeid).size]).toEqual([what, file.bytes.length]);
  const data = caller.read(file.nodeid, 0, 2 * SPACE);
  if (Buffer.compare(data, file.bytes) === 0) return;
  const at = file.bytes.findIndex((byte, index) => data[index] !== byte);
  throw new Error(`${what}: byte ${at} is ${data[at]}, expected ${file.bytes[at]}`);
}

// Holes that SEEK_HOLE shows are zeros, and data and holes take turns to the end.
function checkHoles(bench: Bench, file: File, what: string): void {
  const size = file.bytes.length;
  const seek = (offset: number, whence: number) =>
    bench.caller.result("LSEEK", { nodeid: file.nodeid, fields: { offset, whence } });
  let position = 0;
  while (position < size) {
    const found = seek(position, 3);
    const data = found === -ERRNO.ENXIO ? size : found;
    expect([what, file.bytes.subarray(position, data).every((byte) => byte === 0)]).toEqual([what, true]);
    if (data === size) break;
    const hole = seek(data, 4);
    expect(hole).toBeGreaterThan(data);
    position = hole;
  }
}

describe("memory: file data", () => {
  it.each([1, 2, 3, 4])("random operations agree with an array of bytes, seed %i", (seed) => {
    const bench = new Bench(seed);
    for (let round = 0; round < 250; round++) {
      const which = bench.random(2);
      const file = bench.files[which] as File;
      const index = bench.random(STEPS.length);
      (STEPS[index] as Step)(bench, file, bench.files[1 - which] as File);
      const what = `seed ${seed}, round ${round}, step ${index}`;
      compare(bench, file, what);
      checkHoles(bench, file, what);
      const blocks = bench.files.reduce((sum, { nodeid }) => sum + bench.caller.attr(nodeid).blocks, 0);
      expect([what, bench.filesystem.usage().bytes]).toEqual([what, blocks * 512]);
    }
    for (const { nodeid } of bench.files) {
      expect(bench.caller.result("SETATTR", { nodeid, fields: { valid: 8, size: 0 } })).toBe(0);
    }
    expect(bench.filesystem.usage().bytes).toBe(0);
  });

  it("a hole of terabytes costs nothing, and reads as zeros", () => {
    const filesystem = new MemoryFilesystem();
    const caller = new Caller(filesystem);
    const nodeid = caller.create(1, "f");
    expect(caller.write(nodeid, 2 ** 50, Buffer.from("end"))).toBe(3);
    expect(caller.attr(nodeid).blocks).toBe(8);
    expect(caller.read(nodeid, 2 ** 49, 5000).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.from(caller.read(nodeid, 2 ** 50 - 1, 10)).toString()).toBe("\0end");
    const seek = (whence: number) => caller.result("LSEEK", { nodeid, fields: { offset: 0, whence } });
    expect([seek(3), seek(4)]).toEqual([2 ** 50, 0]);
  });

  it("memory that one file gave up shows nothing of it in another", () => {
    const { caller, files } = new Bench(1);
    const [a, b] = files as [File, File];
    const chunk = 32 * PAGE;
    caller.write(a.nodeid, 0, new Uint8Array(4 * chunk).fill(7));
    expect(caller.result("SETATTR", { nodeid: a.nodeid, fields: { valid: 8, size: 0 } })).toBe(0);
    for (let index = 1; index <= 4; index++) caller.write(b.nodeid, index * chunk - 1, new Uint8Array(1));
    expect(caller.read(b.nodeid, 0, 4 * chunk).findIndex((byte) => byte !== 0)).toBe(-1);
  });

  it("fallocate: unknown modes, empty ranges and unaligned shifts are refused and change nothing", () => {
    const bench = new Bench(1);
    const [file] = bench.files as [File];
    bench.caller.write(file.nodeid, 0, new Uint8Array(5 * PAGE).fill(7));
    const before = bench.caller.read(file.nodeid, 0, SPACE);
    expect(bench.fallocate(file, 2, 0, PAGE)).toBe(-ERRNO.EOPNOTSUPP);
    expect(bench.fallocate(file, 0x40, 0, PAGE)).toBe(-ERRNO.EOPNOTSUPP);
    expect(bench.fallocate(file, 0, 0, 0)).toBe(-ERRNO.EINVAL);
    for (const mode of [FALLOC.collapse, FALLOC.insert]) {
      expect(bench.fallocate(file, mode, 1, PAGE)).toBe(-ERRNO.EINVAL);
      expect(bench.fallocate(file, mode, 0, 1)).toBe(-ERRNO.EINVAL);
      expect(bench.fallocate(file, mode, 5 * PAGE, PAGE)).toBe(-ERRNO.EINVAL);
    }
    expect(bench.fallocate(file, 0, 2 ** 52, 1)).toBe(-ERRNO.EFBIG);
    expect(Buffer.compare(bench.caller.read(file.nodeid, 0, SPACE), before)).toBe(0);
  });
});
