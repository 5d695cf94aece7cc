// SPDX-License-Identifier: MIT
/*
 * Two clients and one model: each operation is done on the mount and in the model, under a lock of its directory, so
 * that whatever one client was told is what the other must see. It stops at the first answer that is outdated.
 * Usage: coherence DIRECTORY OPERATIONS SEED; prints "operations N checks N".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CLIENTS 2
#define DIRECTORIES 8
#define NAMES 6
#define INODES (DIRECTORIES * NAMES + 1)
#define FORGET_EVERY 4000
#define XATTR "trusted.n"	/* tmpfs of Linux 6.1 has no user ones */

struct inode {
	int links;		/* 0: free */
	int link;		/* a symbolic link to "to N", of so many bytes */
	int number;
	long size;
	unsigned int mode;
	int xattr;		/* 0: none */
};

struct model {
	pthread_mutex_t inodes, directory[DIRECTORIES];
	struct inode inode[INODES];
	int name[DIRECTORIES][NAMES];	/* inode, 0: none */
	long operations, checks;
	int failed;
};

static struct model *m;
static const char *root;
static uint64_t state;

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "client %d: ", getpid());
	vfprintf(stderr, format, args);
	fprintf(stderr, " (%s)\n", strerror(errno));
	m->failed = 1;
	_exit(1);
}

static int below(int bound)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (int)((state >> 33) % (unsigned int)bound);
}

static const char *path(int d, int n)
{
	static char text[4][4096];
	static int turn;
	char *to = text[turn++ & 3];

	snprintf(to, sizeof(text[0]), "%s/d%d/name-%d", root, d, n);
	return to;
}

static struct inode *at(int d, int n)
{
	return m->name[d][n] ? &m->inode[m->name[d][n]] : NULL;
}

static void expect(int result, int error, const char *what, int d, int n)
{
	if (error ? result == 0 || errno != error : result != 0)
		fail("%s of d%d/name-%d gave %d, not %s", what, d, n, result, error ? strerror(error) : "success");
}

static int take(void)
{
	int i;

	pthread_mutex_lock(&m->inodes);
	for (i = 1; i < INODES && m->inode[i].links; i++)
		;
	if (i == INODES)
		fail("no inode is free");
	m->inode[i] = (struct inode){ .links = 1, .mode = 0644 };
	pthread_mutex_unlock(&m->inodes);
	return i;
}

static void drop(int d, int n)
{
	struct inode *inode = at(d, n);

	pthread_mutex_lock(&m->inodes);
	if (inode)
		inode->links--;
	pthread_mutex_unlock(&m->inodes);
	m->name[d][n] = 0;
}

