// Behaviour of files and directories that are open or current and have lost their names.
import { expect } from "vitest";
import { area, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

/** Registers the tests of unlinked files and directories. */
export function unlinked(target: Target): void {
  const it = area(target, "unlinked");
  open(it);
  replaced(it);
  directories(it);
}

function open(it: It): void {
  it("unlinked: an open file reads, writes, grows and shrinks, with nlink 0", async ({ p, path, file, names }) => {
    await file("f", "0123456789");
    const fd = await p.open(path("f"), "O_RDWR");
    const { ino } = await p.fstat(fd);
    await p.call("unlink", path("f"));
    expect(await names()).toEqual([]);
    expect(await p.outcome("open", path("f"), "O_RDONLY")).toBe("ENOENT");
    expect(await p.fstat(fd)).toMatchObject({ nlink: 0, size: 10n, ino });
    await p.call("pwrite", fd, 5, "abcdefgh");
    expect(await p.text("pread", fd, 0, 100)).toBe("01234abcdefgh");
    await p.call("ftruncate", fd, 3);
    await p.call("ftruncate", fd, 5);
    expect(await p.text("pread", fd, 0, 100)).toBe("012\0\0");
    expect(await p.outcome("fsync", fd)).toBe("ok");
  });

  it("unlinked: mode, owner and times of an open file can still change", async ({ p, path, file }) => {
    await file("f");
    const fd = await p.open(path("f"), "O_RDWR");
    await p.call("unlink", path("f"));
    await p.call("fchmod", fd, 0o600);
    await p.call("futimens", fd, 1n, 2n);
    expect(await p.outcome("fchown", fd, -1, -1)).toBe("ok");
    expect(await p.fstat(fd)).toMatchObject({ permissions: 0o600, atime: 1n, mtime: 2n, nlink: 0 });
  });

  it("unlinked: two processes keep sharing the file, a new one of that name is another", async (bench) => {
    const { p, path, file, probe, content } = bench;
    await file("f", "old");
    const q = await probe();
    const [a, b] = [await p.open(path("f"), "O_RDWR"), await q.open(path("f"), "O_RDWR")];
    await p.call("unlink", path("f"));
    await file("f", "new");
    await p.call("pwrite", a, 0, "OLD");
    expect(await q.text("pread", b, 0, 10)).toBe("OLD");
    expect(await content("f")).toBe("new");
    await p.call("close", a);
    expect(await q.text("pread", b, 0, 10)).toBe("OLD");
  });

  it("unlinked: through the descriptor's /proc path it opens again", async ({ p, path, file }) => {
    await file("f", "text");
    const fd = await p.open(path("f"), "O_RDWR");
    await p.call("unlink", path("f"));
    const again = await p.open(`/proc/self/fd/${fd}`, "O_RDONLY");
    expect(await p.text("pread", again, 0, 10)).toBe("text");
    expect((await p.fstat(again)).nlink).toBe(0);
  });

  it("unlinked: a hundred open files, closed in another order", async ({ p, path, names }) => {
    const fds: number[] = [];
    for (let i = 0; i < 100; i++) {
      const fd = await p.open(path("f"), "O_RDWR|O_CREAT|O_EXCL");
      await p.call("write", fd, `file ${i}`);
      await p.call("unlink", path("f"));
      fds.push(fd);
    }
    expect(await names()).toEqual([]);
    for (const [i, fd] of [...fds.entries()].reverse()) {
      expect(await p.text("pread", fd, 0, 20)).toBe(`file ${i}`);
      expect(await p.outcome("close", fd)).toBe("ok");
    }
  });
}

function replaced(it: It): void {
  it("unlinked: a file renamed over stays readable and writable where it is open", async (bench) => {
    const { p, path, file, content } = bench;
    await file("old", "old");
    await file("new", "new");
    const fd = await p.open(path("old"), "O_RDWR|O_APPEND");
    await p.call("rename", path("new"), path("old"));
    await p.call("write", fd, " more");
    expect(await p.text("pread", fd, 0, 20)).toBe("old more");
    expect((await p.fstat(fd)).nlink).toBe(0);
    expect(await content("old")).toBe("new");
  });

  it("unlinked: one of two names gone leaves nlink 1 on the descriptor", async ({ p, path, file, features }) => {
    await file("a", "x");
    const fd = await p.open(path("a"));
    const linked = await p.outcome("link", path("a"), path("b"));
    expect(linked).toBe(features.hardLinks === true ? "ok" : features.hardLinks);
    await p.call("unlink", path("a"));
    expect((await p.fstat(fd)).nlink).toBe(linked === "ok" ? 1 : 0);
  });
}

function directories(it: It): void {
  it("unlinked: in a removed current directory everything is ENOENT", async ({ p, path, folder }) => {
    await folder("d");
    await p.call("chdir", path("d"));
    await p.call("rmdir", path("d"));
    expect(await p.outcome("open", "f", "O_CREAT|O_RDWR", 0o644)).toBe("ENOENT");
    expect(await p.outcome("mkdir", "sub", 0o755)).toBe("ENOENT");
    expect(await p.outcome("symlink", "x", "l")).toBe("ENOENT");
    expect(await p.outcome("stat", "f")).toBe("ENOENT");
    expect(await p.outcome("getcwd")).toBe("ENOENT");
    expect((await p.stat(".")).mode & 0o170000).toBe(0o040000);
  });

  it("unlinked: an open directory that was removed lists nothing", async ({ p, path, folder, file, features }) => {
    await folder("d");
    await file("d/f");
    const dir = await p.number("opendir", path("d"));
    const fd = await p.open(path("d"), "O_RDONLY|O_DIRECTORY");
    await p.call("unlink", path("d/f"));
    await p.call("rmdir", path("d"));
    const listed = (await p.readdir(dir).catch(() => [])).map((entry) => entry.name.toString());
    expect(listed.filter((name) => name !== "." && name !== "..")).toEqual([]);
    if (features.directoryNlink) expect((await p.fstat(fd)).nlink).toBe(0);
    expect(await p.outcome("closedir", dir)).toBe("ok");
  });

  it("unlinked: a new directory of the same name is another one", async ({ p, path, folder, names }) => {
    await folder("d");
    const fd = await p.open(path("d"), "O_RDONLY|O_DIRECTORY");
    await p.call("chdir", path("d"));
    await p.call("rmdir", path("d"));
    await folder("d");
    expect(await p.outcome("open", "f", "O_CREAT|O_RDWR", 0o644)).toBe("ENOENT");
    expect(await names("d")).toEqual([]);
    expect((await p.fstat(fd)).mode & 0o170000).toBe(0o040000);
  });
}
