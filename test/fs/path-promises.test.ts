// Proves `fsPromisesFilesystem` over three objects: node:fs/promises below a temporary directory, a hand-written one
// with file handles, and a hand-written one that knows whole files only.
import * as nodeFs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fsPromisesFilesystem } from "../../src/fs/path/fs-promises.ts";
import type { FsPromisesLike } from "../../src/fs/path/fs-promises-like.ts";
import { failure, type Listed, PathClient } from "./path-client.ts";

interface File {
  data: Uint8Array;
  mode: number;
  mtime: number;
}

function memoryFiles() {
  const files = new Map<string, File>();
  const get = (path: string): File => {
    const file = files.get(path);
    if (file === undefined) throw failure("ENOENT");
    return file;
  };
  const resize = (file: File, size: number) => {
    const data = new Uint8Array(size);
    data.set(file.data.subarray(0, size));
    file.data = data;
  };
  const statOf = (path: string) =>
    path === "/" ? { mode: 0o40755, nlink: 1 } : { mode: 0o100000 | get(path).mode, size: get(path).data.length };
  const named: FsPromisesLike = {
    stat: async (path) => statOf(path),
    readdir: async () => [...files.keys()].map((path) => path.slice(1)),
    unlink: async (path) => {
      get(path);
      files.delete(path);
    },
    rename: async (from, to) => {
      files.set(to, get(from));
      files.delete(from);
    },
    chmod: async (path, mode) => {
      get(path).mode = mode;
    },
    utimes: async (path, _atime, mtime) => {
      get(path).mtime = Number(mtime);
    },
  };
  return { files, get, resize, named };
}

function withHandles(): FsPromisesLike {
  const { files, get, resize, named } = memoryFiles();
  return {
    ...named,
    async open(path, flags, mode = 0o666) {
      if ((flags & 0o100) !== 0 && !files.has(path)) files.set(path, { data: new Uint8Array(0), mode, mtime: 0 });
      const file = get(path);
      return {
        async read(buffer, offset, length, position) {
          // One byte at a time: short counts are no end of file.
          const part = file.data.subarray(position, position + Math.min(length, 1));
          buffer.set(part, offset);
          return { bytesRead: part.length };
        },
        async write(buffer, offset, length, position) {
          if (position + length > file.data.length) resize(file, position + length);
          file.data.set(buffer.subarray(offset, offset + length), position);
          return { bytesWritten: length };
        },
        stat: async () => ({ mode: 0o100000 | file.mode, size: file.data.length }),
        truncate: async (length) => resize(file, length),
        close: async () => {},
      };
    },
  };
}

function withWholeFiles(): FsPromisesLike {
  const { files, get, named } = memoryFiles();
  return {
    ...named,
    readFile: async (path) => get(path).data,
    async writeFile(path, data, { mode = 0o666, flag = "w" } = {}) {
      if (flag === "wx" && files.has(path)) throw failure("EEXIST");
      await Promise.resolve();
      files.set(path, { data: new Uint8Array(data), mode: files.get(path)?.mode ?? mode, mtime: 0 });
    },
  };
}

let directory = "";
beforeEach(async () => {
  directory = await nodeFs.mkdtemp(join(tmpdir(), "rfuse-path-"));
});
afterEach(() => nodeFs.rm(directory, { recursive: true, force: true }));

const OBJECTS: readonly (readonly [string, () => readonly [FsPromisesLike, string]])[] = [
  ["node:fs/promises", () => [nodeFs, directory]],
  ["an object with file handles", () => [withHandles(), "/"]],
  ["an object with whole files", () => [withWholeFiles(), "/"]],
];

