// Limits of the in-memory filesystem: exactly at the limit, nothing half done, and space comes back.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import { MemoryFilesystem } from "../../src/fs/memory/memory-filesystem.ts";
import type { MemoryOptions } from "../../src/fs/memory/options.ts";
import { Caller } from "./memory-caller.ts";

const PAGE = 4096;

function small(options: MemoryOptions) {
  const filesystem = new MemoryFilesystem(options);
  return { filesystem, caller: new Caller(filesystem) };
}

describe("memory: sizeLimit", () => {
  it("takes every page, then ENOSPC, and gives back what a dead file held", () => {
    const { filesystem, caller } = small({ sizeLimit: 40 * PAGE + 100 });
    const a = caller.create(1, "a");
    expect(caller.write(a, 0, new Uint8Array(40 * PAGE).fill(1))).toBe(40 * PAGE);
    expect(caller.write(a, 40 * PAGE, new Uint8Array(1))).toBe(-ERRNO.ENOSPC);
    expect(caller.write(a, 5, new Uint8Array(10))).toBe(10);
    const b = caller.create(1, "b");
    expect(caller.write(b, 0, new Uint8Array(1))).toBe(-ERRNO.ENOSPC);
    expect(caller.attr(b).size).toBe(0);
    caller.result("UNLINK", { names: ["a"] });
    caller.result("RELEASE", { nodeid: a });
    expect(caller.write(b, 0, new Uint8Array(1))).toBe(-ERRNO.ENOSPC);
    filesystem.forget(a, 1);
    expect(caller.write(b, 0, new Uint8Array(40 * PAGE))).toBe(40 * PAGE);
  });

  it("a write that fits in part is short, and what it says is there", () => {
    const { caller } = small({ sizeLimit: 34 * PAGE });
    const f = caller.create(1, "f");
    expect(caller.write(f, 100, new Uint8Array(40 * PAGE).fill(9))).toBe(34 * PAGE - 100);
    expect(caller.attr(f).size).toBe(34 * PAGE);
    expect(caller.read(f, 0, 40 * PAGE).filter((byte) => byte === 9).length).toBe(34 * PAGE - 100);
    const { view } = caller.call("STATFS", {});
    expect([view.out.st.blocks, view.out.st.bfree]).toEqual([34, 0]);
  });

  it("fallocate takes all or nothing; a punched hole is free again", () => {
    const { filesystem, caller } = small({ sizeLimit: 64 * PAGE });
    const f = caller.create(1, "f");
    const fallocate = (mode: number, offset: number, length: number) =>
      caller.result("FALLOCATE", { nodeid: f, fields: { mode, offset, length } });
    expect(fallocate(0, 0, 64 * PAGE + 1)).toBe(-ERRNO.ENOSPC);
    expect([filesystem.usage().bytes, caller.attr(f).size]).toEqual([0, 0]);
    expect(fallocate(0, 0, 64 * PAGE)).toBe(0);
    expect(fallocate(0, 0, 64 * PAGE)).toBe(0);
    expect(fallocate(3, 10, 2 * PAGE)).toBe(0);
    expect(filesystem.usage().bytes).toBe(63 * PAGE);
  });

  it("counts extended attributes, and forgets them with the inode", () => {
    const { filesystem, caller } = small({ sizeLimit: 3 * PAGE });
    const f = caller.create(1, "f");
    const set = (name: string, length: number) =>
      caller.result("SETXATTR", { nodeid: f, names: [name], fields: { size: length }, data: new Uint8Array(length) });
    expect(set("user.big", 4 * PAGE)).toBe(-ERRNO.ENOSPC);
    expect(set("user.fits", 2 * PAGE)).toBe(0);
    expect(filesystem.usage().bytes).toBe(3 * PAGE);
    expect(caller.result("REMOVEXATTR", { nodeid: f, names: ["user.fits"] })).toBe(0);
    expect(filesystem.usage().bytes).toBe(0);
    expect(set("user.fits", 10)).toBe(0);
    caller.result("UNLINK", { names: ["f"] });
    caller.result("RELEASE", { nodeid: f });
    caller.forgetAll();
    expect(filesystem.usage()).toEqual({ inodes: 1, bytes: 0 });
  });

  it("0 means no data at all, but names and sizes", () => {
    const { caller } = small({ sizeLimit: 0 });
    const f = caller.create(1, "f");
    expect(caller.write(f, 0, new Uint8Array(1))).toBe(-ERRNO.ENOSPC);
    expect(caller.result("SETATTR", { nodeid: f, fields: { valid: 8, size: 100 } })).toBe(0);
    expect(caller.read(f, 0, 200)).toEqual(new Uint8Array(100));
  });
});

describe("memory: other limits", () => {
  it("inodeLimit counts the root; an inode that ends makes room", () => {
    const { caller } = small({ inodeLimit: 3 });
    expect(caller.create(1, "a")).toBeGreaterThan(0);
    expect(caller.result("MKDIR", { names: ["d"], fields: { mode: 0o755 } })).toBe(0);
    expect(caller.create(1, "b")).toBe(-ERRNO.ENOSPC);
    expect(caller.attr(1).nlink).toBe(3);
    expect(caller.result("RMDIR", { names: ["d"] })).toBe(0);
    expect(caller.create(1, "b")).toBe(-ERRNO.ENOSPC);
    caller.result("RELEASE", { nodeid: 2 });
    caller.forgetAll();
    expect(caller.create(1, "b")).toBeGreaterThan(0);
  });

  it("maxFileSize: EFBIG past it, and a write across it is short", () => {
    const { caller } = small({ maxFileSize: 1000 });
    const f = caller.create(1, "f");
    expect(caller.write(f, 900, new Uint8Array(200))).toBe(100);
    expect(caller.write(f, 1000, new Uint8Array(1))).toBe(-ERRNO.EFBIG);
    const resize = (size: number) => caller.result("SETATTR", { nodeid: f, fields: { valid: 8, size } });
    expect([resize(1000), resize(1001)]).toEqual([0, -ERRNO.EFBIG]);
  });

  it("time-outs: 0 is 0, and fractions of a second are kept", () => {
    const { caller } = small({ attrTimeoutMs: 0, entryTimeoutMs: 1500 });
    caller.create(1, "f");
    const { view } = caller.call("LOOKUP", { names: ["f"] });
    const { entry_valid, entry_valid_nsec, attr_valid, attr_valid_nsec } = view.entry;
    expect([entry_valid, entry_valid_nsec, attr_valid, attr_valid_nsec]).toEqual([1, 500_000_000, 0, 0]);
    const absent = caller.call("LOOKUP", { names: ["none"] });
    expect([absent.result, absent.view.entry.nodeid, absent.view.entry.entry_valid]).toEqual([0, 0, 1]);
  });

  it("options that are none are refused by name", () => {
    expect(() => new MemoryFilesystem({ sizeLimit: -1 })).toThrow(/sizeLimit is -1/);
    expect(() => new MemoryFilesystem({ mode: 0o10000 })).toThrow(/mode is 4096/);
    expect(() => new MemoryFilesystem({ inodeLimit: 0 })).toThrow(/inodeLimit/);
    expect(() => new MemoryFilesystem({ sizelimit: 1 } as MemoryOptions)).toThrow(/no such option/);
    expect(() => new MemoryFilesystem({ acl: 1 as unknown as boolean })).toThrow(/true or false/);
  });
});
