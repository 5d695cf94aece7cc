// SPDX-License-Identifier: MIT
/*
 * Commands that name a file by its path: make, remove, rename, attributes, extended attributes.
 * Thin: one system call each, and the reply's format.
 */
#include "probe.h"

#include <linux/fs.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define BIG (1 << 20)

static char buffer[BIG];

static long run_open(struct word *a)
{
	return open(a[0].p, (int)number(a[1]), (mode_t)number(a[2]));
}

static long run_mkdir(struct word *a)
{
	return mkdir(a[0].p, (mode_t)number(a[1]));
}

static long run_rmdir(struct word *a)
{
	return rmdir(a[0].p);
}

static long run_unlink(struct word *a)
{
	return unlink(a[0].p);
}

static long run_rename(struct word *a)
{
	return renameat2(AT_FDCWD, a[0].p, AT_FDCWD, a[1].p, (unsigned)number(a[2]));
}

static long run_link(struct word *a)
{
	return link(a[0].p, a[1].p);
}

/* Gives an open file, such as an O_TMPFILE one, a name. */
static long run_link_fd(struct word *a)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%lld", number(a[0]));
	return linkat(AT_FDCWD, path, AT_FDCWD, a[1].p, AT_SYMLINK_FOLLOW);
}

static long run_symlink(struct word *a)
{
	return symlink(a[0].p, a[1].p);
}

static long run_readlink(struct word *a)
{
	ssize_t n = readlink(a[0].p, buffer, given(a[1]) ? (size_t)number(a[1]) : sizeof(buffer));

	return n < 0 ? -1 : reply_bytes(buffer, (size_t)n);
}

static long run_mknod(struct word *a)
{
	return mknod(a[0].p, (mode_t)number(a[1]), makedev((unsigned)number(a[2]), (unsigned)number(a[3])));
}

