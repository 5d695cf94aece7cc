// Behaviour of file times: which call changes which, what utimensat may set and who may set it.
// Waiting is done on the filesystem's own clock (bench.tick), never by sleeping.
import { expect } from "vitest";
import type { Stat } from "./probe.ts";
import { area, type Bench, GROUP, type Target, USER } from "./target.ts";

type It = ReturnType<typeof area>;

const SECOND = 1_000_000_000n;

/** Registers the tests of times. */
export function times(target: Target): void {
  const it = area(target, "times");
  setting(it);
  rights(it);
  changes(it);
  reading(it);
}

function setting(it: It): void {
  it("utimensat: nanoseconds, both times apart, come back exactly", async ({ p, path, file, folder }) => {
    await file("f");
    await folder("d");
    for (const name of ["f", "d"]) {
      await p.call("utimensat", path(name), 1_000_000_000_123_456_789n, 1_500_000_000_987_654_321n);
      const { atime, mtime } = await p.stat(path(name));
      expect([atime, mtime]).toEqual([1_000_000_000_123_456_789n, 1_500_000_000_987_654_321n]);
    }
    const fd = await p.open(path("f"), "O_RDWR");
    await p.call("futimens", fd, 1n, 999_999_999n);
    expect(await p.fstat(fd)).toMatchObject({ atime: 1n, mtime: 999_999_999n });
  });

  it("utimensat: before 1970, after 2038, after 2106 and at the range's ends", async ({ p, path, file, features }) => {
    await file("f");
    const [first, last] = features.timeRange;
    const wanted = [-1n, -86_400n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n + 5n, first, last];
    for (const seconds of wanted.filter((s) => s >= first && s <= last)) {
      const ns = seconds * SECOND + 500n;
      await p.call("utimensat", path("f"), ns, ns + 7n);
      const { atime, mtime } = await p.stat(path("f"));
      expect([seconds, atime, mtime]).toEqual([seconds, ns, ns + 7n]);
    }
  });

  it("utimensat: UTIME_OMIT leaves a time, UTIME_NOW takes the clock", async ({ p, path, file }) => {
    await file("f");
    await p.call("utimensat", path("f"), 10n * SECOND, 20n * SECOND);
    await p.call("utimensat", path("f"), "omit", 30n * SECOND);
    expect(await p.stat(path("f"))).toMatchObject({ atime: 10n * SECOND, mtime: 30n * SECOND });
    await p.call("utimensat", path("f"), 40n * SECOND, "omit");
    expect(await p.stat(path("f"))).toMatchObject({ atime: 40n * SECOND, mtime: 30n * SECOND });
    const early = BigInt(Date.now()) * 1_000_000n - SECOND;
    await p.call("utimensat", path("f"), "now", "omit");
    const after = await p.stat(path("f"));
    expect(after.mtime).toBe(30n * SECOND);
    expect(after.atime).toBeGreaterThan(early);
    expect(after.atime).toBeLessThan(early + 60n * SECOND);
    expect(await p.outcome("utimensat", path("none"), "omit", "omit")).toMatch(/^(ok|ENOENT)$/);
    expect(await p.outcome("utimensat", path("none"), "now", "now")).toBe("ENOENT");
  });

  it("utimensat: a nanosecond field out of range cannot be said; a symlink has its own times", async (bench) => {
    const { p, path, file, features } = bench;
    await file("f");
    expect(await p.outcome("symlink", "f", path("l"))).toBe(features.symlinks === true ? "ok" : features.symlinks);
    if (features.symlinks !== true) return;
    await p.call("utimensat", path("f"), 1n, 2n);
    await p.call("utimensat", path("l"), 3n, 4n, "AT_SYMLINK_NOFOLLOW");
    expect((await p.lstat(path("l"))).mtime).toBe(4n);
    expect(await p.stat(path("f"))).toMatchObject({ mtime: 2n });
    await p.call("utimensat", path("l"), 5n, 6n);
    expect(await p.stat(path("f"))).toMatchObject({ mtime: 6n });
  });

  it("birth time: is set at creation and stays", async ({ p, path, features, tick }) => {
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    const born = await p.fstat(fd);
    if (!features.birthTime) {
      expect(born.btime).toBeUndefined();
      return;
    }
    expect(born.btime ?? 0n).toBeGreaterThan(BigInt(Date.now() - 60_000) * 1_000_000n);
    await tick(born);
    await p.call("write", fd, "x");
    await p.call("chmod", path("f"), 0o600);
    await p.call("utimensat", path("f"), 1n, 1n);
    await p.call("rename", path("f"), path("g"));
    expect((await p.stat(path("g"))).btime).toBe(born.btime);
  });
}

