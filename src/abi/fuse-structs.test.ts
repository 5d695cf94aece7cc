// Owns: what gcc cannot prove of the structs: names, uniqueness, compat forms.

import { describe, expect, it } from "vitest";
import type { Struct } from "../../ffi/struct.ts";
import { KERNEL, URING } from "./fuse-constants.ts";
import * as structModule from "./fuse-structs.ts";

const EXPORTS: readonly (readonly [string, Struct])[] = Object.entries(structModule).flatMap(([name, value]) =>
  typeof value === "number" ? [] : [[name, value] as const],
);

describe("fuse-structs", () => {
  it("exports: are the C names in PascalCase", () => {
    const pascal = (name: string) => name.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
    expect(EXPORTS.filter(([name, struct]) => name !== pascal(struct.name)).map(([name]) => name)).toEqual([]);
    expect(EXPORTS.length).toBeGreaterThan(70);
  });

  it("since: is 0 or between 32 and the newest minor, and a nested struct is not newer than its field", () => {
    for (const [name, struct] of EXPORTS) {
      for (const minor of [struct.since, ...struct.fields.map(({ since }) => since)]) {
        expect(minor === 0 || (minor > 31 && minor <= KERNEL.MINOR_VERSION), `${name} ${minor}`).toBe(true);
      }
      for (const { name: field, type, since } of struct.fields) {
        if (typeof type !== "string")
          expect(type.since, `${name}.${field}`).toBeLessThanOrEqual(Math.max(since, struct.since));
      }
    }
  });

  it("FuseUringReqHeader: gives each op struct room", () => {
    const tooLong = EXPORTS.filter(([name, struct]) => name.endsWith("In") && struct.size > URING.OP_IN_OUT_SZ);
    expect(tooLong).toEqual([]);
    expect(structModule.FuseUringReqHeader.at).toEqual({ in_out: 0, op_in: 128, ring_ent_in_out: 256 });
  });
});
