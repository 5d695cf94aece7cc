// Proves directory replies byte by byte: records, alignment, a full reply, refused names and offsets.
import { describe, expect, it } from "vitest";
import { createArena } from "../../ffi/memory.ts";
import { DIRENT_NAME_MAX, DirentWriter, direntType } from "./dirents.ts";
import { FuseError } from "./fuse-error.ts";
import { Request } from "./request.ts";

const OP_IN = 64;
const DATA_OUT = 256;
const CAPACITY = 2048;

/** A writer for a READDIR that asked for `size` bytes, over memory full of 0xaa. */
function writerFor(size: number, plus = false) {
  const arena = createArena(4096);
  arena.bytes.fill(0xaa);
  const request = new Request(0, arena, {
    inHeader: 0,
    outHeader: DATA_OUT - 16,
    opOut: DATA_OUT,
    dataOut: DATA_OUT,
    dataCapacity: CAPACITY,
  });
  request.opIn = OP_IN;
  arena.view.setUint32(OP_IN + 16, size, true);
  const hex = (from: number, to: number) =>
    Buffer.from(arena.bytes.slice(DATA_OUT + from, DATA_OUT + to))
      .toString("hex")
      .replace(/(.{16})(?=.)/g, "$1 ");
  return { writer: new DirentWriter(request, plus), request, arena, hex };
}

const ONE = "0100000000000000 0200000000000000 0100000004000000 6100000000000000";

describe("DirentWriter.add", () => {
  it("record: is ino, off, namelen, type, name, zeros to a multiple of 8", () => {
    const { writer, hex } = writerFor(4096);
    expect(writer.add("a", 1, 4, 2)).toBe(true);
    expect([hex(0, 32), hex(32, 40), writer.length]).toEqual([ONE, "aaaaaaaaaaaaaaaa", 32]);
  });

  it.each([1, 2, 7, 8, 9, 255, 1024])("name of %i bytes: takes whole multiples of 8", (length) => {
    const { writer, hex } = writerFor(4096);
    expect(writer.add("n".repeat(length), 1, 8, 1)).toBe(true);
    const padded = Math.ceil(length / 8) * 8;
    expect(writer.length).toBe(24 + padded);
    const name = "6e".repeat(length) + "00".repeat(padded - length);
    expect(hex(24, 24 + padded).replaceAll(" ", "")).toBe(name);
    expect(hex(24 + padded, 32 + padded)).toBe("aaaaaaaaaaaaaaaa");
  });

  it.each([
    [5, "0500000000000000"],
    [2 ** 53 - 1, "ffffffffffff1f00"],
    [0xfedcba9876543210n, "1032547698badcfe"],
    [-1n, "ffffffffffffffff"],
  ])("ino %s: is stored as 64 bits", (ino, bytes) => {
    const { writer, hex } = writerFor(4096);
    writer.add("a", ino, 8, 1);
    expect(hex(0, 8)).toBe(bytes);
  });

  it("bytes: are taken as they are, text as UTF-8", () => {
    const { writer, hex } = writerFor(4096);
    writer.add(new Uint8Array([0xff, 0x0a]), 1, 8, 1);
    writer.add("é", 1, 8, 2);
    expect([hex(24, 32), hex(56, 64)]).toEqual(["ff0a000000000000", "c3a9000000000000"]);
  });

  it.each([
    [31, 0],
    [32, 1],
    [63, 1],
    [64, 2],
  ])("size %i: holds %i records, and what does not fit changes nothing", (size, fitting) => {
    const { writer, hex } = writerFor(size);
    let added = 0;
    while (writer.add("a", 1, 4, 2)) added++;
    expect([added, writer.length, writer.room]).toEqual([fitting, 32 * fitting, size - 32 * fitting]);
    expect(hex(32 * fitting, 32 * fitting + 8)).toBe("aaaaaaaaaaaaaaaa");
    expect(writer.add("a", 1, 4, 2)).toBe(false);
  });

  it("size beyond the reply's memory: stops at the memory", () => {
    const { writer, arena } = writerFor(2 ** 32 - 1);
    let added = 0;
    while (writer.add("a", 1, 4, 2)) added++;
    expect(added).toBe(CAPACITY / 32);
    expect(arena.bytes[DATA_OUT + CAPACITY]).toBe(0xaa);
  });

  it.each(["", "a/b", "/", "a\0b", "n".repeat(DIRENT_NAME_MAX + 1)])("name %j: is refused with EINVAL", (name) => {
    const { writer } = writerFor(4096);
    expect(() => writer.add(name, 1, 8, 1)).toThrow(FuseError);
    expect(() => writer.add(Buffer.from(name), 1, 8, 1)).toThrow("EINVAL");
    expect(writer.length).toBe(0);
  });

  it.each([0, -1, 1.5, 2 ** 53, NaN, Infinity])("offset %d: is refused with EINVAL", (offset) => {
    const { writer } = writerFor(4096);
    expect(() => writer.add("a", 1, 8, offset)).toThrow(`EINVAL: directory offset ${offset} is not`);
    expect(writer.length).toBe(0);
  });

  it("READDIRPLUS: a zeroed fuse_entry_out of 128 bytes comes before each dirent", () => {
    const { writer, hex, request } = writerFor(4096, true);
    writer.add("a", 1, 4, 2);
    expect([writer.length, writer.entryOut]).toEqual([160, DATA_OUT]);
    expect(hex(0, 128).replaceAll(" ", "")).toBe("00".repeat(128));
    expect(hex(128, 160)).toBe(ONE);
    writer.add("a", 1, 4, 2);
    expect([writer.entryOut, writer.length]).toEqual([DATA_OUT + 160, 320]);
    request.dataLength = 0;
    expect([writer.length, writer.room]).toEqual([0, CAPACITY]);
  });

  it("READDIRPLUS: needs room for both", () => {
    expect(writerFor(159, true).writer.add("a", 1, 4, 2)).toBe(false);
    expect(writerFor(160, true).writer.add("a", 1, 4, 2)).toBe(true);
  });
});

describe("direntType", () => {
  it.each([
    [0o100644, 8],
    [0o040755, 4],
    [0o120777, 10],
    [0o010600, 1],
    [0o020600, 2],
    [0o060600, 6],
    [0o140600, 12],
    [0o644, 0],
  ])("mode %i: is %i", (mode, type) => expect(direntType(mode)).toBe(type));
});
