// Behaviour of mappings, and of programs started from the mount.
import { copyFile } from "node:fs/promises";
import { expect } from "vitest";
import { buildProbe } from "./probe.ts";
import { area, type Bench, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

const PAGE = 4096;

/** Registers the tests of mappings. */
export function mmap(target: Target): void {
  const it = area(target, "mmap");
  if (target.features.sharedMmap === true) {
    shared(it);
    truncated(it);
  } else {
    const errno = target.features.sharedMmap;
    it(`mmap: a shared writable mapping is ${errno}`, async (bench) => {
      const { p, fd } = await letters(bench);
      expect(await p.outcome("mmap", fd, 0, PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED")).toBe(errno);
    });
  }
  unshared(it);
  programs(it);
}

/** A file of three pages of a, b, c, open for reading and writing. */
async function letters({ p, path }: Bench): Promise<{ p: Bench["p"]; fd: number }> {
  const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
  for (let i = 0; i < 3; i++) await p.call("fill", fd, i * PAGE, PAGE, 0x61 + i);
  return { p, fd };
}

function shared(it: It): void {
  it("mmap: what is stored through a mapping is read from the file, and the other way", async (bench) => {
    const { p, fd } = await letters(bench);
    const at = await p.number("mmap", fd, 0, 3 * PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    expect(await p.text("peek", at + PAGE - 1, 2)).toBe("ab");
    await p.call("poke", at + PAGE - 2, "WXYZ");
    expect(await p.text("pread", fd, PAGE - 3, 6)).toBe("aWXYZb");
    await p.call("pwrite", fd, 2 * PAGE - 1, "12");
    expect(await p.text("peek", at + 2 * PAGE - 2, 4)).toBe("b12c");
    expect(await p.outcome("munmap", at, 3 * PAGE)).toBe("ok");
  });

  it("mmap: two processes share pages, and a reader of the file sees them", async (bench) => {
    const { p, fd } = await letters(bench);
    const q = await bench.probe();
    const other = await q.open(bench.path("f"), "O_RDWR");
    const [at, there] = [
      await p.number("mmap", fd, 0, PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED"),
      await q.number("mmap", other, 0, PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED"),
    ];
    for (let i = 0; i < 20; i++) {
      await p.call("poke", at + i * 10, `ping${i}`);
      expect(await q.text("peek", there + i * 10, `ping${i}`.length)).toBe(`ping${i}`);
      await q.call("poke", there + i * 10, "pong");
      expect(await p.text("pread", fd, i * 10, 4)).toBe("pong");
    }
  });

  it("mmap: msync makes it durable for a reader that opens later, and moves mtime", async (bench) => {
    const { p, fd } = await letters(bench);
    const before = await p.fstat(fd);
    await bench.tick(before);
    const at = await p.number("mmap", fd, 0, PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    await p.call("poke", at, "stored");
    expect(await p.outcome("msync", at, PAGE, "MS_SYNC")).toBe("ok");
    expect((await bench.content("f")).slice(0, 7)).toBe("storeda");
    expect((await p.fstat(fd)).mtime).toBeGreaterThan(before.mtime);
  });

  it("mmap: outlives close and unlink", async (bench) => {
    const { p, fd } = await letters(bench);
    const at = await p.number("mmap", fd, 0, PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    await p.call("close", fd);
    await p.call("poke", at, "closed");
    expect((await bench.content("f")).slice(0, 6)).toBe("closed");
    await p.call("unlink", bench.path("f"));
    await p.call("poke", at, "gone!!");
    expect(await p.text("peek", at, 7)).toBe("gone!!a");
    expect(await p.outcome("msync", at, PAGE, "MS_SYNC")).toBe("ok");
  });

  it("mmap: stores behind the end of the last page never reach the file", async (bench) => {
    const { p, path } = bench;
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    await p.call("write", fd, "short");
    const at = await p.number("mmap", fd, 0, PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    expect(await p.bytes("peek", at + 5, 10)).toEqual(Buffer.alloc(10));
    await p.call("poke", at + 5, "lost");
    await p.call("msync", at, PAGE, "MS_SYNC");
    expect(await bench.content("f")).toBe("short");
    // What those bytes are once the file grows over them is unspecified, and tmpfs shows the stores.
    expect((await p.fstat(fd)).size).toBe(5n);
  });
}

function truncated(it: It): void {
  it("mmap: pages cut off by truncate fault, and come back as zeros", async (bench) => {
    const { p, fd } = await letters(bench);
    const at = await p.number("mmap", fd, 0, 3 * PAGE, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    expect(await p.text("peek", at + 2 * PAGE, 1)).toBe("c");
    await p.call("ftruncate", fd, PAGE + 10);
    expect(await p.outcome("peek", at + 2 * PAGE, 1)).toBe("SIGBUS");
    expect(await p.text("peek", at + PAGE + 9, 2)).toBe("b\0");
    await p.call("ftruncate", fd, 3 * PAGE);
    expect(await p.bytes("peek", at + PAGE + 9, 2)).toEqual(Buffer.from("b\0"));
    expect(await p.bytes("peek", at + 2 * PAGE, PAGE)).toEqual(Buffer.alloc(PAGE));
    await p.call("poke", at + 2 * PAGE, "new");
    expect(await p.text("pread", fd, 2 * PAGE, 3)).toBe("new");
  });

  it("mmap: truncate by another process is seen in the mapping", async (bench) => {
    const { p, fd } = await letters(bench);
    const at = await p.number("mmap", fd, 0, 3 * PAGE, "PROT_READ", "MAP_SHARED");
    expect(await p.text("peek", at + PAGE, 1)).toBe("b");
    await (await bench.probe()).call("truncate", bench.path("f"), 0);
    expect(await p.outcome("peek", at, 1)).toBe("SIGBUS");
    expect((await p.fstat(fd)).size).toBe(0n);
  });
}

function unshared(it: It): void {
  it("mmap: a private mapping shows the file and keeps its stores to itself", async (bench) => {
    const { p, fd } = await letters(bench);
    const at = await p.number("mmap", fd, PAGE, PAGE, "PROT_READ|PROT_WRITE", "MAP_PRIVATE");
    expect(await p.text("peek", at, 2)).toBe("bb");
    await p.call("poke", at, "mine");
    expect(await p.text("peek", at, 5)).toBe("mineb");
    expect(await p.text("pread", fd, PAGE, 4)).toBe("bbbb");
  });

  it("mmap: refuses what the descriptor does not allow", async (bench) => {
    const { p, fd } = await letters(bench);
    const map = (from: number, offset: number, prot: string) =>
      p.outcome("mmap", from, offset, PAGE, prot, "MAP_SHARED");
    expect(await map(await p.open(bench.path("f")), 0, "PROT_WRITE")).toBe("EACCES");
    expect(await map(await p.open(bench.path("f"), "O_WRONLY"), 0, "PROT_READ")).toBe("EACCES");
    expect(await map(fd, 100, "PROT_READ")).toBe("EINVAL");
    expect(await map(await p.open(bench.dir), 0, "PROT_READ")).toBe("ENODEV");
    expect(await map(999, 0, "PROT_READ")).toBe("EBADF");
  });
}

function programs(it: It): void {
  it("execve: starts a program and a script from the mount, and says why not", async ({ p, path, file, features }) => {
    await copyFile(await buildProbe(), path("program"));
    await p.call("chmod", path("program"), 0o755);
    await file("script", "#!/bin/sh\nexit 7\n", 0o755);
    if (features.execute !== true) {
      expect(await p.outcome("execute", path("program"))).toBe(features.execute);
      return;
    }
    expect(await p.number("execute", path("program"))).toBe(0);
    expect(await p.number("execute", path("script"))).toBe(7);
    await file("plain", "#!/bin/sh\nexit 7\n", 0o644);
    await file("junk", "no program", 0o755);
    expect(await p.outcome("execute", path("plain"))).toBe("EACCES");
    expect(await p.outcome("execute", path("junk"))).toBe("ENOEXEC");
    expect(await p.outcome("execute", path("none"))).toBe("ENOENT");
    expect(await p.outcome("execute", path())).toBe("EACCES");
  });
}
