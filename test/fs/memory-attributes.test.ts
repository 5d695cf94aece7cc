// Attributes, times, extended attributes, directory cookies and seeding of the in-memory filesystem, without a mount.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import { O } from "../../ffi/file.ts";
import { FATTR } from "../../src/abi/fuse-constants.ts";
import { MemoryFilesystem } from "../../src/fs/memory/memory-filesystem.ts";
import { Caller } from "./memory-caller.ts";

function bench() {
  const filesystem = new MemoryFilesystem();
  const caller = new Caller(filesystem);
  const setattr = (nodeid: number, fields: Record<string, number>) => caller.result("SETATTR", { nodeid, fields });
  return { filesystem, caller, setattr };
}

describe("memory: attributes", () => {
  it("explicit times keep seconds before 1970 and nanoseconds", () => {
    const { caller, setattr } = bench();
    const f = caller.create(1, "f");
    const valid = FATTR.ATIME | FATTR.MTIME;
    expect(setattr(f, { valid, atime: -5, atimensec: 7, mtime: 2 ** 33, mtimensec: 999_999_999 })).toBe(0);
    const { atime, atimensec, mtime, mtimensec, ctime } = caller.attr(f);
    expect([atime, atimensec, mtime, mtimensec]).toEqual([-5, 7, 2 ** 33, 999_999_999]);
    expect(Math.abs(ctime - Date.now() / 1000)).toBeLessThan(60);
  });

  it("set-id bits go with a change of owner and with a killing write, O_TRUNC or truncation, and stay else", () => {
    const { caller, setattr } = bench();
    const f = caller.create(1, "f");
    const mode = () => caller.attr(f).mode & 0o7777;
    const write = (write_flags: number) =>
      caller.result("WRITE", { nodeid: f, fields: { size: 1, write_flags }, data: new Uint8Array(1) });
    const open = (open_flags: number) =>
      caller.result("OPEN", { nodeid: f, fields: { flags: O.TRUNC | O.WRONLY, open_flags } });
    const changes: [() => number, number][] = [
      [() => write(0), 0o6755],
      [() => write(4), 0o755],
      [() => open(0), 0o6755],
      [() => open(1), 0o755],
      [() => setattr(f, { valid: FATTR.SIZE, size: 9 }), 0o6755],
      [() => setattr(f, { valid: FATTR.SIZE | FATTR.KILL_SUIDGID, size: 9 }), 0o755],
      [() => setattr(f, { valid: FATTR.UID, uid: 5 }), 0o755],
    ];
    for (const [change, expected] of changes) {
      setattr(f, { valid: FATTR.MODE, mode: 0o6755 });
      expect(change()).toBeGreaterThanOrEqual(0);
      expect(mode()).toBe(expected);
    }
    setattr(f, { valid: FATTR.MODE, mode: 0o2745 });
    write(4);
    expect(mode()).toBe(0o2745);
    expect(caller.attr(f).uid).toBe(5);
  });

  it("a write ends a program's capabilities", () => {
    const { caller } = bench();
    const f = caller.create(1, "f");
    const data = new Uint8Array(20);
    const name = "security.capability";
    expect(caller.result("SETXATTR", { nodeid: f, names: [name], fields: { size: 20 }, data })).toBe(0);
    expect(caller.result("GETXATTR", { nodeid: f, names: [name], fields: { size: 0 } })).toBe(20);
    caller.write(f, 0, data);
    expect(caller.result("GETXATTR", { nodeid: f, names: [name], fields: { size: 0 } })).toBe(-ERRNO.ENODATA);
  });

  it("statx: birth time, and device numbers apart", () => {
    const { caller } = bench();
    const rdev = (259 << 8) | 0x34 | (0x12 << 20);
    const { view } = caller.call("MKNOD", { names: ["dev"], fields: { mode: 0o60600, rdev } });
    const { nodeid } = view.entry;
    const { stat } = caller.call("STATX", { nodeid }).view.out;
    expect([stat.rdev_major, stat.rdev_minor, stat.mode]).toEqual([259, 0x1234, 0o60600]);
    expect(stat.btime.tv_sec).toBe(stat.ctime.tv_sec);
    expect(stat.mask).toBe(0xfff);
  });
});

