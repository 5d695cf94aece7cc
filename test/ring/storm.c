// SPDX-License-Identifier: MIT
/*
 * An application that is hard on a mount: many threads that check every byte, processes under signals and kills,
 * names and targets of maximal length, calls with huge buffers. It prints one line of counts and exits with 0, or
 * says what was wrong and exits with 1. It knows nothing of who serves the mount.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORKERS 256
#define MAX_DATA 200000
#define REAP_MS 60000

/* Which errors a call may have because of what the test does to it. */
enum tolerance { NONE = 0, SIGNALS = 1, DEATH = 2 };

struct worker {
	const char *dir;
	unsigned int number;
	int tolerance;
	uint64_t random;
	uint64_t end_ns;
	unsigned char *wrote, *got;
	atomic_ulong *operations;
	bool dead;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

/* 0: go on; -1: this round is void; the worker may be dead now. */
static int judge(struct worker *w, long result, const char *call)
{
	int error = errno;

	if (result >= 0)
		return 0;
	if ((w->tolerance & SIGNALS) && (error == EINTR || error == EEXIST || error == ENOENT))
		return -1;
	if ((w->tolerance & DEATH) && (error == ENOTCONN || error == ECONNABORTED || error == EIO ||
				       error == ENODEV || error == ENOENT || error == EINTR ||
				       error == ECANCELED)) {
		w->dead = true;
		return -1;
	}
	fail("worker %u: %s: %s", w->number, call, strerror(error));
}

#define TRY(call) do { if (judge(w, (long)(call), #call)) goto out; } while (0)

/* One file from birth to death, every byte compared. */
static void one_file(struct worker *w, unsigned long round)
{
	char path[PATH_MAX], other[PATH_MAX], target[64], said[64];
	size_t length = 1 + next(&w->random) % (next(&w->random) % 4 ? 5000 : MAX_DATA);
	struct stat st;
	long n;
	int fd = -1;

	snprintf(path, sizeof(path), "%s/%u/f%lu", w->dir, w->number, round);
	snprintf(other, sizeof(other), "%s/%u/g%lu", w->dir, w->number, round);
	snprintf(target, sizeof(target), "%u-%lu-target", w->number, round);
	for (size_t i = 0; i < length; i++)
		w->wrote[i] = (unsigned char)(next(&w->random) >> 13);

	TRY(fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	TRY(n = pwrite(fd, w->wrote, length, 0));
	if ((size_t)n != length) {
		if (w->tolerance)
			goto out;
		fail("worker %u: %ld of %zu bytes were written", w->number, n, length);
	}
	TRY(n = pread(fd, w->got, length, 0));
	if ((size_t)n != length && !w->tolerance)
		fail("worker %u: %ld of %zu bytes were read", w->number, n, length);
	if (memcmp(w->got, w->wrote, (size_t)n))
		fail("worker %u: %s does not hold what was written", w->number, path);
	TRY(fstat(fd, &st));
	if ((size_t)st.st_size != length)
		fail("worker %u: %s has %ld bytes, not %zu", w->number, path, (long)st.st_size, length);
	TRY(rename(path, other));
	TRY(symlink(target, path));
	TRY(n = readlink(path, said, sizeof(said)));
	if ((size_t)n != strlen(target) || memcmp(said, target, (size_t)n))
		fail("worker %u: readlink gave %.*s, not %s", w->number, (int)n, said, target);
	TRY(lstat(path, &st));
	TRY(unlink(path));
	TRY(unlink(other));
	atomic_fetch_add(w->operations, 10);
out:
	if (fd >= 0)
		close(fd);
	if (w->tolerance && !w->dead) {
		unlink(path);
		unlink(other);
	}
}

static void listing(struct worker *w)
{
	char path[PATH_MAX];
	DIR *dir;
	int error;

	snprintf(path, sizeof(path), "%s/%u", w->dir, w->number);
	dir = opendir(path);
	if (!dir) {
		judge(w, -1, "opendir");
		return;
	}
	errno = 0;
	while (readdir(dir))
		atomic_fetch_add(w->operations, 1);
	error = errno;
	closedir(dir);
	errno = error;
	if (error)
		judge(w, -1, "readdir");
}

/* SIGTERM: the load ends before its time, and its counts are printed. */
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	char path[PATH_MAX];
	unsigned long round = 0;

	w->wrote = malloc(MAX_DATA);
	w->got = malloc(MAX_DATA);
	if (!w->wrote || !w->got)
		fail("no memory");
	snprintf(path, sizeof(path), "%s/%u", w->dir, w->number);
	if (mkdir(path, 0755) && errno != EEXIST)
		judge(w, -1, "mkdir");
	while (!w->dead && !stopped && now_ns() < w->end_ns) {
		one_file(w, round++);
		if (!w->dead && round % 4 == 0)
			listing(w);
	}
	free(w->wrote);
	free(w->got);
	return NULL;
}

static struct worker workers[MAX_WORKERS];

static atomic_ulong *shared_counter(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return page;
}

static void prepare(struct worker *w, const char *dir, unsigned int number, int tolerance, uint64_t end_ns,
		    atomic_ulong *operations)
{
	*w = (struct worker){ .dir = dir, .number = number, .tolerance = tolerance, .end_ns = end_ns,
			      .operations = operations, .random = number * 7919u + now_ns() };
}

/* load THREADS MS [mortal] */
static int load(const char *dir, unsigned int threads, uint64_t ms, int tolerance)
{
	struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESTART };
	atomic_ulong *operations = shared_counter();
	pthread_t thread[MAX_WORKERS];
	unsigned int dead = 0;

