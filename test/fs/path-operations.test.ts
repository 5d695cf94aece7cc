// Proves what is answered for methods that are missing, and the plain operations: attributes, xattrs, links, handles.
import { describe, expect, it } from "vitest";
import { pathFilesystem } from "../../src/fs/path/path-filesystem.ts";
import type { PathFilesystem } from "../../src/fs/path/types.ts";
import { clientOf, failure, PathClient } from "./path-client.ts";

const EROFS = -30;
const EPERM = -1;
const ENOSYS = -38;
const looks: PathFilesystem = {
  getattr: (path) => (path === "/f" ? { type: "file", size: 5, uid: 5, gid: 6 } : undefined),
};
const MODE = 1;
const UID = 2;
const SIZE = 8;
const MTIME = 0x20;

/** The answers to every change of /f and to every making of a name. */
async function changes(client: PathClient) {
  const { nodeid } = await client.lookup(1, "f");
  return {
    openToWrite: (await client.open(nodeid, 1)).error,
    create: (await client.create(1, "new")).error,
    mknod: (await client.mknod(1, "new", 0o100644)).error,
    mkdir: (await client.mkdir(1, "new")).error,
    symlink: (await client.symlink(1, "new", "to")).error,
    link: (await client.link(nodeid, 1, "new")).error,
    unlink: await client.unlink(1, "f"),
    rmdir: await client.rmdir(1, "f"),
    rename: await client.rename(1, "f", 1, "g"),
    chmod: await client.setattr(nodeid, { valid: MODE, mode: 0o100600 }),
    chown: await client.setattr(nodeid, { valid: UID, uid: 9 }),
    sameOwner: await client.setattr(nodeid, { valid: UID, uid: 5 }),
    truncate: await client.setattr(nodeid, { valid: SIZE, size: 1 }),
    sameSize: await client.setattr(nodeid, { valid: SIZE, size: 5 }),
    utimes: await client.setattr(nodeid, { valid: MTIME, mtime: [1, 0] }),
  };
}

describe("a filesystem without writing methods", () => {
  it("is read-only: every change is EROFS", async () => {
    await using client = clientOf(looks);
    expect(new Set(Object.values(await changes(client)))).toEqual(new Set([EROFS]));
  });

  it("reads: open, opendir, flush and release succeed without methods", async () => {
    await using client = clientOf({ ...looks, read: () => "hello", readdir: () => ["f"] });
    const { nodeid } = await client.lookup(1, "f");
    const { error, fh } = await client.open(nodeid);
    expect([error, fh > 0, await client.release(nodeid, fh)]).toEqual([0, true, 0]);
    expect(await client.releasedir(1, await client.opendir(1))).toBe(0);
  });

  it("with nothing at all has a root, and no files", async () => {
    await using client = clientOf({});
    expect((await client.getattr(1)).attr).toMatchObject({ mode: 0o40755, nlink: 1, uid: process.getuid?.(), ino: 1 });
    expect((await client.lookup(1, "f")).error).toBe(-2);
    expect(await client.read(1, 0, 0, 5)).toBe(ENOSYS);
  });
});

describe("a filesystem with some writing methods", () => {
  it("answers EPERM for the others, and ignores modes and times, which tools set by the way", async () => {
    await using client = clientOf({ ...looks, write: () => undefined });
    expect(await changes(client)).toEqual({
      openToWrite: 0,
      create: EPERM,
      mknod: EPERM,
      mkdir: EPERM,
      symlink: EPERM,
      link: EPERM,
      unlink: EPERM,
      rmdir: EPERM,
      rename: EPERM,
      chmod: 0,
      chown: EPERM,
      sameOwner: 0,
      truncate: EPERM,
      sameSize: 0,
      utimes: 0,
    });
  });

  it("without create but with mknod sends the kernel there; without mknod makes files by create", async () => {
    await using byMknod = clientOf({ ...looks, mknod: () => {} });
    expect((await byMknod.create(1, "f")).error).toBe(ENOSYS);
    const calls: unknown[] = [];
    await using byCreate = clientOf({
      ...looks,
      create: (path, mode) => {
        calls.push([path, mode]);
        return 7;
      },
      release: (path, fh) => void calls.push([path, fh]),
    });
    expect((await byCreate.mknod(1, "f", 0o100640)).error).toBe(0);
    expect(calls).toEqual([
      ["/f", 0o640],
      ["/f", 7],
    ]);
    expect((await byCreate.mknod(1, "f", 0o10640)).error).toBe(EPERM);
  });
});

describe("setattr", () => {
  it("changes mode, owner and size in this order, with the owner that stays", async () => {
    const calls: unknown[] = [];
    await using client = clientOf({
      ...looks,
      chmod: (path, mode) => void calls.push(["chmod", path, mode]),
      chown: async (path, uid, gid) => void calls.push(["chown", path, uid, gid]),
      truncate: (path, size) => void calls.push(["truncate", path, size]),
    });
    const { nodeid } = await client.lookup(1, "f");
    const valid = MODE | UID | SIZE;
    expect(await client.setattr(nodeid, { valid, mode: 0o104755, uid: 0, size: 0 })).toBe(0);
    expect(calls).toEqual([
      ["chmod", "/f", 0o4755],
      ["chown", "/f", 0, 6],
      ["truncate", "/f", 0],
    ]);
  });

  it("stops at the first that fails", async () => {
    let cut = false;
    await using client = clientOf({
      ...looks,
      chmod: () => Promise.reject(failure("EPERM")),
      truncate: () => {
        cut = true;
      },
    });
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.setattr(nodeid, { valid: MODE | SIZE, mode: 0, size: 0 })).toBe(EPERM);
    expect(cut).toBe(false);
  });
});

