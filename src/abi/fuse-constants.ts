// Owns: the numbers of <linux/fuse.h>, protocol 7.46, other than struct layouts, opcodes and INIT flags.
// Must not: hold policy (what to negotiate, which default to take). Proven by gcc in test/abi/fuse-abi.test.ts.
// Keys are the C names without their prefix; CONSTANT_GROUPS ties each object to that prefix and to the
// protocol minor in which a value appeared (stated only above 31).

/** Protocol version that these tables describe. */
export const KERNEL = Object.freeze({ VERSION: 7, MINOR_VERSION: 46 } as const);

/** Oldest minor that is served; a kernel that speaks less is refused at INIT. Policy of this project, Linux 5.4. */
export const OLDEST_MINOR = 31;

/** nodeid of the mount's root; never looked up, never forgotten. */
export const ROOT_ID = 1;

/** Bytes that a read(2) of /dev/fuse must offer at least. */
export const MIN_READ_BUFFER = 8192;

/** uid/gid in `fuse_in_header` that an idmapped mount could not map (7.41). */
export const INVALID_UIDGID = 0xffffffff;

/** Bit in the high u32 of `unique` that marks a resent request (bit 63, 7.40). */
export const UNIQUE_RESEND_HIGH = 0x80000000;

/**
 * Pages per request. Not in the header: fs/fuse/fuse_i.h and inode.c. DEFAULT without MAX_PAGES; LIMIT is the
 * kernel's cap, which the sysctl fs.fuse.max_pages_limit changes from Linux 6.13 on, up to SYSCTL_MAX.
 */
export const PAGES = Object.freeze({ DEFAULT: 32, LIMIT: 256, SYSCTL_MAX: 65535 } as const);