function rights(it: It): void {
  it.root("utimensat: only the owner sets times; a writer may only take the clock", async (bench) => {
    const { p, file, probe } = bench;
    const path = await file("f", "", 0o664);
    await p.call("chown", path, USER.alice, GROUP.staff);
    const owner = await probe({ uid: USER.alice, gid: GROUP.none });
    const writer = await probe({ uid: USER.bob, gid: GROUP.staff });
    const reader = await probe({ uid: USER.carol, gid: GROUP.none });
    expect(await owner.outcome("utimensat", path, 1n, 2n)).toBe("ok");
    expect(await writer.outcome("utimensat", path, 1n, 2n)).toBe("EPERM");
    expect(await writer.outcome("utimensat", path, "omit", "now")).toBe("EPERM");
    expect(await writer.outcome("utimensat", path, "now", "now")).toBe("ok");
    expect(await reader.outcome("utimensat", path, "now", "now")).toBe("EACCES");
    expect(await reader.outcome("utimensat", path, 1n, 2n)).toBe("EPERM");
    expect(await reader.outcome("utimensat", path, "omit", "omit")).toBe("ok");
  });
}

type Change = {
  name: string;
  /** Which of c (ctime) and m (mtime) of the subject move; the others must not. */
  subject: "" | "c" | "cm";
  /** The same for the directory. */
  parent: "" | "cm";
  run(bench: Bench): Promise<unknown>;
  /** The subject's path after the change; undefined when it is gone. */
  after?: string;
};

// The subject is the file "d/f" with 10 bytes; its directory is "d".
const CHANGES: readonly Change[] = [
  {
    name: "write",
    subject: "cm",
    parent: "",
    run: async ({ p, path }) => p.call("pwrite", await p.open(path("d/f"), "O_WRONLY"), 0, "x"),
  },
  {
    name: "write of nothing",
    subject: "",
    parent: "",
    run: async ({ p, path }) => p.call("pwrite", await p.open(path("d/f"), "O_WRONLY"), 0, ""),
  },
  { name: "truncate", subject: "cm", parent: "", run: ({ p, path }) => p.call("truncate", path("d/f"), 3) },
  {
    name: "ftruncate to the same size",
    subject: "cm",
    parent: "",
    run: async ({ p, path }) => p.call("ftruncate", await p.open(path("d/f"), "O_WRONLY"), 10),
  },
  { name: "O_TRUNC", subject: "cm", parent: "", run: ({ p, path }) => p.open(path("d/f"), "O_WRONLY|O_TRUNC") },
  { name: "chmod", subject: "c", parent: "", run: ({ p, path }) => p.call("chmod", path("d/f"), 0o600) },
  {
    name: "chown",
    subject: "c",
    parent: "",
    run: ({ p, path }) => p.call("chown", path("d/f"), process.getuid?.() ?? 0, -1),
  },
  {
    name: "link",
    subject: "c",
    parent: "cm",
    run: ({ p, path, features }) =>
      features.hardLinks === true ? p.call("link", path("d/f"), path("d/g")) : pretend(p, path),
  },
  {
    name: "rename within",
    subject: "c",
    parent: "cm",
    after: "d/g",
    run: ({ p, path }) => p.call("rename", path("d/f"), path("d/g")),
  },
  {
    name: "rename away",
    subject: "c",
    parent: "cm",
    after: "away",
    run: ({ p, path }) => p.call("rename", path("d/f"), path("away")),
  },
  {
    name: "rename into",
    subject: "",
    parent: "cm",
    run: ({ p, path }) => p.call("rename", path("outside"), path("d/g")),
  },
  {
    name: "create a neighbour",
    subject: "",
    parent: "cm",
    run: ({ p, path }) => p.open(path("d/g"), "O_CREAT|O_WRONLY"),
  },
  {
    name: "open an existing file with O_CREAT",
    subject: "",
    parent: "",
    run: ({ p, path }) => p.open(path("d/f"), "O_CREAT|O_RDWR"),
  },
  { name: "mkdir", subject: "", parent: "cm", run: ({ p, path }) => p.call("mkdir", path("d/g"), 0o755) },
  { name: "rmdir", subject: "", parent: "cm", run: ({ p, path }) => p.call("rmdir", path("d/empty")) },
  { name: "unlink a neighbour", subject: "", parent: "cm", run: ({ p, path }) => p.call("unlink", path("d/other")) },
  { name: "failed unlink", subject: "", parent: "", run: ({ p, path }) => p.outcome("unlink", path("d/none")) },
  { name: "failed mkdir", subject: "", parent: "", run: ({ p, path }) => p.outcome("mkdir", path("d/f"), 0o755) },
  { name: "failed truncate", subject: "", parent: "", run: ({ p, path }) => p.outcome("truncate", path("d/f"), -1) },
];