describe("handles", () => {
  it.each([0, 0n, 2n ** 64n, "", null, { deep: true }])("may be any value: %o", async (value) => {
    const seen: unknown[] = [];
    await using client = clientOf({
      ...looks,
      open: async () => value,
      read: (_path, fh) => {
        seen.push(fh);
        return "";
      },
      release: (_path, fh) => void seen.push(fh),
    });
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    await client.read(nodeid, fh, 0, 1);
    await client.release(nodeid, fh);
    expect(seen).toEqual([value, value]);
    expect(await client.read(nodeid, fh, 0, 1)).toBe(-9);
  });

  it("are gone after a release that fails", async () => {
    await using client = clientOf({ ...looks, read: () => "", release: () => Promise.reject(failure("EIO")) });
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    expect(await client.release(nodeid, fh)).toBe(-5);
    expect(await client.read(nodeid, fh, 0, 1)).toBe(-9);
  });

  it("that are open at the end are given back, files hidden for them go, and destroy is last", async () => {
    const calls: string[] = [];
    const filesystem = pathFilesystem({
      getattr: (path) => (/hidden/.test(path) ? undefined : { type: path === "/" ? "directory" : "file" }),
      readdir: () => ["f"],
      opendir: () => "directory",
      rename: () => {},
      unlink: (path) => void calls.push(`unlink ${path.slice(0, 13)}`),
      release: async (_path, fh) => {
        await Promise.resolve();
        calls.push(`release ${fh}`);
      },
      releasedir: (_path, fh) => void calls.push(`releasedir ${fh}`),
      destroy: () => void calls.push("destroy"),
    });
    {
      await using client = new PathClient(filesystem);
      const { nodeid } = await client.lookup(1, "f");
      await client.open(nodeid);
      await client.opendir(1);
      expect(await client.unlink(1, "f")).toBe(0);
    }
    expect(calls).toEqual(["releasedir directory", "release undefined", "unlink /.fuse_hidden", "destroy"]);
  });

  it("carry directIo and keepCache by path", async () => {
    await using client = clientOf(looks, { directIo: (path) => path === "/f", keepCache: true });
    const { nodeid } = await client.lookup(1, "f");
    expect((await client.open(nodeid)).flags).toBe(1 | 2);
  });

  it("of a created file whose attributes cannot be had is released", async () => {
    const released: unknown[] = [];
    await using client = clientOf({
      create: () => 3,
      getattr: () => Promise.reject(failure("EIO")),
      release: (_path, fh) => void released.push(fh),
    });
    expect((await client.create(1, "new")).error).toBe(-5);
    expect(released).toEqual([3]);
  });
});

describe("extended attributes", () => {
  const fs: PathFilesystem = {
    ...looks,
    getxattr: (_path, name) => (name === "user.a" ? "value" : undefined),
    listxattr: () => ["user.a", "user.ä"],
  };

  it("tell their length, fit or are ERANGE, and are ENODATA when there is none", async () => {
    await using client = clientOf(fs);
    const { nodeid } = await client.lookup(1, "f");
    expect((await client.getxattr(nodeid, "user.a", 0)).body.readUInt32LE(0)).toBe(5);
    expect((await client.getxattr(nodeid, "user.a", 5)).body.toString()).toBe("value");
    expect((await client.getxattr(nodeid, "user.a", 4)).error).toBe(-34);
    expect((await client.getxattr(nodeid, "user.b", 0)).error).toBe(-61);
    expect((await client.listxattr(nodeid, 99)).body.toString()).toBe("user.a\0user.ä\0");
  });

  it("are ENOSYS without methods, which the kernel remembers", async () => {
    await using client = clientOf(looks);
    expect((await client.getxattr(1, "user.a", 0)).error).toBe(ENOSYS);
  });
});

describe("the context", () => {
  it("says who asks, and aborts its signal at the time-out", async () => {
    const seen: unknown[] = [];
    await using client = clientOf(
      {
        mkdir: (_path, _mode, { uid, gid, pid, umask, signal }) => {
          seen.push([uid, gid, pid, umask]);
          return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        },
      },
      { timeoutMs: 40 },
    );
    expect((await client.mkdir(1, "d")).error).toBe(-110);
    expect(seen).toEqual([[1000, 1001, 77, 0o22]]);
  });
});

describe("pathFilesystem", () => {
  it("keeps `this` of a class", async () => {
    class Counting {
      private count = 0;
      getattr(path: string) {
        this.count++;
        return path === "/" ? { type: "directory" as const } : { type: "file" as const, size: this.count };
      }
    }
    await using client = new PathClient(pathFilesystem(new Counting()));
    await client.lookup(1, "a");
    expect((await client.lookup(1, "b")).attr.size).toBe(2);
  });

  it("refuses to be one of several workers", () => {
    const context = { worker: { index: 0, count: 2 } } as Parameters<NonNullable<PathFilesystem["init"]>>[0];
    expect(() => pathFilesystem({}).init?.(context)).toThrow("one worker, not 2");
  });

  it("fills a target into readlink and makes what symlink is given", async () => {
    const links = new Map<string, string>();
    await using client = clientOf({
      getattr: (path) => (links.has(path) ? { type: "symlink", size: links.get(path)?.length } : undefined),
      symlink: (target, path) => void links.set(path, target),
      readlink: (path) => links.get(path) ?? "",
    });
    const { nodeid, attr } = await client.symlink(1, "l", "../größe");
    expect([attr.mode, await client.readlink(nodeid)]).toEqual([0o120777, "../größe"]);
  });
});
