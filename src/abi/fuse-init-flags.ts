// Owns: the flags of INIT as bit numbers 0..63, and their split over `flags` and `flags2`.
// Must not: decide what to negotiate. Proven by gcc in test/abi/fuse-abi.test.ts.
// The kernel ignores `flags2` of the reply unless INIT_EXT is in `flags`: whoever sets a bit above 31 sets
// INIT_EXT too. INIT_RESERVED must never be set in a reply.

/** Bit number and protocol minor in which the flag appeared (changelog in <linux/fuse.h>). */
export interface InitFlagRow {
  readonly bit: number;
  readonly since: number;
}

/** Every INIT flag, named as in C without FUSE_. */
export const INIT_FLAGS = Object.freeze({
  ASYNC_READ: { bit: 0, since: 6 },
  POSIX_LOCKS: { bit: 1, since: 7 },
  FILE_OPS: { bit: 2, since: 9 },
  ATOMIC_O_TRUNC: { bit: 3, since: 9 },
  EXPORT_SUPPORT: { bit: 4, since: 9 },
  BIG_WRITES: { bit: 5, since: 9 },
  DONT_MASK: { bit: 6, since: 12 },
  SPLICE_WRITE: { bit: 7, since: 14 },
  SPLICE_MOVE: { bit: 8, since: 14 },
  SPLICE_READ: { bit: 9, since: 14 },
  FLOCK_LOCKS: { bit: 10, since: 17 },
  HAS_IOCTL_DIR: { bit: 11, since: 18 },
  AUTO_INVAL_DATA: { bit: 12, since: 20 },
  DO_READDIRPLUS: { bit: 13, since: 21 },
  READDIRPLUS_AUTO: { bit: 14, since: 21 },
  ASYNC_DIO: { bit: 15, since: 22 },
  WRITEBACK_CACHE: { bit: 16, since: 23 },
  NO_OPEN_SUPPORT: { bit: 17, since: 23 },
  PARALLEL_DIROPS: { bit: 18, since: 25 },
  HANDLE_KILLPRIV: { bit: 19, since: 26 },
  POSIX_ACL: { bit: 20, since: 26 },
  ABORT_ERROR: { bit: 21, since: 27 },
  MAX_PAGES: { bit: 22, since: 28 },
  CACHE_SYMLINKS: { bit: 23, since: 28 },
  NO_OPENDIR_SUPPORT: { bit: 24, since: 29 },
  EXPLICIT_INVAL_DATA: { bit: 25, since: 30 },
  MAP_ALIGNMENT: { bit: 26, since: 31 },
  SUBMOUNTS: { bit: 27, since: 32 },
  HANDLE_KILLPRIV_V2: { bit: 28, since: 33 },
  SETXATTR_EXT: { bit: 29, since: 33 },
  INIT_EXT: { bit: 30, since: 36 },
  INIT_RESERVED: { bit: 31, since: 36 },
  SECURITY_CTX: { bit: 32, since: 36 },
  HAS_INODE_DAX: { bit: 33, since: 36 },
  CREATE_SUPP_GROUP: { bit: 34, since: 38 },
  HAS_EXPIRE_ONLY: { bit: 35, since: 38 },
  DIRECT_IO_ALLOW_MMAP: { bit: 36, since: 39 },
  PASSTHROUGH: { bit: 37, since: 40 },
  NO_EXPORT_SUPPORT: { bit: 38, since: 40 },
  HAS_RESEND: { bit: 39, since: 40 },
  ALLOW_IDMAP: { bit: 40, since: 41 },
  OVER_IO_URING: { bit: 41, since: 42 },
  REQUEST_TIMEOUT: { bit: 42, since: 43 },
  HAS_IO_URING_BUFPOOL: { bit: 43, since: 46 },
} as const satisfies Record<string, InitFlagRow>);

export type InitFlag = keyof typeof INIT_FLAGS;

/** The two words of INIT, each an unsigned 32-bit number. */
export interface FlagWords {
  readonly flags: number;
  readonly flags2: number;
}

// Own keys in order of their bits, as the table lists them.
const NAMES = Object.freeze(Object.keys(INIT_FLAGS) as InitFlag[]);
const KNOWN = flagWords(NAMES);

/** The words that hold exactly the named flags; nothing is added (see INIT_EXT above). */
export function flagWords(names: Iterable<InitFlag>): FlagWords {
  let flags = 0;
  let flags2 = 0;
  for (const name of names) {
    const { bit } = INIT_FLAGS[name];
    if (bit < 32) flags |= 1 << bit;
    else flags2 |= 1 << (bit - 32);
  }
  return { flags: flags >>> 0, flags2: flags2 >>> 0 };
}

/** Whether the words hold the named flag. */
export function hasFlag(words: FlagWords, name: InitFlag): boolean {
  const { bit } = INIT_FLAGS[name];
  return (((bit < 32 ? words.flags : words.flags2) >>> (bit & 31)) & 1) === 1;
}

/** Names of the known flags in the words, by rising bit; bits without a name are left to `unknownFlagBits`. */
export function flagNames(flags: number, flags2: number): InitFlag[] {
  const words = { flags, flags2 };
  return NAMES.filter((name) => hasFlag(words, name));
}

/** Bit numbers (0..63) that are set but not in the table: a newer kernel than these tables. */
export function unknownFlagBits(flags: number, flags2: number): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < 32; bit++) if (((flags & ~KNOWN.flags) >>> bit) & 1) bits.push(bit);
  for (let bit = 0; bit < 32; bit++) if (((flags2 & ~KNOWN.flags2) >>> bit) & 1) bits.push(bit + 32);
  return bits;
}