static void check(int d, int n)
{
	struct inode *inode = at(d, n);
	struct stat s;
	char text[64];
	ssize_t length;

	m->checks++;
	expect(lstat(path(d, n), &s), inode ? 0 : ENOENT, "lstat", d, n);
	if (!inode)
		return;
	if ((int)s.st_nlink != inode->links)
		fail("d%d/name-%d has %d links, not %d", d, n, (int)s.st_nlink, inode->links);
	if (s.st_size != inode->size)
		fail("d%d/name-%d has %ld bytes, not %ld", d, n, (long)s.st_size, inode->size);
	if ((S_ISLNK(s.st_mode) ? 1 : 0) != inode->link)
		fail("d%d/name-%d is of mode %o", d, n, s.st_mode);
	if (inode->link) {
		length = readlink(path(d, n), text, sizeof(text) - 1);
		text[length > 0 ? length : 0] = 0;
		if (length != inode->size || atoi(text + 3) != inode->number)
			fail("d%d/name-%d leads to \"%s\", not \"to %d\"", d, n, text, inode->number);
		return;
	}
	if ((s.st_mode & 07777) != inode->mode)
		fail("d%d/name-%d is of mode %o, not %o", d, n, s.st_mode & 07777, inode->mode);
	length = getxattr(path(d, n), XATTR, text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = 0;
	if (inode->xattr ? atoi(text) != inode->xattr : length >= 0 || errno != ENODATA)
		fail("the attribute of d%d/name-%d is \"%s\", not %d", d, n, text, inode->xattr);
}

static void create(int d, int n)
{
	int fd = open(path(d, n), O_CREAT | O_EXCL | O_RDWR, 0644);

	expect(fd < 0 ? -1 : 0, at(d, n) ? EEXIST : 0, "create", d, n);
	if (fd < 0)
		return;
	close(fd);
	m->name[d][n] = take();
}

static void make_symlink(int d, int n)
{
	int number = 1 + below(100000);
	char target[32];

	snprintf(target, sizeof(target), "to %d", number);
	expect(symlink(target, path(d, n)), at(d, n) ? EEXIST : 0, "symlink", d, n);
	if (at(d, n))
		return;
	m->name[d][n] = take();
	at(d, n)->link = 1;
	at(d, n)->number = number;
	at(d, n)->size = (long)strlen(target);
}

/* Half of the time the file is open meanwhile, and then says that it has a link less. */
static void remove_name(int d, int n)
{
	int fd = at(d, n) && !at(d, n)->link && below(2) ? open(path(d, n), O_RDONLY) : -1;
	struct stat s;

	expect(unlink(path(d, n)), at(d, n) ? 0 : ENOENT, "unlink", d, n);
	if (fd >= 0 && (fstat(fd, &s) || (int)s.st_nlink != at(d, n)->links - 1))
		fail("d%d/name-%d, open and unlinked, has %d links, not %d", d, n, (int)s.st_nlink, at(d, n)->links - 1);
	if (fd >= 0)
		close(fd);
	drop(d, n);
}

static void write_file(int d, int n)
{
	long offset = below(6000);
	int length = 1 + below(3000), flags = below(8) ? 0 : O_TRUNC, fd;
	static char data[3001];

	if (!at(d, n) || at(d, n)->link)
		return check(d, n);
	fd = open(path(d, n), O_WRONLY | flags);
	if (fd < 0 || pwrite(fd, data, (size_t)length, offset) != length)
		fail("write of d%d/name-%d", d, n);
	if (flags)
		at(d, n)->size = 0;
	if (offset + length > at(d, n)->size)
		at(d, n)->size = offset + length;
	close(fd);
}

static void change(int d, int n)
{
	unsigned int mode = 0600 + (unsigned int)below(64);
	long size = below(9000);

	if (!at(d, n) || at(d, n)->link)
		return check(d, n);
	if (below(2)) {
		expect(chmod(path(d, n), mode), 0, "chmod", d, n);
		at(d, n)->mode = mode;
	} else {
		expect(truncate(path(d, n), size), 0, "truncate", d, n);
		at(d, n)->size = size;
	}
}

static void change_xattr(int d, int n)
{
	int value = 1 + below(100000);
	char text[16];

	if (!at(d, n) || at(d, n)->link)
		return check(d, n);
	snprintf(text, sizeof(text), "%d", value);
	if (below(3)) {
		expect(setxattr(path(d, n), XATTR, text, strlen(text), 0), 0, "setxattr", d, n);
		at(d, n)->xattr = value;
	} else {
		expect(removexattr(path(d, n), XATTR), at(d, n)->xattr ? 0 : ENODATA, "removexattr", d, n);
		at(d, n)->xattr = 0;
	}
}

static void link_name(int d, int n, int to)
{
	int error = !at(d, n) ? ENOENT : at(d, to) ? EEXIST : 0;

	expect(linkat(AT_FDCWD, path(d, n), AT_FDCWD, path(d, to), 0), error, "link", d, n);
	if (error)
		return;
	m->name[d][to] = m->name[d][n];
	at(d, n)->links++;
}

/* Links stay in one directory, whose lock covers them: a file with several is not moved to another. */
static void rename_name(int d, int n, int d2, int n2)
{
	int exchange = below(4) == 0 && at(d, n) && at(d2, n2);
	int moved = m->name[d][n], covered = m->name[d2][n2];

	if (d != d2 && ((moved && at(d, n)->links > 1) || (exchange && at(d2, n2)->links > 1)))
		return check(d, n);
	expect(renameat2(AT_FDCWD, path(d, n), AT_FDCWD, path(d2, n2), exchange ? RENAME_EXCHANGE : 0),
	       moved ? 0 : ENOENT, "rename", d, n);
	if (!moved || moved == covered)
		return;
	if (!exchange)
		drop(d2, n2);
	m->name[d2][n2] = moved;
	m->name[d][n] = exchange ? covered : 0;
}

static void one(void)
{
	int d = below(DIRECTORIES), n = below(NAMES), to = below(NAMES), d2 = below(3) ? d : below(DIRECTORIES);
	int low = d < d2 ? d : d2, high = d < d2 ? d2 : d;

	pthread_mutex_lock(&m->directory[low]);
	if (high != low)
		pthread_mutex_lock(&m->directory[high]);
	switch (below(18)) {
	case 0: create(d, n); break;
	case 1: make_symlink(d, n); break;
	case 2: remove_name(d, n); break;
	case 3: write_file(d, n); break;
	case 4: change(d, n); break;
	case 5: change_xattr(d, n); break;
	case 6: link_name(d, n, to); break;
	case 7: rename_name(d, n, d2, to); break;
	default: check(d, n); break;
	}
	__atomic_fetch_add(&m->operations, 1, __ATOMIC_RELAXED);
	if (high != low)
		pthread_mutex_unlock(&m->directory[high]);
	pthread_mutex_unlock(&m->directory[low]);
}

/* Inodes that nobody uses are forgotten, so that nodeids come and go. */
static void forget(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd >= 0 && write(fd, "2", 1) != 1)
		fail("drop_caches");
	if (fd >= 0)
		close(fd);
}

static void client(int number, long operations, long seed)
{
	state = (uint64_t)seed * 2654435761u + (uint64_t)number;
	for (long i = 0; i < operations && !m->failed; i++) {
		one();
		if (i % FORGET_EVERY == FORGET_EVERY - 1)
			forget();
	}
	_exit(m->failed ? 1 : 0);
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t shared;
	pid_t clients[CLIENTS];
	int status, bad = 0;

	if (argc != 4)
		return 2;
	root = argv[1];
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&m->inodes, &shared);
	umask(0);
	for (int d = 0; d < DIRECTORIES; d++) {
		char name[4096];

		pthread_mutex_init(&m->directory[d], &shared);
		snprintf(name, sizeof(name), "%s/d%d", root, d);
		if (mkdir(name, 0777))
			fail("mkdir %s", name);
	}
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0)
			client(i, atol(argv[2]) / CLIENTS, atol(argv[3]));
	}
	while (wait(&status) > 0)
		if (status && !bad) {
			bad = 1;	/* its locks stay locked */
			for (int i = 0; i < CLIENTS; i++)
				kill(clients[i], SIGKILL);
		}
	for (int d = 0; !bad && d < DIRECTORIES; d++)
		for (int n = 0; n < NAMES; n++)
			check(d, n);
	printf("operations %ld checks %ld\n", m->operations, m->checks);
	return bad;
}
