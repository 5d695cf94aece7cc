// Owns: one row per FUSE opcode, protocol 7.46, with all facts of that opcode: layout of request and reply,
// whether it is answered, and what a filesystem without a handler answers.
// Must not: read or write requests, or know handlers. Codes and structs are proven by gcc in test/abi.
// A column that a row leaves out has the value of COLUMN_DEFAULTS.

import type { Struct } from "../../ffi/struct.ts";
import {
  FuseAccessIn,
  FuseAttrOut,
  FuseBatchForgetIn,
  FuseBmapIn,
  FuseBmapOut,
  FuseCopyFileRangeIn,
  FuseCopyFileRangeOut,
  FuseCreateIn,
  FuseEntryOut,
  FuseFallocateIn,
  FuseFlushIn,
  FuseForgetIn,
  FuseFsyncIn,
  FuseGetattrIn,
  FuseGetxattrIn,
  FuseGetxattrOut,
  FuseInitIn,
  FuseInitInCompat,
  FuseInitOut,
  FuseInterruptIn,
  FuseIoctlIn,
  FuseIoctlOut,
  FuseLinkIn,
  FuseLkIn,
  FuseLkOut,
  FuseLseekIn,
  FuseLseekOut,
  FuseMkdirIn,
  FuseMknodIn,
  FuseNotifyRetrieveIn,
  FuseOpenIn,
  FuseOpenOut,
  FusePollIn,
  FusePollOut,
  FuseReadIn,
  FuseReleaseIn,
  FuseRemovemappingIn,
  FuseRename2In,
  FuseRenameIn,
  FuseSetattrIn,
  FuseSetupmappingIn,
  FuseSetxattrIn,
  FuseSetxattrInCompat,
  FuseStatfsOut,
  FuseStatxIn,
  FuseStatxOut,
  FuseSyncfsIn,
  FuseWriteIn,
  FuseWriteOut,
} from "./fuse-structs.ts";

/** What follows the op struct in a request. Names end in NUL. */
export type Tail =
  | "none"
  | "name"
  /** RENAME, RENAME2: old name, new name. */
  | "names"
  /** Extension records after the name, from the next multiple of 8 on, if `total_extlen` > 0. */
  | "name+extensions"
  /** SYMLINK: new name, target, then extension records as above. */
  | "name+target"
  | "data"
  /** SETXATTR: name, then `size` bytes. */
  | "name+value"
  /** BATCH_FORGET: `count` records of `fuse_forget_one`. */
  | "forgets"
  | "extensions";

/** The variable part of a reply, after the fixed structs. */
export type OutData = "none" | "bytes" | "dirents" | "direntplus" | "string";

/** All facts of one opcode. */
export interface Opcode {
  /** Wire name without FUSE_. */
  readonly name: string;
  readonly code: number;
  /** Method of the filesystem interface. */
  readonly method: string;
  /** Protocol minor in which it appeared. */
  readonly since: number;
  /** Op struct after `fuse_in_header`. */
  readonly in: Struct | null;
  /** Shorter form of `in` that a kernel may send instead; a prefix of `in`. */
  readonly inCompat: Struct | null;
  readonly tail: Tail;
  /** Fixed structs of the reply, in order. */
  readonly out: readonly Struct[];
  readonly outData: OutData;
  /** The reply is `out` if the request's `size` is 0, else `outData`: never both. */
  readonly either: boolean;
  /** False: no reply is sent (INTERRUPT: none but an error). */
  readonly reply: boolean;
  /** u64 fields of `in` that must be below 2^53. Not here: opaque values, signed values carried in a u64. */
  readonly bounded: readonly string[];
  /** Answer of a filesystem without the method: -errno, or 0 for success with zeroed `out`. */
  readonly missing: number;
  /** False: never handed to a filesystem, always answered by `missing`. */
  readonly served: boolean;
  /** Serving it twice does no more than serving it once: a worker may serve what a dead one had begun. */
  readonly repeatable: boolean;
}

const ENOSYS = -38;

const COLUMN_DEFAULTS = Object.freeze({
  in: null,
  inCompat: null,
  tail: "none",
  out: [],
  outData: "none",
  either: false,
  reply: true,
  bounded: [],
  missing: ENOSYS,
  served: true,
  repeatable: false,
} as const satisfies Partial<Opcode>);

type Defaults = typeof COLUMN_DEFAULTS;
type GivenColumns = Omit<Opcode, keyof Defaults> & Partial<Opcode>;
type Row<Given> = {
  readonly [Column in keyof Opcode]: Column extends keyof Given
    ? Given[Column]
    : Column extends keyof Defaults
      ? Defaults[Column]
      : never;
};

