// Owns: the proof that INIT flags survive the way through their two words.

import { describe, expect, it } from "vitest";
import { flagNames, flagWords, hasFlag, INIT_FLAGS, type InitFlag, unknownFlagBits } from "./fuse-init-flags.ts";

const NAMES = Object.keys(INIT_FLAGS) as InitFlag[];

describe("INIT_FLAGS", () => {
  it("rows: have a bit of their own, in rising order, within 0..63", () => {
    const bits = NAMES.map((name) => INIT_FLAGS[name].bit);
    expect(bits).toEqual([...new Set(bits)].sort((a, b) => a - b));
    expect(bits.every((bit) => Number.isInteger(bit) && bit >= 0 && bit < 64)).toBe(true);
  });
});

describe("flagWords", () => {
  it("words: are unsigned when bit 31 is set", () => {
    expect(flagWords(["INIT_RESERVED"])).toEqual({ flags: 0x80000000, flags2: 0 });
  });

  it("words: put bits from 32 on into flags2 and add nothing to flags", () => {
    expect(flagWords(["HAS_INODE_DAX", "OVER_IO_URING", "ASYNC_READ"])).toEqual({
      flags: 1,
      flags2: (1 << 1) | (1 << 9),
    });
  });

  it("words: are 0 when no flag is named", () => expect(flagWords([])).toEqual({ flags: 0, flags2: 0 }));
});

describe("flagNames", () => {
  it("names: come back from the words of each flag alone and of all together", () => {
    for (const name of NAMES) {
      const words = flagWords([name]);
      expect(flagNames(words.flags, words.flags2)).toEqual([name]);
      expect(NAMES.filter((other) => hasFlag(words, other))).toEqual([name]);
    }
    const all = flagWords(NAMES);
    expect(flagNames(all.flags, all.flags2)).toEqual(NAMES);
    expect(unknownFlagBits(all.flags, all.flags2)).toEqual([]);
  });

  it("names: leave bits that are not in the table to unknownFlagBits", () => {
    const flags2 = (0x80000000 | (1 << 12) | 1) >>> 0;
    expect(flagNames(0, flags2)).toEqual(["SECURITY_CTX"]);
    expect(unknownFlagBits(0, flags2)).toEqual([44, 63]);
  });
});
