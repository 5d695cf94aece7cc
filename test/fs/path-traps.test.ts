// Proves that the path adapter does not repeat known faults of other bindings: each test is named after one.
import { describe, expect, it } from "vitest";
import { pathFilesystem } from "../../src/fs/path/path-filesystem.ts";
import type { PathFilesystem, StatsLike } from "../../src/fs/path/types.ts";
import { clientOf, failure } from "./path-client.ts";

const FILE: StatsLike = { type: "file", size: 5, atimeNs: 1_000_000_001n, mtimeNs: 2_000_000_002n };
const single = (more: PathFilesystem = {}): PathFilesystem => ({
  getattr: (path) => (path === "/f" ? FILE : undefined),
  read: () => "hello",
  ...more,
});

describe("utimes", () => {
  const FATTR = { ATIME: 0x10, MTIME: 0x20, ATIME_NOW: 0x80, MTIME_NOW: 0x100 };
  const recording = () => {
    const calls: (readonly [string, bigint, bigint])[] = [];
    return { calls, fs: single({ utimes: (path, atime, mtime) => void calls.push([path, atime, mtime]) }) };
  };

  it("gets atime and mtime, not atime twice", async () => {
    const { calls, fs } = recording();
    await using client = clientOf(fs);
    const { nodeid } = await client.lookup(1, "f");
    const valid = FATTR.ATIME | FATTR.MTIME;
    expect(await client.setattr(nodeid, { valid, atime: [7, 8], mtime: [-9, 999_999_999] })).toBe(0);
    expect(calls).toEqual([["/f", 7_000_000_008n, -8_000_000_001n]]);
  });

  it("gets the file's own time for the one that does not change", async () => {
    const { calls, fs } = recording();
    await using client = clientOf(fs);
    const { nodeid } = await client.lookup(1, "f");
    await client.setattr(nodeid, { valid: FATTR.ATIME, atime: [5, 0] });
    await client.setattr(nodeid, { valid: FATTR.MTIME, mtime: [6, 0] });
    expect(calls).toEqual([
      ["/f", 5_000_000_000n, 2_000_000_002n],
      ["/f", 1_000_000_001n, 6_000_000_000n],
    ]);
  });

  it("gets the present for UTIME_NOW, whatever seconds stand there", async () => {
    const { calls, fs } = recording();
    await using client = clientOf(fs);
    const { nodeid } = await client.lookup(1, "f");
    const before = BigInt(Date.now() - 1000) * 1_000_000n;
    await client.setattr(nodeid, { valid: 0x1b0, atime: [1, 0], mtime: [1, 0] });
    const [[, atime, mtime] = ["", 0n, 0n]] = calls;
    expect(atime > before && atime === mtime && atime < before + 60_000_000_000n).toBe(true);
  });
});

describe("getattr", () => {
  it("gets the handle that the kernel names (fgetattr), and none when it names none", async () => {
    const seen: unknown[] = [];
    const handle = { open: true };
    await using client = clientOf({
      getattr: (path, fh) => {
        seen.push([path, fh]);
        return FILE;
      },
      open: () => handle,
    });
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    await client.getattr(nodeid, fh);
    await client.getattr(nodeid);
    expect(seen).toEqual([
      ["/f", undefined],
      ["/f", handle],
      ["/f", undefined],
    ]);
  });

  it.each<readonly [string, StatsLike, string]>([
    ["a negative size", { type: "file", size: -1 }, "RangeError: size is -1,"],
    ["a NaN size", { type: "file", size: Number.NaN }, "RangeError: size is NaN,"],
    ["a size above 2^53-1", { type: "file", size: 2n ** 53n }, "RangeError: size is 9007199254740992n,"],
    ["a fractional size", { type: "file", size: 1.5 }, "RangeError: size is 1.5,"],
    ["a negative uid", { type: "file", uid: -1 }, "RangeError: uid is -1,"],
    ["an invalid date", { type: "file", mtime: new Date(Number.NaN) }, "RangeError: mtime is NaN,"],
    ["no type", { mode: 0o644 }, "TypeError: mode is 0644 and says no file type"],
    ["a size that is a text", { type: "file", size: "5" as never }, 'RangeError: size is "5",'],
    ["a time that is no Date", { type: "file", mtime: 1234 as never }, "TypeError: mtime is 1234, not a Date"],
    ["a time that is a text", { type: "file", mtimeMs: "2020" as never }, 'TypeError: mtimeMs is "2020", not a number'],
    ["a type that contradicts the mode", { type: "file", mode: 0o40755 }, "TypeError: mode is 040755,"],
    ["an unknown type", { type: "folder" as "file" }, 'TypeError: type is "folder",'],
  ])("that says %s is EIO and one error event that names it", async (_, stats, message) => {
    await using client = clientOf({ getattr: () => stats });
    expect((await client.lookup(1, "f")).error).toBe(-5);
    expect(client.faults).toEqual([expect.stringContaining(message)]);
  });
});

