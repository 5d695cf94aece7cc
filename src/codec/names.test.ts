// Proves the small rules about names, and which errno a thrown value stands for.
import { describe, expect, it } from "vitest";
import { ERRNO, errno, errnoOf, FuseError, MAX_ERRNO } from "./fuse-error.ts";
import { isComponent, isDotOrDotDot, NAME_MAX, stringLength } from "./names.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

describe("stringLength", () => {
  it.each([
    ["abc\0", 0, 4, 3],
    ["abc\0", 1, 3, 2],
    ["abc\0", 3, 1, 0],
    ["abc\0", 0, 3, -1],
    ["abc", 0, 3, -1],
    ["abc\0", 0, 0, -1],
    ["abc\0", 0, -5, -1],
    ["abc", 0, 100, -1],
  ])("%j from %i within %i: is %i", (text, start, limit, length) => {
    expect(stringLength(bytes(text), start, limit)).toBe(length);
  });
});

describe("isComponent", () => {
  it.each([
    ["a", true],
    [".", true],
    ["..", true],
    ["a\nb \xff", true],
    ["", false],
    ["/", false],
    ["a/", false],
    ["/a", false],
    ["n".repeat(NAME_MAX), true],
    ["n".repeat(NAME_MAX + 1), false],
  ])("%j: is %s", (name, valid) => expect(isComponent(bytes(name), 0, name.length)).toBe(valid));

  it("bytes outside of the name: do not count", () => {
    expect(isComponent(bytes("/a/"), 1, 1)).toBe(true);
  });
});

describe("isDotOrDotDot", () => {
  it.each([
    [".", true],
    ["..", true],
    ["...", false],
    [".a", false],
    ["a.", false],
    ["", false],
  ])("%j: is %s", (name, dots) => expect(isDotOrDotDot(bytes(`${name}...`), 0, name.length)).toBe(dots && name !== ""));
});

describe("FuseError", () => {
  it("shape: is that of node's system errors, with or without a message", () => {
    const error = new FuseError("ENOSPC", "the disk is full", { cause: 7 });
    expect([error.code, error.errno, error.message, error.name, error.cause]).toEqual([
      "ENOSPC",
      -28,
      "ENOSPC: the disk is full",
      "FuseError",
      7,
    ]);
    expect(new FuseError("EIO").message).toBe("EIO");
  });

  it("every name: is the errno that the reply carries", () => {
    for (const [name, number] of Object.entries(ERRNO) as [keyof typeof ERRNO, number][]) {
      expect([errnoOf(new FuseError(name)), errno(name), errnoOf({ code: name })]).toEqual([-number, -number, -number]);
      expect(number).toBeLessThanOrEqual(MAX_ERRNO);
    }
  });
});
