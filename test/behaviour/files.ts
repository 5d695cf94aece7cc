// Behaviour of open, read, write and truncate on one file.
import { expect } from "vitest";
import { area, type Target } from "./target.ts";

/** Registers the tests of one file's data. */
export function files(target: Target): void {
  const it = area(target, "files");
  opening(it);
  data(it);
  appending(it);
  sizes(it);
}

type It = ReturnType<typeof area>;

function opening(it: It): void {
  it("open: ENOENT when the file is missing, and O_CREAT makes it empty", async ({ p, path }) => {
    expect(await p.outcome("open", path("a"), "O_RDWR")).toBe("ENOENT");
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT", 0o640);
    expect(await p.fstat(fd)).toMatchObject({ size: 0n, nlink: 1, permissions: 0o640, mode: 0o100640 });
    expect(await p.outcome("close", fd)).toBe("ok");
    expect(await p.outcome("close", fd)).toBe("EBADF");
  });

  it("open: O_EXCL is EEXIST for a file, a directory and a dangling symlink", async ({ p, path, file, folder }) => {
    await file("a");
    await folder("d");
    for (const name of ["a", "d"]) {
      expect(await p.outcome("open", path(name), "O_RDWR|O_CREAT|O_EXCL", 0o644)).toBe("EEXIST");
    }
    if ((await p.outcome("symlink", "nowhere", path("l"))) === "ok") {
      expect(await p.outcome("open", path("l"), "O_RDWR|O_CREAT|O_EXCL", 0o644)).toBe("EEXIST");
      expect(await p.outcome("open", path("l"), "O_RDWR|O_CREAT", 0o644)).toBe("ok");
      expect((await p.lstat(path("nowhere"))).size).toBe(0n);
    }
  });

  it("open: O_CREAT leaves an existing file's data and mode alone", async ({ p, path, file, content }) => {
    await file("a", "kept", 0o600);
    await p.open(path("a"), "O_RDWR|O_CREAT", 0o777);
    expect(await content("a")).toBe("kept");
    expect((await p.stat(path("a"))).permissions).toBe(0o600);
  });

  it("open: O_TRUNC empties the file, with the same inode", async ({ p, path, file }) => {
    await file("a", "gone");
    const before = await p.stat(path("a"));
    const fd = await p.open(path("a"), "O_WRONLY|O_TRUNC");
    expect(await p.fstat(fd)).toMatchObject({ size: 0n, ino: before.ino });
  });

  it("open: O_CREAT with a read-only mode still lets its maker write", async ({ p, path, content }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT|O_EXCL", 0o444);
    expect(await p.number("write", fd, "first")).toBe(5);
    expect(await content("a")).toBe("first");
  });

  it("open: directory flags and kinds give ENOTDIR, EISDIR and ELOOP", async ({ p, path, file, folder, features }) => {
    await file("a");
    await folder("d");
    expect(await p.outcome("open", path("a"), "O_RDONLY|O_DIRECTORY")).toBe("ENOTDIR");
    expect(await p.outcome("open", path("d"), "O_RDONLY|O_DIRECTORY")).toBe("ok");
    expect(await p.outcome("open", path("d"), "O_WRONLY")).toBe("EISDIR");
    expect(await p.outcome("open", path("d"), "O_RDWR")).toBe("EISDIR");
    expect(await p.outcome("open", path("d"), "O_RDONLY|O_CREAT", 0o644)).toBe("EISDIR");
    expect(await p.outcome("read", await p.open(path("d")), 10)).toBe("EISDIR");
    if (features.symlinks !== true) return;
    await p.call("symlink", "a", path("l"));
    expect(await p.outcome("open", path("l"), "O_RDONLY|O_NOFOLLOW")).toBe("ELOOP");
    expect(await p.outcome("open", path("l"), "O_RDONLY|O_DIRECTORY")).toBe("ENOTDIR");
    expect((await p.fstat(await p.open(path("l"), "O_PATH|O_NOFOLLOW"))).mode & 0o170000).toBe(0o120000);
  });

  it("descriptor: a mode that was not asked for is EBADF", async ({ p, path, file }) => {
    await file("a", "text");
    const reader = await p.open(path("a"), "O_RDONLY");
    const writer = await p.open(path("a"), "O_WRONLY");
    expect(await p.outcome("write", reader, "x")).toBe("EBADF");
    expect(await p.outcome("read", writer, 1)).toBe("EBADF");
    expect(await p.outcome("ftruncate", reader, 0)).toBe("EINVAL");
    expect(await p.outcome("read", 999, 1)).toBe("EBADF");
    const handle = await p.open(path("a"), "O_PATH");
    expect(await p.outcome("read", handle, 1)).toBe("EBADF");
    expect((await p.fstat(handle)).size).toBe(4n);
  });
}

