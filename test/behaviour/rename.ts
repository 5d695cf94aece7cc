// Behaviour of rename and renameat2.
import { expect } from "vitest";
import { area, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

/** Registers the tests of renaming. */
export function rename(target: Target): void {
  const it = area(target, "rename");
  moving(it);
  replacing(it);
  refusing(it);
  flags(it);
}

function moving(it: It): void {
  it("rename: keeps inode, data, mode and link count, in and between directories", async (bench) => {
    const { p, path, file, folder, content } = bench;
    await file("a", "text", 0o640);
    await folder("d");
    const before = await p.stat(path("a"));
    for (const [from, to] of [
      ["a", "b"],
      ["b", "d/c"],
      ["d/c", "a"],
    ] as const) {
      await p.call("rename", path(from), path(to));
      const { ino, size, permissions, nlink } = await p.stat(path(to));
      expect([ino, size, permissions, nlink]).toEqual([before.ino, 4n, 0o640, 1]);
      expect(await p.outcome("stat", path(from))).toBe("ENOENT");
      expect(await content(to)).toBe("text");
    }
  });

  it("rename: a directory moves with what is in it, and dot-dot follows", async ({
    p,
    path,
    file,
    folder,
    content,
  }) => {
    await folder("a");
    await folder("a/sub");
    await file("a/sub/f", "deep");
    await folder("other");
    const { ino } = await p.stat(path("a/sub"));
    await p.call("rename", path("a"), path("other/b"));
    expect(await content("other/b/sub/f")).toBe("deep");
    expect((await p.stat(path("other/b/sub"))).ino).toBe(ino);
    expect((await p.stat(`${path("other/b")}/..`)).ino).toBe((await p.stat(path("other"))).ino);
    expect(await p.outcome("stat", path("a"))).toBe("ENOENT");
  });

  it("rename: symlinks, FIFOs and dangling links move as themselves", async ({ p, path, features }) => {
    if (features.symlinks === true) {
      await p.call("symlink", "none", path("l"));
      await p.call("rename", path("l"), path("m"));
      expect(await p.text("readlink", path("m"))).toBe("none");
    }
    const made = await p.outcome("mknod", path("p"), "S_IFIFO|0644");
    expect(made).toBe(features.mknodPipes === true ? "ok" : features.mknodPipes);
    if (made !== "ok") return;
    expect(await p.outcome("rename", path("p"), path("q"))).toBe("ok");
    expect((await p.stat(path("q"))).mode & 0o170000).toBe(0o010000);
  });

  it("rename: an open file keeps working under its new name", async ({ p, path, file, content }) => {
    await file("a", "one");
    const fd = await p.open(path("a"), "O_RDWR|O_APPEND");
    await p.call("rename", path("a"), path("b"));
    await p.call("write", fd, " two");
    expect(await content("b")).toBe("one two");
  });

  it("rename: onto itself does nothing", async ({ p, path, file, folder, content }) => {
    await file("a", "text");
    await folder("d");
    expect(await p.outcome("rename", path("a"), path("a"))).toBe("ok");
    expect(await p.outcome("rename", path("d"), path("d"))).toBe("ok");
    expect(await content("a")).toBe("text");
  });
}

function replacing(it: It): void {
  it("rename: over a file replaces it, its last link and its readers apart", async ({ p, path, file, content }) => {
    await file("a", "new");
    await file("b", "old");
    const fd = await p.open(path("b"));
    const { ino } = await p.stat(path("a"));
    await p.call("rename", path("a"), path("b"));
    expect((await p.stat(path("b"))).ino).toBe(ino);
    expect(await content("b")).toBe("new");
    expect(await p.text("pread", fd, 0, 10)).toBe("old");
    expect((await p.fstat(fd)).nlink).toBe(0);
  });

  it("rename: over one of two names leaves the other", async ({ p, path, file, content, features }) => {
    await file("a", "new");
    await file("b", "old");
    const linked = await p.outcome("link", path("b"), path("c"));
    expect(linked).toBe(features.hardLinks === true ? "ok" : features.hardLinks);
    await p.call("rename", path("a"), path("b"));
    if (linked !== "ok") return;
    expect(await content("c")).toBe("old");
    expect((await p.stat(path("c"))).nlink).toBe(1);
  });

  it("rename: a directory over an empty one", async ({ p, path, file, folder, names }) => {
    await folder("a");
    await file("a/f");
    await folder("b");
    expect(await p.outcome("rename", path("a"), path("b"))).toBe("ok");
    expect(await names()).toEqual(["b"]);
    expect(await names("b")).toEqual(["f"]);
  });

  it("rename: is never seen half done by another process", async ({ p, path, file, probe }) => {
    await file("target", "0");
    const reader = await probe();
    const writes = (async () => {
      for (let i = 0; i < 200; i++) {
        await file(`tmp${i}`, `${i}`);
        await p.call("rename", path(`tmp${i}`), path("target"));
      }
    })();
    let last = -1;
    for (let done = false; !done; ) {
      done = last === 199;
      const fd = await reader.open(path("target"));
      const now = Number(await reader.text("pread", fd, 0, 10));
      await reader.call("close", fd);
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    await writes;
    expect(last).toBe(199);
  });
}

function refusing(it: It): void {
  it("rename: kinds that do not fit are EISDIR, ENOTDIR, ENOTEMPTY", async ({ p, path, file, folder, names }) => {
    await file("f", "x");
    await folder("empty");
    await folder("full");
    await file("full/x");
    expect(await p.outcome("rename", path("f"), path("empty"))).toBe("EISDIR");
    expect(await p.outcome("rename", path("empty"), path("f"))).toBe("ENOTDIR");
    expect(await p.outcome("rename", path("empty"), path("full"))).toBe("ENOTEMPTY");
    expect(await p.outcome("rename", path("full/x"), path("full"))).toMatch(/^(ENOTEMPTY|EISDIR)$/);
    expect(await names()).toEqual(["empty", "f", "full"]);
  });

  it("rename: into itself EINVAL, onto its parent ENOTEMPTY, from nothing ENOENT", async ({ p, path, folder, dir }) => {
    await folder("a");
    await folder("a/b");
    expect(await p.outcome("rename", path("a"), path("a/c"))).toBe("EINVAL");
    expect(await p.outcome("rename", path("a"), path("a/b/c"))).toBe("EINVAL");
    expect(await p.outcome("rename", path("a/b"), path("a"))).toBe("ENOTEMPTY");
    expect(await p.outcome("rename", path("none"), path("x"))).toBe("ENOENT");
    expect(await p.outcome("rename", path("a"), path("none/x"))).toBe("ENOENT");
    expect(await p.outcome("rename", `${dir}/a/.`, path("x"))).toBe("EBUSY");
    expect(await p.outcome("rename", path("a"), `${dir}/.`)).toBe("EBUSY");
  });

  it("rename: to another filesystem is EXDEV, and so is a link", async ({ p, path, file, features }) => {
    const { dev } = await p.stat(await file("f"));
    const away = (await p.stat("/tmp")).dev === dev ? "/dev/shm" : "/tmp";
    expect((await p.stat(away)).dev).not.toBe(dev);
    expect(await p.outcome("rename", path("f"), `${away}/rfuse-never-made`)).toBe("EXDEV");
    if (features.hardLinks === true) {
      expect(await p.outcome("link", path("f"), `${away}/rfuse-never-made`)).toBe("EXDEV");
    }
  });
}

function flags(it: It): void {
  it("renameat2: RENAME_NOREPLACE moves to a free name and is EEXIST over another", async (bench) => {
    const { p, path, file, folder, content, features } = bench;
    await file("a", "a");
    await file("b", "b");
    await folder("d");
    if (features.renameNoReplace !== true) {
      expect(await p.outcome("rename", path("a"), path("c"), "RENAME_NOREPLACE")).toBe(features.renameNoReplace);
      return;
    }
    for (const name of ["a", "b", "d"]) {
      expect(await p.outcome("rename", path("a"), path(name), "RENAME_NOREPLACE")).toBe("EEXIST");
    }
    expect(await p.outcome("rename", path("a"), path("c"), "RENAME_NOREPLACE")).toBe("ok");
    expect([await content("b"), await content("c")]).toEqual(["b", "a"]);
  });

  it("renameat2: RENAME_EXCHANGE swaps files, and a file with a full directory", async (bench) => {
    const { p, path, file, folder, content, names, features } = bench;
    await file("a", "a");
    await file("b", "b");
    await folder("d");
    await folder("d/sub");
    await file("d/sub/x", "x");
    if (features.renameExchange !== true) {
      expect(await p.outcome("rename", path("a"), path("b"), "RENAME_EXCHANGE")).toBe(features.renameExchange);
      expect([await content("a"), await content("b")]).toEqual(["a", "b"]);
      return;
    }
    const [a, b] = [await p.stat(path("a")), await p.stat(path("b"))];
    await p.call("rename", path("a"), path("b"), "RENAME_EXCHANGE");
    expect([(await p.stat(path("a"))).ino, (await p.stat(path("b"))).ino]).toEqual([b.ino, a.ino]);
    await p.call("rename", path("a"), path("d/sub"), "RENAME_EXCHANGE");
    expect([await content("d/sub"), await names("a")]).toEqual(["b", ["x"]]);
    expect((await p.stat(`${path("a")}/..`)).ino).toBe((await p.stat(path())).ino);
    if (features.directoryNlink) expect((await p.stat(path("d"))).nlink).toBe(2);
    expect(await p.outcome("rename", path("b"), path("none"), "RENAME_EXCHANGE")).toBe("ENOENT");
    expect(await p.outcome("rename", path("d"), path("d/sub"), "RENAME_EXCHANGE")).toBe("EINVAL");
  });

  it("renameat2: RENAME_WHITEOUT leaves a 0:0 device behind", async ({ p, path, file, features }) => {
    await file("a", "a");
    const outcome = await p.outcome("rename", path("a"), path("b"), "RENAME_WHITEOUT");
    expect(outcome).toBe(features.renameWhiteout === true ? "ok" : features.renameWhiteout);
    if (outcome !== "ok") return;
    expect(await p.lstat(path("a"))).toMatchObject({ mode: 0o020000, major: 0, minor: 0 });
    expect((await p.stat(path("b"))).size).toBe(1n);
  });

  it("renameat2: flags that exclude each other or are unknown are EINVAL", async ({ p, path, file }) => {
    await file("a");
    await file("b");
    expect(await p.outcome("rename", path("a"), path("b"), "RENAME_NOREPLACE|RENAME_EXCHANGE")).toBe("EINVAL");
    expect(await p.outcome("rename", path("a"), path("b"), "RENAME_WHITEOUT|RENAME_EXCHANGE")).toBe("EINVAL");
    expect(await p.outcome("rename", path("a"), path("b"), 0x80)).toBe("EINVAL");
  });
}
