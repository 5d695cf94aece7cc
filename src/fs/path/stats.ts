// Owns: turning what a filesystem says of a file into the kernel's attributes.
// Invariant: nothing is truncated or wrapped; a value that does not fit is an error that names it.

import type { FuseAttr, FuseKstatfs } from "../../abi/fuse-structs.ts";
import { shown } from "../../codec/shown.ts";
import type { ViewOf } from "../../codec/struct-view.ts";
import type { FileType, StatFsLike, StatsLike } from "./types.ts";

/** Type bits of `mode` by name. */
export const FORMAT = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  "character-device": 0o020000,
  "block-device": 0o060000,
} as const satisfies Record<FileType, number>;

export const S_IFMT = 0o170000;
const FORMATS: ReadonlySet<number> = new Set(Object.values(FORMAT));
const PERMISSIONS: ReadonlyMap<number, number> = new Map([
  [FORMAT.directory, 0o755],
  [FORMAT.symlink, 0o777],
]);

const U32_MAX = 0xffff_ffff;
const SECTOR = 512;
const NS = 1_000_000_000;

interface Time {
  readonly seconds: number;
  readonly ns: number;
}

/** Complete attributes; `ino` undefined means "the nodeid". */
export interface Attributes {
  readonly mode: number;
  readonly size: number;
  readonly ino: number | bigint | undefined;
  readonly dev: number | bigint | undefined;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
}

/** What stands in for missing fields. */
export interface AttributeDefaults {
  readonly uid: number;
  readonly gid: number;
  readonly time: Time;
}

/** The daemon's user and group, and the present time. */
export function attributeDefaults(): AttributeDefaults {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, time: timeOfMs(Date.now(), "time") };
}

/** `value` as an integer in 0..`max`. Errors: `RangeError` naming the field and the value. */
export function integer(value: unknown, field: string, max: number = Number.MAX_SAFE_INTEGER): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0 && number <= max) return number;
  throw new RangeError(`${field} is ${shown(value)}, not an integer in 0..${max}`);
}

function inodeNumber(value: number | bigint | undefined): number | bigint | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "bigint") return integer(value, "ino") || undefined;
  if (value < 0n || value >= 1n << 64n) throw new RangeError(`ino is ${value}, not an integer in 0..2^64-1`);
  return value === 0n ? undefined : value;
}

