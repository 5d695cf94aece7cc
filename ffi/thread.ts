// Owns: what belongs to the calling thread: credentials, capabilities, file mode mask, limits.
// All of it is per thread in the kernel; raw system calls are used where the C library would change every thread.

import { checked } from "./errno.ts";
import { Rlimit } from "./kernel-structs.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";

const CLONE_FS = 0x200;
const RLIMIT_NOFILE = 7;
const CAPABILITY_VERSION_3 = 0x20080522;
const SYS_CAPGET = process.arch === "arm64" ? 90 : 125;
const SYS_TGKILL = process.arch === "arm64" ? 131 : 234;
const SYS_CAPSET = process.arch === "arm64" ? 91 : 126;

/** Capability numbers used here. */
export const CAP = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  SETUID: 7,
  SYS_ADMIN: 21,
  MKNOD: 27,
  BPF: 39,
} as const;

export const geteuid = (): number => libc.geteuid();
export const getegid = (): number => libc.getegid();
export const gettid = (): number => libc.gettid();
export const setfsuid = (uid: number): number => libc.setfsuid(uid);
export const setfsgid = (gid: number): number => libc.setfsgid(gid);
export const umask = (mask: number): number => libc.umask(mask);

/** Whether thread `tid` of this process has not ended. */
export const threadLives = (tid: number): boolean => libc.syscall(SYS_TGKILL, process.pid, tid, 0, 0, 0, 0) === 0;

/** Gives the calling thread a file mode mask and working directory of its own. Result 0 or -errno. */
export const unshareFs = (): number => checked(libc.unshare(CLONE_FS));

const header = new Int32Array([CAPABILITY_VERSION_3, 0]);
const sets = new Int32Array(6); // effective, permitted, inheritable; low words, then high words

// The address is taken anew at each call: that keeps `header` and `sets` referenced. A module's variable that no function
// uses is collected, and the kernel would write to whoever has its memory by then.
const capget = (): number => libc.syscall(SYS_CAPGET, addressOf(header), addressOf(sets), 0, 0, 0, 0);

/** Effective capabilities 0..31 of the calling thread as a bit mask; 0 when they cannot be read. */
export function effectiveCapabilities(): number {
  return capget() < 0 ? 0 : (sets[0] ?? 0) >>> 0;
}

/** Whether the calling thread has an effective capability (CAP). */
export const hasCapability = (capability: number): boolean => ((effectiveCapabilities() >>> capability) & 1) === 1;

/** Sets effective capabilities 0..31 of the calling thread, within its permitted set. Result 0 or -errno. */
export function setEffectiveCapabilities(mask: number): number {
  const got = checked(capget());
  if (got < 0) return got;
  sets[0] = mask & (sets[1] ?? 0);
  return checked(libc.syscall(SYS_CAPSET, addressOf(header), addressOf(sets), 0, 0, 0, 0));
}

/**
 * Raises the process's limit of open descriptors as far as it may: to `wanted` with privilege, else to the hard
 * limit. Result: the limit now in force.
 */
export function raiseOpenFileLimit(wanted: number): number {
  const limit = new Uint32Array(Rlimit.size / 4);
  const address = addressOf(limit);
  if (libc.getrlimit(RLIMIT_NOFILE, address) < 0) return 0;
  const hard = (limit[2] ?? 0) + (limit[3] ?? 0) * 2 ** 32;
  for (const target of [Math.max(wanted, hard), hard]) {
    limit.set([
      target >>> 0,
      Math.floor(target / 2 ** 32),
      Math.max(target, hard) >>> 0,
      Math.floor(Math.max(target, hard) / 2 ** 32),
    ]);
    if (libc.setrlimit(RLIMIT_NOFILE, address) === 0) return target;
  }
  return 0;
}
