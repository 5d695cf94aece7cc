// Owns: layouts of the kernel's and C library's structs that system calls fill or read; the same on x86_64 and aarch64.
// Must not: describe the FUSE protocol (src/abi) or read memory.

import { defineStruct } from "./struct.ts";

/** struct statx_timestamp: seconds and nanoseconds. */
export const StatxTimestamp = defineStruct("statx_timestamp", 16, { tv_sec: "i64", tv_nsec: "u32", __reserved: "i32" });

/** struct statx of <linux/stat.h>. */
export const Statx = defineStruct("statx", 256, {
  stx_mask: "u32",
  stx_blksize: "u32",
  stx_attributes: "u64",
  stx_nlink: "u32",
  stx_uid: "u32",
  stx_gid: "u32",
  stx_mode: "u16",
  __spare0: "u16",
  stx_ino: "u64",
  stx_size: "u64",
  stx_blocks: "u64",
  stx_attributes_mask: "u64",
  stx_atime: StatxTimestamp,
  stx_btime: StatxTimestamp,
  stx_ctime: StatxTimestamp,
  stx_mtime: StatxTimestamp,
  stx_rdev_major: "u32",
  stx_rdev_minor: "u32",
  stx_dev_major: "u32",
  stx_dev_minor: "u32",
  stx_mnt_id: "u64",
  stx_dio_mem_align: "u32",
  stx_dio_offset_align: "u32",
  __spare3: { type: "u64", count: 12 },
});

/** struct timespec with 64-bit time. */
export const Timespec = defineStruct("timespec", 16, { tv_sec: "i64", tv_nsec: "i64" });

/** struct statvfs of the C library on 64-bit machines. */
export const Statvfs = defineStruct("statvfs", 112, {
  f_bsize: "u64",
  f_frsize: "u64",
  f_blocks: "u64",
  f_bfree: "u64",
  f_bavail: "u64",
  f_files: "u64",
  f_ffree: "u64",
  f_favail: "u64",
  f_fsid: "u64",
  f_flag: "u64",
  f_namemax: "u64",
  f_type: "u32",
  __f_spare: { type: "i32", count: 5 },
});

/** struct statfs; only `f_type` (the filesystem's magic number) is used. */
export const Statfs = defineStruct("statfs", 120, {
  f_type: "i64",
  f_bsize: "i64",
  f_blocks: "u64",
  f_bfree: "u64",
  f_bavail: "u64",
  f_files: "u64",
  f_ffree: "u64",
  f_fsid: { type: "i32", count: 2 },
  f_namelen: "i64",
  f_frsize: "i64",
  f_flags: "i64",
  f_spare: { type: "i64", count: 4 },
});

/** Fixed part of struct linux_dirent64; the NUL-terminated name follows, the record is `d_reclen` bytes. */
export const Dirent64 = defineStruct("linux_dirent64", 19, {
  d_ino: "u64",
  d_off: "i64",
  d_reclen: "u16",
  d_type: "u8",
});

/** struct flock (64-bit). */
export const Flock = defineStruct("flock", 32, {
  l_type: "i16",
  l_whence: "i16",
  __pad0: "u32",
  l_start: "i64",
  l_len: "i64",
  l_pid: "i32",
  __pad1: "u32",
});

/** struct pollfd. */
export const Pollfd = defineStruct("pollfd", 8, { fd: "i32", events: "i16", revents: "i16" });

/** struct rlimit (64-bit). */
export const Rlimit = defineStruct("rlimit", 16, { rlim_cur: "u64", rlim_max: "u64" });

/** struct iovec. */
export const Iovec = defineStruct("iovec", 16, { iov_base: "u64", iov_len: "u64" });

/** struct msghdr. */
export const Msghdr = defineStruct("msghdr", 56, {
  msg_name: "u64",
  msg_namelen: "u32",
  __pad0: "u32",
  msg_iov: "u64",
  msg_iovlen: "u64",
  msg_control: "u64",
  msg_controllen: "u64",
  msg_flags: "i32",
  __pad1: "u32",
});