static long run_bind(struct word *a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", a[0].p);
	if (bind(fd, (void *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
		return -1;
	return fd;
}

static long run_connect(struct word *a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", a[0].p);
	return connect(fd, (void *)&address, sizeof(address)) < 0 ? -1 : fd;
}

static long run_chmod(struct word *a)
{
	return chmod(a[0].p, (mode_t)number(a[1]));
}

static long run_chown(struct word *a)
{
	return chown(a[0].p, (uid_t)number(a[1]), (gid_t)number(a[2]));
}

static long run_lchown(struct word *a)
{
	return lchown(a[0].p, (uid_t)number(a[1]), (gid_t)number(a[2]));
}

static long run_truncate(struct word *a)
{
	return truncate(a[0].p, number(a[1]));
}

static long run_access(struct word *a)
{
	return faccessat(AT_FDCWD, a[0].p, (int)number(a[1]), AT_EACCESS);
}

static long run_chdir(struct word *a)
{
	return chdir(a[0].p);
}

static long run_getcwd(struct word *a)
{
	(void)a;
	return getcwd(buffer, sizeof(buffer)) ? reply_bytes(buffer, strlen(buffer)) : -1;
}

/* Nanoseconds since 1970 as one signed decimal, "now" or "omit". */
static struct timespec parse_time(struct word w)
{
	struct timespec t = { 0, 0 };
	__int128 ns = 0;
	const char *p = w.p;

	if (strcmp(p, "now") == 0 || strcmp(p, "omit") == 0) {
		t.tv_nsec = *p == 'n' ? UTIME_NOW : UTIME_OMIT;
		return t;
	}
	for (p += *w.p == '-'; *p; p++)
		ns = ns * 10 + (*p - '0');
	if (*w.p == '-')
		ns = -ns;
	t.tv_sec = (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

static long run_utimensat(struct word *a)
{
	struct timespec times[2] = { parse_time(a[1]), parse_time(a[2]) };

	return utimensat(AT_FDCWD, a[0].p, times, (int)number(a[3]));
}

static long run_futimens(struct word *a)
{
	struct timespec times[2] = { parse_time(a[1]), parse_time(a[2]) };

	return futimens((int)number(a[0]), times);
}

static void put_time(const char *name, struct statx_timestamp t)
{
	__int128 ns = (__int128)t.tv_sec * 1000000000 + t.tv_nsec;
	char digits[48], *p = digits + sizeof(digits);
	int negative = ns < 0;

	*--p = '\0';
	for (ns = negative ? -ns : ns; ns || !*p; ns /= 10)
		*--p = (char)('0' + (int)(ns % 10));
	printf(" %s=%s%s", name, negative ? "-" : "", p);
}

static long reply_statx(int fd, const char *path, int flags)
{
	struct statx s;

	if (statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &s) < 0)
		return -1;
	printf("ok mode=%u nlink=%u uid=%u gid=%u ino=%llu size=%llu blocks=%llu blksize=%u major=%u minor=%u dev=%u:%u",
	       s.stx_mode, s.stx_nlink, s.stx_uid, s.stx_gid, (unsigned long long)s.stx_ino,
	       (unsigned long long)s.stx_size, (unsigned long long)s.stx_blocks, s.stx_blksize, s.stx_rdev_major,
	       s.stx_rdev_minor, s.stx_dev_major, s.stx_dev_minor);
	put_time("atime", s.stx_atime);
	put_time("mtime", s.stx_mtime);
	put_time("ctime", s.stx_ctime);
	if (s.stx_mask & STATX_BTIME)
		put_time("btime", s.stx_btime);
	putchar('\n');
	return REPLIED;
}

static long run_stat(struct word *a)
{
	return reply_statx(AT_FDCWD, a[0].p, 0);
}

static long run_lstat(struct word *a)
{
	return reply_statx(AT_FDCWD, a[0].p, AT_SYMLINK_NOFOLLOW);
}

static long run_fstat(struct word *a)
{
	return reply_statx((int)number(a[0]), "", AT_EMPTY_PATH);
}

static long run_statfs(struct word *a)
{
	struct statfs s;

	if (statfs(a[0].p, &s) < 0)
		return -1;
	printf("ok bsize=%ld blocks=%llu bfree=%llu bavail=%llu files=%llu ffree=%llu namelen=%ld\n", (long)s.f_bsize,
	       (unsigned long long)s.f_blocks, (unsigned long long)s.f_bfree, (unsigned long long)s.f_bavail,
	       (unsigned long long)s.f_files, (unsigned long long)s.f_ffree, (long)s.f_namelen);
	return REPLIED;
}

static long run_setxattr(struct word *a)
{
	return setxattr(a[0].p, a[1].p, a[2].p, a[2].n, (int)number(a[3]));
}

static long run_lsetxattr(struct word *a)
{
	return lsetxattr(a[0].p, a[1].p, a[2].p, a[2].n, (int)number(a[3]));
}

/* Size 0 asks for the value's size. */
static long run_getxattr(struct word *a)
{
	size_t room = given(a[2]) ? (size_t)number(a[2]) : sizeof(buffer);
	ssize_t n = getxattr(a[0].p, a[1].p, buffer, room);

	return n < 0 || room == 0 ? n : reply_bytes(buffer, (size_t)n);
}

static long run_listxattr(struct word *a)
{
	size_t room = given(a[1]) ? (size_t)number(a[1]) : sizeof(buffer);
	ssize_t n = listxattr(a[0].p, buffer, room);

	return n < 0 || room == 0 ? n : reply_bytes(buffer, (size_t)n);
}

static long run_removexattr(struct word *a)
{
	return removexattr(a[0].p, a[1].p);
}

const struct command path_commands[] = {
	{ "open", 2, 3, run_open },		{ "mkdir", 2, 2, run_mkdir },
	{ "rmdir", 1, 1, run_rmdir },		{ "unlink", 1, 1, run_unlink },
	{ "rename", 2, 3, run_rename },		{ "link", 2, 2, run_link },
	{ "link_fd", 2, 2, run_link_fd },	{ "symlink", 2, 2, run_symlink },
	{ "readlink", 1, 2, run_readlink },	{ "mknod", 2, 4, run_mknod },
	{ "bind", 1, 1, run_bind },		{ "connect", 1, 1, run_connect },
	{ "chmod", 2, 2, run_chmod },		{ "chown", 3, 3, run_chown },
	{ "lchown", 3, 3, run_lchown },		{ "truncate", 2, 2, run_truncate },
	{ "access", 2, 2, run_access },		{ "chdir", 1, 1, run_chdir },
	{ "getcwd", 0, 0, run_getcwd },		{ "utimensat", 3, 4, run_utimensat },
	{ "futimens", 3, 3, run_futimens },	{ "stat", 1, 1, run_stat },
	{ "lstat", 1, 1, run_lstat },		{ "fstat", 1, 1, run_fstat },
	{ "statfs", 1, 1, run_statfs },		{ "setxattr", 3, 4, run_setxattr },
	{ "lsetxattr", 3, 4, run_lsetxattr },	{ "getxattr", 2, 3, run_getxattr },
	{ "listxattr", 1, 2, run_listxattr },	{ "removexattr", 2, 2, run_removexattr },
	{ 0 },
};
