// Passthrough: nodes, handles and descriptors. Every descriptor has an owner, and every error path gives back its own.
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import type { Backing } from "../../src/fs/filesystem.ts";
import type { Notifier } from "../../src/fs/notifier.ts";
import { PassthroughFilesystem } from "../../src/fs/passthrough/passthrough-filesystem.ts";
import { disposeShared } from "../../src/fs/passthrough/shared-tables.ts";
import { connectionWith } from "../protocol/fake-kernel.ts";
import { openDescriptors, PassthroughClient } from "./passthrough-client.ts";

const nodes = (client: PassthroughClient) => client.copies[0]?.counters().nodes;

describe("nodes", () => {
  it("lookup: holds one descriptor per inode until everything was forgotten", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("a"), "text");
    linkSync(client.path("a"), client.path("b"));
    const before = openDescriptors().length;
    const first = client.lookup(1, "a");
    expect(first).toMatchObject({ size: 4, nlink: 2, generation: 0 });
    expect(client.lookup(1, "b")).toEqual(first);
    expect(client.lookup(1, "a").nodeid).toBe(first.nodeid);
    expect(openDescriptors().length).toBe(before + 1);
    client.forget(first.nodeid, 2);
    expect(client.getattr(first.nodeid).size).toBe(4);
    client.forget(first.nodeid, 1);
    expect(openDescriptors().length).toBe(before);
    expect(client.ask("GETATTR", first.nodeid).error).toBe("ESTALE");
    expect(client.lookup(1, "a")).toMatchObject({ nodeid: first.nodeid, generation: 1 });
  });

  it("forget: of an unknown node, of too many and of the root does no harm and is counted", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("a"), "");
    client.forget(99);
    client.forget(1, 1000);
    client.forget(client.lookup(1, "a").nodeid, 1000);
    expect(nodes(client)).toMatchObject({ live: 1, unknown: 1, excess: 1 });
    expect(client.getattr(1).mode & 0o170000).toBe(0o40000);
  });

  it("lookup: does not follow symbolic links", () => {
    using client = new PassthroughClient();
    symlinkSync("/etc/passwd", client.path("l"));
    const link = client.lookup(1, "l");
    expect(link.mode & 0o170000).toBe(0o120000);
    const { body } = client.ask("READLINK", link.nodeid);
    expect(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()).toBe("/etc/passwd");
    expect(client.ask("OPEN", link.nodeid, { flags: 0 }).error).toBe("ELOOP");
  });

  it("lookup: `..` of the root is the root, of a directory its parent, of one moved out of the source ESTALE", () => {
    using client = new PassthroughClient();
    mkdirSync(client.path("a/b"), { recursive: true });
    const a = client.lookup(1, "a");
    const b = client.lookup(a.nodeid, "b");
    expect(client.lookup(1, "..").nodeid).toBe(1);
    expect(client.lookup(b.nodeid, "..").nodeid).toBe(a.nodeid);
    expect(client.lookup(b.nodeid, ".").nodeid).toBe(b.nodeid);
    const outside = mkdtempSync(join("/dev/shm", "rfuse-outside-"));
    try {
      renameSync(client.path("a/b"), join(outside, "b"));
      const before = openDescriptors();
      expect(client.ask("LOOKUP", b.nodeid, {}, "..\0").error).toBe("ESTALE");
      expect(openDescriptors()).toEqual(before);
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it("getattr: of an unlinked file goes on", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("a"), "text");
    const { nodeid } = client.lookup(1, "a");
    expect(client.ask("UNLINK", 1, {}, "a\0").error).toBe("");
    expect(client.getattr(nodeid)).toMatchObject({ nlink: 0, size: 4 });
    const fh = client.open(nodeid, 0);
    expect(client.read(nodeid, fh, 0, 10)).toBe("text");
  });

  it("lookup: a full table is ENFILE, counted, asks the kernel for inodes, and leaks nothing", () => {
    using client = new PassthroughClient({ maxNodes: 3 });
    for (const name of ["a", "b", "c", "d"]) writeFileSync(client.path(name), "");
    const a = client.lookup(1, "a");
    const b = client.lookup(1, "b");
    const before = openDescriptors();
    expect(client.ask("LOOKUP", 1, {}, "c\0").error).toBe("ENFILE");
    expect(client.ask("CREATE", 1, { flags: 0o101, mode: 0o100644 }, "new\0").error).toBe("ENFILE");
    expect(client.ask("MKDIR", 1, { mode: 0o755 }, "dir\0").error).toBe("ENFILE");
    expect(openDescriptors()).toEqual(before);
    expect(new Set(client.pruned)).toEqual(new Set([a.nodeid, b.nodeid]));
    expect(client.copies[0]?.counters()).toMatchObject({ descriptorsShort: 3, handles: 0 });
    client.forget(a.nodeid);
    expect(client.lookup(1, "c").nodeid).toBe(a.nodeid);
  });
});

