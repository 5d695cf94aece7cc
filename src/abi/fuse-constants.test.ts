// Owns: what gcc cannot prove of the constants: that they are consistent among themselves.

import { describe, expect, it } from "vitest";
import { CONSTANT_GROUPS, DEV_IOC, KERNEL, NOTIFY, UNIQUE_RESEND_HIGH } from "./fuse-constants.ts";
import { FuseBackingMap } from "./fuse-structs.ts";

describe("CONSTANT_GROUPS", () => {
  it("values: are unsigned 32-bit integers", () => {
    const bad = CONSTANT_GROUPS.flatMap(({ prefix, values }) =>
      Object.entries(values).flatMap(([key, value]) => (value === value >>> 0 ? [] : [`${prefix}${key}`])),
    );
    expect(bad).toEqual([]);
  });

  it("since: names keys of its group, with a minor between 32 and the newest", () => {
    for (const { prefix, values, since } of CONSTANT_GROUPS) {
      expect(
        Object.keys(since).filter((key) => !(key in values)),
        prefix,
      ).toEqual([]);
      expect(
        Object.values(since).filter((minor) => minor < 32 || minor > KERNEL.MINOR_VERSION),
        prefix,
      ).toEqual([]);
    }
  });

  it("names: are unique over all groups", () => {
    const names = CONSTANT_GROUPS.flatMap(({ prefix, values }) => Object.keys(values).map((key) => `${prefix}${key}`));
    expect(names).toEqual([...new Set(names)]);
  });
});

describe("constants", () => {
  it("DEV_IOC: has the numbers that strace shows", () => {
    expect(DEV_IOC.CLONE).toBe(0x8004e500);
    expect(DEV_IOC.BACKING_OPEN).toBe(0x4010e501);
    expect(DEV_IOC.BACKING_CLOSE).toBe(0x4004e502);
    expect(DEV_IOC.SYNC_INIT).toBe(0xe503);
    expect((DEV_IOC.BACKING_OPEN >>> 16) & 0x3fff).toBe(FuseBackingMap.size);
  });

  it("objects: are frozen", () => {
    expect(Object.isFrozen(NOTIFY)).toBe(true);
    expect(UNIQUE_RESEND_HIGH).toBe(2 ** 31);
  });
});
