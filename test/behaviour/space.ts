// Behaviour of allocated space: fallocate, holes, copy_file_range, sparse files, statfs and a full filesystem.
import { expect } from "vitest";
import type { Probe } from "./probe.ts";
import { area, type Bench, type FallocateMode, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

const KIB = 1024;
const MIB = 1024 * KIB;

const MODES: Record<FallocateMode, string> = {
  allocate: "0",
  "keep-size": "FALLOC_FL_KEEP_SIZE",
  "punch-hole": "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE",
  "zero-range": "FALLOC_FL_ZERO_RANGE",
  "collapse-range": "FALLOC_FL_COLLAPSE_RANGE",
  "insert-range": "FALLOC_FL_INSERT_RANGE",
};

/** Registers the tests of space. */
export function space(target: Target): void {
  const it = area(target, "space");
  for (const mode of Object.keys(MODES) as FallocateMode[]) {
    if (target.features.fallocate.includes(mode)) WORKS[mode](it);
    else {
      it(`fallocate: ${mode} is EOPNOTSUPP and changes nothing`, async (bench) => {
        const fd = await striped(bench);
        expect(await bench.p.outcome("fallocate", fd, MODES[mode], 4 * KIB, 4 * KIB)).toBe("EOPNOTSUPP");
        expect(await stripes(bench.p, fd)).toBe("abcd");
      });
    }
  }
  refusals(it);
  holes(it);
  copying(it);
  capacity(it);
}

/** A file of four pages: a, b, c and d. */
async function striped({ p, path }: Bench, name = "f"): Promise<number> {
  const fd = await p.open(path(name), "O_RDWR|O_CREAT");
  for (let i = 0; i < 4; i++) await p.call("fill", fd, i * 4 * KIB, 4 * KIB, 0x61 + i);
  return fd;
}

/** One letter per page, "0" for a page of zeros and "?" for a page that is mixed. */
async function stripes(p: Probe, fd: number): Promise<string> {
  const data = await p.bytes("pread", fd, 0, MIB);
  let text = "";
  for (let at = 0; at < data.length; at += 4 * KIB) {
    const page = data.subarray(at, at + 4 * KIB);
    const first = page[0] ?? 0;
    const letter = first === 0 ? "0" : String.fromCharCode(first);
    text += page.every((byte) => byte === first) ? letter : "?";
  }
  return text;
}

const WORKS: Record<FallocateMode, (it: It) => void> = {
  allocate: (it) =>
    it("fallocate: grows the file with zeros, never over data, never shrinking", async (bench) => {
      const { p, features } = bench;
      const fd = await striped(bench);
      await p.call("fallocate", fd, 0, 8 * KIB, 16 * KIB);
      expect(await stripes(p, fd)).toBe("abcd00");
      await p.call("fallocate", fd, 0, 0, 1);
      expect((await p.fstat(fd)).size).toBe(BigInt(24 * KIB));
      if (features.sparse) expect((await p.fstat(fd)).blocks * 512n).toBeGreaterThanOrEqual(BigInt(24 * KIB));
    }),
  "keep-size": (it) =>
    it("fallocate: KEEP_SIZE leaves the size, and a later write fits", async (bench) => {
      const { p, features } = bench;
      const fd = await striped(bench);
      await p.call("fallocate", fd, "FALLOC_FL_KEEP_SIZE", 0, 64 * KIB);
      expect((await p.fstat(fd)).size).toBe(BigInt(16 * KIB));
      if (features.sparse) expect((await p.fstat(fd)).blocks * 512n).toBeGreaterThanOrEqual(BigInt(64 * KIB));
      await p.call("pwrite", fd, 20 * KIB, "x");
      expect((await p.bytes("pread", fd, 16 * KIB, 4 * KIB)).every((byte) => byte === 0)).toBe(true);
    }),
  "punch-hole": (it) => {
    it("fallocate: PUNCH_HOLE makes zeros, keeps the size, gives space back", async (bench) => {
      const { p, features } = bench;
      const fd = await striped(bench);
      const before = await p.fstat(fd);
      await p.call("fallocate", fd, MODES["punch-hole"], 4 * KIB, 8 * KIB);
      expect(await stripes(p, fd)).toBe("a00d");
      if (features.sparse) expect((await p.fstat(fd)).blocks).toBeLessThan(before.blocks);
      await p.call("fallocate", fd, MODES["punch-hole"], 12 * KIB, MIB);
      expect(await stripes(p, fd)).toBe("a000");
    });
    it("fallocate: PUNCH_HOLE inside pages zeroes to the byte", async (bench) => {
      const fd = await striped(bench);
      await bench.p.call("fallocate", fd, MODES["punch-hole"], 4000, 200);
      const data = await bench.p.text("pread", fd, 3999, 202);
      expect(data).toBe(`a${"\0".repeat(200)}b`);
    });
  },
  "zero-range": (it) =>
    it("fallocate: ZERO_RANGE makes zeros and grows, with KEEP_SIZE it does not grow", async (bench) => {
      const { p } = bench;
      const fd = await striped(bench);
      await p.call("fallocate", fd, "FALLOC_FL_ZERO_RANGE|FALLOC_FL_KEEP_SIZE", 12 * KIB, 8 * KIB);
      expect(await stripes(p, fd)).toBe("abc0");
      await p.call("fallocate", fd, "FALLOC_FL_ZERO_RANGE", 8 * KIB, 12 * KIB);
      expect(await stripes(p, fd)).toBe("ab000");
    }),
  "collapse-range": (it) =>
    it("fallocate: COLLAPSE_RANGE takes pages out; at the end it is EINVAL", async (bench) => {
      const fd = await striped(bench);
      await bench.p.call("fallocate", fd, MODES["collapse-range"], 4 * KIB, 8 * KIB);
      expect(await stripes(bench.p, fd)).toBe("ad");
      expect(await bench.p.outcome("fallocate", fd, MODES["collapse-range"], 4 * KIB, 4 * KIB)).toBe("EINVAL");
      expect(await bench.p.outcome("fallocate", fd, MODES["collapse-range"], 1, 4 * KIB)).toBe("EINVAL");
    }),
  "insert-range": (it) =>
    it("fallocate: INSERT_RANGE puts zeros between; at the end it is EINVAL", async (bench) => {
      const fd = await striped(bench);
      await bench.p.call("fallocate", fd, MODES["insert-range"], 4 * KIB, 8 * KIB);
      expect(await stripes(bench.p, fd)).toBe("a00bcd");
      expect(await bench.p.outcome("fallocate", fd, MODES["insert-range"], 24 * KIB, 4 * KIB)).toBe("EINVAL");
    }),
};

function refusals(it: It): void {
  it("fallocate: EINVAL for ranges that are none, EBADF without write, EOPNOTSUPP for unknown modes", async (bench) => {
    const { p, path } = bench;
    const fd = await striped(bench);
    for (const [offset, length] of [
      [0, 0],
      [-1, 10],
      [0, -1],
    ] as const) {
      expect(await p.outcome("fallocate", fd, 0, offset, length)).toBe("EINVAL");
    }
    expect(await p.outcome("fallocate", await p.open(path("f")), 0, 0, 10)).toBe("EBADF");
    expect(await p.outcome("fallocate", fd, "FALLOC_FL_PUNCH_HOLE", 0, 4096)).toBe("EOPNOTSUPP");
    expect(await p.outcome("fallocate", fd, 0x4000_0000, 0, 4096)).toBe("EOPNOTSUPP");
    expect(await p.outcome("fallocate", fd, 0, "INT64_MAX", 1)).toBe("EFBIG");
    expect(await stripes(p, fd)).toBe("abcd");
  });
}

function holes(it: It): void {
  it("SEEK_HOLE and SEEK_DATA: find the holes, or one extent of data and a hole at its end", async (bench) => {
    const { p, path, features } = bench;
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    await p.call("fill", fd, MIB, 64 * KIB, 0x61);
    await p.call("ftruncate", fd, 3 * MIB);
    const seek = (offset: number, whence: string) => p.number("lseek", fd, offset, whence);
    const [start, end] = [await seek(0, "SEEK_DATA"), await seek(MIB, "SEEK_HOLE")];
    expect([start, end]).toEqual(features.holes ? [MIB, MIB + 64 * KIB] : [0, 3 * MIB]);
    expect(await seek(0, "SEEK_HOLE")).toBe(features.holes ? 0 : 3 * MIB);
    expect(await seek(MIB + 100, "SEEK_DATA")).toBe(MIB + 100);
    expect(await p.outcome("lseek", fd, 2 * MIB, "SEEK_DATA")).toBe(features.holes ? "ENXIO" : "ok");
    for (const whence of ["SEEK_DATA", "SEEK_HOLE"]) {
      expect(await p.outcome("lseek", fd, 3 * MIB, whence)).toBe("ENXIO");
      expect(await p.outcome("lseek", fd, -1, whence)).toMatch(/^(ENXIO|EINVAL)$/);
    }
    expect(await p.outcome("lseek", fd, 0, 99)).toBe("EINVAL");
  });

  it("sparse: a hole takes no blocks, truncation gives blocks back", async ({ p, path, features }) => {
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    await p.call("pwrite", fd, 64 * MIB, "end");
    await p.call("fsync", fd);
    const used = async () => (await p.fstat(fd)).blocks * 512n;
    if (features.sparse) expect(await used()).toBeLessThan(BigInt(MIB));
    await p.call("fill", fd, 0, MIB, 1);
    await p.call("fsync", fd);
    if (features.sparse) expect(await used()).toBeGreaterThanOrEqual(BigInt(MIB));
    await p.call("ftruncate", fd, 0);
    expect(await used()).toBeLessThan(BigInt(64 * KIB));
  });
}

/** Copies as the manual says: again after a short count, until nothing more comes. */
async function copy(p: Probe, from: number, at: number, to: number, offset: number, length: number): Promise<number> {
  let done = 0;
  while (done < length) {
    const n = await p.number("copy_file_range", from, at + done, to, offset + done, length - done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

function copying(it: It): void {
  it("copy_file_range: between and within files, over a source that ends early", async (bench) => {
    const { p, path, features } = bench;
    const from = await striped(bench);
    const to = await p.open(path("g"), "O_RDWR|O_CREAT");
    if (features.copyFileRange !== true) {
      expect(await p.outcome("copy_file_range", from, 0, to, 0, 10)).toBe(features.copyFileRange);
      return;
    }
    expect(await copy(p, from, 4 * KIB, to, 0, 8 * KIB)).toBe(8 * KIB);
    expect(await stripes(p, to)).toBe("bc");
    expect(await copy(p, from, 12 * KIB, to, 16 * KIB, MIB)).toBe(4 * KIB);
    expect(await stripes(p, to)).toBe("bc00d");
    expect(await copy(p, to, 0, to, 20 * KIB, 4 * KIB)).toBe(4 * KIB);
    expect(await stripes(p, to)).toBe("bc00db");
    expect(await p.number("copy_file_range", from, 16 * KIB, to, 0, 10)).toBe(0);
    expect(await copy(p, from, 1, to, 3, 5)).toBe(5);
    expect(await p.text("pread", to, 2, 7)).toBe("baaaaab");
  });

  it("copy_file_range: moves file positions when it is given none", async (bench) => {
    const { p, path, features } = bench;
    if (features.copyFileRange !== true) return;
    const from = await striped(bench);
    const to = await p.open(path("g"), "O_RDWR|O_CREAT");
    await p.call("lseek", from, 4090, "SEEK_SET");
    let done = 0;
    while (done < 12) done += await p.number("copy_file_range", from, "-", to, "-", 12 - done);
    expect(await p.text("pread", to, 0, 100)).toBe("aaaaaabbbbbb");
    expect([await p.number("lseek", from, 0, "SEEK_CUR"), await p.number("lseek", to, 0, "SEEK_CUR")]).toEqual([
      4102, 12,
    ]);
  });

  it("copy_file_range: refuses overlap, append, wrong modes and directories", async (bench) => {
    const { p, path, dir, features } = bench;
    if (features.copyFileRange !== true) return;
    const fd = await striped(bench);
    const outcome = (from: number, at: number, to: number, offset: number) =>
      p.outcome("copy_file_range", from, at, to, offset, 100);
    expect(await outcome(fd, 0, fd, 50)).toBe("EINVAL");
    expect(await outcome(fd, 0, await p.open(path("g"), "O_WRONLY|O_CREAT|O_APPEND"), 0)).toBe("EBADF");
    expect(await outcome(fd, 0, await p.open(path("f")), 8000)).toBe("EBADF");
    expect(await outcome(await p.open(path("f"), "O_WRONLY"), 0, fd, 8000)).toBe("EBADF");
    expect(await outcome(await p.open(dir), 0, fd, 0)).toBe("EISDIR");
  });
}

function capacity(it: It): void {
  it("statfs: counts are in order and names of 255 bytes fit", async ({ p, dir }) => {
    const text = (await p.call("statfs", dir)).split(" ").map((pair) => pair.split("="));
    const {
      bsize = 0,
      blocks = 0,
      bfree = 0,
      bavail = 0,
      namelen = 0,
    }: Record<string, number> = Object.fromEntries(text.map(([name, value]) => [name, Number(value)]));
    expect(bsize).toBeGreaterThanOrEqual(512);
    expect(blocks).toBeGreaterThanOrEqual(bfree);
    expect(bfree).toBeGreaterThanOrEqual(bavail);
    expect(namelen).toBeGreaterThanOrEqual(255);
  });

  it("ENOSPC: a full filesystem says so, keeps what was written, and takes more after a removal", async (bench) => {
    const { p, path, features } = bench;
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    await p.call("fill", fd, 0, MIB, 0x61);
    expect(await p.outcome("fsync", fd)).toBe("ok");
    if (features.capacity === undefined) return;
    const more = await p.open(path("more"), "O_RDWR|O_CREAT");
    const outcomes = [await p.outcome("fill", more, 0, features.capacity, 0x62), await p.outcome("fsync", more)];
    expect(outcomes).toContain("ENOSPC");
    expect(await p.outcome("fallocate", fd, 0, MIB, features.capacity)).toMatch(/^(ENOSPC|EOPNOTSUPP)$/);
    expect((await p.bytes("pread", fd, 0, MIB)).equals(Buffer.alloc(MIB, "a"))).toBe(true);
    await p.call("close", more);
    await p.call("unlink", path("more"));
    expect(await p.number("fill", fd, MIB, MIB, 0x63)).toBe(MIB);
    expect(await p.outcome("fsync", fd)).toBe("ok");
  });
}