function timeOfNs(value: bigint): Time {
  const ns = Number(((value % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  return { seconds: integerSeconds(Number((value - BigInt(ns)) / 1_000_000_000n), value), ns };
}

function timeOfMs(value: number, field: string): Time {
  if (!Number.isFinite(value)) throw new RangeError(`${field} is ${value}, not a time`);
  const seconds = Math.floor(value / 1000);
  const ns = Math.round((value - seconds * 1000) * 1_000_000);
  return ns === NS ? { seconds: seconds + 1, ns: 0 } : { seconds: integerSeconds(seconds, value), ns };
}

function integerSeconds(seconds: number, value: unknown): number {
  if (!Number.isSafeInteger(seconds)) throw new RangeError(`a time of ${shown(value)} is out of range`);
  return seconds;
}

type TimeField = "atime" | "mtime" | "ctime";

function timeOf(stats: StatsLike, field: TimeField): Time | undefined {
  const ns = stats[`${field}Ns`];
  if (ns !== undefined) {
    if (typeof ns !== "bigint") throw new TypeError(`${field}Ns is ${shown(ns)}, not a bigint`);
    return timeOfNs(ns);
  }
  const ms = stats[`${field}Ms`];
  if (ms !== undefined) {
    if (typeof ms !== "number" && typeof ms !== "bigint")
      throw new TypeError(`${field}Ms is ${shown(ms)}, not a number`);
    return timeOfMs(Number(ms), `${field}Ms`);
  }
  const date = stats[field];
  if (date === undefined) return undefined;
  if (typeof date !== "object") throw new TypeError(`${field} is ${shown(date)}, not a Date; ${field}Ms is a number`);
  return timeOfMs(Number(date), field);
}

/** Type bits of a type's name. Errors: `TypeError` naming the value. */
export function formatOf(type: FileType): number {
  const format = Object.hasOwn(FORMAT, type) ? FORMAT[type] : undefined;
  if (format !== undefined) return format;
  throw new TypeError(`type is ${shown(type)}, not one of ${Object.keys(FORMAT).join(", ")}`);
}

function modeOf({ type, mode }: StatsLike): number {
  const format = type === undefined ? 0 : formatOf(type);
  const given = mode === undefined ? undefined : integer(mode, "mode", 0o177777);
  const bits = (given ?? 0) & S_IFMT;
  if (format !== 0 && bits !== 0 && bits !== format) {
    throw new TypeError(`mode is 0${given?.toString(8)}, which is not the mode of a ${type}`);
  }
  const known = format || bits;
  if (!FORMATS.has(known)) {
    throw new TypeError(`mode is ${given === undefined ? "missing" : `0${given.toString(8)}`} and says no file type`);
  }
  return known | (given === undefined ? (PERMISSIONS.get(known) ?? 0o644) : given & ~S_IFMT);
}

/** Complete attributes of what a filesystem said. Errors: `TypeError` or `RangeError` naming the value. */
export function attributesOf(stats: StatsLike, defaults: AttributeDefaults): Attributes {
  if (typeof stats !== "object") throw new TypeError(`attributes are ${shown(stats)}, not an object`);
  const size = integer(stats.size ?? 0, "size");
  const mtime = timeOf(stats, "mtime") ?? defaults.time;
  return {
    mode: modeOf(stats),
    size,
    ino: inodeNumber(stats.ino),
    dev: stats.dev,
    nlink: integer(stats.nlink ?? 1, "nlink", U32_MAX),
    uid: integer(stats.uid ?? defaults.uid, "uid", U32_MAX),
    gid: integer(stats.gid ?? defaults.gid, "gid", U32_MAX),
    rdev: integer(stats.rdev ?? 0, "rdev", U32_MAX),
    blksize: integer(stats.blksize ?? 4096, "blksize", U32_MAX),
    blocks: integer(stats.blocks ?? Math.ceil(size / SECTOR), "blocks"),
    atime: timeOf(stats, "atime") ?? mtime,
    mtime,
    ctime: timeOf(stats, "ctime") ?? mtime,
  };
}

/** Nanoseconds since 1970. */
export function nsOf(time: Time): bigint {
  return BigInt(time.seconds) * 1_000_000_000n + BigInt(time.ns);
}

/** Writes attributes into a reply. */
export function fillAttr(attr: ViewOf<typeof FuseAttr>, from: Attributes, nodeid: number): void {
  attr.ino = from.ino ?? nodeid;
  attr.size = from.size;
  attr.blocks = from.blocks;
  attr.mode = from.mode;
  attr.nlink = from.nlink;
  attr.uid = from.uid;
  attr.gid = from.gid;
  attr.rdev = from.rdev;
  attr.blksize = from.blksize;
  attr.flags = 0;
  attr.atime = from.atime.seconds;
  attr.atimensec = from.atime.ns;
  attr.mtime = from.mtime.seconds;
  attr.mtimensec = from.mtime.ns;
  attr.ctime = from.ctime.seconds;
  attr.ctimensec = from.ctime.ns;
}

/** Writes statfs numbers into a reply. Errors: `RangeError` naming the value. */
export function fillStatFs(st: ViewOf<typeof FuseKstatfs>, from: StatFsLike): void {
  const bsize = integer(from.bsize ?? 4096, "bsize", U32_MAX);
  st.bsize = bsize;
  st.frsize = integer(from.frsize ?? bsize, "frsize", U32_MAX);
  st.namelen = integer(from.namelen ?? 255, "namelen", U32_MAX);
  st.blocks = integer(from.blocks ?? 0, "blocks");
  st.bfree = integer(from.bfree ?? 0, "bfree");
  st.bavail = integer(from.bavail ?? 0, "bavail");
  st.files = integer(from.files ?? 0, "files");
  st.ffree = integer(from.ffree ?? 0, "ffree");
}
