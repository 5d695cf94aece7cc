// Behaviour of hard and symbolic links.
import { expect } from "vitest";
import { area, type Bench, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

/** Registers the tests of links. */
export function links(target: Target): void {
  const it = area(target, "links");
  hard(it);
  symbolic(it);
}

/** True when the feature is there; else asserts the errno that its call is told. */
async function has({ p, path, features }: Bench, feature: "hardLinks" | "symlinks"): Promise<boolean> {
  if (features[feature] === true) return true;
  await p.call("close", await p.open(path("probe"), "O_CREAT|O_WRONLY"));
  const call = feature === "hardLinks" ? "link" : "symlink";
  expect(await p.outcome(call, path("probe"), path("link"))).toBe(features[feature]);
  return false;
}

function hard(it: It): void {
  it("link: two names of one inode, with nlink, data and mode in common", async (bench) => {
    if (!(await has(bench, "hardLinks"))) return;
    const { p, path, file, folder, content } = bench;
    await file("a", "one");
    await folder("d");
    await p.call("link", path("a"), path("d", "b"));
    const [a, b] = [await p.stat(path("a")), await p.stat(path("d", "b"))];
    expect([a.ino, a.nlink, b.nlink]).toEqual([b.ino, 2, 2]);
    const fd = await p.open(path("d", "b"), "O_WRONLY|O_APPEND");
    await p.call("write", fd, " two");
    expect(await content("a")).toBe("one two");
    await p.call("chmod", path("a"), 0o600);
    expect((await p.stat(path("d", "b"))).permissions).toBe(0o600);
    await p.call("unlink", path("a"));
    expect(await p.stat(path("d", "b"))).toMatchObject({ nlink: 1, ino: a.ino, size: 7n });
  });

  it("link: nlink follows a hundred links and their removal", async (bench) => {
    if (!(await has(bench, "hardLinks"))) return;
    const { p, path, file } = bench;
    await file("a");
    for (let i = 0; i < 100; i++) await p.call("link", path(i === 0 ? "a" : `l${i - 1}`), path(`l${i}`));
    expect((await p.stat(path("l50"))).nlink).toBe(101);
    for (let i = 0; i < 100; i++) await p.call("unlink", path(`l${i}`));
    expect((await p.stat(path("a"))).nlink).toBe(1);
  });

  it("link: EEXIST over anything, EPERM for a directory, ENOENT", async (bench) => {
    if (!(await has(bench, "hardLinks"))) return;
    const { p, path, file, folder } = bench;
    await file("a");
    await file("b");
    await folder("d");
    for (const name of ["a", "b", "d"]) expect(await p.outcome("link", path("a"), path(name))).toBe("EEXIST");
    expect(await p.outcome("link", path("d"), path("e"))).toBe("EPERM");
    expect(await p.outcome("link", path("none"), path("e"))).toBe("ENOENT");
    expect((await p.stat(path("a"))).nlink).toBe(1);
  });

  it("link: to a symlink links the symlink, and to a FIFO the FIFO", async (bench) => {
    if (!(await has(bench, "hardLinks")) || !(await has(bench, "symlinks"))) return;
    const { p, path, features } = bench;
    await p.call("symlink", "none", path("s"));
    await p.call("link", path("s"), path("t"));
    expect(await p.lstat(path("t"))).toMatchObject({ nlink: 2, ino: (await p.lstat(path("s"))).ino });
    expect(await p.text("readlink", path("t"))).toBe("none");
    expect(await p.outcome("mknod", path("p"), "S_IFIFO|0644")).toBe(
      features.mknodPipes === true ? "ok" : features.mknodPipes,
    );
    if (features.mknodPipes !== true) return;
    expect(await p.outcome("link", path("p"), path("q"))).toBe("ok");
    expect((await p.stat(path("q"))).nlink).toBe(2);
  });

  it("link: renaming one name of an inode onto the other leaves both", async (bench) => {
    if (!(await has(bench, "hardLinks"))) return;
    const { p, path, file, names } = bench;
    await file("a");
    await p.call("link", path("a"), path("b"));
    expect(await p.outcome("rename", path("a"), path("b"))).toBe("ok");
    expect(await names()).toEqual(["a", "b"]);
    expect((await p.stat(path("a"))).nlink).toBe(2);
  });

  it("link: an open file outlives a link that replaces its name", async (bench) => {
    if (!(await has(bench, "hardLinks"))) return;
    const { p, path, file } = bench;
    await file("a", "old");
    await file("b", "new");
    const fd = await p.open(path("a"));
    await p.call("unlink", path("a"));
    await p.call("link", path("b"), path("a"));
    expect(await p.text("pread", fd, 0, 10)).toBe("old");
    expect(await p.text("pread", await p.open(path("a")), 0, 10)).toBe("new");
  });
}

function symbolic(it: It): void {
  it("symlink: holds its text, whatever it is", async (bench) => {
    if (!(await has(bench, "symlinks"))) return;
    const { p, path } = bench;
    const texts = [
      "relative",
      "/absolute/../path",
      "x".repeat(255),
      "y/".repeat(2000),
      Buffer.from([0xff, 0x0a, 0x20, 1]),
    ];
    for (const [i, text] of texts.entries()) {
      await p.call("symlink", text, path(`${i}`));
      expect(await p.bytes("readlink", path(`${i}`))).toEqual(Buffer.from(text));
      const { mode, size } = await p.lstat(path(`${i}`));
      expect([mode & 0o170000, size]).toEqual([0o120000, BigInt(text.length)]);
    }
    expect(await p.text("readlink", path("0"), 3)).toBe("rel");
  });

  it("symlink: 4095 bytes fit, 4096 and none do not", async (bench) => {
    if (!(await has(bench, "symlinks"))) return;
    const { p, path } = bench;
    const longest = await p.outcome("symlink", "z".repeat(4095), path("a"));
    expect(longest).toMatch(/^(ok|ENAMETOOLONG)$/);
    if (longest === "ok") expect((await p.text("readlink", path("a"))).length).toBe(4095);
    expect(await p.outcome("symlink", "z".repeat(4096), path("b"))).toBe("ENAMETOOLONG");
    expect(await p.outcome("symlink", "", path("c"))).toBe("ENOENT");
  });

  it("symlink: is followed by path calls and not by those on links", async (bench) => {
    if (!(await has(bench, "symlinks"))) return;
    const { p, path, file, folder, content } = bench;
    await file("f", "text", 0o640);
    await folder("d");
    await p.call("symlink", "f", path("to-f"));
    await p.call("symlink", "d", path("to-d"));
    expect((await p.stat(path("to-f"))).ino).toBe((await p.stat(path("f"))).ino);
    await p.call("chmod", path("to-f"), 0o600);
    expect((await p.stat(path("f"))).permissions).toBe(0o600);
    await p.call("truncate", path("to-f"), 2);
    await file("to-d/inside", "x");
    expect([await content("f"), await content("d/inside")]).toEqual(["te", "x"]);
    await p.call("unlink", path("to-f"));
    expect(await p.outcome("stat", path("f"))).toBe("ok");
  });

  it("symlink: EEXIST over anything, EINVAL to read what is none", async (bench) => {
    if (!(await has(bench, "symlinks"))) return;
    const { p, path, file, folder } = bench;
    await file("f");
    await folder("d");
    for (const name of ["f", "d"]) {
      expect(await p.outcome("symlink", "x", path(name))).toBe("EEXIST");
      expect(await p.outcome("readlink", path(name))).toBe("EINVAL");
    }
    await p.call("symlink", "none", path("l"));
    expect(await p.outcome("symlink", "x", path("l"))).toBe("EEXIST");
    expect(await p.outcome("stat", path("l"))).toBe("ENOENT");
    expect(await p.outcome("mkdir", path("l"), 0o755)).toBe("EEXIST");
  });
}
