// Proves directories: whatever readdir returns, cookies, rewind, stale offsets, and when readdirplus gives attributes.
import { describe, expect, it } from "vitest";
import type { DirectoryEntries, DirentLike, PathFilesystem, StatsLike } from "../../src/fs/path/types.ts";
import { clientOf, failure, type Listed, type PathClient } from "./path-client.ts";

const listing = (readdir: NonNullable<PathFilesystem["readdir"]>, more: PathFilesystem = {}) =>
  clientOf({ getattr: (path) => (path === "/none" ? undefined : { type: "file" }), readdir, ...more });

async function* asynchronously<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

/** Reads on from a cookie to the end, reply by reply. */
async function readAll(client: PathClient, fh: number, options: { plus?: boolean; size?: number } = {}, from = 0) {
  const all: Listed[] = [];
  for (let cookie = from; ; ) {
    const part = await client.readdir(1, fh, cookie, options);
    if (typeof part === "number") throw new Error(`readdir: ${part}`);
    all.push(...part);
    const last = part.at(-1);
    if (last === undefined) return all;
    cookie = last.cookie;
  }
}

const namesOf = (listed: Listed[] | number) => (typeof listed === "number" ? listed : listed.map(({ name }) => name));

class Dirent {
  readonly name: string;
  private readonly kind: string;
  constructor(name: string, kind: string) {
    this.name = name;
    this.kind = kind;
  }
  isFile = () => this.kind === "file";
  isDirectory = () => this.kind === "directory";
  isSymbolicLink = () => this.kind === "symlink";
  isFIFO = () => false;
}

describe("readdir", () => {
  const expected = [".", "..", "a", "b"];

  it.each<readonly [string, () => DirectoryEntries | Promise<DirectoryEntries>]>([
    ["an array of names", () => ["a", "b"]],
    ["a promise of an array", async () => ["a", "b"]],
    ["a set", () => new Set(["a", "b"])],
    ["a generator", () => ["a", "b"].values()],
    ["an async iterable", () => asynchronously(["a", "b"])],
    ["entries with . and ..", () => ["..", "a", ".", "b"]],
    ["Dirents", () => [new Dirent("a", "file"), new Dirent("b", "directory")]],
  ])("takes %s; . and .. come first, once", async (_, entries) => {
    await using client = listing(entries);
    const fh = await client.opendir(1);
    expect(namesOf(await readAll(client, fh))).toEqual(expected);
  });

  it("knows the type from Dirent methods, from type, from stat; else says unknown", async () => {
    const entries: (string | DirentLike)[] = [
      new Dirent("d", "directory"),
      new Dirent("l", "symlink"),
      { name: "t", type: "fifo" },
      { name: "s", stat: { mode: 0o60600 }, ino: 9 },
      "n",
    ];
    await using client = listing(() => entries);
    const listed = await readAll(client, await client.opendir(1));
    expect(listed.map(({ type }) => type)).toEqual([4, 4, 4, 10, 1, 6, 0]);
    expect(listed.map(({ ino }) => ino)).toEqual([1, 1, 0xffffffff, 0xffffffff, 0xffffffff, 9, 0xffffffff]);
  });

  it("streams 10,000 entries of an async iterable: each comes once, in order, and no earlier than needed", async () => {
    let given = 0;
    async function* entries() {
      for (; given < 10_000; given++) {
        if (given % 100 === 0) await new Promise(setImmediate);
        yield `entry-${given}`;
      }
    }
    await using client = listing(() => entries());
    const fh = await client.opendir(1);
    const first = (await client.readdir(1, fh, 0)) as Listed[];
    expect(given).toBeLessThan(200);
    expect(first.slice(0, 3).map(({ name }) => name)).toEqual([".", "..", "entry-0"]);
    const all = [...first, ...(await readAll(client, fh, {}, first.at(-1)?.cookie))];
    expect(all.length).toBe(10_002);
    expect(new Set(all.map(({ name }) => name)).size).toBe(10_002);
    expect(all.at(-1)?.name).toBe("entry-9999");
  });

  it("is a snapshot: an array that changes under it loses and repeats nothing", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `name-${index}`);
    await using client = listing(() => names);
    const fh = await client.opendir(1);
    const first = (await client.readdir(1, fh, 0, { size: 400 })) as Listed[];
    names.splice(0, 50);
    const rest = await readAll(client, fh, { size: 400 }, first.at(-1)?.cookie);
    expect(first.length + rest.length).toBe(102);
  });

  it("goes back to any cookie it gave, and asks anew after rewind", async () => {
    let calls = 0;
    await using client = listing(() => [`first-${++calls}`, "second", "third"]);
    const fh = await client.opendir(1);
    const all = await readAll(client, fh);
    expect(namesOf(await readAll(client, fh, {}, all[2]?.cookie))).toEqual(["second", "third"]);
    expect(calls).toBe(1);
    expect(namesOf(await readAll(client, fh))).toEqual([".", "..", "first-2", "second", "third"]);
  });

  it("takes a stale offset, from before a rewind to a shorter listing, as the end", async () => {
    const names = ["a", "b", "c", "d"];
    await using client = listing(() => names);
    const fh = await client.opendir(1);
    const stale = (await readAll(client, fh)).at(-1)?.cookie ?? 0;
    names.length = 1;
    await client.readdir(1, fh, 0);
    expect(await client.readdir(1, fh, stale)).toEqual([]);
    expect(await client.readdir(1, fh, 2 ** 52)).toEqual([]);
    expect(namesOf(await client.readdir(1, fh, 2))).toEqual(["a"]);
  });

  it("ends the iterator when the directory is closed early, and gives the handle to every call", async () => {
    const calls: unknown[] = [];
    function* entries() {
      try {
        for (let index = 0; ; index++) yield `name-${index}`;
      } finally {
        calls.push("ended");
      }
    }
    await using client = listing(
      (path, fh) => {
        calls.push(["readdir", path, fh]);
        return entries();
      },
      { opendir: () => "handle", releasedir: (path, fh) => void calls.push(["releasedir", path, fh]) },
    );
    const fh = await client.opendir(1);
    await client.readdir(1, fh, 0);
    expect(await client.releasedir(1, fh)).toBe(0);
    expect(calls).toEqual([["readdir", "/", "handle"], "ended", ["releasedir", "/", "handle"]]);
    expect(await client.readdir(1, fh, 0)).toBe(-9);
  });

  it.each<readonly [string, unknown]>([
    ["a name with a slash", ["a/b"]],
    ["an empty name", [""]],
    ["a name with NUL", ["a\0"]],
    ["a name of 1025 bytes", ["x".repeat(1025)]],
    ["a name that has no UTF-8", ["\ud800"]],
    ["a type that is none", [{ name: "a", type: "folder" }]],
    ["a number", [7]],
    ["an entry without a name", [{ stat: { type: "file" } }]],
    ["no iterable", {}],
    ["nothing", undefined],
  ])("with %s is EIO and an error event", async (_, entries) => {
    await using client = listing(() => entries as DirectoryEntries);
    expect(await client.readdir(1, await client.opendir(1), 0)).toBe(-5);
    expect(client.faults.length).toBe(1);
  });

  it("that fails in the middle answers the error, also from an async iterable", async () => {
    async function* entries() {
      yield "a";
      throw failure("EACCES");
    }
    await using client = listing(() => entries());
    expect(await client.readdir(1, await client.opendir(1), 0)).toBe(-13);
  });

  it("of a removed directory is empty, with . and ..; its attributes stay, without links", async () => {
    await using client = clientOf({
      getattr: () => ({ type: "directory" }),
      rmdir: () => {},
      readdir: () => {
        throw failure("ENOENT");
      },
    });
    const { nodeid } = await client.lookup(1, "d");
    const fh = await client.opendir(nodeid);
    expect(await client.rmdir(1, "d")).toBe(0);
    expect(namesOf(await client.readdir(nodeid, fh, 0))).toEqual([".", ".."]);
    expect((await client.getattr(nodeid)).attr).toMatchObject({ mode: 0o40755, nlink: 0 });
    expect((await client.lookup(nodeid, "f")).error).toBe(-116);
  });
});

