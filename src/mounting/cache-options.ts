// Owns: the option `metadataCache` of `mount`: its type, defaults and checks.
// Must not: know what the cache does with them.

import { boolean, type Check, checkEach, integer, refuse } from "./option-checks.ts";

/** What a mount's metadata cache holds; each has a default. */
export interface MetadataCacheOptions {
  /** Names at least, and as many inodes and extended attributes, 8..1048576. Default 32768, which takes 28 MiB. */
  readonly entries?: number;
  /** Answers also that a name is not there. Default true. */
  readonly negative?: boolean;
  /** Answers GETATTR and ACCESS, not LOOKUP and READLINK alone. Default true. */
  readonly attr?: boolean;
  /** Answers GETXATTR, also that an attribute is not there. Default true. */
  readonly xattr?: boolean;
  /**
   * Milliseconds that an answer is given at most, above 0; Infinity: until it changes. It bounds what changes from
   * outside that nobody told the mount of can make wrong. Default 1000.
   */
  readonly ttlMs?: number;
}

const DEFAULTS: Required<MetadataCacheOptions> = {
  entries: 32_768,
  negative: true,
  attr: true,
  xattr: true,
  ttlMs: 1000,
};

const CACHE_CHECKS: { readonly [Key in keyof MetadataCacheOptions]-?: Check } = {
  entries: integer(8, 1_048_576),
  negative: boolean,
  attr: boolean,
  xattr: boolean,
  ttlMs: (key, value) => {
    if (typeof value !== "number" || !(value > 0)) refuse(key, value, "a number above 0, or Infinity");
  },
};

/** The check of the option. */
export const cacheOptions: Check = (key, value) => {
  if (typeof value === "boolean") return;
  if (typeof value !== "object" || value === null) refuse(key, value, "true, false or an object");
  checkEach(value, CACHE_CHECKS, `${key}.`);
};

/** What was asked for, with every default; undefined: no cache. */
export function resolveCacheOptions(asked: boolean | MetadataCacheOptions): Required<MetadataCacheOptions> | undefined {
  if (asked === false) return undefined;
  const given =
    asked === true ? {} : Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  return { ...DEFAULTS, ...given };
}
