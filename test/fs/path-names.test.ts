// Proves the tree of names: renames of directories, hard links, unlinked files that are open, references and forgets,
// and the order of asynchronous renames.
import { describe, expect, it } from "vitest";
import type { PathFilesystem, StatsLike } from "../../src/fs/path/types.ts";
import { clientOf, failure } from "./path-client.ts";
import { type Files, held, memory } from "./path-memory.ts";

const sorted = (files: Files) => [...files.keys()].sort();

describe("rename of a directory", () => {
  it("moves open handles and known nodes beneath it", async () => {
    const files: Files = new Map([
      ["/a", null],
      ["/a/b", null],
      ["/a/b/f", "text"],
      ["/z", null],
    ]);
    await using client = clientOf(memory(files));
    const a = await client.lookup(1, "a");
    const b = await client.lookup(a.nodeid, "b");
    const f = await client.lookup(b.nodeid, "f");
    const z = await client.lookup(1, "z");
    const { fh } = await client.open(f.nodeid, 2);
    expect(await client.rename(1, "a", z.nodeid, "moved")).toBe(0);
    expect(sorted(files)).toEqual(["/z", "/z/moved", "/z/moved/b", "/z/moved/b/f"]);
    expect(await client.write(f.nodeid, fh, 4, "+")).toBe(1);
    expect(await client.read(f.nodeid, fh, 0, 9)).toBe("text+");
    expect((await client.getattr(f.nodeid)).attr.size).toBe(5);
    expect((await client.lookup(z.nodeid, "moved")).nodeid).toBe(a.nodeid);
    expect((await client.lookup(b.nodeid, "f")).nodeid).toBe(f.nodeid);
    expect((await client.lookup(1, "a")).error).toBe(-2);
  });

  it("that fails changes nothing", async () => {
    const files: Files = new Map([
      ["/a", "1"],
      ["/b", "2"],
    ]);
    await using client = clientOf({ ...memory(files), rename: () => Promise.reject(failure("EXDEV")) });
    const a = await client.lookup(1, "a");
    expect(await client.rename(1, "a", 1, "b")).toBe(-18);
    expect(await client.read(a.nodeid, 0, 0, 9)).toBe("1");
    expect((await client.lookup(1, "a")).nodeid).toBe(a.nodeid);
  });
});

describe("rename flags", () => {
  const files: () => Files = () =>
    new Map([
      ["/a", "1"],
      ["/b", "2"],
    ]);

  it("NOREPLACE is EEXIST when the name is taken, though the filesystem ignores flags", async () => {
    const there = files();
    await using client = clientOf(memory(there));
    expect(await client.rename(1, "a", 1, "b", 1)).toBe(-17);
    expect(await client.rename(1, "a", 1, "c", 1)).toBe(0);
    expect([...there]).toEqual([
      ["/b", "2"],
      ["/c", "1"],
    ]);
  });

  it("EXCHANGE is never taken for a plain rename", async () => {
    const there = files();
    await using plain = clientOf(memory(there));
    expect(await plain.rename(1, "a", 1, "b", 2)).toBe(-22);
    expect(there.size).toBe(2);
    const swap = (one: string, other: string) => {
      const first = there.get(one) ?? "";
      there.set(one, there.get(other) ?? "").set(other, first);
    };
    await using able = clientOf({ ...memory(there), exchange: swap });
    const [a, b] = [await able.lookup(1, "a"), await able.lookup(1, "b")];
    expect(await able.rename(1, "a", 1, "b", 2)).toBe(0);
    expect(await able.read(a.nodeid, 0, 0, 9)).toBe("1");
    expect([(await able.lookup(1, "a")).nodeid, (await able.lookup(1, "b")).nodeid]).toEqual([b.nodeid, a.nodeid]);
  });

  it("WHITEOUT and unknown ones are EINVAL", async () => {
    await using client = clientOf(memory(files()));
    expect(await client.rename(1, "a", 1, "c", 4)).toBe(-22);
    expect(await client.rename(1, "a", 1, "c", 8)).toBe(-22);
  });
});

