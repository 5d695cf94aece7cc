// Behaviour of the set-user-id and set-group-id bits: who loses them when, and what a set-group-id directory hands on.
import { expect } from "vitest";
import type { Probe } from "./probe.ts";
import { area, type Bench, GROUP, type Target, USER } from "./target.ts";

type It = ReturnType<typeof area>;

const { alice, bob } = USER;
const { staff, guests, none } = GROUP;

/** Registers the tests of set-id bits. */
export function setid(target: Target): void {
  const it = area(target, "setid");
  clearing(it);
  inheriting(it);
}

async function program({ p, path }: Bench, name: string, mode: number): Promise<string> {
  await p.call("close", await p.open(path(name), "O_CREAT|O_RDWR", 0o600));
  await p.call("fill", await p.open(path(name), "O_RDWR"), 0, 8192, 0x61);
  await p.call("chown", path(name), alice, staff);
  await p.call("chmod", path(name), mode);
  return path(name);
}

// What a process without CAP_FSETID does to the file's data, each of which drops the bits.
const CHANGES: Record<string, (who: Probe, file: string) => Promise<string>> = {
  write: async (who, file) => who.call("pwrite", await who.open(file, "O_WRONLY"), 0, "x"),
  append: async (who, file) => who.call("write", await who.open(file, "O_WRONLY|O_APPEND"), "x"),
  truncate: async (who, file) => who.call("truncate", file, 1),
  ftruncate: async (who, file) => who.call("ftruncate", await who.open(file, "O_WRONLY"), 1),
  copy_file_range: async (who, file) => {
    const fd = await who.open(file, "O_RDWR");
    return who.call("copy_file_range", fd, 0, fd, 4096, 100);
  },
  O_TRUNC: async (who, file) => `${await who.open(file, "O_WRONLY|O_TRUNC")}`,
};

function clearing(it: It): void {
  for (const [name, change] of Object.entries(CHANGES)) {
    it.root(`set-id: ${name} by another than root clears both bits, also by the owner`, async (bench) => {
      const who = {
        owner: await bench.probe({ uid: alice, gid: staff }),
        other: await bench.probe({ uid: bob, gid: none }),
      };
      for (const [user, probe] of Object.entries(who)) {
        const file = await program(bench, `${user}-x`, 0o6777);
        await change(probe, file);
        expect([user, (await bench.p.stat(file)).permissions.toString(8)]).toEqual([user, "777"]);
      }
    });
  }

  it.root("set-id: fallocate by another than root clears both bits, where there is one", async (bench) => {
    const file = await program(bench, "f", 0o6777);
    const who = await bench.probe({ uid: bob, gid: none });
    const outcome = await who.outcome("fallocate", await who.open(file, "O_WRONLY"), 0, 0, 20_000);
    expect(outcome).toBe(bench.features.fallocate.includes("allocate") ? "ok" : "EOPNOTSUPP");
    if (outcome === "ok") expect((await bench.p.stat(file)).permissions).toBe(0o777);
  });

  it.root("set-id: a set-group-id bit without group execute is no program's, and stays", async (bench) => {
    const file = await program(bench, "f", 0o2766);
    const owner = await bench.probe({ uid: alice, gid: staff });
    await owner.call("pwrite", await owner.open(file, "O_WRONLY"), 0, "x");
    expect((await bench.p.stat(file)).permissions).toBe(0o2766);
  });

  it.root("set-id: a write by root keeps them", async (bench) => {
    const file = await program(bench, "f", 0o6755);
    await bench.p.call("pwrite", await bench.p.open(file, "O_WRONLY"), 0, "x");
    expect((await bench.p.stat(file)).permissions).toBe(0o6755);
  });

  it.root("set-id: chown clears them on files, by root too, and keeps them on directories", async (bench) => {
    const { p, path, probe } = bench;
    const owner = await probe({ uid: alice, gid: staff, groups: [guests] });
    const mine = await program(bench, "mine", 0o6755);
    await owner.call("chown", mine, -1, guests);
    expect((await p.stat(mine)).permissions).toBe(0o755);
    const roots = await program(bench, "roots", 0o6755);
    await p.call("chown", roots, bob, guests);
    expect((await p.stat(roots)).permissions).toBe(0o755);
    await p.call("mkdir", path("d"), 0o755);
    await p.call("chmod", path("d"), 0o6755);
    await p.call("chown", path("d"), bob, guests);
    expect((await p.stat(path("d"))).permissions).toBe(0o6755);
  });

  it.root("set-id: chmod by an owner outside the file's group drops the set-group-id bit", async (bench) => {
    const file = await program(bench, "f", 0o755);
    const [outside, inside] = [
      await bench.probe({ uid: alice, gid: none }),
      await bench.probe({ uid: alice, gid: none, groups: [staff] }),
    ];
    await outside.call("chmod", file, 0o6755);
    expect((await bench.p.stat(file)).permissions).toBe(0o4755);
    await inside.call("chmod", file, 0o6755);
    expect((await bench.p.stat(file)).permissions).toBe(0o6755);
  });
}

function inheriting(it: It): void {
  it.root(
    "set-group-id directory: gives its group to what is made in it, and its bit to directories",
    async (bench) => {
      const { p, path, probe, features } = bench;
      await p.call("mkdir", path("d"), 0o777);
      await p.call("chown", path("d"), 0, guests);
      await p.call("chmod", path("d"), 0o2777);
      const who = await probe({ uid: alice, gid: staff });
      await who.open(path("d/f"), "O_CREAT|O_RDWR", 0o644);
      await who.call("mkdir", path("d/sub"), 0o755);
      await who.call("mkdir", path("d/sub/deep"), 0o755);
      expect(await p.stat(path("d/f"))).toMatchObject({ uid: alice, gid: guests, permissions: 0o644 });
      expect(await p.stat(path("d/sub"))).toMatchObject({ uid: alice, gid: guests, permissions: 0o2755 });
      expect(await p.stat(path("d/sub/deep"))).toMatchObject({ gid: guests, permissions: 0o2755 });
      if (features.mknodPipes !== true) return;
      await who.call("mknod", path("d/p"), "S_IFIFO|0644");
      expect(await p.stat(path("d/p"))).toMatchObject({ gid: guests });
    },
  );

  it.root("set-group-id directory: an outsider makes no set-group-id program of its group", async (bench) => {
    const { p, path, probe } = bench;
    await p.call("mkdir", path("d"), 0o777);
    await p.call("chown", path("d"), 0, guests);
    await p.call("chmod", path("d"), 0o2777);
    const [outside, inside] = [
      await probe({ uid: alice, gid: staff }),
      await probe({ uid: alice, gid: staff, groups: [guests] }),
    ];
    await outside.open(path("d/outside"), "O_CREAT|O_RDWR", 0o2775);
    await inside.open(path("d/inside"), "O_CREAT|O_RDWR", 0o2775);
    expect((await p.stat(path("d/outside"))).permissions).toBe(0o755);
    expect((await p.stat(path("d/inside"))).permissions).toBe(0o2755);
  });
}
