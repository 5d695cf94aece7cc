// Tests of what is known about a caller; that a dying one is noticed is proven on a mount, in test/mount/faults.test.ts.

import { expect, it } from "vitest";
import { isDying } from "./caller.ts";

it.each([
  ["it lives", process.pid],
  ["it has no id here", 0],
  ["it is gone", 2 ** 22 + 1],
])("isDying: is false when %s", (_, tid) => {
  expect(isDying(tid)).toBe(false);
});