describe("a file unlinked while open", () => {
  it("without handles: is hidden, readable, has no links, and goes at the last release", async () => {
    const files: Files = new Map([["/f", "text"]]);
    await using client = clientOf(memory(files));
    const { nodeid } = await client.lookup(1, "f");
    const one = await client.open(nodeid, 2);
    const two = await client.open(nodeid, 2);
    expect(await client.unlink(1, "f")).toBe(0);
    const [hidden = ""] = sorted(files);
    expect(hidden).toMatch(/^\/\.fuse_hidden[0-9a-f]{16}$/);
    expect((await client.lookup(1, "f")).error).toBe(-2);
    expect((await client.lookup(1, hidden.slice(1))).error).toBe(-2);
    expect(await client.write(nodeid, one.fh, 4, "!")).toBe(1);
    expect((await client.getattr(nodeid)).attr).toMatchObject({ size: 5, nlink: 0 });
    expect(await client.release(nodeid, one.fh)).toBe(0);
    expect(await client.read(nodeid, two.fh, 0, 9)).toBe("text!");
    const dir = await client.opendir(1);
    expect(await client.readdir(1, dir, 0)).toMatchObject([{ name: "." }, { name: ".." }]);
    await client.release(nodeid, two.fh);
    expect(sorted(files)).toEqual([]);
  });

  it("and replaced by a rename: the old content stays readable", async () => {
    const files: Files = new Map([
      ["/f", "old"],
      ["/new", "new"],
    ]);
    await using client = clientOf(memory(files));
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    expect(await client.rename(1, "new", 1, "f")).toBe(0);
    expect(await client.read(nodeid, fh, 0, 9)).toBe("old");
    const now = await client.lookup(1, "f");
    expect(now.nodeid).not.toBe(nodeid);
    expect(await client.read(now.nodeid, 0, 0, 9)).toBe("new");
    await client.release(nodeid, fh);
    expect([...files]).toEqual([["/f", "new"]]);
  });

  it("comes back when the rename that should replace it fails", async () => {
    const files: Files = new Map([
      ["/f", "old"],
      ["/new", "new"],
    ]);
    const fs = memory(files);
    const rename = (from: string, to: string) => {
      if (from === "/new") throw failure("EIO");
      return fs.rename?.(from, to, 0, {} as never);
    };
    await using client = clientOf({ ...fs, rename });
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    expect(await client.rename(1, "new", 1, "f")).toBe(-5);
    expect(sorted(files)).toEqual(["/f", "/new"]);
    expect((await client.lookup(1, "f")).nodeid).toBe(nodeid);
    await client.release(nodeid, fh);
    expect(sorted(files)).toEqual(["/f", "/new"]);
  });

  it("is not hidden with hideUnlinked false: by path it is ESTALE, also when the name is made again", async () => {
    const files: Files = new Map([["/f", "old"]]);
    const flush = () => {
      throw failure("EIO");
    };
    await using client = clientOf({ ...memory(files), flush }, { hideUnlinked: false });
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    expect(await client.unlink(1, "f")).toBe(0);
    files.set("/f", "other");
    expect(await client.read(nodeid, fh, 0, 9)).toBe(-116);
    expect((await client.getattr(nodeid)).error).toBe(-116);
    expect((await client.open(nodeid)).error).toBe(-116);
    expect(await client.flush(nodeid, fh)).toBe(0);
    expect(await client.release(nodeid, fh)).toBe(0);
    expect([...files]).toEqual([["/f", "other"]]);
  });

  it('with handles: goes on by handle, path "", also where the kernel names no handle', async () => {
    const seen: string[] = [];
    const node = { data: "text" };
    let there = true;
    const fs: PathFilesystem<typeof node> = {
      getattr(path, fh) {
        seen.push(`getattr ${path} ${fh?.data}`);
        return (fh ?? (there && path === "/f")) ? { type: "file", size: 4 } : undefined;
      },
      open: () => node,
      read: (path, fh) => `${path}:${fh.data}`,
      unlink: () => {
        there = false;
      },
      rename: () => {
        throw failure("EIO");
      },
    };
    await using client = clientOf(fs);
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    expect(await client.unlink(1, "f")).toBe(0);
    expect(await client.read(nodeid, fh, 0, 9)).toBe(":text");
    expect((await client.getattr(nodeid)).attr.size).toBe(4);
    expect(seen.at(-1)).toBe("getattr  text");
    expect(await client.release(nodeid, fh)).toBe(0);
    expect((await client.getattr(nodeid)).error).toBe(-116);
  });

  it("that now seems to be of another type is ESTALE, so that the inode stays good", async () => {
    const node = {};
    let stats: StatsLike = { type: "file" };
    await using client = clientOf({ getattr: () => stats, open: () => node, unlink: () => {} });
    const { nodeid } = await client.lookup(1, "f");
    await client.open(nodeid);
    await client.unlink(1, "f");
    stats = { type: "directory" };
    expect((await client.getattr(nodeid)).error).toBe(-116);
  });
});