	sigaction(SIGTERM, &action, NULL);
	for (unsigned int i = 0; i < threads; i++) {
		prepare(&workers[i], dir, i, tolerance, now_ns() + ms * 1000000u, operations);
		if (pthread_create(&thread[i], NULL, work, &workers[i]))
			fail("pthread_create");
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		dead += workers[i].dead;
	}
	printf("operations %lu dead %u\n", atomic_load(operations), dead);
	return 0;
}

static void noted(int number)
{
	(void)number;
}

static pid_t born(const char *dir, unsigned int number, uint64_t end_ns, atomic_ulong *operations)
{
	struct sigaction action = { .sa_handler = noted }; /* without SA_RESTART: calls end with EINTR */
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	sigaction(SIGUSR1, &action, NULL);
	prepare(&workers[0], dir, number, SIGNALS, end_ns, operations);
	work(&workers[0]);
	_exit(0);
}

/* A killed process must end, wherever it was. */
static void reap(pid_t pid, bool killed)
{
	uint64_t end = now_ns() + REAP_MS * 1000000ull;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		char path[64], where[128] = "";
		FILE *file;

		if (now_ns() < end) {
			usleep(200);
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
		file = fopen(path, "r");
		if (file && !fgets(where, sizeof(where), file))
			where[0] = 0;
		fail("process %d does not end within %d ms; it is in %s", pid, REAP_MS, where);
	}
	if (killed ? !WIFSIGNALED(status) && WEXITSTATUS(status) : status)
		fail("process %d ended with status 0x%x", pid, status);
}

/* signals CHILDREN MS */
static int signals(const char *dir, unsigned int children, uint64_t ms)
{
	uint64_t end = now_ns() + ms * 1000000u, never = end + 3600ull * 1000000000u, random = now_ns();
	atomic_ulong *operations = shared_counter();
	unsigned long kills = 0, sent = 0;
	pid_t pid[MAX_WORKERS];

	for (unsigned int i = 0; i < children; i++)
		pid[i] = born(dir, i, never, operations);
	while (now_ns() < end) {
		unsigned int i = (unsigned int)(next(&random) % children);

		usleep((useconds_t)(next(&random) % 3000));
		if (next(&random) % 4) {
			kill(pid[i], SIGUSR1);
			sent++;
			continue;
		}
		kill(pid[i], SIGKILL);
		reap(pid[i], true);
		kills++;
		pid[i] = born(dir, i, never, operations);
	}
	for (unsigned int i = 0; i < children; i++)
		kill(pid[i], SIGKILL);
	for (unsigned int i = 0; i < children; i++)
		reap(pid[i], true);
	printf("operations %lu signals %lu kills %lu\n", atomic_load(operations), sent, kills + children);
	return 0;
}

