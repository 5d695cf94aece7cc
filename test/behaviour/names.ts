// Behaviour of names and paths: lengths, bytes, resolution and its errors.
import { expect } from "vitest";
import { area, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

// Names that break what treats them as text: newlines, quotes, percent, controls, bytes that are no UTF-8, full length.
const STRANGE: readonly Uint8Array[] = [
  Buffer.from("with space and\nnewline"),
  Buffer.from(" -rf *'\"$`\\%20"),
  Buffer.from("...hidden"),
  Buffer.from([1, 2, 3, 7, 8, 27, 127]),
  Buffer.from([0xff, 0xfe, 0x80, 0xc0]),
  Buffer.from("naïve-Ω-日本語-🙂"),
  Buffer.alloc(255, 0xe9),
  Buffer.alloc(255, "n"),
];

/** Registers the tests of names. */
export function names(target: Target): void {
  const it = area(target, "names");
  bytes(it);
  lengths(it);
  resolution(it);
}

function bytes(it: It): void {
  it("names: any bytes but NUL and slash make a name, kept as they are", async ({ p, dir }) => {
    const at = (name: Uint8Array) => Buffer.concat([Buffer.from(`${dir}/`), name]);
    for (const [i, name] of STRANGE.entries()) {
      const fd = await p.open(at(name), "O_RDWR|O_CREAT|O_EXCL");
      await p.call("write", fd, `file ${i}`);
      await p.call("close", fd);
    }
    const listed = (await p.list(dir)).map((entry) => entry.name.toString("hex")).sort();
    const wanted = [Buffer.from("."), Buffer.from(".."), ...STRANGE].map((n) => Buffer.from(n).toString("hex")).sort();
    expect(listed).toEqual(wanted);
    for (const [i, name] of STRANGE.entries()) {
      expect(await p.text("pread", await p.open(at(name)), 0, 100)).toBe(`file ${i}`);
      expect(await p.outcome("unlink", at(name))).toBe("ok");
      expect(await p.outcome("lstat", at(name))).toBe("ENOENT");
    }
  });

  it("names: every single byte but NUL and slash", async ({ p, dir }) => {
    const legal = Array.from({ length: 255 }, (_, i) => i + 1).filter((b) => b !== 0x2f && b !== 0x2e);
    for (const byte of legal) await p.call("mkdir", Buffer.from([...Buffer.from(`${dir}/`), byte]), 0o755);
    const listed = (await p.list(dir)).filter((e) => e.name.length === 1 && e.name[0] !== 0x2e).map((e) => e.name[0]);
    expect(listed.sort((a = 0, b = 0) => a - b)).toEqual(legal);
  });

  it("names: case and normal form are kept apart", async ({ p, path, file, content }) => {
    await file("Name", "upper");
    await file("name", "lower");
    await file("e\u0301", "decomposed");
    await file("\u00e9", "composed");
    expect([await content("Name"), await content("name")]).toEqual(["upper", "lower"]);
    expect([await content("e\u0301"), await content("\u00e9")]).toEqual(["decomposed", "composed"]);
    expect((await p.lstat(path("Name"))).ino).not.toBe((await p.lstat(path("name"))).ino);
  });
}

// One argument list per call that takes a name, with the name last or first.
const MAKERS = [
  ["mkdir", [0o755]],
  ["open", ["O_RDWR|O_CREAT", 0o644]],
  ["mknod", ["S_IFREG|0644"]],
  ["unlink", []],
  ["rmdir", []],
  ["stat", []],
  ["lstat", []],
  ["chmod", [0o600]],
  ["truncate", [0]],
  ["access", ["F_OK"]],
  ["readlink", []],
  ["opendir", []],
  ["utimensat", ["now", "now"]],
] as const;

function lengths(it: It): void {
  it("names: 256 bytes are ENAMETOOLONG for every call", async ({ p, path, file }) => {
    const long = path("x".repeat(256));
    for (const [call, rest] of MAKERS) {
      expect([call, await p.outcome(call, long, ...rest)]).toEqual([call, "ENAMETOOLONG"]);
    }
    const from = await file("a");
    for (const call of ["rename", "link"]) {
      expect([call, await p.outcome(call, from, long)]).toEqual([call, "ENAMETOOLONG"]);
      expect([call, await p.outcome(call, long, path("b"))]).toEqual([call, "ENAMETOOLONG"]);
    }
    expect(await p.outcome("symlink", "a", long)).toBe("ENAMETOOLONG");
  });

  it("names: 255 bytes work for directories, links and renames", async ({ p, path, features }) => {
    const [a, b] = [path("a".repeat(255)), path("b".repeat(255))];
    expect(await p.outcome("mkdir", a, 0o755)).toBe("ok");
    expect(await p.outcome("rename", a, b)).toBe("ok");
    expect(await p.outcome("rmdir", b)).toBe("ok");
    await p.call("close", await p.open(a, "O_CREAT|O_WRONLY"));
    if (features.hardLinks === true) expect(await p.outcome("link", a, b)).toBe("ok");
    if (features.symlinks === true) expect(await p.outcome("symlink", a, path("c".repeat(255)))).toBe("ok");
  });

  it("paths: 4095 bytes work, 4096 are ENAMETOOLONG", async ({ p, dir }) => {
    let deep = dir;
    while (4095 - deep.length - 1 > 255) {
      deep += `/${"d".repeat(150)}`;
      await p.call("mkdir", deep, 0o755);
    }
    const fits = `${deep}/${"f".repeat(4095 - deep.length - 1)}`;
    expect(await p.outcome("open", fits, "O_CREAT|O_RDWR", 0o644)).toBe("ok");
    expect((await p.stat(fits)).size).toBe(0n);
    expect(await p.outcome("stat", `${deep}/${"/".repeat(4096 - deep.length - 1)}`)).toBe("ENAMETOOLONG");
  });
}

function resolution(it: It): void {
  it("paths: a missing directory is ENOENT, a file in its place ENOTDIR, for every call", async ({ p, path, file }) => {
    await file("f");
    for (const [call, rest] of MAKERS) {
      expect([call, await p.outcome(call, path("none", "x"), ...rest)]).toEqual([call, "ENOENT"]);
      expect([call, await p.outcome(call, path("f", "x"), ...rest)]).toEqual([call, "ENOTDIR"]);
    }
    for (const call of ["rename", "link"]) {
      expect(await p.outcome(call, path("f"), path("none", "x"))).toBe("ENOENT");
      expect(await p.outcome(call, path("none"), path("x"))).toBe("ENOENT");
      expect(await p.outcome(call, path("f"), path("f", "x"))).toBe("ENOTDIR");
    }
    expect(await p.outcome("symlink", "f", path("none", "x"))).toBe("ENOENT");
    expect(await p.outcome("symlink", "f", path("f", "x"))).toBe("ENOTDIR");
  });

  it("paths: a symlink loop is ELOOP for every call that follows", async ({ p, path, features }) => {
    if (features.symlinks !== true) {
      expect(await p.outcome("symlink", "b", path("a"))).toBe(features.symlinks);
      return;
    }
    await p.call("symlink", "b", path("a"));
    await p.call("symlink", "a", path("b"));
    for (const [call, rest] of MAKERS) {
      expect([call, await p.outcome(call, path("a", "x"), ...rest)]).toEqual([call, "ELOOP"]);
    }
    for (const call of ["open", "stat", "chmod", "truncate", "opendir", "access", "utimensat"]) {
      const rest = MAKERS.find(([name]) => name === call)?.[1] ?? [];
      expect([call, await p.outcome(call, path("a"), ...rest)]).toEqual([call, "ELOOP"]);
    }
    expect((await p.lstat(path("a"))).mode & 0o170000).toBe(0o120000);
  });

  it("paths: forty symlinks resolve, forty-one are ELOOP", async ({ p, path, file, features }) => {
    if (features.symlinks !== true) {
      expect(await p.outcome("symlink", "b", path("a"))).toBe(features.symlinks);
      return;
    }
    await file("0", "end");
    for (let i = 1; i <= 41; i++) await p.call("symlink", `${i - 1}`, path(`${i}`));
    expect((await p.stat(path("40"))).size).toBe(3n);
    expect(await p.outcome("stat", path("41"))).toBe("ELOOP");
  });

  it("paths: dot, dot-dot, double and trailing slashes", async ({ p, path, file, folder, dir }) => {
    await folder("d");
    await file("f", "x");
    const here = await p.stat(dir);
    expect((await p.stat(`${dir}/d/..`)).ino).toBe(here.ino);
    expect((await p.stat(`${dir}//d///.//../d/./..`)).ino).toBe(here.ino);
    expect((await p.stat(path("d/"))).mode).toBe(0o040755);
    expect(await p.outcome("stat", `${path("f")}/`)).toBe("ENOTDIR");
    expect(await p.outcome("open", `${path("new")}/`, "O_CREAT|O_WRONLY", 0o644)).toBe("EISDIR");
    expect(await p.outcome("mkdir", `${path("new")}/`, 0o755)).toBe("ok");
    expect(await p.outcome("rename", `${path("f")}/`, path("g"))).toBe("ENOTDIR");
    expect(await p.outcome("rename", path("d/"), path("e/"))).toBe("ok");
    expect(await p.outcome("unlink", "")).toBe("ENOENT");
    expect(await p.outcome("mkdir", "", 0o755)).toBe("ENOENT");
  });

  it("paths: getcwd follows a renamed directory", async ({ p, path, folder, dir }) => {
    await folder("d");
    await p.call("chdir", path("d"));
    expect(await p.text("getcwd")).toBe(path("d"));
    await p.call("rename", path("d"), path("moved"));
    expect(await p.text("getcwd")).toBe(path("moved"));
    expect((await p.stat("..")).ino).toBe((await p.stat(dir)).ino);
  });
}
