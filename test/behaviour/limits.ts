// Behaviour at limits: sizes, offsets, descriptors, wide and deep directories.
import { expect } from "vitest";
import { area, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

const GIB = 2n ** 30n;

/** Registers the tests of limits. */
export function limits(target: Target): void {
  const it = area(target, "limits");
  sizes(it);
  counts(it);
}

function sizes(it: It): void {
  it("offsets: beyond 2, 4 and 1000 GiB data stays where it was written", async ({ p, path, features }) => {
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    const offsets = [2n * GIB - 3n, 4n * GIB - 3n, 1000n * GIB + 1n].filter((at) => at + 7n <= features.fileSizeMax);
    for (const at of offsets) await p.call("pwrite", fd, at, `at${at % 10n}1234`);
    for (const at of offsets) expect(await p.text("pread", fd, at, 7)).toBe(`at${at % 10n}1234`);
    const last = offsets.at(-1) ?? 0n;
    expect((await p.fstat(fd)).size).toBe(last + 7n);
    expect(await p.text("pread", fd, last - 5n, 7)).toBe(`\0\0\0\0\0at`);
    expect(BigInt(await p.call("lseek", fd, -7, "SEEK_END"))).toBe(last);
  });

  it("size: the largest is accepted, one more is EFBIG or EINVAL", async ({ p, path, features }) => {
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    await p.call("ftruncate", fd, features.fileSizeMax);
    expect((await p.fstat(fd)).size).toBe(features.fileSizeMax);
    const beyond = await p.outcome(
      "ftruncate",
      fd,
      features.fileSizeMax < 2n ** 63n - 1n ? features.fileSizeMax + 1n : -1,
    );
    const tooLarge = features.fileSizeBeyond ?? "EFBIG";
    expect(beyond).toBe(features.fileSizeMax < 2n ** 63n - 1n ? tooLarge : "EINVAL");
    const offset = features.fileSizeBeyond === undefined ? features.fileSizeMax : features.fileSizeMax + 1n;
    expect(await p.outcome("pwrite", fd, features.writeSizeMax ?? offset, "x")).toMatch(/^(EFBIG|EINVAL|EOVERFLOW)$/);
  });

  it("RLIMIT_FSIZE: a write is cut at the limit, then EFBIG", async ({ path, probe }) => {
    const p = await probe();
    await p.call("setrlimit", "RLIMIT_FSIZE", 8192);
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    expect(await p.number("pwrite", fd, 8190, "four")).toBe(2);
    expect(await p.outcome("pwrite", fd, 8192, "x")).toBe("EFBIG");
    expect(await p.outcome("ftruncate", fd, 8193)).toBe("EFBIG");
    expect(await p.outcome("fallocate", fd, 0, 0, 9000)).toMatch(/^(EFBIG|EOPNOTSUPP)$/);
    expect((await p.fstat(fd)).size).toBe(8192n);
  });
}

function counts(it: It): void {
  it("descriptors: a thousand open files in one process", async ({ p, path, probe }) => {
    const q = await probe();
    await q.call("setrlimit", "RLIMIT_NOFILE", 1024);
    const opened = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => q.open(path(`f${i % 100}`), "O_RDWR|O_CREAT|O_APPEND")),
    );
    expect(new Set(opened).size).toBe(1000);
    await Promise.all(opened.map((fd) => q.call("write", fd, "x")));
    for (const name of ["f0", "f99"]) expect((await p.stat(path(name))).size).toBe(10n);
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => q.outcome("open", path("f0"), "O_RDONLY")));
    expect(outcomes).toContain("EMFILE");
    expect(await p.outcome("open", path("f0"), "O_RDONLY")).toBe("ok");
  });

  it("readdir: two thousand names of 255 bytes", async ({ p, dir }) => {
    const prefix = "n".repeat(251);
    await p.call("create_files", dir, prefix, 1000, 2000);
    const lengths = (await p.list(dir)).map((entry) => entry.name.length).filter((length) => length > 2);
    expect(lengths).toEqual(Array.from({ length: 2000 }, () => 255));
  });

  it("directories: five hundred levels by relative steps, and back", async ({ p, dir }) => {
    await p.call("chdir", dir);
    for (let level = 0; level < 500; level++) {
      await p.call("mkdir", "deeper-and-deeper", 0o755);
      await p.call("chdir", "deeper-and-deeper");
    }
    await p.call("close", await p.open("leaf", "O_CREAT|O_WRONLY"));
    expect((await p.stat("leaf")).size).toBe(0n);
    await p.call("unlink", "leaf");
    for (let level = 0; level < 500; level++) {
      await p.call("chdir", "..");
      await p.call("rmdir", "deeper-and-deeper");
    }
    expect((await p.stat(".")).ino).toBe((await p.stat(dir)).ino);
  });

  it("inodes: two thousand files have two thousand numbers, which stay", async ({ p, path, dir }) => {
    await p.call("create_files", dir, "f", 0, 2000);
    const first = new Map((await p.list(dir)).map((entry) => [entry.name.toString(), entry.ino]));
    first.delete(".");
    first.delete("..");
    expect(new Set(first.values()).size).toBe(2000);
    for (const [name, ino] of [...first].filter((_, i) => i % 40 === 0)) {
      expect((await p.stat(path(name))).ino).toBe(ino);
    }
  });
}
