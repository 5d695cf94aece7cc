// Behaviour of extended attributes in the user namespace.
import { expect } from "vitest";
import { area, type Bench, GROUP, type Target, USER } from "./target.ts";

/** Registers the tests of extended attributes. */
export function xattrs(target: Target): void {
  const it = area(target, "xattrs");
  if (target.features.xattr !== true) absent(it, target.features.xattr);
  else {
    values(it);
    lists(it);
    refusals(it);
  }
}

type It = ReturnType<typeof area>;

function absent(it: It, errno: string): void {
  it(`xattr: set, get and remove are ${errno}, the list is empty or the same`, async ({ p, file }) => {
    const path = await file("f");
    expect(await p.outcome("setxattr", path, "user.a", "x")).toBe(errno);
    expect(await p.outcome("getxattr", path, "user.a")).toBe(errno);
    expect(await p.outcome("removexattr", path, "user.a")).toBe(errno);
    expect(["ok", errno]).toContain(await p.outcome("listxattr", path));
  });
}

/** The user.* names of a file, sorted: a filesystem may list others of its own. */
async function listed({ p }: Bench, path: string): Promise<string[]> {
  const names = (await p.text("listxattr", path)).split("\0");
  expect(names.pop()).toBe("");
  return names.filter((name) => name.startsWith("user.")).sort();
}

function values(it: It): void {
  it("xattr: any bytes come back, on files and directories", async ({ p, file, folder }) => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    for (const path of [await file("f"), await folder("d")]) {
      for (const value of [all, Buffer.from("text"), Buffer.alloc(0), Buffer.alloc(1000, 0)]) {
        await p.call("setxattr", path, "user.a", value);
        expect(await p.bytes("getxattr", path, "user.a")).toEqual(value);
      }
    }
  });

  it("xattr: the largest value fits, one byte over 64 KiB is E2BIG", async ({ p, file, features }) => {
    const path = await file("f");
    const value = Buffer.alloc(features.xattrValueMax, "v");
    await p.call("setxattr", path, "user.big", value);
    expect(await p.number("getxattr", path, "user.big", 0)).toBe(value.length);
    expect((await p.bytes("getxattr", path, "user.big", 65_536)).equals(value)).toBe(true);
    expect(await p.outcome("setxattr", path, "user.big", Buffer.alloc(65_537))).toBe("E2BIG");
  });

  it("xattr: size 0 asks for the length, a smaller buffer is ERANGE", async ({ p, file }) => {
    const path = await file("f");
    await p.call("setxattr", path, "user.a", "0123456789");
    expect(await p.number("getxattr", path, "user.a", 0)).toBe(10);
    expect(await p.outcome("getxattr", path, "user.a", 9)).toBe("ERANGE");
    expect(await p.text("getxattr", path, "user.a", 10)).toBe("0123456789");
    expect(await p.outcome("getxattr", path, "user.none", 0)).toBe("ENODATA");
    const size = await p.number("listxattr", path, 0);
    expect(size).toBeGreaterThanOrEqual("user.a".length + 1);
    expect(await p.outcome("listxattr", path, size - 1)).toBe("ERANGE");
    expect(await p.outcome("listxattr", path, size)).toBe("ok");
  });

  it("xattr: XATTR_CREATE and XATTR_REPLACE refuse the other case", async ({ p, file }) => {
    const path = await file("f");
    expect(await p.outcome("setxattr", path, "user.a", "x", "XATTR_REPLACE")).toBe("ENODATA");
    expect(await p.outcome("setxattr", path, "user.a", "one", "XATTR_CREATE")).toBe("ok");
    expect(await p.outcome("setxattr", path, "user.a", "two", "XATTR_CREATE")).toBe("EEXIST");
    expect(await p.text("getxattr", path, "user.a")).toBe("one");
    expect(await p.outcome("setxattr", path, "user.a", "three", "XATTR_REPLACE")).toBe("ok");
    expect(await p.outcome("setxattr", path, "user.a", "four")).toBe("ok");
    expect(await p.text("getxattr", path, "user.a")).toBe("four");
    expect(await p.outcome("setxattr", path, "user.a", "x", 4)).toBe("EINVAL");
  });
}

