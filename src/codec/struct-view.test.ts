// Proves the accessors of struct views: every width, signs, 64-bit numbers and opaque fields, nested structs.
import { describe, expect, it } from "vitest";
import { createArena } from "../../ffi/memory.ts";
import { defineStruct } from "../../ffi/struct.ts";
import { Request } from "./request.ts";
import { viewClass } from "./struct-view.ts";

const Nested = defineStruct("nested", 8, { x: "u32", y: "i32" });
const Table = defineStruct("table", 96, {
  a8: "u8",
  b8: "i8",
  c16: "u16",
  d16: "i16",
  e16: "u16",
  f32: "u32",
  g32: "i32",
  h64: "u64",
  i64: "i64",
  ino: "u64",
  lock_owner: "u64",
  mtime: "u64",
  atime: "i64",
  nested: Nested,
  kh: "u64",
  padding: { type: "u32", count: 2 },
  end: "u64",
});

function viewAt(start: number) {
  const arena = createArena(4096);
  const request = new Request(3, arena, {
    inHeader: 0,
    outHeader: 2032,
    opOut: 2048,
    dataOut: 2048,
    dataCapacity: 2048,
  });
  request.opIn = 1024;
  const View = viewClass(Table, "opIn", start);
  const at = (field: keyof typeof Table.at) => 1024 + start + Table.at[field];
  return { view: new View(request), arena, request, at, Out: viewClass(Table, "opOut", start) };
}

describe("viewClass", () => {
  it.each([
    ["a8", [0, 255]],
    ["b8", [-128, 127, -1]],
    ["c16", [0, 65_535]],
    ["d16", [-32_768, 32_767]],
    ["f32", [0, 2 ** 31, 2 ** 32 - 1]],
    ["g32", [-(2 ** 31), 2 ** 31 - 1, -1]],
    ["h64", [0, 2 ** 31, 2 ** 32, 2 ** 53 - 1]],
    ["i64", [0, -1, -(2 ** 32), -(2 ** 53) + 1, 2 ** 53 - 1]],
    ["mtime", [-1, -2_208_988_800, 2 ** 40]],
    ["atime", [-1, 2 ** 40]],
    ["lock_owner", [0n, 2n ** 64n - 1n, 0xfedcba9876543210n]],
    ["kh", [2n ** 63n]],
  ] as const)("%s: gives back what was stored, and touches nothing else", (field, values) => {
    for (const fill of [0, 0xff]) {
      const { view, arena, at } = viewAt(8);
      arena.bytes.fill(fill);
      const { offset = 0, width = 0 } = Table.fields.find(({ name }) => name === field) ?? {};
      for (const value of values) {
        (view as Record<string, unknown>)[field] = value;
        expect(view[field]).toBe(value);
      }
      const [start, end] = [at(field), at(field) + width];
      expect(offset).toBe(start - 1032);
      expect(arena.bytes.slice(0, start).every((byte) => byte === fill)).toBe(true);
      expect(arena.bytes.slice(end, 4096).every((byte) => byte === fill)).toBe(true);
    }
  });

  it("bytes: are little endian, two's complement", () => {
    const { view, arena, at } = viewAt(0);
    view.h64 = 0x1_0203_0405_0607;
    view.i64 = -2;
    view.mtime = -1;
    view.ino = 0xfedcba9876543210n;
    const hex = (field: "h64" | "i64" | "mtime" | "ino") =>
      Buffer.from(arena.bytes.slice(at(field), at(field) + 8)).toString("hex");
    expect([hex("h64"), hex("i64"), hex("mtime"), hex("ino")]).toEqual([
      "0706050403020100",
      "feffffffffffffff",
      "ffffffffffffffff",
      "1032547698badcfe",
    ]);
  });

  it("unsigned 64 bits: read as a number above zero; the last offset of a file goes back as it came", () => {
    const { view, arena, at } = viewAt(0);
    arena.view.setBigUint64(at("h64"), 2n ** 64n - 1n, true);
    expect(view.h64).toBe(2 ** 64);
    arena.view.setBigUint64(at("end"), 2n ** 63n - 1n, true);
    const { end } = view;
    arena.view.setBigUint64(at("end"), 0n, true);
    view.end = end;
    expect(arena.view.getBigUint64(at("end"), true)).toBe(2n ** 63n - 1n);
  });

  it("nested struct: is one object that shows the same memory", () => {
    const { view, arena, at } = viewAt(16);
    view.nested.y = -7;
    expect(arena.view.getInt32(at("nested") + 4, true)).toBe(-7);
    expect(view.nested).toBe(view.nested);
  });

  it("base: is read from the request at each look", () => {
    const { view, request, arena, Out } = viewAt(0);
    const out = new Out(request);
    out.f32 = 9;
    expect(arena.view.getUint32(2048 + Table.at.f32, true)).toBe(9);
    request.opIn = 2048;
    expect(view.f32).toBe(9);
  });

  it("arrays: are padding and have no property", () => {
    expect("padding" in viewAt(0).view).toBe(false);
  });
});