/** `fuse_setattr_in.valid`. */
export const FATTR = Object.freeze({
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  LOCKOWNER: 1 << 9,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const);

/** `fuse_open_out.open_flags`. */
export const FOPEN = Object.freeze({
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  NONSEEKABLE: 1 << 2,
  CACHE_DIR: 1 << 3,
  STREAM: 1 << 4,
  NOFLUSH: 1 << 5,
  PARALLEL_DIRECT_WRITES: 1 << 6,
  PASSTHROUGH: 1 << 7,
  IO_URING_ZERO_COPY: 1 << 8,
} as const);

/** `fuse_release_in.release_flags`. */
export const RELEASE_FLAGS = Object.freeze({ FLUSH: 1 << 0, FLOCK_UNLOCK: 1 << 1 } as const);

/** `fuse_getattr_in.getattr_flags`, also of `fuse_statx_in`. */
export const GETATTR_FLAGS = Object.freeze({ FH: 1 << 0 } as const);

/** `fuse_lk_in.lk_flags`. */
export const LK_FLAGS = Object.freeze({ FLOCK: 1 << 0 } as const);

/** `fuse_write_in.write_flags`. */
export const WRITE_FLAGS = Object.freeze({ CACHE: 1 << 0, LOCKOWNER: 1 << 1, KILL_SUIDGID: 1 << 2 } as const);

/** `fuse_read_in.read_flags`; bit 0 is not in use. */
export const READ_FLAGS = Object.freeze({ LOCKOWNER: 1 << 1 } as const);

/** `flags` of `fuse_ioctl_in` and `fuse_ioctl_out`. */
export const IOCTL_FLAGS = Object.freeze({
  COMPAT: 1 << 0,
  UNRESTRICTED: 1 << 1,
  RETRY: 1 << 2,
  "32BIT": 1 << 3,
  DIR: 1 << 4,
  COMPAT_X32: 1 << 5,
} as const);

/** Most `fuse_ioctl_iovec` records (in plus out) of one IOCTL retry. */
export const IOCTL_MAX_IOV = 256;

/** `fuse_poll_in.flags`. */
export const POLL_FLAGS = Object.freeze({ SCHEDULE_NOTIFY: 1 << 0 } as const);

/** `fuse_fsync_in.fsync_flags`. */
export const FSYNC_FLAGS = Object.freeze({ FDATASYNC: 1 << 0 } as const);

/** `fuse_attr.flags`. */
export const ATTR_FLAGS = Object.freeze({ SUBMOUNT: 1 << 0, DAX: 1 << 1 } as const);

/** `open_flags` of `fuse_open_in` and `fuse_create_in`. */
export const OPEN_FLAGS = Object.freeze({ KILL_SUIDGID: 1 << 0 } as const);

/** `fuse_setxattr_in.setxattr_flags`. */
export const SETXATTR_FLAGS = Object.freeze({ ACL_KILL_SGID: 1 << 0 } as const);

/** `fuse_notify_inval_entry_out.flags`. */
export const INVAL_ENTRY_FLAGS = Object.freeze({ EXPIRE_ONLY: 1 << 0 } as const);

/** `fuse_ext_header.type`; values up to MAX_NR_SECCTX are a count of security contexts. */
export const EXT_TYPE = Object.freeze({ MAX_NR_SECCTX: 31, EXT_GROUPS: 32 } as const);

/** Notify codes: `fuse_out_header.error` of a notification, positive. */
export const NOTIFY = Object.freeze({
  POLL: 1,
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  STORE: 4,
  RETRIEVE: 5,
  DELETE: 6,
  RESEND: 7,
  INC_EPOCH: 8,
  PRUNE: 9,
} as const);

/** `cmd_op` of an io_uring command on /dev/fuse. */
export const URING_CMD = Object.freeze({
  INVALID: 0,
  REGISTER: 1,
  COMMIT_AND_FETCH: 2,
  ADD_QUEUE: 3,
  ADD_BUFPOOL: 4,
} as const);

/** Sizes and flags of `fuse_uring_req_header`, `fuse_uring_ent_in_out` (ENT_) and ADD_QUEUE. */
export const URING = Object.freeze({
  IN_OUT_HEADER_SZ: 128,
  OP_IN_OUT_SZ: 128,
  ENT_ZERO_COPY: 1 << 0,
  ZERO_COPY: 1 << 0,
} as const);

/** `fuse_setupmapping_in.flags`. */
export const SETUPMAPPING_FLAGS = Object.freeze({ WRITE: 1 << 0, READ: 1 << 1 } as const);

/** Struct sizes of older minors; only SETXATTR_IN_SIZE and the INIT sizes can still be met. */
export const COMPAT = Object.freeze({
  ENTRY_OUT_SIZE: 120,
  ATTR_OUT_SIZE: 96,
  MKNOD_IN_SIZE: 8,
  WRITE_IN_SIZE: 24,
  STATFS_SIZE: 48,
  SETXATTR_IN_SIZE: 8,
  INIT_OUT_SIZE: 8,
  "22_INIT_OUT_SIZE": 24,
} as const);

/** CUSE, a character device over the same protocol: its INIT opcode is outside the opcode table. */
export const CUSE = Object.freeze({ INIT: 4096, UNRESTRICTED_IOCTL: 1 << 0, INIT_INFO_MAX: 4096 } as const);

/** Opcodes that show an INIT of the other byte order. */
export const BSWAP_RESERVED = Object.freeze({
  CUSE_INIT_BSWAP_RESERVED: 1048576,
  FUSE_INIT_BSWAP_RESERVED: 436207616,
} as const);

const IOC_NONE = 0;
const IOC_WRITE = 1;
const IOC_READ = 2;
const DEV_IOC_MAGIC = 229;

// asm-generic/ioctl.h, in use on x86-64 and aarch64: nr 8 bits, type 8, size 14, direction 2.
function ioctlNumber(direction: number, nr: number, size: number): number {
  return ((direction << 30) | (size << 16) | (DEV_IOC_MAGIC << 8) | nr) >>> 0;
}

/** Ioctls of /dev/fuse. CLONE and BACKING_CLOSE take a pointer to u32, BACKING_OPEN to `fuse_backing_map`. */
export const DEV_IOC = Object.freeze({
  MAGIC: DEV_IOC_MAGIC,
  CLONE: ioctlNumber(IOC_READ, 0, 4),
  BACKING_OPEN: ioctlNumber(IOC_WRITE, 1, 16),
  BACKING_CLOSE: ioctlNumber(IOC_WRITE, 2, 4),
  SYNC_INIT: ioctlNumber(IOC_NONE, 3, 0),
} as const);

/** One object of constants with its C prefix; `since` names the keys that are newer than 7.31. */
export interface ConstantGroup {
  readonly prefix: string;
  readonly values: Readonly<Record<string, number>>;
  readonly since: Readonly<Record<string, number>>;
}

function group<Values extends Readonly<Record<string, number>>>(
  prefix: string,
  values: Values,
  since: { readonly [Key in keyof Values]?: number } = {},
): ConstantGroup {
  return Object.freeze({ prefix, values, since: since as Readonly<Record<string, number>> });
}

/** All constants above that the header names, for the proof by gcc and for documentation. */
export const CONSTANT_GROUPS: readonly ConstantGroup[] = Object.freeze([
  group(
    "FUSE_",
    { KERNEL_VERSION: KERNEL.VERSION, ROOT_ID, MIN_READ_BUFFER, IOCTL_MAX_IOV, INVALID_UIDGID },
    { INVALID_UIDGID: 41 },
  ),
  group("FATTR_", FATTR, { KILL_SUIDGID: 33 }),
  group("FOPEN_", FOPEN, { NOFLUSH: 35, PARALLEL_DIRECT_WRITES: 38, PASSTHROUGH: 40, IO_URING_ZERO_COPY: 46 }),
  group("FUSE_RELEASE_", RELEASE_FLAGS),
  group("FUSE_GETATTR_", GETATTR_FLAGS),
  group("FUSE_LK_", LK_FLAGS),
  group("FUSE_WRITE_", WRITE_FLAGS, { KILL_SUIDGID: 33 }),
  group("FUSE_READ_", READ_FLAGS),
  group("FUSE_IOCTL_", IOCTL_FLAGS),
  group("FUSE_POLL_", POLL_FLAGS),
  group("FUSE_FSYNC_", FSYNC_FLAGS),
  group("FUSE_ATTR_", ATTR_FLAGS, { SUBMOUNT: 32, DAX: 36 }),
  group("FUSE_OPEN_", OPEN_FLAGS, { KILL_SUIDGID: 33 }),
  group("FUSE_SETXATTR_", SETXATTR_FLAGS, { ACL_KILL_SGID: 33 }),
  group("FUSE_", INVAL_ENTRY_FLAGS, { EXPIRE_ONLY: 38 }),
  group("FUSE_", EXT_TYPE, { MAX_NR_SECCTX: 38, EXT_GROUPS: 38 }),
  group("FUSE_NOTIFY_", NOTIFY, { RESEND: 40, INC_EPOCH: 44, PRUNE: 45 }),
  group("FUSE_IO_URING_CMD_", URING_CMD, {
    INVALID: 42,
    REGISTER: 42,
    COMMIT_AND_FETCH: 42,
    ADD_QUEUE: 46,
    ADD_BUFPOOL: 46,
  }),
  group("FUSE_URING_", URING, { IN_OUT_HEADER_SZ: 42, OP_IN_OUT_SZ: 42, ENT_ZERO_COPY: 46, ZERO_COPY: 46 }),
  group("FUSE_SETUPMAPPING_FLAG_", SETUPMAPPING_FLAGS),
  group("FUSE_COMPAT_", COMPAT),
  group("CUSE_", CUSE),
  group("", BSWAP_RESERVED),
  group("FUSE_DEV_IOC_", DEV_IOC, { BACKING_OPEN: 40, BACKING_CLOSE: 40, SYNC_INIT: 45 }),
]);
