// Proves ffi/bpf-structs.ts against the installed <linux/bpf.h> by gcc: places, widths and numbers.

import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import * as bpf from "../../ffi/bpf-structs.ts";
import type { Struct } from "../../ffi/struct.ts";

/** Where each struct lies in `union bpf_attr`: "" for its own members. */
const MEMBERS: ReadonlyArray<readonly [table: Struct, member: string]> = [
  [bpf.BpfMapCreate, ""],
  [bpf.BpfMapElem, ""],
  [bpf.BpfMapBatch, "batch."],
  [bpf.BpfProgLoad, ""],
  [bpf.BpfTestRun, "test."],
  [bpf.BpfInfo, "info."],
];

const NUMBERS: ReadonlyArray<readonly [prefix: string, values: Readonly<Record<string, number>>]> = [
  ["BPF_", bpf.BPF_CMD],
  ["BPF_MAP_TYPE_", bpf.BPF_MAP_TYPE],
  ["BPF_F_", bpf.BPF_MAP_FLAG],
  ["BPF_", bpf.BPF_UPDATE],
  ["BPF_PROG_TYPE_", bpf.BPF_PROG_TYPE],
  ["BPF_F_", bpf.BPF_PROG_FLAG],
  ["", { BPF_OBJ_NAME_LEN: bpf.BPF_OBJ_NAME_LEN }],
];

function assertions(): string[] {
  const places = MEMBERS.flatMap(([table, member]) =>
    table.fields
      .filter(({ name }) => !name.startsWith("__"))
      .flatMap(({ name, offset, width, count }) => [
        `offsetof(union bpf_attr, ${member}${name}) - offsetof(union bpf_attr, ${member}${table.fields[0]?.name}) == ${offset}`,
        `sizeof(((union bpf_attr *)0)->${member}${name}) == ${width * count}`,
      ]),
  );
  const numbers = NUMBERS.flatMap(([prefix, values]) =>
    Object.entries(values).map(([name, value]) => `(long)${prefix}${name} == ${value}L`),
  );
  return [...places, ...numbers];
}

const compile = (lines: readonly string[]) =>
  spawnSync("gcc", ["-fsyntax-only", "-x", "c", "-"], {
    input: `#include <stddef.h>\n#include <linux/bpf.h>\n${lines.map((line) => `_Static_assert(${line}, "");`).join("\n")}\n`,
    encoding: "utf8",
  });

describe("bpf-structs", () => {
  it("are the kernel's, field by field", () => {
    const all = assertions();
    expect(all.length).toBeGreaterThan(100);
    expect(compile(all)).toMatchObject({ status: 0, stderr: "" });
  });

  it("a wrong number would be found", () => {
    expect(compile(["(long)BPF_MAP_TYPE_HASH == 2L"]).status).not.toBe(0);
  });
});
