// Owns: the one `dlopen` of the C library; one line per symbol with its C prototype.
// Must not: hold logic, read errno, or export anything but the table.
// Addresses, sizes and offsets are `long` (JavaScript numbers below 2^53). Variadic functions are bound with
// the fixed integer arguments used here: Linux passes those in the same registers on x86_64 and aarch64.

import { dlopen, FFIType } from "bun:ffi";

const int = FFIType.i32;
const uint = FFIType.u32;
const long = FFIType.i64_fast;
const opaque = FFIType.i64;

const table = {
  // long syscall(long number, ...)
  syscall: {
    args: [long, long, long, long, long, long, long],
    returns: long,
  },
  // int *__errno_location(void): one address per thread
  __errno_location: { args: [], returns: long },

  // memory
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
  mmap: { args: [long, long, int, int, int, long], returns: long },
  // int munmap(void *addr, size_t length)
  munmap: { args: [long, long], returns: int },

  // descriptors
  // int openat(int dirfd, const char *path, int flags, mode_t mode)
  openat: { args: [int, long, int, uint], returns: int },
  // int close(int fd)
  close: { args: [int], returns: int },
  // int dup(int fd)
  dup: { args: [int], returns: int },
  // ssize_t read(int fd, void *buf, size_t count)
  read: { args: [int, long, long], returns: long },
  // ssize_t write(int fd, const void *buf, size_t count)
  write: { args: [int, long, long], returns: long },
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
  pread: { args: [int, long, long, long], returns: long },
  // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
  pwrite: { args: [int, long, long, long], returns: long },
  // off_t lseek(int fd, off_t offset, int whence); `opaque` so that opaque 64-bit directory offsets fit as BigInt
  lseek: { args: [int, opaque, int], returns: long },
  // int fcntl(int fd, int op, long arg)
  fcntl: { args: [int, int, long], returns: int },
  // int ioctl(int fd, unsigned long op, void *arg)
  ioctl: { args: [int, long, long], returns: int },
  // int poll(struct pollfd *fds, nfds_t nfds, int timeout_ms)
  poll: { args: [long, long, int], returns: int },
  // int epoll_create1(int flags)
  epoll_create1: { args: [int], returns: int },
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
  epoll_ctl: { args: [int, int, int, long], returns: int },
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout_ms)
  epoll_wait: { args: [int, long, int, int], returns: int },
  // int eventfd(unsigned initial, int flags)
  eventfd: { args: [uint, int], returns: int },
  // int fsync(int fd)
  fsync: { args: [int], returns: int },
  // int fdatasync(int fd)
  fdatasync: { args: [int], returns: int },
  // int syncfs(int fd)
  syncfs: { args: [int], returns: int },
  // int flock(int fd, int operation)
  flock: { args: [int, int], returns: int },
  // int fallocate(int fd, int mode, off_t offset, off_t len)
  fallocate: { args: [int, int, long, long], returns: int },
  // int ftruncate(int fd, off_t length)
  ftruncate: { args: [int, long], returns: int },
  // ssize_t copy_file_range(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, unsigned flags)
  copy_file_range: { args: [int, long, int, long, long, uint], returns: long },
  // ssize_t getdents64(int fd, void *dirp, size_t count)
  getdents64: { args: [int, long, long], returns: long },

  // paths and attributes
  // int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *buf)
  statx: { args: [int, long, int, uint, long], returns: int },
  // int fstatvfs(int fd, struct statvfs *buf)
  fstatvfs: { args: [int, long], returns: int },
  // int fstatfs(int fd, struct statfs *buf)
  fstatfs: { args: [int, long], returns: int },
  // int faccessat(int dirfd, const char *path, int mode, int flags)
  faccessat: { args: [int, long, int, int], returns: int },
  // int fchmod(int fd, mode_t mode)
  fchmod: { args: [int, uint], returns: int },
  // int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
  fchmodat: { args: [int, long, uint, int], returns: int },
  // int fchownat(int dirfd, const char *path, uid_t owner, gid_t group, int flags)
  fchownat: { args: [int, long, uint, uint, int], returns: int },
  // int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
  utimensat: { args: [int, long, long, int], returns: int },
  // int truncate(const char *path, off_t length)
  truncate: { args: [long, long], returns: int },
  // int mkdirat(int dirfd, const char *path, mode_t mode)
  mkdirat: { args: [int, long, uint], returns: int },
  // int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
  mknodat: { args: [int, long, uint, long], returns: int },
  // int unlinkat(int dirfd, const char *path, int flags)
  unlinkat: { args: [int, long, int], returns: int },
  // int linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags)
  linkat: { args: [int, long, int, long, int], returns: int },
  // int symlinkat(const char *target, int newdirfd, const char *linkpath)
  symlinkat: { args: [long, int, long], returns: int },
  // ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)
  readlinkat: { args: [int, long, long, long], returns: long },
  // int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags)
  renameat2: { args: [int, long, int, long, uint], returns: int },
  // ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
  getxattr: { args: [long, long, long, long], returns: long },
  // ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
  fgetxattr: { args: [int, long, long, long], returns: long },
  // int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
  setxattr: { args: [long, long, long, long, int], returns: int },
  // ssize_t listxattr(const char *path, char *list, size_t size)
  listxattr: { args: [long, long, long], returns: long },
  // int removexattr(const char *path, const char *name)
  removexattr: { args: [long, long], returns: int },

  // this thread and process
  // mode_t umask(mode_t mask): of the thread once unshare(CLONE_FS) gave it its own, else of the process
  umask: { args: [uint], returns: uint },
  // int unshare(int flags)
  unshare: { args: [int], returns: int },
  // int setrlimit(int resource, const struct rlimit *limit)
  setrlimit: { args: [int, long], returns: int },
  // int getrlimit(int resource, struct rlimit *limit)
  getrlimit: { args: [int, long], returns: int },
  // int setfsuid(uid_t uid): of the calling thread; answers the former one, never fails visibly
  setfsuid: { args: [uint], returns: int },
  // int setfsgid(gid_t gid)
  setfsgid: { args: [uint], returns: int },
  // uid_t geteuid(void)
  geteuid: { args: [], returns: uint },
  // gid_t getegid(void)
  getegid: { args: [], returns: uint },
  // pid_t gettid(void)
  gettid: { args: [], returns: int },
  // int sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *mask)
  sched_setaffinity: { args: [int, long, long], returns: int },
  // int sched_getaffinity(pid_t tid, size_t size, cpu_set_t *mask)
  sched_getaffinity: { args: [int, long, long], returns: int },
  // int clock_gettime(clockid_t clock, struct timespec *now)
  clock_gettime: { args: [int, long], returns: int },
  // int sched_getscheduler(pid_t tid)
  sched_getscheduler: { args: [int], returns: int },
  // int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
  sched_setscheduler: { args: [int, int, long], returns: int },
  // int getpriority(int which, id_t who): -1 also for a nice value of -1
  getpriority: { args: [int, uint], returns: int },
  // int setpriority(int which, id_t who, int nice)
  setpriority: { args: [int, uint, int], returns: int },
  // int sched_getcpu(void)
  sched_getcpu: { args: [], returns: int },

  // mounts and sockets
  // int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
  mount: { args: [long, long, long, long, long], returns: int },
  // int umount2(const char *target, int flags)
  umount2: { args: [long, int], returns: int },
  // int socketpair(int domain, int type, int protocol, int fds[2])
  socketpair: { args: [int, int, int, long], returns: int },
  // ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
  recvmsg: { args: [int, long, int], returns: long },
} as const;

type Argument<Type> = Type extends typeof opaque ? number | bigint : number;
type Arguments<Types extends readonly unknown[]> = { -readonly [Index in keyof Types]: Argument<Types[Index]> };
type Libc = { readonly [Name in keyof typeof table]: (...args: Arguments<(typeof table)[Name]["args"]>) => number };

export const libc = dlopen("libc.so.6", table).symbols as unknown as Libc;
