// Behaviour of POSIX access control lists, set and read as the bytes of system.posix_acl_*.
// Source of the format: linux/posix_acl_xattr.h, version 2, little-endian {tag u16, perm u16, id u32}.
import { expect } from "vitest";
import { area, GROUP, type Target, USER } from "./target.ts";

type It = ReturnType<typeof area>;

const TAG = { owner: 0x01, user: 0x02, ownerGroup: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const;
const ACCESS = "system.posix_acl_access";
const DEFAULT = "system.posix_acl_default";
const NO_ID = 0xffff_ffff;

type Rule = readonly [keyof typeof TAG, number, number?];

function acl(rules: readonly Rule[]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * rules.length);
  bytes.writeUInt32LE(2, 0);
  for (const [i, [tag, perm, id = NO_ID]] of rules.entries()) {
    bytes.writeUInt16LE(TAG[tag], 4 + 8 * i);
    bytes.writeUInt16LE(perm, 6 + 8 * i);
    bytes.writeUInt32LE(id, 8 + 8 * i);
  }
  return bytes;
}

const { alice, bob, carol } = USER;
const { staff, guests, none } = GROUP;

/** Registers the tests of access control lists. */
export function acls(target: Target): void {
  const it = area(target, "acl");
  if (target.features.acl !== true) {
    const errno = target.features.acl;
    it(`acl: setting one is ${errno}`, async ({ p, file }) => {
      const list = acl([
        ["owner", 6],
        ["user", 4, alice],
        ["ownerGroup", 4],
        ["mask", 4],
        ["other", 0],
      ]);
      expect(await p.outcome("setxattr", await file("f"), ACCESS, list)).toBe(errno);
    });
    return;
  }
  access(it);
  defaults(it);
}

function access(it: It): void {
  it("acl: is kept as set, the mask shows as the group's bits", async ({ p, file }) => {
    const path = await file("f", "", 0o600);
    const list = acl([
      ["owner", 6],
      ["user", 7, alice],
      ["ownerGroup", 4],
      ["group", 6, staff],
      ["mask", 6],
      ["other", 0],
    ]);
    await p.call("setxattr", path, ACCESS, list);
    expect(await p.bytes("getxattr", path, ACCESS)).toEqual(list);
    expect((await p.stat(path)).permissions).toBe(0o660);
    expect((await p.text("listxattr", path)).split("\0")).toContain(ACCESS);
  });

  it("acl: chmod moves the mask, a minimal list becomes the mode, removal keeps it", async ({ p, file }) => {
    const path = await file("f", "", 0o600);
    const rules = (mask: number) =>
      acl([
        ["owner", 6],
        ["user", 7, alice],
        ["ownerGroup", 4],
        ["mask", mask],
        ["other", 0],
      ]);
    await p.call("setxattr", path, ACCESS, rules(7));
    await p.call("chmod", path, 0o640);
    expect(await p.bytes("getxattr", path, ACCESS)).toEqual(rules(4));
    await p.call(
      "setxattr",
      path,
      ACCESS,
      acl([
        ["owner", 7],
        ["ownerGroup", 5],
        ["other", 1],
      ]),
    );
    expect((await p.stat(path)).permissions).toBe(0o751);
    expect(await p.outcome("getxattr", path, ACCESS)).toBe("ENODATA");
    expect(await p.outcome("removexattr", path, ACCESS)).toBe("ok");
    expect((await p.stat(path)).permissions).toBe(0o751);
  });

  it("acl: a malformed list is refused, a default one on a file too", async ({ p, file }) => {
    const path = await file("f");
    expect(await p.outcome("setxattr", path, ACCESS, "junk!")).toMatch(/^(EINVAL|EOPNOTSUPP)$/);
    expect(
      await p.outcome(
        "setxattr",
        path,
        ACCESS,
        acl([
          ["owner", 6],
          ["other", 0],
        ]),
      ),
    ).toBe("EINVAL");
    const noMask = acl([
      ["owner", 6],
      ["user", 4, alice],
      ["ownerGroup", 4],
      ["other", 0],
    ]);
    expect(await p.outcome("setxattr", path, ACCESS, noMask)).toBe("EINVAL");
    expect(
      await p.outcome(
        "setxattr",
        path,
        DEFAULT,
        acl([
          ["owner", 6],
          ["ownerGroup", 4],
          ["other", 0],
        ]),
      ),
    ).toBe("EACCES");
  });

  it.root("acl: named users and groups get their rules, cut by the mask; the owner does not", async (bench) => {
    const { p, path, file, probe } = bench;
    await file("f", "", 0o600);
    await p.call("chown", path("f"), alice, staff);
    const may = async (who: Awaited<ReturnType<typeof probe>>) =>
      `${(await who.outcome("open", path("f"), "O_RDONLY")) === "ok" ? "r" : ""}${(await who.outcome("open", path("f"), "O_WRONLY")) === "ok" ? "w" : ""}`;
    const people = {
      owner: await probe({ uid: alice, gid: none }),
      named: await probe({ uid: bob, gid: none }),
      member: await probe({ uid: carol, gid: guests }),
      other: await probe({ uid: carol, gid: none }),
    };
    const judge = async () => Promise.all(Object.values(people).map(may));
    const rules = (mask: number) =>
      acl([
        ["owner", 6],
        ["user", 6, bob],
        ["ownerGroup", 0],
        ["group", 4, guests],
        ["mask", mask],
        ["other", 0],
      ]);
    await p.call("setxattr", path("f"), ACCESS, rules(6));
    expect(await judge()).toEqual(["rw", "rw", "r", ""]);
    await p.call("setxattr", path("f"), ACCESS, rules(4));
    expect(await judge()).toEqual(["rw", "r", "r", ""]);
    await p.call("chmod", path("f"), 0o600);
    expect(await judge()).toEqual(["rw", "", "", ""]);
    expect(await people.named.outcome("setxattr", path("f"), ACCESS, rules(7))).toBe("EPERM");
    expect(await people.owner.outcome("setxattr", path("f"), ACCESS, rules(6))).toBe("ok");
  });
}

