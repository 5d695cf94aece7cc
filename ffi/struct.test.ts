// Proves that a struct description with a mistake never becomes a table.
import { describe, expect, it } from "vitest";
import { defineStruct } from "./struct.ts";

const Inner = defineStruct("inner", 16, { wide: "u64", narrow: "u32", pad: "u32" });

describe("defineStruct", () => {
  it("fields: follow each other by width and count", () => {
    const table = defineStruct(
      "outer",
      48,
      {
        a: "u8",
        b: "i8",
        c: "u16",
        d: { type: "u16", count: 2, since: 38 },
        inner: Inner,
        list: { type: Inner, count: 1 },
        last: "i64",
      },
      { since: 36 },
    );
    expect(table.at).toEqual({ a: 0, b: 1, c: 2, d: 4, inner: 8, list: 24, last: 40 });
    expect(table.fields.map(({ width, count, since }) => [width, count, since])).toEqual([
      [1, 1, 0],
      [1, 1, 0],
      [2, 1, 0],
      [2, 2, 38],
      [16, 1, 0],
      [16, 1, 0],
      [8, 1, 0],
    ]);
    expect([table.name, table.size, table.since]).toEqual(["outer", 48, 36]);
    expect(Object.isFrozen(table) && Object.isFrozen(table.at) && Object.isFrozen(table.fields)).toBe(true);
  });

  it.each([
    ["u16 at 1", { a: "u8", b: "u16" }, "t.b: offset 1 needs padding to 2"],
    ["u32 at 2", { a: "u16", b: "i32" }, "t.b: offset 2 needs padding to 4"],
    ["u64 at 4", { a: "u32", b: "u64" }, "t.b: offset 4 needs padding to 8"],
    ["struct at 4", { a: "u32", b: Inner }, "t.b: offset 4 needs padding to 8"],
    ["array of u32 at 2", { a: "u16", b: { type: "u32", count: 2 } }, "t.b: offset 2 needs padding to 4"],
  ] as const)("implicit padding, %s: is refused by name and numbers", (_, spec, message) => {
    expect(() => defineStruct("t", 16, spec)).toThrow(new TypeError(`${message}; name it as a field`));
  });

  it.each([0, 7, 9])("stated size %i of 8: is refused with both", (size) => {
    expect(() => defineStruct("t", size, { a: "u64" })).toThrow(new TypeError(`t: stated size ${size}, computed 8`));
  });
});