// Keeps literal types, so that the fields of a request follow from the opcode's name. Refuses unknown columns.
function row<const Given extends GivenColumns>(
  given: Given & { readonly [Extra in Exclude<keyof Given, keyof Opcode>]: never },
): Row<Given> {
  return Object.freeze({ ...COLUMN_DEFAULTS, ...given }) as unknown as Row<Given>;
}

/** u64 fields of `fuse_in_header` that must be below 2^53, for every opcode. */
export const HEADER_BOUNDED = Object.freeze(["nodeid"] as const);

/** Every opcode of FUSE by name. CUSE_INIT (4096) is not part of it. */
export const OPCODES = Object.freeze({
  LOOKUP: row({
    name: "LOOKUP",
    code: 1,
    method: "lookup",
    since: 1,
    tail: "name",
    out: [FuseEntryOut],
    repeatable: true,
  }),
  FORGET: row({
    name: "FORGET",
    code: 2,
    method: "forget",
    since: 1,
    in: FuseForgetIn,
    reply: false,
    bounded: ["nlookup"],
    missing: 0,
  }),
  GETATTR: row({
    name: "GETATTR",
    code: 3,
    method: "getattr",
    since: 1,
    in: FuseGetattrIn,
    out: [FuseAttrOut],
    bounded: ["fh"],
    repeatable: true,
  }),
  // Times are not bounded: seconds before 1970 arrive as large u64.
  SETATTR: row({
    name: "SETATTR",
    code: 4,
    method: "setattr",
    since: 1,
    in: FuseSetattrIn,
    out: [FuseAttrOut],
    bounded: ["fh", "size"],
  }),
  READLINK: row({ name: "READLINK", code: 5, method: "readlink", since: 1, outData: "string", repeatable: true }),
  // Extension records may follow the target (total_extlen > 0).
  SYMLINK: row({ name: "SYMLINK", code: 6, method: "symlink", since: 1, tail: "name+target", out: [FuseEntryOut] }),
  MKNOD: row({
    name: "MKNOD",
    code: 8,
    method: "mknod",
    since: 1,
    in: FuseMknodIn,
    tail: "name+extensions",
    out: [FuseEntryOut],
  }),
  MKDIR: row({
    name: "MKDIR",
    code: 9,
    method: "mkdir",
    since: 1,
    in: FuseMkdirIn,
    tail: "name+extensions",
    out: [FuseEntryOut],
  }),
  UNLINK: row({ name: "UNLINK", code: 10, method: "unlink", since: 1, tail: "name" }),
  RMDIR: row({ name: "RMDIR", code: 11, method: "rmdir", since: 1, tail: "name" }),
  RENAME: row({
    name: "RENAME",
    code: 12,
    method: "rename",
    since: 1,
    in: FuseRenameIn,
    tail: "names",
    bounded: ["newdir"],
  }),
  LINK: row({
    name: "LINK",
    code: 13,
    method: "link",
    since: 1,
    in: FuseLinkIn,
    tail: "name",
    out: [FuseEntryOut],
    bounded: ["oldnodeid"],
  }),
  // Success with fh 0, as libfuse does: ENOSYS would also switch RELEASE off and KEEP_CACHE on for the mount.
  OPEN: row({
    name: "OPEN",
    code: 14,
    method: "open",
    since: 1,
    in: FuseOpenIn,
    out: [FuseOpenOut],
    missing: 0,
    repeatable: true,
  }),
  READ: row({
    name: "READ",
    code: 15,
    method: "read",
    since: 1,
    in: FuseReadIn,
    outData: "bytes",
    bounded: ["fh", "offset"],
    repeatable: true,
  }),
  WRITE: row({
    name: "WRITE",
    code: 16,
    method: "write",
    since: 1,
    in: FuseWriteIn,
    tail: "data",
    out: [FuseWriteOut],
    bounded: ["fh", "offset"],
  }),
  // As libfuse: success. Whoever answers fills namelen 255 and bsize, else NAME_MAX reads as 0.
  STATFS: row({
    name: "STATFS",
    code: 17,
    method: "statfs",
    since: 1,
    out: [FuseStatfsOut],
    missing: 0,
    repeatable: true,
  }),
  // The kernel has already let go of fh.
  RELEASE: row({
    name: "RELEASE",
    code: 18,
    method: "release",
    since: 1,
    in: FuseReleaseIn,
    bounded: ["fh"],
    missing: 0,
  }),
  // ENOSYS: the kernel never asks again and reports success.
  FSYNC: row({
    name: "FSYNC",
    code: 20,
    method: "fsync",
    since: 1,
    in: FuseFsyncIn,
    bounded: ["fh"],
    repeatable: true,
  }),
  // inCompat unless SETXATTR_EXT was negotiated.
  SETXATTR: row({
    name: "SETXATTR",
    code: 21,
    method: "setxattr",
    since: 1,
    in: FuseSetxattrIn,
    inCompat: FuseSetxattrInCompat,
    tail: "name+value",
  }),
  GETXATTR: row({
    name: "GETXATTR",
    code: 22,
    method: "getxattr",
    since: 1,
    in: FuseGetxattrIn,
    tail: "name",
    out: [FuseGetxattrOut],
    outData: "bytes",
    either: true,
    repeatable: true,
  }),
  LISTXATTR: row({
    name: "LISTXATTR",
    code: 23,
    method: "listxattr",
    since: 1,
    in: FuseGetxattrIn,
    out: [FuseGetxattrOut],
    outData: "bytes",
    either: true,
    repeatable: true,
  }),
  REMOVEXATTR: row({ name: "REMOVEXATTR", code: 24, method: "removexattr", since: 1, tail: "name" }),
  // ENOSYS: the kernel never asks again and reports success.
  FLUSH: row({
    name: "FLUSH",
    code: 25,
    method: "flush",
    since: 1,
    in: FuseFlushIn,
    bounded: ["fh"],
    repeatable: true,
  }),
  // Answered by the session, never by the filesystem.
  INIT: row({
    name: "INIT",
    code: 26,
    method: "init",
    since: 1,
    in: FuseInitIn,
    inCompat: FuseInitInCompat,
    out: [FuseInitOut],
  }),
  // As OPEN.
  OPENDIR: row({
    name: "OPENDIR",
    code: 27,
    method: "opendir",
    since: 1,
    in: FuseOpenIn,
    out: [FuseOpenOut],
    missing: 0,
    repeatable: true,
  }),
  // offset is the filesystem's opaque cookie.
  READDIR: row({
    name: "READDIR",
    code: 28,
    method: "readdir",
    since: 1,
    in: FuseReadIn,
    outData: "dirents",
    bounded: ["fh"],
    repeatable: true,
  }),
  RELEASEDIR: row({
    name: "RELEASEDIR",
    code: 29,
    method: "releasedir",
    since: 1,
    in: FuseReleaseIn,
    bounded: ["fh"],
    missing: 0,
  }),
  // As FSYNC.
  FSYNCDIR: row({
    name: "FSYNCDIR",
    code: 30,
    method: "fsyncdir",
    since: 2,
    in: FuseFsyncIn,
    bounded: ["fh"],
    repeatable: true,
  }),
  // Locks come only if POSIX_LOCKS was negotiated; there is no fallback on ENOSYS.
  GETLK: row({
    name: "GETLK",
    code: 31,
    method: "getlk",
    since: 7,
    in: FuseLkIn,
    out: [FuseLkOut],
    bounded: ["fh"],
    repeatable: true,
  }),
  SETLK: row({ name: "SETLK", code: 32, method: "setlk", since: 7, in: FuseLkIn, bounded: ["fh"] }),
  SETLKW: row({ name: "SETLKW", code: 33, method: "setlkw", since: 7, in: FuseLkIn, bounded: ["fh"] }),
  // ENOSYS: the kernel never asks again and permits.
  ACCESS: row({ name: "ACCESS", code: 34, method: "access", since: 3, in: FuseAccessIn, repeatable: true }),
  // ENOSYS: the kernel falls back to MKNOD and OPEN.
  CREATE: row({
    name: "CREATE",
    code: 35,
    method: "create",
    since: 3,
    in: FuseCreateIn,
    tail: "name+extensions",
    out: [FuseEntryOut, FuseOpenOut],
  }),
  // Replied to only by an error: ENOSYS stops INTERRUPT for the mount, EAGAIN asks for it again.
  INTERRUPT: row({ name: "INTERRUPT", code: 36, method: "interrupt", since: 7, in: FuseInterruptIn, reply: false }),
  BMAP: row({
    name: "BMAP",
    code: 37,
    method: "bmap",
    since: 8,
    in: FuseBmapIn,
    out: [FuseBmapOut],
    bounded: ["block"],
    repeatable: true,
  }),
  // Comes only from fuseblk and virtiofs mounts, as the last request.
  DESTROY: row({ name: "DESTROY", code: 38, method: "destroy", since: 8, missing: 0 }),
  // ENOSYS becomes ENOTTY in the kernel. arg is a pointer or any number of the caller's.
  IOCTL: row({
    name: "IOCTL",
    code: 39,
    method: "ioctl",
    since: 11,
    in: FuseIoctlIn,
    tail: "data",
    out: [FuseIoctlOut],
    outData: "bytes",
    bounded: ["fh"],
  }),
  // ENOSYS: the kernel takes the file as always ready.
  POLL: row({
    name: "POLL",
    code: 40,
    method: "poll",
    since: 11,
    in: FusePollIn,
    out: [FusePollOut],
    bounded: ["fh"],
    repeatable: true,
  }),
  // Its unique is the notify_unique of RETRIEVE.
  NOTIFY_REPLY: row({
    name: "NOTIFY_REPLY",
    code: 41,
    method: "notifyReply",
    since: 15,
    in: FuseNotifyRetrieveIn,
    tail: "data",
    reply: false,
    bounded: ["offset"],
    missing: 0,
  }),
  // A filesystem that has only forget gets one call per record.
  BATCH_FORGET: row({
    name: "BATCH_FORGET",
    code: 42,
    method: "batchForget",
    since: 16,
    in: FuseBatchForgetIn,
    tail: "forgets",
    reply: false,
    missing: 0,
  }),
  // ENOSYS becomes EOPNOTSUPP.
  FALLOCATE: row({
    name: "FALLOCATE",
    code: 43,
    method: "fallocate",
    since: 19,
    in: FuseFallocateIn,
    bounded: ["fh", "offset", "length"],
  }),
  // Comes only if DO_READDIRPLUS was negotiated; no fallback on ENOSYS.
  READDIRPLUS: row({
    name: "READDIRPLUS",
    code: 44,
    method: "readdirplus",
    since: 21,
    in: FuseReadIn,
    outData: "direntplus",
    bounded: ["fh"],
    repeatable: true,
  }),
  // ENOSYS becomes EINVAL; sent only with flags.
  RENAME2: row({
    name: "RENAME2",
    code: 45,
    method: "rename2",
    since: 23,
    in: FuseRename2In,
    tail: "names",
    bounded: ["newdir"],
  }),
  // SEEK_DATA and SEEK_HOLE only. ENOSYS: the kernel takes the file as without holes.
  LSEEK: row({
    name: "LSEEK",
    code: 46,
    method: "lseek",
    since: 24,
    in: FuseLseekIn,
    out: [FuseLseekOut],
    bounded: ["fh", "offset"],
    repeatable: true,
  }),
  // ENOSYS: the kernel copies by READ and WRITE.
  COPY_FILE_RANGE: row({
    name: "COPY_FILE_RANGE",
    code: 47,
    method: "copyFileRange",
    since: 28,
    in: FuseCopyFileRangeIn,
    out: [FuseWriteOut],
    bounded: ["fh_in", "off_in", "nodeid_out", "fh_out", "off_out", "len"],
  }),
  // DAX windows exist on virtiofs only.
  SETUPMAPPING: row({
    name: "SETUPMAPPING",
    code: 48,
    method: "setupMapping",
    since: 31,
    in: FuseSetupmappingIn,
    served: false,
  }),
  REMOVEMAPPING: row({
    name: "REMOVEMAPPING",
    code: 49,
    method: "removeMapping",
    since: 31,
    in: FuseRemovemappingIn,
    tail: "data",
    served: false,
  }),
  // Comes only for fuseblk and virtiofs. ENOSYS: the kernel never asks again.
  SYNCFS: row({ name: "SYNCFS", code: 50, method: "syncfs", since: 34, in: FuseSyncfsIn, repeatable: true }),
  // ENOSYS becomes EOPNOTSUPP.
  TMPFILE: row({
    name: "TMPFILE",
    code: 51,
    method: "tmpfile",
    since: 37,
    in: FuseCreateIn,
    tail: "name+extensions",
    out: [FuseEntryOut, FuseOpenOut],
  }),
  // ENOSYS: the kernel falls back to GETATTR.
  STATX: row({
    name: "STATX",
    code: 52,
    method: "statx",
    since: 39,
    in: FuseStatxIn,
    out: [FuseStatxOut],
    bounded: ["fh"],
    repeatable: true,
  }),
  // ENOSYS: the kernel falls back to COPY_FILE_RANGE.
  COPY_FILE_RANGE_64: row({
    name: "COPY_FILE_RANGE_64",
    code: 53,
    method: "copyFileRange64",
    since: 45,
    in: FuseCopyFileRangeIn,
    out: [FuseCopyFileRangeOut],
    bounded: ["fh_in", "off_in", "nodeid_out", "fh_out", "off_out", "len"],
  }),
} as const satisfies Record<string, Opcode>);

export type OpcodeName = keyof typeof OPCODES;

function indexByCode(): readonly (Opcode | undefined)[] {
  const rows: readonly Opcode[] = Object.values(OPCODES);
  const byCode = new Array<Opcode | undefined>(1 + Math.max(...rows.map(({ code }) => code))).fill(undefined);
  for (const opcode of rows) byCode[opcode.code] = opcode;
  return Object.freeze(byCode);
}

/** Rows indexed by code; `undefined` where no opcode has that code. */
export const OPCODE_BY_CODE: readonly (Opcode | undefined)[] = indexByCode();