function defaults(it: It): void {
  it("acl: a directory's default goes to what is made in it, instead of the umask", async ({ path, folder, probe }) => {
    const p = await probe({ umask: 0o077 });
    await folder("d");
    const list = acl([
      ["owner", 7],
      ["user", 7, alice],
      ["ownerGroup", 5],
      ["mask", 7],
      ["other", 5],
    ]);
    await p.call("setxattr", path("d"), DEFAULT, list);
    await p.open(path("d/f"), "O_CREAT|O_RDWR", 0o664);
    await p.call("mkdir", path("d/sub"), 0o777);
    const inFile = acl([
      ["owner", 6],
      ["user", 7, alice],
      ["ownerGroup", 5],
      ["mask", 6],
      ["other", 4],
    ]);
    expect(await p.bytes("getxattr", path("d/f"), ACCESS)).toEqual(inFile);
    expect((await p.stat(path("d/f"))).permissions).toBe(0o664);
    expect(await p.bytes("getxattr", path("d/sub"), DEFAULT)).toEqual(list);
    expect(await p.bytes("getxattr", path("d/sub"), ACCESS)).toEqual(list);
    expect((await p.stat(path("d/sub"))).permissions).toBe(0o775);
  });

  it("acl: a removed default is ENODATA and no longer handed on", async ({ p, path, folder }) => {
    await folder("d");
    await p.call(
      "setxattr",
      path("d"),
      DEFAULT,
      acl([
        ["owner", 7],
        ["ownerGroup", 0],
        ["other", 0],
      ]),
    );
    await p.open(path("d/before"), "O_CREAT|O_RDWR", 0o666);
    await p.call("removexattr", path("d"), DEFAULT);
    expect(await p.outcome("getxattr", path("d"), DEFAULT)).toBe("ENODATA");
    await p.open(path("d/after"), "O_CREAT|O_RDWR", 0o666);
    expect((await p.stat(path("d/before"))).permissions).toBe(0o600);
    expect((await p.stat(path("d/after"))).permissions).toBe(0o644);
  });
}