function data(it: It): void {
  it("read: follows the position, ends short, and is empty at the end", async ({ p, path, file }) => {
    await file("a", "0123456789");
    const fd = await p.open(path("a"));
    expect(await p.text("read", fd, 4)).toBe("0123");
    expect(await p.text("read", fd, 100)).toBe("456789");
    expect(await p.text("read", fd, 100)).toBe("");
    expect(await p.text("pread", fd, 8, 100)).toBe("89");
    expect(await p.text("pread", fd, 10, 1)).toBe("");
    expect(await p.text("pread", fd, 1_000_000, 1)).toBe("");
    expect(await p.outcome("pread", fd, -1, 1)).toBe("EINVAL");
    expect(await p.outcome("pwrite", fd, -1, "x")).toMatch(/^(EINVAL|EBADF)$/);
  });

  it("write: at offsets, over and between, with the position left alone by pwrite", async ({ p, path, content }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    await p.call("write", fd, "abcdef");
    await p.call("pwrite", fd, 2, "XY");
    await p.call("write", fd, "gh");
    expect(await content("a")).toBe("abXYefgh");
    expect(await p.number("lseek", fd, 0, "SEEK_CUR")).toBe(8);
    expect(await p.number("lseek", fd, -3, "SEEK_END")).toBe(5);
    expect(await p.text("read", fd, 2)).toBe("fg");
  });

  it("write: bytes of every value come back, from every alignment", async ({ p, path }) => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    for (const offset of [0, 4000, 8191, 131_071]) {
      await p.call("pwrite", fd, offset, all);
      expect(await p.bytes("pread", fd, offset, 256)).toEqual(Buffer.from(all));
    }
    expect((await p.fstat(fd)).size).toBe(131_327n);
  });

  it("write: beyond the end leaves a hole that reads as zero", async ({ p, path }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    await p.call("pwrite", fd, 0, "head");
    await p.call("pwrite", fd, 100_000, "tail");
    expect((await p.fstat(fd)).size).toBe(100_004n);
    const hole = await p.bytes("pread", fd, 4, 99_996);
    expect(hole.length).toBe(99_996);
    expect(hole.every((byte) => byte === 0)).toBe(true);
    expect(await p.text("pread", fd, 100_000, 10)).toBe("tail");
  });

  it("write: of nothing changes nothing", async ({ p, path }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    expect(await p.number("pwrite", fd, 5000, "")).toBe(0);
    expect((await p.fstat(fd)).size).toBe(0n);
  });

  it("write: one process's data is what another reads at once", async ({ p, path, probe }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    const other = await probe();
    const seen = await other.open(path("a"));
    for (let i = 0; i < 20; i++) {
      await p.call("pwrite", fd, i * 1000, `line ${i}`);
      expect(await other.text("pread", seen, i * 1000, 100)).toBe(`line ${i}`);
      expect((await other.fstat(seen)).size).toBe(BigInt(i * 1000 + `line ${i}`.length));
    }
  });

  it("write: a megabyte in one call, and O_SYNC, O_DSYNC and fsync", async ({ p, path }) => {
    for (const flag of ["O_RDWR", "O_RDWR|O_SYNC", "O_RDWR|O_DSYNC"]) {
      const fd = await p.open(path("a"), `${flag}|O_CREAT|O_TRUNC`);
      expect(await p.number("fill", fd, 0, 1 << 20, 0x61)).toBe(1 << 20);
      expect(await p.outcome("fsync", fd)).toBe("ok");
      expect(await p.outcome("fdatasync", fd)).toBe("ok");
      expect((await p.bytes("pread", fd, 0, 1 << 20)).equals(Buffer.alloc(1 << 20, "a"))).toBe(true);
    }
  });

  it("O_DIRECT: is refused at open, or reads and writes what cached descriptors see", async ({ p, path }) => {
    const cached = await p.open(path("a"), "O_RDWR|O_CREAT");
    await p.call("fill", cached, 0, 16_384, 0x61);
    const outcome = await p.outcome("open", path("a"), "O_RDWR|O_DIRECT");
    expect(["ok", "EINVAL"]).toContain(outcome);
    if (outcome !== "ok") return;
    const direct = await p.open(path("a"), "O_RDWR|O_DIRECT");
    expect(await p.bytes("pread", direct, 4096, 4096)).toEqual(Buffer.alloc(4096, "a"));
    await p.call("fill", direct, 8192, 4096, 0x62);
    expect(await p.text("pread", cached, 8190, 4)).toBe("aabb");
    await p.call("pwrite", cached, 8192, "cached");
    expect((await p.bytes("pread", direct, 8192, 4096)).subarray(0, 7).toString()).toBe("cachedb");
    await p.call("fill", direct, 16_384, 4096, 0x64);
    expect((await p.fstat(cached)).size).toBe(20_480n);
    expect((await p.bytes("pread", direct, 16_384, 8192)).length).toBe(4096);
  });

  it("O_DIRECT: once fcntl has taken it away, what is not aligned works", async ({ p, path, content }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    await p.call("fill", fd, 0, 8192, 0x61);
    if ((await p.outcome("open", path("a"), "O_RDWR|O_DIRECT")) !== "ok") return;
    const direct = await p.open(path("a"), "O_RDWR|O_DIRECT");
    await p.call("fill", direct, 4096, 4096, 0x62);
    await p.call("setfl", direct, 0);
    expect(await p.number("pwrite", direct, 4095, "XYZ")).toBe(3);
    expect(await p.text("pread", direct, 4094, 6)).toBe("aXYZbb");
    expect((await content("a")).slice(4093, 4100)).toBe("aaXYZbb");
  });

  it("descriptor: read-only, write-only, appending and truncating ones of one file agree", async (bench) => {
    const { p, path } = bench;
    const q = await bench.probe();
    const write = await p.open(path("a"), "O_WRONLY|O_CREAT");
    const [read, both] = [await p.open(path("a")), await q.open(path("a"), "O_RDWR")];
    await p.call("pwrite", write, 0, "first");
    expect([await p.text("pread", read, 0, 9), await q.text("pread", both, 0, 9)]).toEqual(["first", "first"]);
    const append = await q.open(path("a"), "O_WRONLY|O_APPEND");
    await q.call("write", append, "+more");
    expect((await p.fstat(read)).size).toBe(10n);
    const cut = await p.open(path("a"), "O_RDWR|O_TRUNC");
    expect([(await q.fstat(both)).size, await p.text("pread", read, 0, 9)]).toEqual([0n, ""]);
    await q.call("write", append, "again");
    await q.call("pwrite", both, 0, "A");
    expect([await p.text("pread", cut, 0, 9), await p.text("pread", read, 0, 9)]).toEqual(["Again", "Again"]);
  });

  it("splice: what comes through a pipe is what was written last", async ({ p, path }) => {
    const append = await p.open(path("a"), "O_WRONLY|O_CREAT|O_APPEND");
    const [fd, read] = [await p.open(path("a"), "O_RDWR"), await p.open(path("a"))];
    await p.call("write", append, "one two three");
    for (const each of [fd, read]) expect(await p.text("splice", each, 4, 3)).toBe("two");
    await p.call("pwrite", fd, 4, "TWO");
    await p.call("write", append, " four");
    for (const each of [fd, read]) expect(await p.text("splice", each, 4, 20)).toBe("TWO three four");
    expect(await p.text("splice", read, 18, 9)).toBe("");
  });

  it("descriptor: dup shares the position, a second open does not", async ({ p, path, file }) => {
    await file("a", "0123456789");
    const fd = await p.open(path("a"));
    const twin = await p.number("dup", fd);
    const other = await p.open(path("a"));
    await p.call("read", fd, 3);
    expect(await p.text("read", twin, 1)).toBe("3");
    expect(await p.text("read", other, 1)).toBe("0");
    await p.call("close", fd);
    expect(await p.text("read", twin, 1)).toBe("4");
  });
}

