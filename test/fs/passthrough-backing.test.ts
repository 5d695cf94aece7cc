// How the passthrough filesystem answers opens where the kernel offers FUSE passthrough: which id, which flags, when a
// file is registered and given back. The kernel's side is a table of the test's; a real one is in
// test/mount/fuse-passthrough.test.ts.

import { chmodSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import { F, fcntl, O } from "../../ffi/file.ts";
import { FOPEN } from "../../src/abi/fuse-constants.ts";
import { FuseEntryOut, FuseOpenOut } from "../../src/abi/fuse-structs.ts";
import type { Backing } from "../../src/fs/filesystem.ts";
import type { Notifier } from "../../src/fs/notifier.ts";
import { type PassthroughOptions, resolvePassthroughOptions } from "../../src/fs/passthrough/options.ts";
import { PassthroughFilesystem } from "../../src/fs/passthrough/passthrough-filesystem.ts";
import { connectionWith } from "../protocol/fake-kernel.ts";
import { openDescriptors, PassthroughClient } from "./passthrough-client.ts";

/** What a kernel holds: ids, and flags of the descriptors that were offered. */
class BackingFiles implements Backing {
  readonly live = new Set<number>();
  readonly offered: number[] = [];
  refusal = 0;
  refusesPaths = false;
  private made = 0;

  open(fd: number): number {
    const flags = fcntl(fd, F.GETFL, 0);
    this.offered.push(flags);
    if (this.refusal !== 0) return -this.refusal;
    if (this.refusesPaths && (flags & O.PATH) !== 0) return -ERRNO.EBADF;
    this.live.add(++this.made);
    return this.made;
  }
  close(id: number): number {
    return this.live.delete(id) ? 0 : -ERRNO.ENOENT;
  }
}

function start(options: Partial<PassthroughOptions> = {}, copies = 1, offered = true) {
  const table = new BackingFiles();
  const client = new PassthroughClient(options, copies, offered ? table : undefined);
  writeFileSync(client.path("a"), "text");
  return { client, table, nodeid: client.lookup(1, "a").nodeid };
}

const outAt = (body: DataView, at: number) => ({
  fh: Number(body.getBigUint64(at + FuseOpenOut.at.fh, true)),
  flags: body.getUint32(at + FuseOpenOut.at.open_flags, true),
  id: body.getInt32(at + FuseOpenOut.at.backing_id, true),
});

function open(client: PassthroughClient, nodeid: number, flags: number = O.RDONLY) {
  const { error, body } = client.ask("OPEN", nodeid, { flags });
  return error === "" ? { error, ...outAt(body, 0) } : { error, fh: -1, flags: 0, id: 0 };
}

const valid = (body: DataView, at = 0): bigint => body.getBigUint64(at, true);

describe("opens with FUSE passthrough", () => {
  it("open: registers a file once for all copies and opens, from its O_PATH descriptor", () => {
    const { client, table, nodeid } = start({}, 2);
    using _ = client;
    const first = open(client, nodeid);
    client.serving = 1;
    const second = open(client, nodeid, O.WRONLY);
    expect([first, second]).toMatchObject([
      { flags: FOPEN.PASSTHROUGH, id: 1 },
      { flags: FOPEN.PASSTHROUGH, id: 1 },
    ]);
    client.release(nodeid, first.fh);
    client.serving = 0;
    client.release(nodeid, second.fh);
    expect(open(client, nodeid)).toMatchObject({ id: 1 });
    expect(table.offered.map((flags) => flags & O.PATH)).toEqual([O.PATH]);
    expect(client.copies[1]?.counters().backingFiles).toBe(1);
  });

  it("forget: gives the id back with the node, and the slot's next owner gets one of its own", () => {
    const { client, table, nodeid } = start({}, 2);
    using _ = client;
    client.release(nodeid, open(client, nodeid).fh);
    client.serving = 1;
    client.forget(nodeid);
    expect([...table.live]).toEqual([]);
    writeFileSync(client.path("b"), "other");
    const other = client.lookup(1, "b").nodeid;
    expect([other, open(client, other).id]).toEqual([nodeid, 2]);
  });

  it("create: is passed through, and gives all back when the node goes", () => {
    const before = openDescriptors();
    const { client, table } = start();
    using _ = client;
    const { error, body } = client.ask("CREATE", 1, { flags: O.RDWR | O.CREAT, mode: 0o100644 }, "new\0");
    expect(error).toBe("");
    const made = outAt(body, FuseEntryOut.size);
    expect(made).toMatchObject({ flags: FOPEN.PASSTHROUGH, id: 1 });
    expect(valid(body, FuseEntryOut.at.attr_valid)).toBe(0n); // it may be mapped
    const nodeid = Number(valid(body, FuseEntryOut.at.nodeid));
    client.release(nodeid, made.fh);
    client.forget(nodeid);
    expect([...table.live]).toEqual([]);
    client[Symbol.dispose]();
    expect(openDescriptors()).toEqual(before);
  });

  it("open: before Linux 6.16 a descriptor is registered that may read", () => {
    const { client, table, nodeid } = start();
    using _ = client;
    table.refusesPaths = true;
    const before = openDescriptors().length;
    expect(open(client, nodeid, O.WRONLY)).toMatchObject({ flags: FOPEN.PASSTHROUGH, id: 1 });
    expect((table.offered[1] ?? 0) & (O.PATH | O.ACCMODE)).toBe(O.RDONLY);
    expect(openDescriptors().length).toBe(before + 1); // the handle
  });

  it("open: NOFLUSH stays beside PASSTHROUGH, KEEP_CACHE does not", () => {
    const { client, nodeid } = start({ locks: "local", cacheMs: 5000 });
    using _ = client;
    expect(open(client, nodeid).flags).toBe(FOPEN.PASSTHROUGH | FOPEN.NOFLUSH);
  });
});

describe("refusals", () => {
  it("open: a file that is refused is served as without passthrough, until no such open is left", () => {
    const { client, table, nodeid } = start();
    using _ = client;
    table.refusal = ERRNO.ELOOP;
    const first = open(client, nodeid);
    expect(first).toMatchObject({ error: "", flags: FOPEN.KEEP_CACHE, id: 0 });
    table.refusal = 0;
    const second = open(client, nodeid);
    expect(second).toMatchObject({ flags: FOPEN.KEEP_CACHE, id: 0 });
    client.release(nodeid, first.fh);
    client.release(nodeid, second.fh);
    expect(open(client, nodeid)).toMatchObject({ flags: FOPEN.PASSTHROUGH, id: 1 });
  });

  it("open: EPERM is final, ELOOP is the file's own", () => {
    const { client, table, nodeid } = start();
    using _ = client;
    for (const [errno, calls] of [
      [ERRNO.ELOOP, 2],
      [ERRNO.EPERM, 3],
    ] as const) {
      table.refusal = errno;
      for (let round = 0; round < 2; round++) client.release(nodeid, open(client, nodeid).fh);
      expect(table.offered.length).toBe(calls);
    }
  });

  it("off, directIo, writebackCache: nothing is registered, and flags are as ever", () => {
    for (const [options, flags] of [
      [{ passthrough: "off" }, FOPEN.KEEP_CACHE],
      [{ directIo: true }, FOPEN.KEEP_CACHE | FOPEN.DIRECT_IO | FOPEN.PARALLEL_DIRECT_WRITES],
      [{ writebackCache: true }, FOPEN.KEEP_CACHE],
    ] as const) {
      const { client, table, nodeid } = start(options);
      using _ = client;
      expect(open(client, nodeid)).toMatchObject({ flags, id: 0 });
      expect(table.offered).toEqual([]);
      expect(client.copies[0]?.wishes.maxStackDepth).toBe(0);
    }
  });

  it("off: O_DIRECT, where the source takes it, spares the kernel its look at attributes before each read", () => {
    const { client, nodeid } = start({ passthrough: "off", cacheMs: 0 });
    using _ = client;
    const { fh, flags } = open(client, nodeid, O.RDWR | O.DIRECT);
    const taken = (fcntl(fh, F.GETFL, 0) & O.DIRECT) !== 0;
    expect(flags).toBe(taken ? FOPEN.DIRECT_IO | FOPEN.PARALLEL_DIRECT_WRITES : 0);
    expect(open(client, nodeid, O.RDWR).flags).toBe(0);
    const before = start({ passthrough: "off", cacheMs: 0 }, 1, false); // Linux 6.6 maps such files shared
    using __ = before.client;
    expect(open(before.client, before.nodeid, O.RDWR | O.DIRECT).flags).toBe(0);
  });

  it("on: is refused beside directIo and writebackCache", () => {
    for (const other of ["directIo", "writebackCache"] as const) {
      expect(() => resolvePassthroughOptions({ source: "/", passthrough: "on", [other]: true })).toThrow(
        `passthrough option passthrough is "on", not "auto" or "off" beside ${other}`,
      );
    }
    expect(() => resolvePassthroughOptions({ source: "/", passthrough: "sometimes" })).toThrow(
      'passthrough option passthrough is "sometimes", not "auto", "on" or "off"',
    );
  });

  it("on: does not start without the privilege, or where INIT did not agree", () => {
    const connection = connectionWith([], 65_536);
    const context = {
      mountpoint: "/nowhere",
      connection,
      notify: {} as Notifier,
      backing: new BackingFiles(),
      worker: { index: 0, count: 1 },
    };
    const init = () => new PassthroughFilesystem({ source: "/dev/shm", passthrough: "on" }).init(context);
    expect(init).toThrow(process.getuid?.() === 0 ? /^EOPNOTSUPP: FUSE passthrough/ : /^EPERM: FUSE passthrough/);
  });
});

describe("opens that the daemon reads and writes", () => {
  const DAEMONS = FOPEN.PASSTHROUGH | FOPEN.DIRECT_IO;

  it("open: O_APPEND with auto, not with on, not for reading", () => {
    const { client, nodeid } = start();
    using _ = client;
    expect(open(client, nodeid, O.WRONLY | O.APPEND).flags).toBe(DAEMONS);
    expect(open(client, nodeid, O.RDONLY | O.APPEND).flags).toBe(FOPEN.PASSTHROUGH);
    if (process.getuid?.() !== 0) return;
    const always = start({ passthrough: "on" });
    using __ = always.client;
    expect(open(always.client, always.nodeid, O.WRONLY | O.APPEND).flags).toBe(FOPEN.PASSTHROUGH);
  });

  it("open: O_DIRECT on tmpfs, which takes any alignment, is passed through", () => {
    const { client, nodeid } = start();
    using _ = client;
    expect([FOPEN.PASSTHROUGH, DAEMONS]).toContain(open(client, nodeid, O.WRONLY | O.DIRECT).flags);
    expect(open(client, nodeid, O.RDONLY | O.DIRECT).flags).toBe(FOPEN.PASSTHROUGH);
  });

  it("open: a file with a set-id bit for writing, also beside one that is passed through", () => {
    const { client, nodeid } = start({ passthrough: "auto" });
    using _ = client;
    expect(open(client, nodeid, O.WRONLY)).toMatchObject({ flags: FOPEN.PASSTHROUGH, id: 1 });
    for (const mode of [0o4755, 0o2755, 0o2745]) {
      chmodSync(client.path("a"), mode);
      expect(open(client, nodeid, O.WRONLY)).toMatchObject({ flags: DAEMONS, id: 1 });
      expect(open(client, nodeid, O.RDONLY)).toMatchObject({ flags: FOPEN.PASSTHROUGH, id: 1 });
    }
  });

  it("write: such an open writes as any handle does", () => {
    const { client, nodeid } = start();
    using _ = client;
    const { fh } = open(client, nodeid, O.RDWR | O.APPEND);
    expect(client.write(nodeid, fh, 0, "+more", { flags: O.RDWR | O.APPEND })).toBe(5);
    expect(client.read(nodeid, fh, 0, 20)).toBe("text+more");
  });
});

describe("attributes of files that may be mapped", () => {
  it("getattr, lookup: are not to be cached while the file is open for reading and writing", () => {
    const { client, nodeid } = start({ cacheMs: 5000 });
    using _ = client;
    const seconds = () => [
      valid(client.ask("GETATTR", nodeid).body),
      valid(client.ask("LOOKUP", 1, {}, "a\0").body, FuseEntryOut.at.attr_valid),
    ];
    const write = open(client, nodeid, O.WRONLY);
    expect(seconds()).toEqual([5n, 5n]);
    const [one, two] = [open(client, nodeid, O.RDWR), open(client, nodeid, O.RDWR)];
    expect(client.invalidated).toEqual([[nodeid, -1]]); // what the kernel holds already, once
    expect(seconds()).toEqual([0n, 0n]);
    client.release(nodeid, one.fh);
    expect(seconds()).toEqual([0n, 0n]);
    client.release(nodeid, two.fh);
    client.release(nodeid, write.fh);
    expect(seconds()).toEqual([5n, 5n]);
  });
});

describe("wishes", () => {
  it.runIf(process.getuid?.() === 0)("maxStackDepth: 1 for a plain source", () => {
    const { client } = start();
    using _ = client;
    expect(client.copies[0]?.wishes.maxStackDepth).toBe(1);
  });
});
