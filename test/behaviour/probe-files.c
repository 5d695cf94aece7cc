// SPDX-License-Identifier: MIT
/*
 * Commands on open files: data, space, locks and mappings.
 * Descriptors and addresses travel as the numbers they are.
 */
#include "probe.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>

#define BIG (1 << 20)

/* Aligned as O_DIRECT wants it. */
static char buffer[BIG] __attribute__((aligned(4096)));
static sigjmp_buf fault;

static long run_close(struct word *a)
{
	return close((int)number(a[0]));
}

static long run_dup(struct word *a)
{
	return dup((int)number(a[0]));
}

static size_t bounded(long long n)
{
	return n > BIG ? BIG : (size_t)n;
}

static long run_read(struct word *a)
{
	ssize_t n = read((int)number(a[0]), buffer, bounded(number(a[1])));

	return n < 0 ? -1 : reply_bytes(buffer, (size_t)n);
}

static long run_pread(struct word *a)
{
	ssize_t n = pread((int)number(a[0]), buffer, bounded(number(a[2])), number(a[1]));

	return n < 0 ? -1 : reply_bytes(buffer, (size_t)n);
}

static long run_write(struct word *a)
{
	return write((int)number(a[0]), a[1].p, a[1].n);
}

static long run_pwrite(struct word *a)
{
	return pwrite((int)number(a[0]), a[2].p, a[2].n, number(a[1]));
}

/* fill fd offset length byte: returns the bytes written before the first short or failed write. */
static long run_fill(struct word *a)
{
	long long offset = number(a[1]), left = number(a[2]), done = 0;

	memset(buffer, (int)number(a[3]), sizeof(buffer));
	while (left > done) {
		ssize_t n = pwrite((int)number(a[0]), buffer, bounded(left - done), offset + done);

		if (n < 0)
			return -1;
		done += n;
	}
	return (long)done;
}

/* append fd count record: writes the record count times, one write(2) each. */
static long run_append(struct word *a)
{
	int fd = (int)number(a[0]);
	long count = (long)number(a[1]);

	for (long i = 0; i < count; i++)
		if (write(fd, a[2].p, a[2].n) != (ssize_t)a[2].n)
			return -1;
	return count;
}

/* setfl fd flags: the file status flags from now on, as fcntl(F_SETFL) takes them. */
static long run_setfl(struct word *a)
{
	return fcntl((int)number(a[0]), F_SETFL, (int)number(a[1]));
}

/* splice fd offset length: what comes through a pipe, moved there by splice(2). */
static long run_splice(struct word *a)
{
	off_t offset = number(a[1]);
	ssize_t moved, n = 0;
	int ends[2];

	if (pipe(ends) < 0)
		return -1;
	moved = splice((int)number(a[0]), &offset, ends[1], NULL, bounded(number(a[2])), SPLICE_F_NONBLOCK);
	if (moved > 0)
		n = read(ends[0], buffer, (size_t)moved);
	close(ends[0]);
	close(ends[1]);
	return moved < 0 || n < 0 ? -1 : reply_bytes(buffer, (size_t)n);
}

static long run_lseek(struct word *a)
{
	return lseek((int)number(a[0]), number(a[1]), (int)number(a[2]));
}

static long run_ftruncate(struct word *a)
{
	return ftruncate((int)number(a[0]), number(a[1]));
}

static long run_fchmod(struct word *a)
{
	return fchmod((int)number(a[0]), (mode_t)number(a[1]));
}

static long run_fchown(struct word *a)
{
	return fchown((int)number(a[0]), (uid_t)number(a[1]), (gid_t)number(a[2]));
}

static long run_fsync(struct word *a)
{
	return fsync((int)number(a[0]));
}

static long run_fdatasync(struct word *a)
{
	return fdatasync((int)number(a[0]));
}

static long run_fallocate(struct word *a)
{
	return fallocate((int)number(a[0]), (int)number(a[1]), number(a[2]), number(a[3]));
}

/* copy_file_range in offset out offset length; an offset of "-" uses and moves the file position. */
static long run_copy(struct word *a)
{
	off_t in = 0, out = 0;
	int use_in = strcmp(a[1].p, "-") != 0, use_out = strcmp(a[3].p, "-") != 0;

	if (use_in)
		in = number(a[1]);
	if (use_out)
		out = number(a[3]);
	return copy_file_range((int)number(a[0]), use_in ? &in : NULL, (int)number(a[2]), use_out ? &out : NULL,
			       (size_t)number(a[4]), 0);
}