describe("references", () => {
  it("a forgotten nodeid is ESTALE; one looked up twice needs two forgets; names beneath keep their directory", async () => {
    const files: Files = new Map([
      ["/d", null],
      ["/d/f", "x"],
    ]);
    await using client = clientOf(memory(files));
    const d = await client.lookup(1, "d");
    await client.lookup(1, "d");
    const f = await client.lookup(d.nodeid, "f");
    client.forget(d.nodeid, 1);
    client.forget(d.nodeid, 1);
    expect((await client.getattr(f.nodeid)).error).toBe(0);
    client.forget(f.nodeid, 1);
    expect([(await client.getattr(f.nodeid)).error, (await client.getattr(d.nodeid)).error]).toEqual([-116, -116]);
    expect((await client.getattr(1)).error).toBe(0);
  });

  it("a lookup that was answered by its time-out takes none, and its open file is released", async () => {
    const files: Files = new Map([["/f", "x"]]);
    const fs = memory(files);
    const getattr = held((path: string) => fs.getattr?.(path, undefined, {} as never));
    const released: unknown[] = [];
    const open = held(() => "handle");
    await using client = clientOf(
      { ...fs, getattr: getattr.method, open: open.method, release: (_path, fh) => void released.push(fh) },
      { timeoutMs: 40 },
    );
    expect((await client.lookup(1, "f")).error).toBe(-110);
    getattr.release();
    await client.kernel.until(() => client.kernel.dispatch.inFlight.size === 0);
    const started = client.start(1, 1, new Uint8Array(Buffer.from("f\0")));
    getattr.release();
    const nodeid = Number((await client.answer(started)).body.readBigUInt64LE(0));
    expect((await client.open(nodeid)).error).toBe(-110);
    open.release();
    await client.kernel.until(() => client.kernel.dispatch.inFlight.size === 0);
    expect(released).toEqual(["handle"]);
    client.forget(nodeid, 1);
    expect((await client.getattr(nodeid)).error).toBe(-116);
  });

  it("a name that means another type of file now is another node", async () => {
    const files: Files = new Map([["/x", "file"]]);
    await using client = clientOf(memory(files));
    const file = await client.lookup(1, "x");
    files.set("/x", null);
    expect((await client.lookup(1, "x")).nodeid).not.toBe(file.nodeid);
  });
});

describe("hard links", () => {
  const linked: PathFilesystem = {
    getattr: (path) => (/^\/[ab]$/.test(path) ? { type: "file", ino: 7, nlink: 2, size: path.length } : undefined),
    unlink: () => {},
    read: (path) => path,
  };

  it("are one node with useIno, which lives on by its other name", async () => {
    await using client = clientOf(linked, { useIno: true });
    const [a, b] = [await client.lookup(1, "a"), await client.lookup(1, "b")];
    expect(b.nodeid).toBe(a.nodeid);
    expect(await client.unlink(1, "a")).toBe(0);
    expect(await client.read(a.nodeid, 0, 0, 9)).toBe("/b");
  });

  it("are a node per path without; both show the filesystem's ino", async () => {
    await using client = clientOf(linked);
    const [a, b] = [await client.lookup(1, "a"), await client.lookup(1, "b")];
    expect(b.nodeid).not.toBe(a.nodeid);
    expect([a.attr.ino, b.attr.ino]).toEqual([7, 7]);
  });

  it("do not tie files of several devices together", async () => {
    await using client = clientOf(
      { getattr: (path) => ({ type: path === "/" ? "directory" : "file", ino: 7, dev: path.length, nlink: 2 }) },
      { useIno: true },
    );
    expect((await client.lookup(1, "a")).nodeid).not.toBe((await client.lookup(1, "bb")).nodeid);
  });
});

describe("asynchronous renames", () => {
  it("wait for operations by path beneath; later ones wait for them and see the new path", async () => {
    const files: Files = new Map([
      ["/a", null],
      ["/a/f", "x"],
      ["/g", "y"],
    ]);
    const fs = memory(files);
    const getattr = held((path: string) => fs.getattr?.(path, undefined, {} as never));
    const rename = held((from: string, to: string) => fs.rename?.(from, to, 0, {} as never));
    let hold = false;
    await using client = clientOf({
      ...fs,
      getattr: (path) => (hold ? getattr.method(path) : fs.getattr?.(path, undefined, {} as never)),
      rename: rename.method,
    });
    const a = await client.lookup(1, "a");
    const f = await client.lookup(a.nodeid, "f");
    const g = await client.lookup(1, "g");
    hold = true;
    const before = client.getattr(f.nodeid);
    const moving = client.startRename(1, "a", 1, "b");
    const after = client.getattr(f.nodeid);
    const elsewhere = client.getattr(g.nodeid);
    await client.kernel.until(() => getattr.calls.length === 2);
    expect([getattr.calls, rename.calls]).toEqual([[["/a/f"], ["/g"]], []]);
    getattr.release();
    expect((await before).error).toBe(0);
    await client.kernel.until(() => rename.calls.length === 1);
    expect(client.peek(moving)).toBeUndefined();
    rename.release();
    expect((await client.answer(moving)).error).toBe(0);
    await client.kernel.until(() => getattr.calls.length === 3);
    expect(getattr.calls[2]).toEqual(["/b/f"]);
    getattr.release();
    getattr.release();
    expect([(await elsewhere).error, (await after).error]).toEqual([0, 0]);
  });
});

describe("a name that is not UTF-8", () => {
  it("is EILSEQ and reaches no handler", async () => {
    const seen: string[] = [];
    await using client = clientOf({ getattr: (path) => void seen.push(path) as undefined });
    expect((await client.ask(1, 1, Uint8Array.of(0x66, 0xff, 0))).error).toBe(-84);
    expect((await client.lookup(1, "größe")).error).toBe(-2);
    expect(seen).toEqual(["/größe"]);
  });
});