// In a process of its own, whose limit of open files is low: without a descriptor Bun ends, or cannot unmount.
const EXHAUST = `
  import { readdirSync, writeFileSync } from "node:fs";
  import { PassthroughClient } from ${JSON.stringify(new URL("passthrough-client.ts", import.meta.url).href)};
  using client = new PassthroughClient();
  for (let index = 0; index < 256; index++) writeFileSync(client.path("f" + index), "");
  let refused = 0;
  for (let index = 0; index < 256; index++) if (client.ask("LOOKUP", 1, {}, "f" + index + "\\0").error === "ENFILE") refused++;
  const ask = (name, fields, tail) => client.ask(name, 1, fields, tail).error;
  const made = [ask("MKDIR", { mode: 0o755 }, "dir\\0"), ask("SYMLINK", {}, "link\\0to\\0"), ask("MKNOD", { mode: 0o100644 }, "node\\0")];
  const left = readdirSync(client.path("")).filter((name) => !name.startsWith("f"));
  const open = readdirSync("/proc/self/fd").length;
  console.log(JSON.stringify({ refused: refused > 0, made, left, spare: 256 - open >= 48 }));
`;

describe("descriptors run out", () => {
  it("lookup: the daemon keeps some for itself, and what is refused with ENFILE leaves no name", () => {
    const child = spawnSync("sh", ["-c", 'ulimit -n 256; exec "$0" -e "$1"', process.execPath, EXHAUST], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(child.stderr).toBe("");
    expect(JSON.parse(child.stdout)).toEqual({
      refused: true,
      made: ["ENFILE", "ENFILE", "ENFILE"],
      left: [],
      spare: true,
    });
  });
});

describe("handles", () => {
  const withFh: ReadonlyArray<readonly [name: OpcodeName, fields: Record<string, number>, tail: string]> = [
    ["READ", { size: 10 }, ""],
    ["WRITE", { size: 1 }, "x"],
    ["RELEASE", {}, ""],
    ["RELEASEDIR", {}, ""],
    ["READDIR", { size: 4096 }, ""],
    ["READDIRPLUS", { size: 4096 }, ""],
    ["FSYNC", {}, ""],
    ["FSYNCDIR", {}, ""],
    ["FLUSH", {}, ""],
    ["FALLOCATE", { length: 10 }, ""],
    ["LSEEK", { whence: 3 }, ""],
    ["IOCTL", { cmd: 0x80086601, out_size: 4 }, ""],
    ["SETATTR", { valid: 0x48 }, ""],
    ["SETLK", { lk_flags: 1 }, ""],
  ];

  it.each(withFh)("%s: a handle that was not given out is EBADF and closes nothing", (name, fields, tail) => {
    using client = new PassthroughClient();
    writeFileSync(client.path("a"), "text");
    const { nodeid } = client.lookup(1, "a");
    const before = openDescriptors();
    for (const fh of [0, 1, 2, 999_999, 2 ** 40]) {
      expect(client.ask(name, nodeid, { ...fields, fh }, tail).error, `fh ${fh}`).toBe("EBADF");
    }
    expect(openDescriptors()).toEqual(before);
  });

  it("release: twice is EBADF, and a directory is no file", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("a"), "text");
    const { nodeid } = client.lookup(1, "a");
    const fh = client.open(nodeid, 0);
    expect(client.ask("READDIR", nodeid, { fh, size: 100 }).error).toBe("EBADF");
    client.release(nodeid, fh);
    expect(client.ask("RELEASE", nodeid, { fh }).error).toBe("EBADF");
    expect(client.ask("READ", 1, { fh: client.opendir(1), size: 10 }).error).toBe("EBADF");
    expect(client.copies[0]?.counters().handles).toBe(1);
  });

  it("errors: leave no descriptor behind", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("a"), "text");
    mkdirSync(client.path("d"));
    const a = client.lookup(1, "a").nodeid;
    const d = client.lookup(1, "d").nodeid;
    const before = openDescriptors();
    const failing: ReadonlyArray<readonly [string, OpcodeName, number, Record<string, number>, string]> = [
      ["ENOENT", "LOOKUP", 1, {}, "none\0"],
      ["ENOTDIR", "LOOKUP", a, {}, "x\0"],
      ["EEXIST", "MKDIR", 1, { mode: 0o755 }, "d\0"],
      ["EEXIST", "MKNOD", 1, { mode: 0o100644 }, "a\0"],
      ["EEXIST", "SYMLINK", 1, {}, "a\0target\0"],
      ["EEXIST", "LINK", 1, { oldnodeid: a }, "d\0"],
      ["EPERM", "LINK", 1, { oldnodeid: d }, "e\0"],
      ["EEXIST", "CREATE", 1, { flags: 0o301, mode: 0o100644 }, "a\0"],
      ["EISDIR", "OPEN", d, { flags: 1 }, ""],
      ["ENOTDIR", "OPENDIR", a, {}, ""],
      ["ENOENT", "UNLINK", 1, {}, "none\0"],
      ["ENOTDIR", "RMDIR", 1, {}, "a\0"],
      ["ENOENT", "RENAME", 1, { newdir: 1 }, "none\0new\0"],
      ["ENODATA", "GETXATTR", a, { size: 100 }, "user.none\0"],
      ["ESTALE", "LINK", 1, { oldnodeid: 77 }, "e\0"],
      ["ESTALE", "RENAME", 1, { newdir: 77 }, "a\0b\0"],
      ["ENOTDIR", "TMPFILE", a, { flags: 2, mode: 0o100600 }, "x\0"],
    ];
    for (const [error, name, nodeid, fields, tail] of failing) {
      expect([name, client.ask(name, nodeid, fields, tail).error]).toEqual([name, error]);
    }
    expect(openDescriptors()).toEqual(before);
    expect(nodes(client)?.live).toBe(3);
  });
});

