// Proves arenas and C strings.
import { describe, expect, it } from "vitest";
import { AT_FDCWD, close, O, openat } from "./file.ts";
import { addressOf, arenaOver, createArena, createKernelMemory, cString, PAGE_SIZE } from "./memory.ts";

describe("createArena", () => {
  it.each([1, 4095, 4096, 4097, 1_000_000, 33_554_432])("%i bytes: is zeroed, whole pages, on a page", (size) => {
    const arena = createArena(size);
    expect([arena.size % PAGE_SIZE, arena.address % PAGE_SIZE]).toEqual([0, 0]);
    expect(arena.size - size).toBeGreaterThanOrEqual(0);
    expect(arena.size - size).toBeLessThan(PAGE_SIZE);
    expect(arena.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("alignment: holds for many arenas of odd sizes", () => {
    const arenas = Array.from({ length: 200 }, (_, index) => createArena(1 + index * 37));
    expect(arenas.filter(({ address }) => address % PAGE_SIZE !== 0)).toEqual([]);
  });

  it("views: show the same bytes", () => {
    const arena = createArena(PAGE_SIZE);
    arena.view.setUint32(8, 0x64636261, true);
    expect([arena.words[2], arena.bytes[8], arena.text.toString("latin1", 8, 12)]).toEqual([0x64636261, 0x61, "abcd"]);
    expect(arenaOver(arena.buffer).bytes[11]).toBe(0x64);
    expect(arenaOver(arena.buffer).address).toBe(arena.address);
  });
});

describe("createKernelMemory", () => {
  it("unmap: leaves the kernel its pages, and the buffer others in their place", () => {
    const { buffer, unmap } = createKernelMemory(3 * PAGE_SIZE);
    const { bytes, address } = arenaOver(buffer);
    expect([buffer.byteLength, address % PAGE_SIZE]).toEqual([3 * PAGE_SIZE, 0]);
    bytes.fill(7);
    unmap();
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    bytes.fill(8);
    unmap(); // once
    expect(bytes.every((byte) => byte === 8)).toBe(true);
  });
});

describe("cString", () => {
  it("text: is copied as UTF-8 and ended by NUL", () => {
    expect([...cString("é")]).toEqual([0xc3, 0xa9, 0]);
    expect([...cString("")]).toEqual([0]);
    const source = new Uint8Array([0xff, 0xfe]);
    const copy = cString(source);
    source.fill(0);
    expect([...copy]).toEqual([0xff, 0xfe, 0]);
  });

  it("address: is what C reads", () => {
    const open = (path: Uint8Array) => openat(AT_FDCWD, addressOf(path), O.RDONLY, 0);
    const fd = open(cString("/dev/null"));
    expect(fd).toBeGreaterThan(2);
    expect(close(fd)).toBe(0);
    expect(open(cString("/dev/null/"))).toBe(-20);
  });

  it.each(["\0", "a\0b", "end\0"])("NUL inside %j: is refused", (text) => {
    expect(() => cString(text)).toThrow(TypeError);
    expect(() => cString(Buffer.from(text))).toThrow("embedded NUL");
  });
});
