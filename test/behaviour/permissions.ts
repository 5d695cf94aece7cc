// Behaviour of permission checks and of what new files own, under other uids, gids and supplementary groups.
import { expect } from "vitest";
import { area, type Bench, GROUP, type Target, USER } from "./target.ts";

type It = ReturnType<typeof area>;

const { alice, bob, carol } = USER;
const { staff, guests, none } = GROUP;

/** Registers the tests of permissions. */
export function permissions(target: Target): void {
  const it = area(target, "permissions");
  classes(it);
  searching(it);
  sticky(it);
}

/** A file with exact owner, group and mode. The mode is set last: chown clears set-id bits. */
export async function owned({ p, path }: Bench, name: string, uid: number, gid: number, mode: number): Promise<string> {
  await p.call("close", await p.open(path(name), "O_CREAT|O_RDWR", 0o600));
  await p.call("chown", path(name), uid, gid);
  await p.call("chmod", path(name), mode);
  return path(name);
}

async function ownedFolder({ p, path }: Bench, name: string, uid: number, gid: number, mode: number): Promise<string> {
  await p.call("mkdir", path(name), 0o700);
  await p.call("chown", path(name), uid, gid);
  await p.call("chmod", path(name), mode);
  return path(name);
}

/** The letters of r, w and x that the probe is allowed, by access(2); read and write also by open(2). */
async function allowed(who: Awaited<ReturnType<Bench["probe"]>>, path: string): Promise<string> {
  let letters = "";
  for (const [letter, bit, flags] of [
    ["r", "R_OK", "O_RDONLY"],
    ["w", "W_OK", "O_WRONLY"],
    ["x", "X_OK", ""],
  ] as const) {
    const outcome = await who.outcome("access", path, bit);
    expect(["ok", "EACCES"]).toContain(outcome);
    if (flags) expect([letter, await who.outcome("open", path, flags)]).toEqual([letter, outcome]);
    if (outcome === "ok") letters += letter;
  }
  return letters;
}

function classes(it: It): void {
  it.root("modes: owner, group, supplementary group and others get their own three bits only", async (bench) => {
    const owner = await bench.probe({ uid: alice, gid: none });
    const member = await bench.probe({ uid: bob, gid: staff });
    const supplementary = await bench.probe({ uid: carol, gid: none, groups: [guests, staff] });
    const other = await bench.probe({ uid: bob, gid: none, groups: [guests] });
    const cases = [
      [0o000, "", "", ""],
      [0o700, "rwx", "", ""],
      [0o070, "", "rwx", ""],
      [0o007, "", "", "rwx"],
      [0o421, "r", "w", "x"],
      [0o142, "x", "r", "w"],
      [0o644, "rw", "r", "r"],
      [0o077, "", "rwx", "rwx"],
      [0o707, "rwx", "", "rwx"],
    ] as const;
    for (const [mode, forOwner, forGroup, forOther] of cases) {
      const file = await owned(bench, `f${mode}`, alice, staff, mode);
      const got = [];
      for (const who of [owner, member, supplementary, other]) got.push(await allowed(who, file));
      expect([mode.toString(8), ...got]).toEqual([mode.toString(8), forOwner, forGroup, forGroup, forOther]);
    }
  });

  it.root("modes: root reads and writes everything, and executes what anyone may", async (bench) => {
    expect(await allowed(bench.p, await owned(bench, "a", alice, staff, 0))).toBe("rw");
    expect(await allowed(bench.p, await owned(bench, "b", alice, staff, 0o001))).toBe("rwx");
  });

  it.root("create: the owner is the maker's uid and gid, the mode goes through the umask", async (bench) => {
    const { path, probe, features } = bench;
    const who = await probe({ uid: alice, gid: staff, groups: [guests], umask: 0o027 });
    await who.open(path("f"), "O_CREAT|O_RDWR", 0o666);
    await who.call("mkdir", path("d"), 0o777);
    const made = { uid: alice, gid: staff };
    expect(await who.stat(path("f"))).toMatchObject({ ...made, permissions: 0o640 });
    expect(await who.stat(path("d"))).toMatchObject({ ...made, permissions: 0o750 });
    if (features.mknodPipes === true) {
      await who.call("mknod", path("p"), "S_IFIFO|0666");
      expect(await who.stat(path("p"))).toMatchObject({ ...made, permissions: 0o640 });
    }
    if (features.symlinks === true) {
      await who.call("symlink", "f", path("l"));
      expect(await who.lstat(path("l"))).toMatchObject(made);
    }
  });

  it.root("create: the identity for filesystem calls decides, not the process's", async ({ p, path }) => {
    await p.call("fsids", alice, staff);
    await p.open(path("f"), "O_CREAT|O_RDWR");
    expect(await p.stat(path("f"))).toMatchObject({ uid: alice, gid: staff });
  });

  it("umask: is taken from the mode of files and directories", async ({ path, probe }) => {
    for (const umask of [0o000, 0o022, 0o077, 0o777]) {
      const who = await probe({ umask });
      await who.open(path(`f${umask}`), "O_CREAT|O_RDWR", 0o666);
      await who.call("mkdir", path(`d${umask}`), 0o777);
      expect((await who.stat(path(`f${umask}`))).permissions).toBe(0o666 & ~umask);
      expect((await who.stat(path(`d${umask}`))).permissions).toBe(0o777 & ~umask);
      await who.call("chmod", path(`d${umask}`), 0o700);
    }
  });
}