describe("life", () => {
  const context = (index: number, count: number) => ({
    mountpoint: "/nowhere",
    connection: connectionWith([], 65_536),
    notify: {} as Notifier,
    backing: {} as Backing,
    worker: { index, count },
  });

  it("destroy: the last copy closes what the kernel did not give back", () => {
    const before = openDescriptors();
    using client = new PassthroughClient({}, 2);
    writeFileSync(client.path("a"), "text");
    const { nodeid } = client.lookup(1, "a");
    client.open(nodeid, 0);
    client.opendir(1);
    client.ask("SETLK", nodeid, { owner: 5n });
    for (const kernel of client.kernels) kernel.hangUp();
    client.copies[1]?.destroy();
    expect(openDescriptors().filter((line) => line.includes(client.source)).length).toBe(5);
    client.copies[0]?.destroy();
    expect(openDescriptors().filter((line) => line.includes(client.source))).toEqual([]);
    client[Symbol.dispose]();
    expect(openDescriptors()).toEqual(before);
  });

  it("disposeShared: closes what a copy without a goodbye left", () => {
    const source = mkdtempSync(join("/dev/shm", "rfuse-passthrough-"));
    try {
      const shared = PassthroughFilesystem.createShared({ source });
      new PassthroughFilesystem({ source }, shared).init(context(0, 1));
      expect(openDescriptors().filter((line) => line.endsWith(source)).length).toBe(1);
      disposeShared(shared);
      expect(openDescriptors().filter((line) => line.endsWith(source))).toEqual([]);
    } finally {
      rmSync(source, { recursive: true });
    }
  });

  const wrong: ReadonlyArray<readonly [options: unknown, message: RegExp]> = [
    [undefined, /an object with a `source`/],
    [{}, /source/],
    [{ source: "/tmp", cache: 1 }, /no option cache/],
    [{ source: "/tmp", cacheMs: -1 }, /cacheMs\.entry/],
    [{ source: "/tmp", cacheMs: { names: 1 } }, /cacheMs\.names/],
    [{ source: "/tmp", readOnly: 1 }, /readOnly/],
    [{ source: "/tmp", locks: "none" }, /locks/],
    [{ source: "/tmp", maxNodes: 0 }, /maxNodes/],
  ];
  it.each(wrong)("options: %j is refused", (options, message) => {
    expect(() => new PassthroughFilesystem(options as { source: string })).toThrow(message);
  });

  it("options: a source that is missing or no directory is refused with its errno", () => {
    expect(() => new PassthroughFilesystem({ source: "/nonexistent" })).toThrow(
      expect.objectContaining({ code: "ENOENT" }),
    );
    expect(() => new PassthroughFilesystem({ source: "/dev/null" })).toThrow(
      expect.objectContaining({ code: "ENOTDIR" }),
    );
  });

  it("cacheMs: 0 is 0, and each time stands for itself", () => {
    using none = new PassthroughClient({ cacheMs: 0 });
    writeFileSync(none.path("a"), "");
    const { body } = none.ask("LOOKUP", 1, {}, "a\0");
    expect([16, 24].map((at) => body.getBigUint64(at, true))).toEqual([0n, 0n]);
    expect([32, 36].map((at) => body.getUint32(at, true))).toEqual([0, 0]);
    using some = new PassthroughClient({ cacheMs: { entry: 2500, attr: 1, negative: 7000 } });
    const missing = some.ask("LOOKUP", 1, {}, "a\0");
    expect([missing.error, ...[0, 16].map((at) => missing.body.getBigUint64(at, true))]).toEqual(["", 0n, 7n]);
    writeFileSync(some.path("a"), "");
    const found = some.ask("LOOKUP", 1, {}, "a\0").body;
    expect([16, 24].map((at) => found.getBigUint64(at, true))).toEqual([2n, 0n]);
    expect([32, 36].map((at) => found.getUint32(at, true))).toEqual([500_000_000, 1_000_000]);
  });
});
