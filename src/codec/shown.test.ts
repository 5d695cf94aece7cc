// Proves that any value can be shown: shortly, as what it is, and without running into its own methods.
import { describe, expect, it } from "vitest";
import { messageOf, shown, textOf } from "./shown.ts";

const boom = () => {
  throw new Error("boom");
};
/** Throws whatever is done to it. */
const untouchable = new Proxy({}, { get: boom, getPrototypeOf: boom, ownKeys: boom, has: boom });

describe("shown", () => {
  it.each<readonly [unknown, string]>([
    ["5", '"5"'],
    [5, "5"],
    [Number.NaN, "NaN"],
    [5n, "5n"],
    [undefined, "undefined"],
    [null, "null"],
    [Symbol("s"), "Symbol(s)"],
    [{ status: 404 }, "{ status: 404, }"],
    [Promise.resolve(1), "Promise { <resolved> }"],
    [new TypeError("no such thing"), "TypeError: no such thing"],
  ])("tells what %o is", (value, text) => {
    expect(shown(value)).toBe(text);
  });

  it("is short, however large the value is", () => {
    for (const large of [
      "x".repeat(1e6),
      Array.from({ length: 1e4 }, (_, index) => index),
      boom,
      new Uint8Array(1e6),
    ]) {
      expect(shown(large).length).toBeLessThanOrEqual(203);
    }
  });

  it("does not throw for a value that does", () => {
    const odd = [
      untouchable,
      Object.create(null),
      { toString: boom, [Symbol.toPrimitive]: boom, [Symbol.for("nodejs.util.inspect.custom")]: boom },
      Object.defineProperty(new Error(""), "message", { get: boom }),
    ];
    for (const value of odd) {
      expect(typeof shown(value)).toBe("string");
      expect(typeof messageOf(value)).toBe("string");
    }
  });
});

describe("textOf", () => {
  it("gives an error's texts alone", () => {
    expect(textOf(new Error("x"), "message")).toBe("x");
    expect(textOf(Object.assign(new Error("x"), { code: 5 }), "code")).toBeUndefined();
    expect(textOf(Object.assign(new Error("x"), { message: { a: boom } }), "message")).toBeUndefined();
    expect(textOf({ message: "x" }, "message")).toBeUndefined();
    expect(textOf(untouchable, "message")).toBeUndefined();
  });
});