function searching(it: It): void {
  it.root("directories: x to pass and to look up, r to list, w and x to change", async (bench) => {
    const { path, probe } = bench;
    const who = await probe({ uid: alice, gid: staff });
    const cases = [
      [0o755, "ok", "ok", "EACCES"],
      [0o711, "ok", "EACCES", "EACCES"],
      [0o744, "EACCES", "ok", "EACCES"],
      [0o722, "EACCES", "EACCES", "EACCES"],
      [0o733, "ok", "EACCES", "ok"],
      [0o777, "ok", "ok", "ok"],
    ] as const;
    for (const [mode, pass, list, change] of cases) {
      const name = `d${mode.toString(8)}`;
      await ownedFolder(bench, name, 0, 0, 0o755);
      await owned(bench, `${name}/f`, 0, 0, 0o644);
      await bench.p.call("chmod", path(name), mode);
      const seen = [await who.outcome("stat", path(name, "f")), await who.outcome("opendir", path(name))];
      expect([name, ...seen, await who.outcome("mkdir", path(name, "sub"), 0o755)]).toEqual([name, pass, list, change]);
      expect([name, await who.outcome("chdir", path(name))]).toEqual([name, pass]);
      expect([name, await who.outcome("unlink", path(name, "f"))]).toEqual([name, change]);
    }
  });

  it.root("directories: without w nothing is made, linked, renamed or removed there", async (bench) => {
    const { p, path, probe, features } = bench;
    const who = await probe({ uid: alice, gid: staff });
    await ownedFolder(bench, "shut", 0, 0, 0o755);
    await ownedFolder(bench, "own", alice, staff, 0o755);
    await owned(bench, "shut/f", alice, staff, 0o644);
    await p.call("mkdir", path("shut/d"), 0o777);
    await owned(bench, "own/f", alice, staff, 0o644);
    expect(await who.outcome("open", path("shut/new"), "O_CREAT|O_RDWR", 0o644)).toBe("EACCES");
    expect(await who.outcome("open", path("shut/f"), "O_RDWR")).toBe("ok");
    expect(await who.outcome("mkdir", path("shut/new"), 0o755)).toBe("EACCES");
    expect(await who.outcome("mknod", path("shut/new"), "S_IFREG|0644")).toBe("EACCES");
    expect(await who.outcome("symlink", "x", path("shut/new"))).toBe("EACCES");
    if (features.hardLinks === true) expect(await who.outcome("link", path("own/f"), path("shut/new"))).toBe("EACCES");
    expect(await who.outcome("unlink", path("shut/f"))).toBe("EACCES");
    expect(await who.outcome("rmdir", path("shut/d"))).toBe("EACCES");
    expect(await who.outcome("rename", path("shut/f"), path("own/g"))).toBe("EACCES");
    expect(await who.outcome("rename", path("own/f"), path("shut/f"))).toBe("EACCES");
    expect(await who.outcome("rename", path("own/f"), path("own/g"))).toBe("ok");
  });

  it.root("directories: moving one to another parent needs w on it, for its dot-dot", async (bench) => {
    const { path, probe } = bench;
    const who = await probe({ uid: alice, gid: staff });
    await ownedFolder(bench, "own", alice, staff, 0o755);
    await ownedFolder(bench, "own/roots", 0, 0, 0o755);
    expect(await who.outcome("rename", path("own/roots"), path("moved"))).toBe("EACCES");
    expect(await who.outcome("rename", path("own/roots"), path("own/renamed"))).toBe("ok");
  });

  it.root("descriptor: what was opened stays open when the mode goes", async (bench) => {
    const { p, probe } = bench;
    const who = await probe({ uid: alice, gid: staff });
    const file = await owned(bench, "f", alice, staff, 0o600);
    const fd = await who.open(file, "O_RDWR");
    await p.call("chmod", file, 0);
    expect(await who.number("write", fd, "still")).toBe(5);
    expect(await who.text("pread", fd, 0, 9)).toBe("still");
    expect(await who.outcome("open", file, "O_RDWR")).toBe("EACCES");
  });
}

function sticky(it: It): void {
  it.root("sticky: only the owner of file or directory removes and renames", async (bench) => {
    const { path, probe } = bench;
    const [maker, keeper, other] = [
      await probe({ uid: alice, gid: staff }),
      await probe({ uid: bob, gid: staff }),
      await probe({ uid: carol, gid: staff }),
    ];
    await ownedFolder(bench, "t", bob, staff, 0o1777);
    for (const name of ["a", "b", "c"]) await owned(bench, `t/${name}`, alice, staff, 0o666);
    await ownedFolder(bench, "t/d", alice, staff, 0o777);
    await owned(bench, "t/others", carol, staff, 0o666);
    expect(await other.outcome("unlink", path("t/a"))).toBe("EPERM");
    expect(await other.outcome("rmdir", path("t/d"))).toBe("EPERM");
    expect(await other.outcome("rename", path("t/a"), path("t/z"))).toBe("EPERM");
    expect(await other.outcome("rename", path("t/others"), path("t/a"))).toBe("EPERM");
    expect(await maker.outcome("rename", path("t/a"), path("t/a2"))).toBe("ok");
    expect(await maker.outcome("unlink", path("t/a2"))).toBe("ok");
    expect(await keeper.outcome("unlink", path("t/b"))).toBe("ok");
    expect(await bench.p.outcome("unlink", path("t/c"))).toBe("ok");
    expect(await maker.outcome("rmdir", path("t/d"))).toBe("ok");
  });
}
