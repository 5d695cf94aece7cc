// Owns: what the compiler of the module cannot prove of the ring's tables: names, places of shared words, that the
// committed C files are the generated ones, and that gcc in user space agrees with them.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  RFUSE_IOC,
  RFUSE_MAGIC,
  RfuseControl,
  RfuseSlot,
  RING_CONSTANTS,
  RING_IOCTLS,
  RING_STRUCTS,
  ringIoctlNumber,
} from "./ring.ts";
import { outdatedFiles } from "./write-ring-header.ts";

const KMOD = join(import.meta.dirname, "../../kmod");
const GROUP = 128;

describe("ring", () => {
  it("generated C files: are what the tables say", () => {
    expect(outdatedFiles()).toEqual([]);
  });

  it("every field and every number: has a doc", () => {
    for (const struct of RING_STRUCTS) {
      expect(Object.keys(struct.docs)).toEqual(struct.fields.map(({ name }) => name));
      expect(Object.values(struct.docs).filter((doc) => doc === "")).toEqual([]);
    }
    for (const { values, docs } of RING_CONSTANTS) expect(Object.keys(docs)).toEqual(Object.keys(values));
  });

  it("words that the two sides write: share no cache line", () => {
    const groups = new Map<number, Set<string>>();
    for (const { name, offset } of RfuseControl.fields) {
      const writer = RfuseControl.docs[name]?.[0];
      if (writer === undefined || name.startsWith("reserved")) continue;
      const group = Math.floor(offset / GROUP);
      groups.set(group, (groups.get(group) ?? new Set()).add(writer));
    }
    expect([...groups.values()].map((writers) => [...writers].join())).toEqual(["K", "K", "K", "D", "D"]);
  });

  it("shared words: are 32 bits wide, so that Atomics reach them", () => {
    const wide = [RfuseControl, RfuseSlot].flatMap(({ fields }) => fields.filter(({ width }) => width !== 4));
    expect(wide).toEqual([]);
  });

  it("RFUSE_MAGIC: reads RFUS in memory", () => {
    expect(Buffer.from(Uint32Array.of(RFUSE_MAGIC).buffer).toString("latin1")).toBe("RFUS");
  });

  it("RFUSE_IOC: has every row of the table once", () => {
    const computed = Object.entries(RING_IOCTLS).map(([name, row]) => [name, ringIoctlNumber(row)]);
    expect(Object.entries(RFUSE_IOC)).toEqual(computed);
    expect(new Set(Object.values(RFUSE_IOC)).size).toBe(computed.length);
  });

  it("kmod/abi-assert.c: compiles against the user space headers, and not when a field moves", () => {
    const dir = mkdtempSync(join(tmpdir(), "rfuse-ring-abi-"));
    try {
      const shim = [
        "#include <stddef.h>",
        "#include <assert.h>",
        "#define sizeof_field(t, f) sizeof(((t *)0)->f)",
        `#include "${join(KMOD, "uapi/rfuse.h")}"`,
        "#include <linux/fuse.h>",
      ].join("\n");
      const assertions = readAssertions();
      const compile = (text: string) => {
        writeFileSync(join(dir, "abi.c"), `${shim}\n${text}`);
        return spawnSync("gcc", ["-std=c11", "-fsyntax-only", join(dir, "abi.c")], { encoding: "utf8" }).stderr;
      };
      expect(assertions.length).toBeGreaterThan(150);
      expect(compile(assertions.join("\n"))).toBe("");
      const moved = assertions.map((line) => line.replace("need_wakeup) == 512", "need_wakeup) == 508")).join("\n");
      expect(compile(moved)).toContain("static assertion failed");
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

function readAssertions(): string[] {
  const { stdout } = spawnSync("grep", ["^static_assert", join(KMOD, "abi-assert.c")], { encoding: "utf8" });
  return stdout.trim().split("\n");
}