function lists(it: It): void {
  it("xattr: a list names all that is set, and shrinks with removals", async (bench) => {
    const { p, file } = bench;
    const path = await file("f");
    expect(await listed(bench, path)).toEqual([]);
    const names = Array.from({ length: 30 }, (_, i) => `user.name-${i}`).sort();
    for (const name of names) await p.call("setxattr", path, name, name);
    expect(await listed(bench, path)).toEqual(names);
    for (const name of names.slice(5)) await p.call("removexattr", path, name);
    expect(await listed(bench, path)).toEqual(names.slice(0, 5));
    expect(await p.outcome("removexattr", path, names[10] ?? "")).toBe("ENODATA");
    for (const name of names.slice(0, 5)) expect(await p.text("getxattr", path, name)).toBe(name);
  });

  it("xattr: belong to the inode: renamed, linked and truncated files keep them", async (bench) => {
    const { p, path, file, features } = bench;
    await p.call("setxattr", await file("f", "data"), "user.a", "kept");
    await p.call("rename", path("f"), path("g"));
    await p.call("truncate", path("g"), 0);
    if (features.hardLinks === true) {
      await p.call("link", path("g"), path("h"));
      expect(await p.text("getxattr", path("h"), "user.a")).toBe("kept");
    }
    expect(await p.text("getxattr", path("g"), "user.a")).toBe("kept");
    await p.call("unlink", path("g"));
    await file("g");
    expect(await p.outcome("getxattr", path("g"), "user.a")).toBe("ENODATA");
  });

  it("xattr: setting one moves ctime and no other time", async ({ p, path, file, tick }) => {
    const before = await p.stat(await file("f"));
    await tick(before);
    await p.call("setxattr", path("f"), "user.a", "x");
    const after = await p.stat(path("f"));
    expect([after.ctime > before.ctime, after.mtime]).toEqual([true, before.mtime]);
  });
}

function refusals(it: It): void {
  it("xattr: names of 255 bytes fit, longer and empty ones are ERANGE", async (bench) => {
    const { p, file } = bench;
    const path = await file("f");
    const longest = `user.${"n".repeat(250)}`;
    expect(await p.outcome("setxattr", path, longest, "x")).toBe("ok");
    expect(await listed(bench, path)).toEqual([longest]);
    expect(await p.text("getxattr", path, longest)).toBe("x");
    expect(await p.outcome("setxattr", path, `${longest}n`, "x")).toBe("ERANGE");
    expect(await p.outcome("getxattr", path, `${longest}n`)).toBe("ERANGE");
    expect(await p.outcome("setxattr", path, "", "x")).toBe("ERANGE");
    expect(await p.outcome("setxattr", path, "user.", "x")).toBe("EINVAL");
  });

  it("xattr: an unknown namespace is EOPNOTSUPP, a missing file ENOENT", async ({ p, path, file }) => {
    expect(await p.outcome("setxattr", await file("f"), "nowhere.a", "x")).toBe("EOPNOTSUPP");
    expect(await p.outcome("setxattr", path("none"), "user.a", "x")).toBe("ENOENT");
    expect(await p.outcome("getxattr", path("none"), "user.a")).toBe("ENOENT");
    expect(await p.outcome("listxattr", path("none"))).toBe("ENOENT");
  });

  it("xattr: symlinks and FIFOs take none of user: EPERM", async ({ p, path, features }) => {
    if (features.symlinks === true) {
      await p.call("symlink", "none", path("l"));
      expect(await p.outcome("lsetxattr", path("l"), "user.a", "x")).toBe("EPERM");
    }
    if (features.mknodPipes === true) {
      await p.call("mknod", path("p"), "S_IFIFO|0644");
      expect(await p.outcome("setxattr", path("p"), "user.a", "x")).toBe("EPERM");
    } else expect(await p.outcome("mknod", path("p"), "S_IFIFO|0644")).toBe(features.mknodPipes);
  });

  it.root("xattr: w sets, r gets, and trusted.* is root's", async ({ p, path, file, probe }) => {
    await file("f", "", 0o664);
    await p.call("chown", path("f"), USER.alice, GROUP.staff);
    const writer = await probe({ uid: USER.bob, gid: GROUP.staff });
    const reader = await probe({ uid: USER.carol, gid: GROUP.none });
    expect(await writer.outcome("setxattr", path("f"), "user.a", "x")).toBe("ok");
    expect(await reader.outcome("setxattr", path("f"), "user.a", "y")).toBe("EACCES");
    expect(await reader.outcome("removexattr", path("f"), "user.a")).toBe("EACCES");
    expect(await reader.text("getxattr", path("f"), "user.a")).toBe("x");
    expect(await writer.outcome("setxattr", path("f"), "trusted.a", "x")).toBe("EPERM");
    await p.call("chmod", path("f"), 0o660);
    expect(await reader.outcome("getxattr", path("f"), "user.a")).toBe("EACCES");
  });
}
