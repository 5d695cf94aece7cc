// Owns: errno. The only reader of the C variable, the table of names and numbers, and `SyscallError`.
// The numbers are Linux's generic ones, the same on x86_64 and aarch64.

import { type Pointer, read } from "bun:ffi";
import { libc } from "./libc.ts";

/** Errno numbers by name, as in Linux's asm-generic headers; positive. */
// biome-ignore format: one table, read by eye
export const ERRNO = {
  EPERM: 1, ENOENT: 2, ESRCH: 3, EINTR: 4, EIO: 5, ENXIO: 6, E2BIG: 7, ENOEXEC: 8, EBADF: 9, ECHILD: 10,
  EAGAIN: 11, ENOMEM: 12, EACCES: 13, EFAULT: 14, ENOTBLK: 15, EBUSY: 16, EEXIST: 17, EXDEV: 18, ENODEV: 19,
  ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ENOTTY: 25, ETXTBSY: 26, EFBIG: 27, ENOSPC: 28,
  ESPIPE: 29, EROFS: 30, EMLINK: 31, EPIPE: 32, EDOM: 33, ERANGE: 34, EDEADLK: 35, ENAMETOOLONG: 36, ENOLCK: 37,
  ENOSYS: 38, ENOTEMPTY: 39, ELOOP: 40, ENOMSG: 42, EIDRM: 43, ECHRNG: 44, EL2NSYNC: 45, EL3HLT: 46, EL3RST: 47,
  ELNRNG: 48, EUNATCH: 49, ENOCSI: 50, EL2HLT: 51, EBADE: 52, EBADR: 53, EXFULL: 54, ENOANO: 55, EBADRQC: 56,
  EBADSLT: 57, EBFONT: 59, ENOSTR: 60, ENODATA: 61, ETIME: 62, ENOSR: 63, ENONET: 64, ENOPKG: 65, EREMOTE: 66,
  ENOLINK: 67, EADV: 68, ESRMNT: 69, ECOMM: 70, EPROTO: 71, EMULTIHOP: 72, EDOTDOT: 73, EBADMSG: 74, EOVERFLOW: 75,
  ENOTUNIQ: 76, EBADFD: 77, EREMCHG: 78, ELIBACC: 79, ELIBBAD: 80, ELIBSCN: 81, ELIBMAX: 82, ELIBEXEC: 83,
  EILSEQ: 84, ERESTART: 85, ESTRPIPE: 86, EUSERS: 87, ENOTSOCK: 88, EDESTADDRREQ: 89, EMSGSIZE: 90, EPROTOTYPE: 91,
  ENOPROTOOPT: 92, EPROTONOSUPPORT: 93, ESOCKTNOSUPPORT: 94, EOPNOTSUPP: 95, EPFNOSUPPORT: 96, EAFNOSUPPORT: 97,
  EADDRINUSE: 98, EADDRNOTAVAIL: 99, ENETDOWN: 100, ENETUNREACH: 101, ENETRESET: 102, ECONNABORTED: 103,
  ECONNRESET: 104, ENOBUFS: 105, EISCONN: 106, ENOTCONN: 107, ESHUTDOWN: 108, ETOOMANYREFS: 109, ETIMEDOUT: 110,
  ECONNREFUSED: 111, EHOSTDOWN: 112, EHOSTUNREACH: 113, EALREADY: 114, EINPROGRESS: 115, ESTALE: 116, EUCLEAN: 117,
  ENOTNAM: 118, ENAVAIL: 119, EISNAM: 120, EREMOTEIO: 121, EDQUOT: 122, ENOMEDIUM: 123, EMEDIUMTYPE: 124,
  ECANCELED: 125, ENOKEY: 126, EKEYEXPIRED: 127, EKEYREVOKED: 128, EKEYREJECTED: 129, EOWNERDEAD: 130,
  ENOTRECOVERABLE: 131, ERFKILL: 132, EHWPOISON: 133,
} as const;

export type ErrnoName = keyof typeof ERRNO;

const NAMES = new Map<number, ErrnoName>(Object.entries(ERRNO).map(([name, number]) => [number, name as ErrnoName]));
const ALIASES: ReadonlyMap<string, number> = new Map([
  ["EWOULDBLOCK", ERRNO.EAGAIN],
  ["EDEADLOCK", ERRNO.EDEADLK],
  ["ENOTSUP", ERRNO.EOPNOTSUPP],
]);

/** Errno name of a number of either sign; `E<number>` when Linux has no name for it. */
export function errnoName(errno: number): string {
  const positive = Math.abs(errno);
  return NAMES.get(positive) ?? `E${positive}`;
}

/** Positive errno of a name such as "ENOENT" (aliases included); undefined when there is none. */
export function errnoNumber(name: string): number | undefined {
  return Object.hasOwn(ERRNO, name) ? ERRNO[name as ErrnoName] : ALIASES.get(name);
}

// One thread, one module instance, one address: errno is thread-local and so is this module.
const location = libc.__errno_location() as unknown as Pointer;

/** errno of this thread's last failed C call; to be read at once after it. Positive. */
export function errno(): number {
  return read.i32(location, 0);
}

/** `result` when it is not negative, else `-errno`. Hot. */
export function checked(result: number): number {
  return result < 0 ? -read.i32(location, 0) : result;
}

/** A failed system call, shaped like node's: `code` "ENOENT", negative `errno`, `syscall`, optional `path`. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(syscall: string, errno: number, path?: string, detail?: string) {
    const where = path === undefined ? "" : ` '${path}'`;
    super(`${errnoName(errno)}: ${syscall}${where}${detail === undefined ? "" : `: ${detail}`}`);
    this.code = errnoName(errno);
    this.errno = -Math.abs(errno);
    this.syscall = syscall;
    this.path = path;
  }
}

/** `result` when it is not negative; throws `SyscallError` of `-result` otherwise. For set-up code. */
export function orThrow(result: number, syscall: string, path?: string): number {
  if (result < 0) throw new SyscallError(syscall, -result, path);
  return result;
}