static long run_flock(struct word *a)
{
	return flock((int)number(a[0]), (int)number(a[1]));
}

static long lock(struct word *a, int command)
{
	struct flock l = { .l_type = (short)number(a[1]), .l_whence = SEEK_SET, .l_start = number(a[2]),
			   .l_len = number(a[3]) };

	return fcntl((int)number(a[0]), command, &l);
}

static long run_setlk(struct word *a)
{
	return lock(a, F_SETLK);
}

static long run_setlkw(struct word *a)
{
	return lock(a, F_SETLKW);
}

static long run_ofd_setlk(struct word *a)
{
	return lock(a, F_OFD_SETLK);
}

static long run_getlk(struct word *a)
{
	struct flock l = { .l_type = (short)number(a[1]), .l_whence = SEEK_SET, .l_start = number(a[2]),
			   .l_len = number(a[3]) };
	char text[128];

	if (fcntl((int)number(a[0]), F_GETLK, &l) < 0)
		return -1;
	if (l.l_type == F_UNLCK)
		return reply_bytes("F_UNLCK", 7);
	snprintf(text, sizeof(text), "%s,%lld,%lld,%d", l.l_type == F_RDLCK ? "F_RDLCK" : "F_WRLCK",
		 (long long)l.l_start, (long long)l.l_len, l.l_pid);
	return reply_bytes(text, strlen(text));
}

static long run_mmap(struct word *a)
{
	void *p = mmap(NULL, (size_t)number(a[2]), (int)number(a[3]), (int)number(a[4]), (int)number(a[0]),
		       number(a[1]));

	return p == MAP_FAILED ? -1 : (long)(intptr_t)p;
}

static long run_munmap(struct word *a)
{
	return munmap((void *)(intptr_t)number(a[0]), (size_t)number(a[1]));
}

static long run_msync(struct word *a)
{
	return msync((void *)(intptr_t)number(a[0]), (size_t)number(a[1]), (int)number(a[2]));
}

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

static int guarded_copy(void *to, const void *from, size_t n)
{
	int signal_number;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	signal_number = sigsetjmp(fault, 1);
	if (signal_number == 0)
		memcpy(to, from, n);
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return signal_number;
}

/* poke address data, peek address length: a fault is the reply "SIGBUS" or "SIGSEGV". */
static long run_poke(struct word *a)
{
	int s = guarded_copy((void *)(intptr_t)number(a[0]), a[1].p, a[1].n);

	return s ? reply_failure(s == SIGBUS ? "SIGBUS" : "SIGSEGV", "") : (long)a[1].n;
}

static long run_peek(struct word *a)
{
	size_t n = bounded(number(a[1]));
	int s = guarded_copy(buffer, (void *)(intptr_t)number(a[0]), n);

	return s ? reply_failure(s == SIGBUS ? "SIGBUS" : "SIGSEGV", "") : reply_bytes(buffer, n);
}

const struct command file_commands[] = {
	{ "close", 1, 1, run_close },		{ "dup", 1, 1, run_dup },
	{ "read", 2, 2, run_read },		{ "pread", 3, 3, run_pread },
	{ "write", 2, 2, run_write },		{ "pwrite", 3, 3, run_pwrite },
	{ "fill", 4, 4, run_fill },		{ "append", 3, 3, run_append },
	{ "setfl", 2, 2, run_setfl },		{ "splice", 3, 3, run_splice },
	{ "lseek", 3, 3, run_lseek },		{ "ftruncate", 2, 2, run_ftruncate },
	{ "fchmod", 2, 2, run_fchmod },		{ "fchown", 3, 3, run_fchown },
	{ "fsync", 1, 1, run_fsync },		{ "fdatasync", 1, 1, run_fdatasync },
	{ "fallocate", 4, 4, run_fallocate },	{ "copy_file_range", 5, 5, run_copy },
	{ "flock", 2, 2, run_flock },		{ "setlk", 4, 4, run_setlk },
	{ "setlkw", 4, 4, run_setlkw },		{ "ofd_setlk", 4, 4, run_ofd_setlk },
	{ "getlk", 4, 4, run_getlk },		{ "mmap", 5, 5, run_mmap },
	{ "munmap", 2, 2, run_munmap },		{ "msync", 3, 3, run_msync },
	{ "poke", 2, 2, run_poke },		{ "peek", 2, 2, run_peek },
	{ "exercise", 5, 5, exercise },		{ 0 },
};