describe("an error", () => {
  it.each<readonly [string, unknown, number]>([
    ["with a code", failure("EACCES"), -13],
    ["with a negative errno", Object.assign(new Error("x"), { errno: -28 }), -28],
    ["of node:fs", Object.assign(new Error("x"), { code: "ENOTEMPTY", errno: -39, syscall: "rmdir" }), -39],
    ["of an abort", new DOMException("x", "AbortError"), -4],
  ])("%s is its errno, thrown or rejected", async (_, thrown, errno) => {
    await using client = clientOf({
      getattr: () => {
        throw thrown;
      },
      statfs: () => Promise.reject(thrown),
    });
    expect((await client.lookup(1, "f")).error).toBe(errno);
    expect((await client.ask(17, 1)).error).toBe(errno);
    expect(client.faults).toEqual([]);
  });

  it.each<readonly [string, unknown]>([
    ["errno 0", { errno: 0 }],
    ["a positive errno", { errno: 2 }],
    ["an errno out of range", { errno: -512 }],
    ["a fractional errno", { errno: -1.5 }],
    ["an unknown code", { code: "ERR_INVALID_ARG_TYPE" }],
    ["nothing", undefined],
  ])("with %s is EIO and an error event", async (_, thrown) => {
    await using client = clientOf({
      getattr: () => {
        throw thrown;
      },
    });
    expect((await client.lookup(1, "f")).error).toBe(-5);
    expect(client.faults.length).toBe(1);
  });
});

describe("an option of 0", () => {
  it("means 0; the defaults are 1 s, 1 s and none", async () => {
    await using zero = clientOf(single(), { attrTimeoutMs: 0, entryTimeoutMs: 0, negativeTimeoutMs: 0 });
    await using plain = clientOf(single());
    expect(await zero.lookup(1, "f")).toMatchObject({ entryMs: 0, attrMs: 0 });
    expect((await zero.getattr(1)).attrMs).toBe(0);
    expect(await plain.lookup(1, "f")).toMatchObject({ entryMs: 1000, attrMs: 1000 });
    expect((await plain.lookup(1, "none")).error).toBe(-2);
  });

  it("and others are kept exactly", async () => {
    await using client = clientOf(single(), { attrTimeoutMs: 1500.5, entryTimeoutMs: 20, negativeTimeoutMs: 3000 });
    expect(await client.lookup(1, "f")).toMatchObject({ entryMs: 20, attrMs: 1500.5 });
    expect(await client.lookup(1, "none")).toMatchObject({ error: 0, nodeid: 0, entryMs: 3000 });
  });

  it.each([
    { attrTimeoutMs: -1 },
    { entryTimeoutMs: Number.NaN },
    { negativeTimeoutMs: "1" },
    { attrTimeout: 1 },
    { useIno: 1 },
  ])("but %j is refused by name", (options) => {
    const [key = ""] = Object.keys(options);
    expect(() => pathFilesystem({}, options as object)).toThrow(key);
  });
});