function appending(it: It): void {
  it("append: O_APPEND writes at the end, wherever the position is, also with pwrite", async ({ p, path, content }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT|O_APPEND");
    await p.call("write", fd, "one");
    await p.call("lseek", fd, 0, "SEEK_SET");
    await p.call("write", fd, "two");
    await p.call("pwrite", fd, 0, "three");
    expect(await content("a")).toBe("onetwothree");
  });

  it("append: two descriptors see each other's end", async ({ p, path, probe, content }) => {
    const other = await probe();
    const a = await p.open(path("a"), "O_WRONLY|O_CREAT|O_APPEND");
    const b = await other.open(path("a"), "O_WRONLY|O_APPEND");
    for (let i = 0; i < 10; i++) {
      await p.call("write", a, "a");
      await other.call("write", b, "b");
    }
    expect(await content("a")).toBe("ab".repeat(10));
  });

  it("append: fcntl gives and takes O_APPEND, and each write goes by what is in force", async ({
    p,
    path,
    content,
  }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT|O_APPEND");
    await p.call("write", fd, "0123456789");
    await p.call("setfl", fd, 0);
    await p.call("pwrite", fd, 2, "ab");
    expect(await content("a")).toBe("01ab456789");
    await p.call("setfl", fd, "O_APPEND");
    await p.call("pwrite", fd, 0, "end");
    expect(await content("a")).toBe("01ab456789end");
    const plain = await p.open(path("a"), "O_RDWR");
    await p.call("pwrite", plain, 4, "cd");
    await p.call("setfl", plain, "O_APPEND");
    await p.call("write", plain, "!");
    expect(await content("a")).toBe("01abcd6789end!");
  });

  it("append: after a truncate the next record starts at the new end", async ({ p, path, content }) => {
    const fd = await p.open(path("a"), "O_WRONLY|O_CREAT|O_APPEND");
    await p.call("write", fd, "0123456789");
    await p.call("truncate", path("a"), 2);
    await p.call("write", fd, "x");
    expect(await content("a")).toBe("01x");
  });
}

