// Behaviour of mkdir, rmdir and of reading directories.
import { expect } from "vitest";
import { MANY } from "./pace.ts";
import type { Entry, Probe } from "./probe.ts";
import { area, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

/** Registers the tests of directories. */
export function directories(target: Target): void {
  const it = area(target, "directories");
  making(it);
  counting(it);
  reading(it);
  trees(it);
}

const text = (entries: readonly Entry[]) => entries.map((entry) => entry.name.toString());
const proper = (entries: readonly Entry[]) => text(entries).filter((name) => name !== "." && name !== "..");

function making(it: It): void {
  it("mkdir: makes an empty directory, EEXIST over anything", async ({ p, path, file, dir }) => {
    expect(await p.outcome("mkdir", path("d"), 0o750)).toBe("ok");
    expect((await p.stat(path("d"))).mode).toBe(0o040750);
    expect(proper(await p.list(path("d")))).toEqual([]);
    await file("f");
    await p.outcome("symlink", "none", path("l"));
    for (const name of ["d", "f", ".", "d/.", "d/.."]) {
      expect([name, await p.outcome("mkdir", `${dir}/${name}`, 0o755)]).toEqual([name, "EEXIST"]);
    }
    expect(await p.outcome("mkdir", path("none/sub"), 0o755)).toBe("ENOENT");
  });

  it("rmdir: ENOTEMPTY, ENOTDIR, EINVAL for dot, and gone afterwards", async ({ p, path, file, folder, dir }) => {
    await folder("d");
    await file("d/f");
    expect(await p.outcome("rmdir", path("d"))).toBe("ENOTEMPTY");
    expect(await p.outcome("rmdir", path("d", "f"))).toBe("ENOTDIR");
    expect(await p.outcome("rmdir", `${dir}/d/.`)).toBe("EINVAL");
    expect(await p.outcome("rmdir", `${dir}/d/..`)).toBe("ENOTEMPTY");
    await p.call("unlink", path("d", "f"));
    expect(await p.outcome("rmdir", path("d"))).toBe("ok");
    expect(await p.outcome("rmdir", path("d"))).toBe("ENOENT");
    expect(await p.outcome("stat", path("d"))).toBe("ENOENT");
  });

  it("rmdir: a hidden file keeps a directory, a symlink to it is ENOTDIR", async ({ p, path, file, folder }) => {
    await folder("d");
    await file("d/.hidden");
    expect(await p.outcome("rmdir", path("d"))).toBe("ENOTEMPTY");
    await p.outcome("symlink", "d", path("l"));
    expect(await p.outcome("rmdir", path("l"))).toMatch(/^(ENOTDIR|ENOENT)$/);
  });

  it("unlink: of a directory is EISDIR", async ({ p, path, folder }) => {
    await folder("d");
    expect(await p.outcome("unlink", path("d"))).toBe("EISDIR");
    expect((await p.stat(path("d"))).mode & 0o170000).toBe(0o040000);
  });
}

function counting(it: It): void {
  it("nlink: of a directory counts its subdirectories", async ({ p, path, folder, file, features }) => {
    await folder("d");
    const nlink = async () => (await p.stat(path("d"))).nlink;
    const seen = [await nlink()];
    await folder("d/one");
    await folder("d/two");
    await file("d/file");
    seen.push(await nlink());
    await p.call("rmdir", path("d/one"));
    seen.push(await nlink());
    await p.call("rename", path("d/two"), path("two"));
    seen.push(await nlink());
    await p.call("rename", path("two"), path("d/back"));
    seen.push(await nlink());
    if (features.directoryNlink) expect(seen).toEqual([2, 4, 3, 2, 3]);
    else expect(seen.every((n) => n >= 1)).toBe(true);
  });

  it("nlink: renaming over an empty directory drops one", async ({ p, path, folder, features }) => {
    await folder("d");
    await folder("d/a");
    await folder("d/b");
    await p.call("rename", path("d/a"), path("d/b"));
    const { nlink } = await p.stat(path("d"));
    if (features.directoryNlink) expect(nlink).toBe(3);
    else expect(nlink).toBeGreaterThanOrEqual(1);
  });
}

function reading(it: It): void {
  it("readdir: lists dot, dot-dot and each entry, with its inode and type", async ({ p, path, file, folder, dir }) => {
    await file("f");
    await folder("d");
    const made: Record<string, string> = { f: "f", d: "d" };
    if ((await p.outcome("symlink", "f", path("l"))) === "ok") made["l"] = "l";
    if ((await p.outcome("mknod", path("p"), "S_IFIFO|0644")) === "ok") made["p"] = "p";
    if ((await p.outcome("mknod", path("s"), "S_IFSOCK|0644")) === "ok") made["s"] = "s";
    const entries = await p.list(dir);
    expect(text(entries).sort()).toEqual([".", "..", ...Object.keys(made)].sort());
    for (const entry of entries) {
      const name = entry.name.toString();
      expect([name, entry.type]).toEqual([name, expect.stringMatching(made[name] ?? "d")]);
      if (name !== "..") expect([name, entry.ino]).toEqual([name, (await p.lstat(path(name))).ino]);
    }
  });

  it(`readdir: of ${MANY} entries gives each exactly once`, async ({ p, path, folder }) => {
    await folder("d");
    expect(await p.number("create_files", path("d"), "entry-", 0, MANY)).toBe(MANY);
    const listed = proper(await p.list(path("d")));
    expect(listed.length).toBe(MANY);
    expect(new Set(listed).size).toBe(MANY);
    expect(await p.number("remove_files", path("d"), "entry-", 0, MANY)).toBe(MANY);
    expect(proper(await p.list(path("d")))).toEqual([]);
    expect(await p.outcome("rmdir", path("d"))).toBe("ok");
  });

  it("telldir: seekdir returns to the same entry", async ({ p, path, folder, features }) => {
    await folder("d");
    await p.call("create_files", path("d"), "e", 0, 500);
    const dir = await p.number("opendir", path("d"));
    const places: { place: string; next: string }[] = [];
    for (;;) {
      const place = await p.call("telldir", dir);
      const [entry] = await p.readdir(dir, 1);
      if (!entry) break;
      places.push({ place, next: entry.name.toString() });
    }
    expect(places.length).toBe(502);
    if (!features.directoryOffsets) return;
    for (const { place, next } of places.filter((_, i) => i % 25 === 0).reverse()) {
      await p.call("seekdir", dir, place);
      expect(text(await p.readdir(dir, 1))).toEqual([next]);
    }
    const { place = "0" } = places[250] ?? {};
    await p.call("seekdir", dir, place);
    expect(text(await p.readdir(dir))).toEqual(places.slice(250).map(({ next }) => next));
  });

  it("rewinddir: shows what was added and removed since", async ({ p, path, folder, file }) => {
    await folder("d");
    await file("d/old");
    const dir = await p.number("opendir", path("d"));
    expect(proper(await p.readdir(dir))).toEqual(["old"]);
    expect(await p.readdir(dir)).toEqual([]);
    await file("d/new");
    await p.call("unlink", path("d/old"));
    await p.call("rewinddir", dir);
    expect(proper(await p.readdir(dir))).toEqual(["new"]);
  });

  it("opendir: sees a directory made by another process, two readers keep two places", async ({ p, path, probe }) => {
    const other = await probe();
    await other.call("mkdir", path("d"), 0o755);
    await other.call("create_files", path("d"), "e", 0, 300);
    const [a, b] = [await p.number("opendir", path("d")), await p.number("opendir", path("d"))];
    const first = await p.readdir(a, 100);
    const all = await p.readdir(b);
    const rest = await p.readdir(a);
    expect(text([...first, ...rest]).sort()).toEqual(text(all).sort());
    expect(all.length).toBe(302);
    expect(await p.outcome("opendir", path("none"))).toBe("ENOENT");
  });
}

async function remove(p: Probe, path: string): Promise<number> {
  let removed = 0;
  for (const entry of await p.list(path)) {
    const name = entry.name.toString();
    if (name === "." || name === "..") continue;
    if (entry.type === "d") removed += await remove(p, `${path}/${name}`);
    else removed += (await p.outcome("unlink", `${path}/${name}`)) === "ok" ? 1 : 0;
  }
  await p.call("rmdir", path);
  return removed + 1;
}

function trees(it: It): void {
  it("trees: two hundred levels can be made, walked and removed", async ({ p, path, folder }) => {
    await folder("d");
    let deep = path("d");
    for (let level = 1; level < 200; level++) {
      deep += "/x";
      await p.call("mkdir", deep, 0o755);
    }
    await p.call("close", await p.open(`${deep}/leaf`, "O_CREAT|O_WRONLY"));
    expect(await p.outcome("rmdir", path("d"))).toBe("ENOTEMPTY");
    expect(await remove(p, path("d"))).toBe(201);
    expect(await p.outcome("stat", path("d"))).toBe("ENOENT");
  });

  it("trees: a wide tree is removed while it is listed", async ({ p, path, folder }) => {
    await folder("d");
    for (let i = 0; i < 20; i++) {
      await folder(`d/${i}`);
      await p.call("create_files", path("d", `${i}`), "f", 0, 20);
    }
    const dir = await p.number("opendir", path("d"));
    let removed = 0;
    for (let entries = await p.readdir(dir, 3); entries.length > 0; entries = await p.readdir(dir, 3)) {
      for (const name of proper(entries)) removed += await remove(p, path("d", name));
    }
    expect(removed).toBe(20 * 21);
    expect(await p.outcome("rmdir", path("d"))).toBe("ok");
  });
}