/** Where there are no hard links, something else that changes the same times. */
async function pretend(p: Bench["p"], path: Bench["path"]): Promise<void> {
  await p.call("chmod", path("d/f"), 0o600);
  await p.call("mkdir", path("d/g"), 0o755);
}

function moved(before: Stat, after: Stat): string {
  return `${after.ctime > before.ctime ? "c" : ""}${after.mtime > before.mtime ? "m" : ""}`;
}

function changes(it: It): void {
  for (const change of CHANGES) {
    it(`times: ${change.name} moves [${change.subject}] of the file and [${change.parent}] of its directory`, async (bench) => {
      const { p, path, file, folder, tick } = bench;
      await folder("d");
      await folder("d/empty");
      for (const name of ["d/f", "d/other", "outside"]) await file(name, "0123456789");
      const [subject, parent] = [await p.stat(path("d/f")), await p.stat(path("d"))];
      await tick(subject, parent);
      await change.run(bench);
      const now = await p.stat(path(change.after ?? "d/f"));
      expect([moved(subject, now), moved(parent, await p.stat(path("d")))]).toEqual([change.subject, change.parent]);
      if (!change.subject.includes("m")) expect(now.mtime).toBe(subject.mtime);
    });
  }

  it("times: fallocate and copy_file_range change the file as a write does", async (bench) => {
    const { p, path, file, features, tick } = bench;
    await file("f", "0123456789");
    const fd = await p.open(path("f"), "O_RDWR");
    const calls: (readonly [string, ...(string | number)[]])[] = [];
    if (features.copyFileRange === true) calls.push(["copy_file_range", fd, 0, fd, 5, 5]);
    if (features.fallocate.includes("allocate")) calls.push(["fallocate", fd, 0, 0, 100]);
    if (features.fallocate.includes("punch-hole")) {
      calls.push(["fallocate", fd, "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE", 0, 5]);
    }
    for (const call of calls) {
      const before = await p.fstat(fd);
      await tick(before);
      await p.call(...call);
      expect([call, moved(before, await p.fstat(fd))]).toEqual([call, "cm"]);
    }
  });

  it("times: losing one of two links changes the inode, setting times changes ctime", async (bench) => {
    const { p, path, file, features, tick } = bench;
    await file("f");
    if (features.hardLinks === true) {
      await p.call("link", path("f"), path("g"));
      const before = await p.stat(path("f"));
      await tick(before);
      await p.call("unlink", path("g"));
      expect(moved(before, await p.stat(path("f")))).toBe("c");
    }
    const before = await p.stat(path("f"));
    await tick(before);
    await p.call("utimensat", path("f"), 1n, 2n);
    const after = await p.stat(path("f"));
    expect([after.ctime > before.ctime, after.mtime]).toEqual([true, 2n]);
  });

  it("times: a new file has all its times from now, and its directory's are no older", async ({ p, path, dir }) => {
    const early = BigInt(Date.now()) * 1_000_000n - SECOND;
    await p.open(path("f"), "O_CREAT|O_WRONLY");
    const [file, parent] = [await p.stat(path("f")), await p.stat(dir)];
    for (const time of [file.atime, file.mtime, file.ctime, parent.mtime, parent.ctime]) {
      expect(time).toBeGreaterThan(early);
      expect(time).toBeLessThan(early + 60n * SECOND);
    }
  });
}

function reading(it: It): void {
  it("access time: a read moves one that is older than the data's, and no other time", async (bench) => {
    const { p, path, file, features, tick } = bench;
    await file("f", "text");
    await p.call("utimensat", path("f"), 10n * SECOND, 20n * SECOND);
    const before = await p.stat(path("f"));
    await tick(before);
    await p.call("pread", await p.open(path("f")), 0, 10);
    const after = await p.stat(path("f"));
    expect([after.atime > before.atime, moved(before, after)]).toEqual([features.accessTime, ""]);
  });

  it("access time: O_NOATIME leaves it", async ({ p, path, file }) => {
    await file("f", "text");
    await p.call("utimensat", path("f"), 10n * SECOND, 20n * SECOND);
    await p.call("pread", await p.open(path("f"), "O_RDONLY|O_NOATIME"), 0, 10);
    expect((await p.stat(path("f"))).atime).toBe(10n * SECOND);
  });
}
