// Behaviour of chmod and chown: who may, and what is kept.
import { expect } from "vitest";
import { owned } from "./permissions.ts";
import { area, GROUP, type Target, USER } from "./target.ts";

const { alice, bob } = USER;
const { staff, guests, none } = GROUP;

/** Registers the tests of changing mode and owner. */
export function ownership(target: Target): void {
  const it = area(target, "ownership");
  it.root("chmod: by another than the owner is EPERM, and changes nothing", async (bench) => {
    const { p, probe } = bench;
    const file = await owned(bench, "f", alice, staff, 0o666);
    const member = await probe({ uid: bob, gid: staff });
    expect(await member.outcome("chmod", file, 0o777)).toBe("EPERM");
    expect(await member.outcome("fchmod", await member.open(file, "O_RDWR"), 0o777)).toBe("EPERM");
    expect((await p.stat(file)).permissions).toBe(0o666);
    const owner = await probe({ uid: alice, gid: none });
    expect(await owner.outcome("chmod", file, 0o4755)).toBe("ok");
    expect((await p.stat(file)).permissions).toBe(0o4755);
  });

  it("chmod: every bit is kept, on files and directories", async ({ p, path, file, folder }) => {
    await file("f");
    await folder("d");
    for (const name of ["f", "d"]) {
      for (const mode of [0o000, 0o111, 0o644, 0o777, 0o1755, 0o2755, 0o4755, 0o7777]) {
        await p.call("chmod", path(name), mode);
        expect([name, (await p.stat(path(name))).permissions]).toEqual([name, mode]);
      }
    }
  });

  it.root("chown: root gives away, an owner only to groups of his own", async (bench) => {
    const { p, path, probe } = bench;
    const file = await owned(bench, "f", alice, staff, 0o644);
    const owner = await probe({ uid: alice, gid: staff, groups: [guests] });
    const member = await probe({ uid: bob, gid: staff, groups: [guests] });
    expect(await owner.outcome("chown", file, bob, -1)).toBe("EPERM");
    expect(await owner.outcome("chown", file, -1, none)).toBe("EPERM");
    expect(await member.outcome("chown", file, -1, guests)).toBe("EPERM");
    expect(await member.outcome("chown", file, bob, -1)).toBe("EPERM");
    expect(await owner.outcome("chown", file, -1, guests)).toBe("ok");
    expect(await p.stat(file)).toMatchObject({ uid: alice, gid: guests });
    expect(await owner.outcome("chown", file, alice, staff)).toBe("ok");
    expect(await p.outcome("chown", file, bob, none)).toBe("ok");
    expect(await p.stat(file)).toMatchObject({ uid: bob, gid: none });
    expect(await p.outcome("chown", file, -1, -1)).toBe("ok");
    expect(await p.stat(path("f"))).toMatchObject({ uid: bob, gid: none });
  });

  it.root("chown: lchown changes the symlink, chown what it points to", async (bench) => {
    const { p, path, features } = bench;
    await owned(bench, "f", 0, 0, 0o644);
    expect(await p.outcome("symlink", "f", path("l"))).toBe(features.symlinks === true ? "ok" : features.symlinks);
    if (features.symlinks !== true) return;
    await p.call("lchown", path("l"), alice, staff);
    await p.call("chown", path("l"), bob, guests);
    expect(await p.lstat(path("l"))).toMatchObject({ uid: alice, gid: staff });
    expect(await p.stat(path("f"))).toMatchObject({ uid: bob, gid: guests });
  });

  it.root("chown: large ids are kept whole", async (bench) => {
    const file = await owned(bench, "f", 4_294_967_294, 4_000_000_000, 0o644);
    expect(await bench.p.stat(file)).toMatchObject({ uid: 4_294_967_294, gid: 4_000_000_000 });
  });
}
