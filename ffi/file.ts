// Owns: system calls on files and descriptors, one line each; every result is `n >= 0` or `-errno`.
// Must not: decide, retry or allocate. Addresses point into memory that the caller keeps alive.

import { checked } from "./errno.ts";
import { libc } from "./libc.ts";

/** A relative path argument meaning "the process's working directory". */
export const AT_FDCWD = -100;

/** Flags of the *at calls. */
export const AT = {
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  EMPTY_PATH: 0x1000,
  SYMLINK_FOLLOW: 0x400,
  EACCESS: 0x200,
  STATX_DONT_SYNC: 0x4000,
} as const;

// O_DIRECT, O_DIRECTORY and O_NOFOLLOW differ between the two architectures.
const arm = process.arch === "arm64";

/** open(2) flags of this architecture. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  ACCMODE: 3,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  SYNC: 0o4010000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  DIRECT: arm ? 0o200000 : 0o40000,
  DIRECTORY: arm ? 0o40000 : 0o200000,
  NOFOLLOW: arm ? 0o100000 : 0o400000,
  TMPFILE: 0o20000000 | (arm ? 0o40000 : 0o200000),
} as const;

/** File type bits of `mode`. */
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o60000,
  IFDIR: 0o40000,
  IFCHR: 0o20000,
  IFIFO: 0o10000,
  ISUID: 0o4000,
  ISGID: 0o2000,
  ISVTX: 0o1000,
  IXGRP: 0o10,
} as const;

/** statx(2) request masks. */
export const STATX = { BASIC_STATS: 0x7ff, BTIME: 0x800 } as const;

/** fcntl(2) operations used here. */
export const F = { DUPFD_CLOEXEC: 1030, GETFL: 3, SETFL: 4, OFD_GETLK: 36, OFD_SETLK: 37, OFD_SETLKW: 38 } as const;

/** poll(2) events. */
export const POLL = { IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16, NVAL: 32 } as const;

export const openat = (dirfd: number, path: number, flags: number, mode: number): number =>
  checked(libc.openat(dirfd, path, flags | O.CLOEXEC, mode));
export const close = (fd: number): number => checked(libc.close(fd));
export const dup = (fd: number): number => checked(libc.fcntl(fd, F.DUPFD_CLOEXEC, 0));
const SYS_DUP3 = process.arch === "arm64" ? 24 : 292;

/** Makes descriptor `fd` lead to what `other` leads to; what it led to before is closed. Result `fd` or -errno. */
export const replaceDescriptor = (fd: number, other: number): number =>
  checked(libc.syscall(SYS_DUP3, other, fd, O.CLOEXEC, 0, 0, 0));
export const read = (fd: number, address: number, size: number): number => checked(libc.read(fd, address, size));
export const write = (fd: number, address: number, size: number): number => checked(libc.write(fd, address, size));
export const pread = (fd: number, address: number, size: number, offset: number): number =>
  checked(libc.pread(fd, address, size, offset));
export const pwrite = (fd: number, address: number, size: number, offset: number): number =>
  checked(libc.pwrite(fd, address, size, offset));
const SYS_PWRITEV2 = process.arch === "arm64" ? 287 : 328;

/** pwritev2(2) flags: append, whatever the offset and the descriptor's own flags are. */
export const RWF = { APPEND: 0x10 } as const;

/** pwritev2(2); `iovec` is the address of `count` struct iovec. */
export const pwritev2 = (fd: number, iovec: number, count: number, offset: number, flags: number): number =>
  checked(libc.syscall(SYS_PWRITEV2, fd, iovec, count, offset, 0, flags));
export const lseek = (fd: number, offset: number | bigint, whence: number): number =>
  checked(libc.lseek(fd, offset, whence));
export const fcntl = (fd: number, op: number, arg: number): number => checked(libc.fcntl(fd, op, arg));
export const ioctl = (fd: number, op: number, arg: number): number => checked(libc.ioctl(fd, op, arg));
export const poll = (fds: number, count: number, timeoutMs: number): number =>
  checked(libc.poll(fds, count, timeoutMs));
export const fsync = (fd: number): number => checked(libc.fsync(fd));
export const fdatasync = (fd: number): number => checked(libc.fdatasync(fd));
export const syncfs = (fd: number): number => checked(libc.syncfs(fd));
export const flock = (fd: number, operation: number): number => checked(libc.flock(fd, operation));
export const fallocate = (fd: number, mode: number, offset: number, length: number): number =>
  checked(libc.fallocate(fd, mode, offset, length));
export const ftruncate = (fd: number, length: number): number => checked(libc.ftruncate(fd, length));
export const copyFileRange = (
  fdIn: number,
  offIn: number,
  fdOut: number,
  offOut: number,
  length: number,
  flags: number,
): number => checked(libc.copy_file_range(fdIn, offIn, fdOut, offOut, length, flags));
export const getdents64 = (fd: number, address: number, size: number): number =>
  checked(libc.getdents64(fd, address, size));
export const statx = (dirfd: number, path: number, flags: number, mask: number, buffer: number): number =>
  checked(libc.statx(dirfd, path, flags, mask, buffer));
export const fstatvfs = (fd: number, buffer: number): number => checked(libc.fstatvfs(fd, buffer));
export const fstatfs = (fd: number, buffer: number): number => checked(libc.fstatfs(fd, buffer));
export const faccessat = (dirfd: number, path: number, mode: number, flags: number): number =>
  checked(libc.faccessat(dirfd, path, mode, flags));
export const fchmod = (fd: number, mode: number): number => checked(libc.fchmod(fd, mode));
export const fchmodat = (dirfd: number, path: number, mode: number): number =>
  checked(libc.fchmodat(dirfd, path, mode, 0));
export const fchownat = (dirfd: number, path: number, uid: number, gid: number, flags: number): number =>
  checked(libc.fchownat(dirfd, path, uid, gid, flags));
export const utimensat = (dirfd: number, path: number, times: number, flags: number): number =>
  checked(libc.utimensat(dirfd, path, times, flags));
export const truncate = (path: number, length: number): number => checked(libc.truncate(path, length));
export const mkdirat = (dirfd: number, path: number, mode: number): number => checked(libc.mkdirat(dirfd, path, mode));
export const mknodat = (dirfd: number, path: number, mode: number, rdev: number): number =>
  checked(libc.mknodat(dirfd, path, mode, rdev));
export const unlinkat = (dirfd: number, path: number, flags: number): number =>
  checked(libc.unlinkat(dirfd, path, flags));
export const linkat = (olddir: number, oldpath: number, newdir: number, newpath: number, flags: number): number =>
  checked(libc.linkat(olddir, oldpath, newdir, newpath, flags));
export const symlinkat = (target: number, dirfd: number, path: number): number =>
  checked(libc.symlinkat(target, dirfd, path));
export const readlinkat = (dirfd: number, path: number, address: number, size: number): number =>
  checked(libc.readlinkat(dirfd, path, address, size));
export const renameat2 = (olddir: number, oldpath: number, newdir: number, newpath: number, flags: number): number =>
  checked(libc.renameat2(olddir, oldpath, newdir, newpath, flags));
export const getxattr = (path: number, name: number, address: number, size: number): number =>
  checked(libc.getxattr(path, name, address, size));
export const setxattr = (path: number, name: number, address: number, size: number, flags: number): number =>
  checked(libc.setxattr(path, name, address, size, flags));
export const listxattr = (path: number, address: number, size: number): number =>
  checked(libc.listxattr(path, address, size));
export const removexattr = (path: number, name: number): number => checked(libc.removexattr(path, name));