describe("memory: extended attributes", () => {
  it("names and values have Linux's limits, CREATE and REPLACE their meaning", () => {
    const { caller } = bench();
    const f = caller.create(1, "f");
    const set = (name: string, length: number, flags = 0) =>
      caller.result("SETXATTR", {
        nodeid: f,
        names: [name],
        fields: { size: length, flags },
        data: new Uint8Array(length),
      });
    expect(set("user.a", 65_536)).toBe(0);
    expect(set("user.a", 65_537)).toBe(-ERRNO.E2BIG);
    expect(set("user.a", 1, 1)).toBe(-ERRNO.EEXIST);
    expect(set("user.b", 1, 2)).toBe(-ERRNO.ENODATA);
    expect(set(`user.${"n".repeat(250)}`, 1)).toBe(0);
    expect(set(`user.${"n".repeat(251)}`, 1)).toBe(-ERRNO.ERANGE);
    expect([set("user.", 1), set("other.a", 1)]).toEqual([-ERRNO.EINVAL, -ERRNO.EOPNOTSUPP]);
    const list = (uid: number) => caller.result("LISTXATTR", { nodeid: f, uid, fields: { size: 1000 } });
    const before = list(0);
    expect(set("trusted.t", 1)).toBe(0);
    expect([list(0), list(1)]).toEqual([before + "trusted.t".length + 1, before]);
    expect(caller.result("REMOVEXATTR", { nodeid: f, names: ["user.none"] })).toBe(-ERRNO.ENODATA);
  });

  it("acl false: access control lists are EOPNOTSUPP, and not asked for", () => {
    const filesystem = new MemoryFilesystem({ acl: false });
    const names = ["system.posix_acl_access"];
    const result = new Caller(filesystem).result("GETXATTR", { names, fields: { size: 0 } });
    expect([result, filesystem.wishes.posixAcl, filesystem.wishes.dontMask]).toEqual([-ERRNO.EOPNOTSUPP, false, false]);
  });
});

interface Listed {
  readonly name: string;
  readonly cookie: number;
}

function readdir(caller: Caller, offset: number, size: number, fh = 0): Listed[] {
  const { result } = caller.call("READDIR", { fields: { offset, size, fh } });
  const bytes = Buffer.from(caller.reply(result));
  const listed: Listed[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 16);
    const name = bytes.toString("latin1", at + 24, at + 24 + length);
    listed.push({ name, cookie: Number(bytes.readBigUInt64LE(at + 8)) });
    at += (24 + length + 7) & ~7;
  }
  return listed;
}

describe("memory: directories", () => {
  it("a reader sees what stays exactly once, whatever comes and goes, and gets to the end", () => {
    const { filesystem, caller } = bench();
    const name = (kind: string, index: number) => `/${kind}${index}`;
    for (let index = 0; index < 5000; index++) {
      filesystem.paths.writeFile(name("keep", index), "");
      filesystem.paths.writeFile(name("drop", index), "");
    }
    const { fh } = caller.call("OPENDIR", {}).view.open;
    const seen: string[] = [];
    let offset = 0;
    for (let round = 0; ; round++) {
      const listed = readdir(caller, offset, 4096, fh);
      if (listed.length === 0) break;
      seen.push(...listed.map((entry) => entry.name));
      offset = listed.at(-1)?.cookie ?? 0;
      for (let index = round * 50; index < (round + 1) * 50 && index < 5000; index++) {
        filesystem.paths.remove(name("drop", 4999 - index));
        filesystem.paths.writeFile(name("new", index), "");
      }
    }
    const kept = seen.filter((entry) => entry.startsWith("keep"));
    expect([kept.length, new Set(seen).size]).toEqual([5000, seen.length]);
    expect(seen.slice(0, 2)).toEqual([".", ".."]);
    expect(caller.result("RELEASEDIR", { fields: { fh } })).toBe(0);
  });

  it("every cookie leads to the entry after it, also when its own is gone", () => {
    const { filesystem, caller } = bench();
    for (const name of ["a", "b", "c", "d"]) filesystem.paths.writeFile(`/${name}`, name);
    const all = readdir(caller, 0, 4096);
    for (const [index, { cookie }] of all.entries()) {
      expect(readdir(caller, cookie, 4096)).toEqual(all.slice(index + 1));
    }
    filesystem.paths.remove("/b");
    const [, , , b] = all;
    expect(readdir(caller, b?.cookie ?? 0, 4096).map(({ name }) => name)).toEqual(["c", "d"]);
  });
});

describe("memory: paths", () => {
  it("seed a tree that requests then see, and show what requests made", () => {
    const { filesystem, caller } = bench();
    const { paths } = filesystem;
    paths.mkdir("/a/b", { recursive: true });
    paths.mkdir("/a/b", { recursive: true });
    paths.writeFile("/a/b/f", "hello", { mode: 0o600, uid: 7 });
    paths.symlink("b/f", "/a/l");
    const f = caller.lookup(caller.lookup(caller.lookup(1, "a"), "b"), "f");
    const { uid, mode } = caller.attr(f);
    expect([uid, mode]).toEqual([7, 0o100600]);
    caller.write(f, 5, Buffer.from(" world"));
    expect(Buffer.from(paths.readFile("/a/b/f")).toString()).toBe("hello world");
    paths.writeFile("/a/b/f", new Uint8Array(Buffer.from("xyz")).subarray(1));
    expect(Buffer.from(paths.readFile("/a/b/f")).toString()).toBe("yz");
    expect([paths.readdir("/a"), paths.exists("/a/none")]).toEqual([["b", "l"], false]);
    expect(() => paths.mkdir("/a")).toThrow(/EEXIST/);
    expect(() => paths.readFile("/none")).toThrow(/ENOENT/);
    expect(() => paths.remove("/a")).toThrow(/ENOTEMPTY/);
    expect(() => paths.writeFile("relative", "")).toThrow(/EINVAL/);
    paths.remove("/a/l");
    expect(paths.exists("/a/l")).toBe(false);
  });
});