describe("readdirplus", () => {
  const stat: StatsLike = { type: "file", size: 3 };
  const plus = { plus: true };

  it("fills entries that carry stat, each one reference, and leaves others to the kernel", async () => {
    await using client = listing(() => [{ name: "with", stat }, "without"]);
    const fh = await client.opendir(1);
    const listed = (await client.readdir(1, fh, 0, plus)) as Listed[];
    const [dot, dots, filled, unfilled] = listed;
    expect([dot?.nodeid, dots?.nodeid, unfilled?.nodeid]).toEqual([0, 0, 0]);
    expect(filled).toMatchObject({ name: "with", size: 3, type: 8 });
    const nodeid = filled?.nodeid ?? 0;
    expect((await client.lookup(1, "with")).nodeid).toBe(nodeid);
    client.forget(nodeid, 2);
    expect((await client.getattr(nodeid)).error).toBe(-116);
  });

  it("counts no reference for an entry that did not fit", async () => {
    await using client = listing(() => [
      { name: "a", stat },
      { name: "b", stat },
    ]);
    const fh = await client.opendir(1);
    const first = (await client.readdir(1, fh, 0, { ...plus, size: 500 })) as Listed[];
    expect(namesOf(first)).toEqual([".", "..", "a"]);
    const second = (await client.readdir(1, fh, 3, { ...plus, size: 500 })) as Listed[];
    const nodeid = second[0]?.nodeid ?? 0;
    client.forget(nodeid, 1);
    expect((await client.getattr(nodeid)).error).toBe(-116);
  });

  it("does not give attributes that a write has outdated since the listing began", async () => {
    const names = ["a", "b", "c"];
    await using client = listing(() => names.map((name) => ({ name, stat })), { write: () => undefined });
    const b = await client.lookup(1, "b");
    const fh = await client.opendir(1);
    await client.readdir(1, fh, 0, { ...plus, size: 500 });
    await client.write(b.nodeid, 0, 0, "longer");
    const rest = (await client.readdir(1, fh, 3, plus)) as Listed[];
    expect(rest.map(({ name, nodeid }) => [name, nodeid > 0])).toEqual([
      ["b", false],
      ["c", true],
    ]);
  });

  it("does not bring names back that were removed since the listing began", async () => {
    const names = ["a", "b"];
    await using client = listing(() => names.map((name) => ({ name, stat })), { unlink: () => {} });
    const fh = await client.opendir(1);
    await client.readdir(1, fh, 0, { ...plus, size: 500 });
    await client.unlink(1, "b");
    expect(await client.readdir(1, fh, 3, plus)).toMatchObject([{ name: "b", nodeid: 0 }]);
  });
});