describe("read", () => {
  const reading = (read: NonNullable<PathFilesystem["read"]>) => clientOf(single({ read }));

  it.each<readonly [string, NonNullable<PathFilesystem["read"]>]>([
    ["fills the buffer", (_path, _fh, buffer, offset) => Buffer.from("hello").copy(buffer, 0, offset)],
    ["returns bytes", (_path, _fh, buffer, offset) => Buffer.from("hello").subarray(offset, offset + buffer.length)],
    ["returns a string", (_path, _fh, buffer, offset) => "hello".slice(offset, offset + buffer.length)],
    [
      "promises bytes",
      async (_path, _fh, buffer, offset) => Buffer.from("hello").subarray(offset, offset + buffer.length),
    ],
  ])("%s: the caller gets just these", async (_, read) => {
    await using client = reading(read);
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.read(nodeid, 0, 1, 3)).toBe("ell");
    expect(await client.read(nodeid, 0, 5, 3)).toBe("");
    expect(await client.read(nodeid, 0, 0, 4096)).toBe("hello");
  });

  it.each<readonly [string, unknown]>([
    ["more bytes than asked", Buffer.alloc(4)],
    ["a longer string than asked", "fünf"],
    ["a count above what was asked", 4],
    ["a negative count", -1],
    ["NaN", Number.NaN],
    ["nothing", undefined],
  ])("that returns %s is EIO and raises an error", async (_, result) => {
    await using client = reading(() => result as number);
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.read(nodeid, 0, 0, 3)).toBe(-5);
    expect(client.faults.length).toBe(1);
  });

  it("may keep its buffer: it is nobody else's", async () => {
    const kept: Uint8Array[] = [];
    await using client = reading((_path, _fh, buffer) => {
      kept.push(buffer);
      return buffer.fill(97).length;
    });
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.read(nodeid, 0, 0, 3)).toBe("aaa");
    kept[0]?.fill(98);
    expect(await client.read(nodeid, 0, 0, 3)).toBe("aaa");
    expect(kept[0]?.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it("fills the request's own memory with inPlace", async () => {
    await using client = clientOf(single({ read: (_path, _fh, buffer) => buffer.fill(99).length }), { inPlace: true });
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.read(nodeid, 0, 0, 3)).toBe("ccc");
  });
});

describe("write", () => {
  it("returns a count, or nothing for all; data may be kept", async () => {
    const kept: string[] = [];
    const chunks: Uint8Array[] = [];
    let result: number | undefined;
    await using client = clientOf(
      single({
        write: (_path, _fh, data) => {
          chunks.push(data);
          return result;
        },
      }),
    );
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.write(nodeid, 0, 0, "one")).toBe(3);
    result = 2;
    expect(await client.write(nodeid, 0, 0, "two")).toBe(2);
    for (const wrong of [4, -1, 0.5]) {
      result = wrong;
      expect(await client.write(nodeid, 0, 0, "bad")).toBe(-5);
    }
    for (const chunk of chunks.slice(0, 2)) kept.push(Buffer.from(chunk).toString());
    expect(kept).toEqual(["one", "two"]);
    expect(client.faults.length).toBe(3);
  });
});

describe("a synchronous handler", () => {
  it("is answered at once: no promise is made", async () => {
    await using client = clientOf(single({ write: () => 1, open: () => 1, readdir: () => ["f"], readlink: () => "x" }));
    const { nodeid } = await client.lookup(1, "f");
    const { fh } = await client.open(nodeid);
    const dir = await client.opendir(1);
    await Promise.all([client.getattr(nodeid), client.read(nodeid, fh, 0, 4096), client.readlink(nodeid)]);
    await Promise.all([client.write(nodeid, fh, 0, "x"), client.readdir(1, dir, 0), client.release(nodeid, fh)]);
    expect(client.kernel.stats()).toMatchObject({ asynchronous: 0 });
  });
});
