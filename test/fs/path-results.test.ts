// Proves that a path-level method's result that cannot be meant is EIO and an error event that says what is wrong, and
// that what is no method is refused when the filesystem is made.
import { describe, expect, it } from "vitest";
import { pathFilesystem } from "../../src/fs/path/path-filesystem.ts";
import type { PathFilesystem } from "../../src/fs/path/types.ts";
import { clientOf } from "./path-client.ts";

const base: PathFilesystem = { getattr: (path) => ({ type: path === "/" ? "directory" : "file" }) };

describe("a method whose result says nothing", () => {
  it.each(["sync", "promised"])("that answers by a negative number has failed, %s", async (how) => {
    const minus = (() => (how === "sync" ? -2 : Promise.resolve(-2))) as never;
    await using client = clientOf({ ...base, mkdir: minus, rename: minus, fsync: minus });
    expect((await client.mkdir(1, "d")).error).toBe(-5);
    expect(await client.rename(1, "a", 1, "b")).toBe(-5);
    expect(client.faults).toEqual([
      expect.stringContaining('mkdir returned -2; to fail, throw an error with a code such as "ENOENT"'),
      expect.stringContaining("rename returned -2"),
    ]);
  });

  it.each([[undefined], [true], ["/made"], [7]])("may give %j, as node's own do", async (result) => {
    await using client = clientOf({ ...base, mkdir: (() => result) as never });
    expect((await client.mkdir(1, "d")).error).toBe(0);
    expect(client.faults).toEqual([]);
  });
});

describe("readlink", () => {
  it.each<readonly [string, unknown, string]>([
    ["an empty target", "", 'readlink returned "" of 0 bytes'],
    ["a target with NUL", "a\0b", 'readlink returned "a\\u0000b" of 3 bytes'],
    ["a target beyond PATH_MAX", "x".repeat(4096), "of 4096 bytes, which is no target of 1..4095 bytes"],
    ["a number", 5, "readlink returned 5, neither a string nor bytes"],
  ])("with %s is EIO and an error event", async (_, target, says) => {
    await using client = clientOf({ getattr: () => ({ type: "symlink" }), readlink: () => target as string });
    const { nodeid } = await client.lookup(1, "l");
    expect(await client.readlink(nodeid)).toBe(-5);
    expect(client.faults).toEqual([expect.stringContaining(says)]);
  });
});

describe("a method of a filesystem", () => {
  it("is called on it, also where it uses private members", async () => {
    class Counting implements PathFilesystem {
      #calls = 0;
      getattr(path: string) {
        return { type: path === "/" ? "directory" : "file", size: ++this.#calls } as const;
      }
      truncate() {
        this.#calls = 41;
      }
    }
    await using client = clientOf(new Counting());
    const { nodeid } = await client.lookup(1, "f");
    expect(await client.setattr(nodeid, { valid: 0x8, size: 3 })).toBe(0);
    expect((await client.getattr(nodeid)).attr.size).toBeGreaterThan(41);
  });

  it("must be a function", () => {
    expect(() => pathFilesystem({ getattr: 5 } as never)).toThrow("filesystem.getattr is 5, not a function");
    expect(() => pathFilesystem({ unlink: "no" } as never)).toThrow('filesystem.unlink is "no", not a function');
    expect(() => pathFilesystem(undefined as never)).toThrow("the filesystem is undefined, not an object");
  });
});
