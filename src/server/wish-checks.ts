// Owns: the checks of wishes for INIT, whoever wishes: a key that nobody knows, a wrong type and a value out of range
// are errors that name the key, the value and the limit.

import { PAGE_SIZE } from "../../ffi/memory.ts";
import { PAGES } from "../abi/fuse-constants.ts";
import { shown } from "../codec/shown.ts";
import type { InitWishes } from "../fs/connection.ts";

/** What a value must be, in words, and whether it is. */
type Rule = readonly [limit: string, fits: (value: unknown) => boolean];

const whole = (low: number, high: number): Rule => [
  `an integer in ${low}..${high}`,
  (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
];
const oneOf = (...choices: readonly string[]): Rule => [
  `one of ${choices.join(", ")}`,
  (value) => choices.includes(value as string),
];
const FLAG: Rule = ["true or false", (value) => typeof value === "boolean"];

const RULES: { readonly [Key in keyof InitWishes]-?: Rule } = {
  maxWrite: whole(PAGE_SIZE, PAGES.SYSCTL_MAX * PAGE_SIZE),
  maxReadahead: whole(0, 2 ** 32 - 1),
  maxBackground: whole(1, 65_535),
  timeGranularityNs: whole(1, 1_000_000_000),
  maxStackDepth: whole(0, 2),
  readdirplus: oneOf("auto", "always", "never"),
  invalidateData: oneOf("auto", "explicit"),
  writebackCache: FLAG,
  posixAcl: FLAG,
  handleKillpriv: FLAG,
  dontMask: FLAG,
  atomicOTrunc: FLAG,
  exportSupport: FLAG,
  noOpen: FLAG,
  noOpendir: FLAG,
  parallelDirops: FLAG,
  asyncDirectIo: FLAG,
  cacheSymlinks: FLAG,
  posixLocks: FLAG,
  flockLocks: FLAG,
  setxattrExt: FLAG,
};

/** Errors: `TypeError` for a key that is not known, `RangeError` for a value that it cannot have. */
export function checkWishes(wishes: InitWishes): void {
  for (const [key, value] of Object.entries(wishes)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(RULES, key)) {
      throw new TypeError(`wishes.${key} is not known; known are ${Object.keys(RULES).join(", ")}`);
    }
    const [limit, fits] = RULES[key as keyof InitWishes];
    if (!fits(value)) throw new RangeError(`wishes.${key} is ${shown(value)}, not ${limit}`);
  }
}