describe.each(OBJECTS)("%s", (_, make) => {
  const clientOver = (options = {}) => new PathClient(fsPromisesFilesystem(...make(), options));

  it("makes, writes, reads, lists and removes files", async () => {
    await using client = clientOver();
    const { error, nodeid, fh, attr } = await client.create(1, "f");
    expect([error, attr.mode]).toEqual([0, 0o100644]);
    expect(await client.write(nodeid, fh, 0, "hello world")).toBe(11);
    expect(await client.write(nodeid, fh, 6, "there")).toBe(5);
    expect(await client.write(nodeid, fh, 13, "!")).toBe(1);
    expect(await client.read(nodeid, fh, 0, 4096)).toBe("hello there\0\0!");
    expect(await client.read(nodeid, fh, 6, 5)).toBe("there");
    expect(await client.read(nodeid, fh, 14, 5)).toBe("");
    expect((await client.getattr(nodeid, fh)).attr.size).toBe(14);
    expect(await client.release(nodeid, fh)).toBe(0);
    const dir = await client.opendir(1);
    expect(((await client.readdir(1, dir, 0)) as Listed[]).map(({ name }) => name)).toEqual([".", "..", "f"]);
    expect(await client.unlink(1, "f")).toBe(0);
    expect((await client.lookup(1, "f")).error).toBe(-2);
    expect(client.faults).toEqual([]);
  });

  it("truncates with a handle and without, and loses none of many writes at once", async () => {
    await using client = clientOver();
    const { nodeid, fh } = await client.create(1, "f");
    const letters = [..."abcdefghijklmnop"];
    await Promise.all(letters.map((letter, at) => client.write(nodeid, fh, at, letter)));
    expect(await client.read(nodeid, fh, 0, 99)).toBe(letters.join(""));
    expect(await client.setattr(nodeid, { valid: 8 | 0x40, fh, size: 3 })).toBe(0);
    expect(await client.setattr(nodeid, { valid: 8, size: 5 })).toBe(0);
    expect(await client.read(nodeid, fh, 0, 99)).toBe("abc\0\0");
  });

  it("keeps an unlinked open file readable, and leaves nothing after its release", async () => {
    await using client = clientOver();
    const { nodeid, fh } = await client.create(1, "f");
    await client.write(nodeid, fh, 0, "text");
    expect(await client.unlink(1, "f")).toBe(0);
    expect(await client.read(nodeid, fh, 0, 99)).toBe("text");
    expect((await client.getattr(nodeid)).attr.size).toBe(4);
    await client.release(nodeid, fh);
    const dir = await client.opendir(1);
    expect(((await client.readdir(1, dir, 0)) as Listed[]).map(({ name }) => name)).toEqual([".", ".."]);
  });

  it("renames, changes modes and times", async () => {
    await using client = clientOver();
    const { nodeid, fh } = await client.create(1, "f");
    await client.release(nodeid, fh);
    expect(await client.rename(1, "f", 1, "g")).toBe(0);
    expect(await client.setattr(nodeid, { valid: 1 | 0x20, mode: 0o100604, mtime: [1_000_000_000, 500_000_000] })).toBe(
      0,
    );
    expect((await client.lookup(1, "g")).attr.mode).toBe(0o100604);
    expect(client.faults).toEqual([]);
  });
});

describe("over node:fs/promises", () => {
  const clientOver = () => new PathClient(fsPromisesFilesystem(nodeFs, `${directory}/`));

  it("modes are the caller's whatever the process's umask, and what exists keeps its errors", async () => {
    const before = process.umask(0o077);
    try {
      await using client = clientOver();
      expect((await client.mkdir(1, "d")).attr.mode).toBe(0o40755);
      expect((await client.create(1, "f", 0o302)).attr.mode).toBe(0o100644);
      expect((await client.create(1, "f", 0o302)).error).toBe(-17);
      expect((await client.mkdir(1, "d")).error).toBe(-17);
      expect(await client.rmdir(1, "f")).toBe(-20);
    } finally {
      process.umask(before);
    }
  });

  it("symlinks are not followed: their own times change, their target's do not", async () => {
    await nodeFs.writeFile(join(directory, "f"), "x");
    await nodeFs.utimes(join(directory, "f"), 5, 5);
    await using client = clientOver();
    const { nodeid, attr } = await client.symlink(1, "l", "f");
    expect([attr.mode & 0o170000, await client.readlink(nodeid)]).toEqual([0o120000, "f"]);
    expect(await client.setattr(nodeid, { valid: 0x20, mtime: [77, 250_000_000] })).toBe(0);
    expect((await client.getattr(nodeid)).attr).toMatchObject({ mtime: 77, mtimeNs: 250_000_000 });
    expect((await nodeFs.stat(join(directory, "f"))).mtimeMs).toBe(5000);
  });

  it("times of whole milliseconds are exact, also before 1970", async () => {
    await using client = clientOver();
    const { nodeid } = await client.create(1, "f");
    for (const mtime of [
      [981_173_106, 789_000_000],
      [-2, 500_000_000],
    ] as const) {
      expect(await client.setattr(nodeid, { valid: 0x20, mtime })).toBe(0);
      expect((await client.getattr(nodeid)).attr).toMatchObject({ mtime: mtime[0], mtimeNs: mtime[1] });
    }
  });

  it("hard links are one node, and attributes are those of lstat", async () => {
    await using client = clientOver();
    const { nodeid, fh } = await client.create(1, "f");
    await client.release(nodeid, fh);
    const linked = await client.link(nodeid, 1, "g");
    expect([linked.nodeid, linked.attr.nlink]).toEqual([nodeid, 2]);
    const { ino, mtimeNs } = await nodeFs.lstat(join(directory, "g"), { bigint: true });
    expect(linked.attr).toMatchObject({ ino: Number(ino), mtimeNs: Number(mtimeNs % 1_000_000_000n) });
  });

  it("statfs tells what the object says", async () => {
    await using client = clientOver();
    const { error, body } = await client.ask(17, 1);
    const { blocks, bsize } = await nodeFs.statfs(directory);
    expect([error, Number(body.readBigUInt64LE(0)), body.readUInt32LE(40)]).toEqual([0, blocks, bsize]);
  });

  it("a relative root is refused", () => {
    expect(() => fsPromisesFilesystem(nodeFs, "here")).toThrow('root is "here"');
  });
});
