// Owns: the proof that the tables of src/abi are what the kernel's header says, given by gcc.
// The installed header proves what it knows; a newer one (see newer-header.ts) proves the rest.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { defineStruct } from "../../ffi/struct.ts";
import { KERNEL } from "../../src/abi/fuse-constants.ts";
import { type AbiTables, type Assertion, abiAssertions, assertionSource, FUSE_TABLES } from "./abi-assertions.ts";
import { declaredNames, headerMinor, UNDESCRIBED } from "./header-names.ts";
import { type NewerHeader, newerHeader } from "./newer-header.ts";

const INSTALLED = "/usr/include/linux/fuse.h";
const FETCH_TIMEOUT_MS = 300_000;

function gcc(header: string, source: string, mode: "-E" | "-fsyntax-only"): { ok: boolean; out: string; log: string } {
  const args = ["-std=gnu11", "-Werror", mode, "-P", "-include", header, "-x", "c", "-"];
  const { status, error, stdout, stderr } = spawnSync("gcc", args, {
    input: source,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, out: stdout, log: stderr };
}

function compiledCount(header: string, source: string): number {
  return gcc(header, source, "-E").out.match(/_Static_assert\(/g)?.length ?? 0;
}

function expectProven(header: string, assertions: readonly Assertion[]): void {
  const minor = headerMinor(readFileSync(header, "utf8"));
  const source = assertionSource(assertions);
  expect(gcc(header, source, "-fsyntax-only").log).toBe("");
  expect(compiledCount(header, source)).toBe(assertions.filter(({ since }) => since <= minor).length);
}

describe("FUSE tables against the installed header", () => {
  const assertions = abiAssertions(FUSE_TABLES);

  it("abiAssertions: states each fact once", () => {
    const fieldCount = FUSE_TABLES.structs.reduce((sum, { fields }) => sum + fields.length, 0);
    const opcodesAndFlags = FUSE_TABLES.opcodes.length + Object.keys(FUSE_TABLES.initFlags).length;
    const constants = FUSE_TABLES.constants.reduce((sum, { values }) => sum + Object.keys(values).length, 0);
    const least = FUSE_TABLES.structs.length + 2 * fieldCount + opcodesAndFlags + constants;
    expect(assertions.length).toBeGreaterThan(least);
    expect(new Set(assertions.map(({ expression }) => expression)).size).toBeGreaterThan(least);
  });

  it("tables: every fact up to its minor holds when compiled", () => expectProven(INSTALLED, assertions));

  const wrong: readonly [string, Partial<AbiTables>][] = [
    [
      "fuse_flush_in.fh",
      { structs: [defineStruct("fuse_flush_in", 24, { lock_owner: "u64", unused: "u32", padding: "u32", fh: "u64" })] },
    ],
    ["fuse_bmap_out.block", { structs: [defineStruct("fuse_bmap_out", 8, { block: "i64" })] }],
    ["fuse_forget_in", { structs: [defineStruct("fuse_forget_in", 16, { nlookup: "u64", padding: "u64" })] }],
    ["FOPEN_STREAM", { constants: [{ prefix: "FOPEN_", values: { STREAM: 1 << 3 }, since: {} }] }],
    ["FUSE_NOTIFY_STORE", { constants: [{ prefix: "FUSE_NOTIFY_", values: { STORE: 5 }, since: {} }] }],
    ["FUSE_DEV_IOC_CLONE", { constants: [{ prefix: "FUSE_DEV_IOC_", values: { CLONE: 0xe500 }, since: {} }] }],
    ["FUSE_READ", { opcodes: [{ name: "READ", code: 16, since: 1 }] }],
    ["FUSE_INIT_EXT", { initFlags: { INIT_EXT: { bit: 29, since: 36 } } }],
    ["FUSE_HAS_INODE_DAX", { initFlags: { HAS_INODE_DAX: { bit: 32, since: 36 } } }],
  ];
  it.each(wrong)("gcc: refuses a table when %s is wrong", (subject, table) => {
    const none: AbiTables = { structs: [], constants: [], opcodes: [], initFlags: {} };
    const { ok, log } = gcc(INSTALLED, assertionSource(abiAssertions({ ...none, ...table })), "-fsyntax-only");
    expect(ok).toBe(false);
    expect(log).toMatch(new RegExp(`static assertion failed: "${subject}: `));
  });
});

describe("FUSE tables against a newer header", () => {
  const assertions = abiAssertions(FUSE_TABLES);
  let found: NewerHeader = { unavailable: "not fetched" };

  beforeAll(() => {
    found = newerHeader();
  }, FETCH_TIMEOUT_MS);

  function headerOrSkip(context: TestContext): string {
    if ("path" in found) return found.path;
    if (process.env["CI"] === "true") throw new Error(`no newer header: ${found.unavailable}`);
    return context.skip(`no newer header: ${found.unavailable}`);
  }

  it("tables: every fact holds, none left out by its minor", (context) => {
    const header = headerOrSkip(context);
    expectProven(header, assertions);
    expect(compiledCount(header, assertionSource(assertions))).toBe(assertions.length);
    expect(headerMinor(readFileSync(header, "utf8"))).toBeGreaterThanOrEqual(KERNEL.MINOR_VERSION);
  });

  it("tables: describe all that the header declares", (context) => {
    const text = readFileSync(headerOrSkip(context), "utf8");
    const minor = headerMinor(text);
    if (minor > KERNEL.MINOR_VERSION) context.skip(`header is 7.${minor}, newer than the tables`);
    const described = new Set(assertions.map(({ subject }) => subject));
    const declared = declaredNames(text);
    expect(declared.length).toBeGreaterThan(500);
    expect(declared.filter((name) => !described.has(name) && !(name in UNDESCRIBED))).toEqual([]);
    expect(Object.keys(UNDESCRIBED).filter((name) => !declared.includes(name))).toEqual([]);
  });

  it("gcc: refuses a fact of 7.45 when it is wrong", (context) => {
    const header = headerOrSkip(context);
    const tables = { ...FUSE_TABLES, opcodes: [{ name: "COPY_FILE_RANGE_64", code: 54, since: 45 }] };
    const { ok, log } = gcc(header, assertionSource(abiAssertions(tables)), "-fsyntax-only");
    expect(ok).toBe(false);
    expect(log).toContain("FUSE_COPY_FILE_RANGE_64");
  });
});
