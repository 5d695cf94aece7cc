// Tests of the calling thread's properties.

import { expect, it } from "vitest";
import { CAP, effectiveCapabilities } from "./thread.ts";

it("effectiveCapabilities: stays right, and writes to nobody's memory, when unused memory was collected", () => {
  const before = effectiveCapabilities();
  const kept: Uint8Array[] = [];
  for (let round = 0; round < 20; round++) {
    Bun.gc(true);
    for (let count = 0; count < 2000; count++) kept.push(new Uint8Array(8).fill(0x55));
    expect(effectiveCapabilities()).toBe(before);
  }
  expect(kept.every((bytes) => bytes.every((byte) => byte === 0x55))).toBe(true);
  if (process.getuid?.() === 0) expect((before >>> CAP.SYS_ADMIN) & 1).toBe(1);
});
