// Owns: how much the behaviour suite does and how long it waits on a machine that emulates its processor. RFUSE_GUEST
// is set in such a guest, where a system call costs some twenty times what it costs outside.

const emulated = process.env["RFUSE_GUEST"] !== undefined;

/** Entries of a directory that takes several calls of glibc, and many requests, to read. */
export const MANY = emulated ? 2_000 : 4_000;

/** MiB of a large file, of which there are up to three in memory. */
export const BULK_MIB = emulated ? 64 : 256;

/** Commits of a repository, a multiple of 10, and files of a tree that several programs work on at once. */
export const COMMITS = emulated ? 10 : 30;
export const TREE_FILES = emulated ? 100 : 500;

/** What a deadline is multiplied with. */
export const PATIENCE = emulated ? 4 : 1;