#define MUST(call) do { if ((call) < 0) fail("%s: %s", #call, strerror(errno)); } while (0)
#define MUST_FAIL(call, wanted) do { \
	if ((call) >= 0 || errno != (wanted)) \
		fail("%s: %s, not %s", #call, strerror(errno), #wanted); \
} while (0)

/* names: of 255 bytes, targets of 4095 */
static int names(const char *dir)
{
	static char name[NAME_MAX + 2], target[PATH_MAX], said[PATH_MAX + 16], again[NAME_MAX + 2];
	unsigned int count = 0;
	struct stat st;

	MUST(chdir(dir));
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		memset(name, c, NAME_MAX);
		memset(again, c, NAME_MAX);
		again[0] = c == '#' ? '$' : '#';
		memset(target, c, sizeof(target) - 1);
		MUST(mkdir(name, 0755));
		MUST(stat(name, &st));
		MUST(rename(name, again));
		MUST_FAIL(stat(name, &st), ENOENT);
		MUST(rmdir(again));
		MUST(symlink(target, name));
		memset(said, 0, sizeof(said));
		if (readlink(name, said, sizeof(said)) != (ssize_t)strlen(target) || strcmp(said, target))
			fail("the target of %zu times 0x%02x came back otherwise", strlen(target), c);
		MUST(unlink(name));
		count++;
	}
	memset(name, 'n', NAME_MAX + 1);
	MUST_FAIL(mkdir(name, 0755), ENAMETOOLONG);
	MUST_FAIL(stat(name, &st), ENAMETOOLONG);
	printf("names %u\n", count);
	return 0;
}

/* huge MIB: one call for all of it, then vectors, then a mapping */
static int huge(const char *dir, size_t mib)
{
	size_t size = mib << 20, done = 0;
	unsigned char *wrote = malloc(size), *got = malloc(size), *mapped;
	struct iovec part[1024];
	char path[PATH_MAX];
	uint64_t random = 1;
	ssize_t n;
	int fd;

	if (!wrote || !got)
		fail("no memory");
	for (size_t i = 0; i + 8 <= size; i += 8)
		*(uint64_t *)(wrote + i) = next(&random);
	snprintf(path, sizeof(path), "%s/huge", dir);
	MUST(fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644));
	if ((n = pwrite(fd, wrote, size, 0)) != (ssize_t)size)
		fail("%zd of %zu bytes were written: %s", n, size, strerror(errno));
	MUST(fsync(fd));
	MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	if ((n = pread(fd, got, size, 0)) != (ssize_t)size || memcmp(got, wrote, size))
		fail("%zd bytes came back, not all as written", n);
	memset(got, 0, size);
	for (size_t i = 0; i < 1024; i++)
		part[i] = (struct iovec){ got + i * (size / 1024), size / 1024 };
	MUST(lseek(fd, 0, SEEK_SET));
	while (done < size && (n = readv(fd, part, 1024)) > 0)
		done += (size_t)n;
	if (done != size || memcmp(got, wrote, size))
		fail("readv: %zu bytes, not all as written", done);
	mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	if (memcmp(mapped, wrote, size))
		fail("the mapping shows other bytes");
	munmap(mapped, size);
	close(fd);
	MUST(unlink(path));
	printf("bytes %zu\n", size);
	return 0;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "", *mode = argc > 2 ? argv[2] : "";
	unsigned int count = argc > 3 ? (unsigned int)atoi(argv[3]) : 0;
	uint64_t ms = argc > 4 ? (uint64_t)atoll(argv[4]) : 0;

	if (count > MAX_WORKERS)
		fail("at most %d workers", MAX_WORKERS);
	if (!strcmp(mode, "load") && count > 0)
		return load(dir, count, ms, argc > 5 && !strcmp(argv[5], "mortal") ? DEATH : NONE);
	if (!strcmp(mode, "signals") && count > 0)
		return signals(dir, count, ms);
	if (!strcmp(mode, "names"))
		return names(dir);
	if (!strcmp(mode, "huge") && count > 0)
		return huge(dir, count);
	fprintf(stderr, "usage: storm DIR load THREADS MS [mortal] | signals CHILDREN MS | names | huge MIB\n");
	return 2;
}
