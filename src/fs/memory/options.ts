// Owns: the options of `MemoryFilesystem`: types, defaults, checks.
// Limits count what the files hold, in whole pages; the memory really taken can be up to twice that.

import { totalmem } from "node:os";

/** Bytes of one page: the unit of allocation, of st_blocks and of the aligned fallocate modes. */
export const PAGE_BYTES = 4096;

/** Options of `MemoryFilesystem`. An option of 0 means 0. */
export interface MemoryOptions {
  /** Bytes that data and extended attributes may take, at most 2^40. Default half of the machine's memory. */
  readonly sizeLimit?: number;
  /** Most inodes, the root included, at most 2^32. Default one per 8 KiB of the machine's memory. */
  readonly inodeLimit?: number;
  /** Largest file in bytes, at most 2^52 (the default); one byte more is EFBIG. */
  readonly maxFileSize?: number;
  /** Owner of the root directory. Default: this process. */
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits of the root directory. Default 0o755. */
  readonly mode?: number;
  /** Milliseconds that the kernel may trust attributes. Default one day: every change comes through the kernel. */
  readonly attrTimeoutMs?: number;
  /** Milliseconds that the kernel may trust names, and their absence. Default one day. */
  readonly entryTimeoutMs?: number;
  /** POSIX access control lists. Default true; false answers EOPNOTSUPP and leaves the umask to the kernel. */
  readonly acl?: boolean;
}

/** Options with every default filled in. */
export type ResolvedMemoryOptions = Required<MemoryOptions>;

const DAY_MS = 86_400_000;
const MAX_ID = 0xffff_fffe;
const MAX_TIMEOUT_MS = 2 ** 50;

const RANGES: { readonly [Key in Exclude<keyof MemoryOptions, "acl">]-?: number } = {
  sizeLimit: 2 ** 40,
  inodeLimit: 2 ** 32,
  maxFileSize: 2 ** 52,
  uid: MAX_ID,
  gid: MAX_ID,
  mode: 0o7777,
  attrTimeoutMs: MAX_TIMEOUT_MS,
  entryTimeoutMs: MAX_TIMEOUT_MS,
};

function defaults(): ResolvedMemoryOptions {
  const memory = totalmem();
  return {
    sizeLimit: Math.min(2 ** 40, Math.floor(memory / 2)),
    inodeLimit: Math.floor(memory / (2 * PAGE_BYTES)),
    maxFileSize: 2 ** 52,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    mode: 0o755,
    attrTimeoutMs: DAY_MS,
    entryTimeoutMs: DAY_MS,
    acl: true,
  };
}

function check(key: string, value: unknown): void {
  if (key === "acl" && typeof value === "boolean") return;
  if (!(key in RANGES)) throw new TypeError(`MemoryFilesystem: option ${key} is ${String(value)}; ${hint(key)}`);
  const highest = RANGES[key as keyof typeof RANGES];
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > highest) {
    throw new RangeError(`MemoryFilesystem: option ${key} is ${String(value)}; it must be an integer in 0..${highest}`);
  }
}

function hint(key: string): string {
  return key === "acl" ? "it must be true or false" : "there is no such option";
}

/** Fills in defaults. Errors: `TypeError`, `RangeError` naming key, value and limit. */
export function resolveMemoryOptions(options: MemoryOptions): ResolvedMemoryOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [key, value] of given) check(key, value);
  return { ...defaults(), ...Object.fromEntries(given) };
}
