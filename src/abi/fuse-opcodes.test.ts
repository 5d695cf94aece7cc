// Owns: the proof that opcode rows are consistent: codes, methods, fields that exist.

import { describe, expect, it } from "vitest";
import { HEADER_BOUNDED, OPCODE_BY_CODE, OPCODES, type Opcode } from "./fuse-opcodes.ts";
import { FuseInHeader } from "./fuse-structs.ts";

const ROWS: readonly Opcode[] = Object.values(OPCODES);
const COLUMNS = [
  ..."name code method since in inCompat tail out outData either reply bounded missing served repeatable".split(" "),
].sort();

/** u64 fields that are opaque, signed or the caller's own number: never read as a JavaScript number. */
const UNBOUNDED = new Set([
  "lock_owner",
  "owner",
  "atime",
  "mtime",
  "ctime",
  "unique",
  "arg",
  "kh",
  "flags",
  "padding",
]);

function u64FieldsOf(opcode: Opcode): string[] {
  return (opcode.in?.fields ?? []).filter(({ type }) => type === "u64").map(({ name }) => name);
}

describe("OPCODES", () => {
  it("rows: have a code and a method of their own", () => {
    expect(new Set(ROWS.map(({ code }) => code)).size).toBe(ROWS.length);
    expect(new Set(ROWS.map(({ method }) => method)).size).toBe(ROWS.length);
    expect(ROWS.filter(({ method }) => !/^[a-z][a-zA-Z0-9]*$/.test(method))).toEqual([]);
  });

  it("rows: are keyed by their name and have exactly the known columns", () => {
    expect(Object.entries(OPCODES).filter(([key, { name }]) => key !== name)).toEqual([]);
    for (const row of ROWS) expect(Object.keys(row).sort(), row.name).toEqual(COLUMNS);
  });

  it("rows: cover codes 1 to 53 but for 7 and 19, which were never in use", () => {
    const codes = Array.from({ length: 53 }, (_, index) => index + 1).filter((code) => code !== 7 && code !== 19);
    expect(ROWS.map(({ code }) => code).sort((a, b) => a - b)).toEqual(codes);
  });

  it("bounded: names u64 fields of the op struct, and all that are neither opaque nor signed", () => {
    expect(HEADER_BOUNDED.map((name) => FuseInHeader.fields.find((field) => field.name === name)?.type)).toEqual([
      "u64",
    ]);
    for (const row of ROWS.filter(({ served }) => served)) {
      const cookie = row.name.startsWith("READDIR") ? ["offset"] : [];
      const dummies = row.name === "NOTIFY_REPLY" ? ["dummy1", "dummy3", "dummy4"] : [];
      const free = new Set([...UNBOUNDED, ...cookie, ...dummies]);
      expect([...row.bounded], row.name).toEqual(u64FieldsOf(row).filter((name) => !free.has(name)));
    }
  });

  it("inCompat: is a prefix of in", () => {
    for (const { name, in: full, inCompat } of ROWS) {
      const place = ({ name: field, offset, width }: { name: string; offset: number; width: number }) =>
        `${field}@${offset}:${width}`;
      const fields = inCompat?.fields.map(place) ?? [];
      expect(full?.fields.slice(0, fields.length).map(place) ?? [], name).toEqual(fields);
    }
  });

  it("reply: a row without reply has no reply layout, and either needs a size in the request", () => {
    for (const row of ROWS.filter(({ reply }) => !reply))
      expect([row.out, row.outData], row.name).toEqual([[], "none"]);
    for (const row of ROWS.filter(({ either }) => either)) {
      expect([row.out.length, row.outData, row.in?.at["size"]], row.name).toEqual([1, "bytes", 0]);
    }
    expect(ROWS.filter(({ reply }) => !reply).map(({ name }) => name)).toEqual([
      "FORGET",
      "INTERRUPT",
      "NOTIFY_REPLY",
      "BATCH_FORGET",
    ]);
  });

  it("missing: is success only where the kernel needs it, else ENOSYS", () => {
    expect(ROWS.filter(({ missing }) => missing !== -38 && missing !== 0)).toEqual([]);
    expect(ROWS.filter(({ missing }) => missing === 0).map(({ name }) => name)).toEqual(
      "FORGET OPEN STATFS RELEASE OPENDIR RELEASEDIR DESTROY NOTIFY_REPLY BATCH_FORGET".split(" "),
    );
  });
});

describe("OPCODE_BY_CODE", () => {
  it("index: finds each row by its code, and nothing elsewhere", () => {
    for (const row of ROWS) expect(OPCODE_BY_CODE[row.code]).toBe(row);
    expect(OPCODE_BY_CODE.filter((row) => row !== undefined)).toHaveLength(ROWS.length);
    expect([0, 7, 19, 54, 4096].map((code) => OPCODE_BY_CODE[code])).toEqual(new Array(5).fill(undefined));
  });
});