function sizes(it: It): void {
  it("truncate: down drops data for good, up adds zeros", async ({ p, path, file, content }) => {
    await file("a", "0123456789");
    const fd = await p.open(path("a"), "O_RDWR");
    await p.call("ftruncate", fd, 4);
    expect(await content("a")).toBe("0123");
    await p.call("ftruncate", fd, 8);
    expect(await content("a")).toBe("0123\0\0\0\0");
    await p.call("truncate", path("a"), 9000);
    expect((await p.bytes("pread", fd, 4, 9000)).equals(Buffer.alloc(8996))).toBe(true);
    await p.call("truncate", path("a"), 0);
    expect((await p.fstat(fd)).size).toBe(0n);
  });

  it("truncate: inside a page never shows old bytes after growing", async ({ p, path }) => {
    const fd = await p.open(path("a"), "O_RDWR|O_CREAT");
    for (const size of [1, 100, 4095, 4096, 4097, 70_001]) {
      await p.call("fill", fd, 0, 140_000, 0x5a);
      await p.call("ftruncate", fd, size);
      await p.call("ftruncate", fd, 140_000);
      const after = await p.bytes("pread", fd, size, 140_000);
      expect([size, after.length, after.every((byte) => byte === 0)]).toEqual([size, 140_000 - size, true]);
    }
  });

  it("truncate: EINVAL for a negative size, EISDIR, ENOENT, ENOTDIR", async ({ p, path, file, folder }) => {
    await file("a");
    await folder("d");
    expect(await p.outcome("truncate", path("a"), -1)).toBe("EINVAL");
    expect(await p.outcome("ftruncate", await p.open(path("a"), "O_RDWR"), -1)).toBe("EINVAL");
    expect(await p.outcome("truncate", path("d"), 0)).toBe("EISDIR");
    expect(await p.outcome("truncate", path("none"), 0)).toBe("ENOENT");
    expect(await p.outcome("truncate", path("a", "b"), 0)).toBe("ENOTDIR");
  });
}
