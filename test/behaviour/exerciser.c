// SPDX-License-Identifier: MIT
/*
 * The random exerciser: one file against a model in memory, the same operations from the same seed.
 * It stops at the first difference and hands back the last operations. It knows nothing of what a filesystem supports:
 * the caller names the operations.
 */
#include "probe.h"

#include <linux/falloc.h>
#include <stdarg.h>
#include <sys/mman.h>

#define PAGE 4096
#define LOG_LINES 24
#define LOG_WIDTH 96

struct run {
	const char *path;
	int fd;
	uint64_t random;
	size_t limit, size;
	unsigned char *model, *scratch;
	long step;
	char log[LOG_LINES][LOG_WIDTH];
};

/* splitmix64 */
static uint64_t next(struct run *r)
{
	uint64_t z = (r->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static size_t below(struct run *r, size_t bound)
{
	return bound ? (size_t)(next(r) % bound) : 0;
}

static __attribute__((format(printf, 2, 3))) void note(struct run *r, const char *format, ...)
{
	char *line = r->log[r->step % LOG_LINES];
	int n = snprintf(line, LOG_WIDTH, "%ld size %zu: ", r->step, r->size);
	va_list args;

	va_start(args, format);
	vsnprintf(line + n, (size_t)(LOG_WIDTH - n), format, args);
	va_end(args);
}

/* Random bytes for a range, in the scratch buffer. */
static void scribble(struct run *r, size_t n)
{
	uint64_t word = next(r);

	for (size_t i = 0; i < n; i++)
		r->scratch[i] = (unsigned char)((word >> (i % 8 * 8)) + i / 8);
}

/* The model's bytes between its size and limit are always zero. */
static void set_size(struct run *r, size_t size)
{
	if (size < r->size)
		memset(r->model + size, 0, r->size - size);
	r->size = size;
}

static int compare(struct run *r, size_t offset, size_t n)
{
	return memcmp(r->scratch, r->model + offset, n) ? -2 : 0;
}

static int do_read(struct run *r)
{
	size_t offset = below(r, r->limit), n = 1 + below(r, r->limit - offset), want;
	ssize_t got;

	note(r, "read %zu at %zu", n, offset);
	want = offset >= r->size ? 0 : n < r->size - offset ? n : r->size - offset;
	got = pread(r->fd, r->scratch, n, (off_t)offset);
	if (got < 0)
		return -1;
	return (size_t)got == want ? compare(r, offset, want) : -2;
}

static int do_write(struct run *r)
{
	size_t offset = below(r, r->limit), n = 1 + below(r, r->limit - offset);

	note(r, "write %zu at %zu", n, offset);
	scribble(r, n);
	if (pwrite(r->fd, r->scratch, n, (off_t)offset) != (ssize_t)n)
		return -1;
	memcpy(r->model + offset, r->scratch, n);
	if (offset + n > r->size)
		r->size = offset + n;
	return 0;
}

static int do_truncate(struct run *r)
{
	size_t size = below(r, r->limit + 1);

	note(r, "truncate to %zu", size);
	if (ftruncate(r->fd, (off_t)size) < 0)
		return -1;
	set_size(r, size);
	return 0;
}

/* Reads or writes a range inside the file through a mapping that lives for this step only. */
static int through_map(struct run *r, int write_it)
{
	size_t offset = below(r, r->size), n, base = offset / PAGE * PAGE;
	unsigned char *map;

	if (r->size == 0) {
		note(r, "map of nothing");
		return 0;
	}
	n = 1 + below(r, r->size - offset);
	note(r, "map %s %zu at %zu", write_it ? "write" : "read", n, offset);
	if (write_it)
		scribble(r, n);
	map = mmap(NULL, offset - base + n, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)base);
	if (map == MAP_FAILED)
		return -1;
	memcpy(write_it ? map + (offset - base) : r->scratch, write_it ? r->scratch : map + (offset - base), n);
	if (write_it)
		memcpy(r->model + offset, r->scratch, n);
	if (write_it && below(r, 2) && msync(map, offset - base + n, MS_SYNC) < 0)
		return -1;
	if (munmap(map, offset - base + n) < 0)
		return -1;
	return write_it ? 0 : compare(r, offset, n);
}

static int do_map_read(struct run *r)
{
	return through_map(r, 0);
}

static int do_map_write(struct run *r)
{
	return through_map(r, 1);
}

static int allocate(struct run *r, int mode, const char *name)
{
	size_t offset = below(r, r->limit), n = 1 + below(r, r->limit - offset), end = offset + n;

	note(r, "%s %zu at %zu", name, n, offset);
	if (fallocate(r->fd, mode, (off_t)offset, (off_t)n) < 0)
		return -1;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(r->model + offset, 0, n);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > r->size)
		r->size = end;
	return 0;
}

static int do_allocate(struct run *r)
{
	return allocate(r, 0, "allocate");
}

static int do_keep_size(struct run *r)
{
	return allocate(r, FALLOC_FL_KEEP_SIZE, "allocate keeping the size");
}

static int do_punch_hole(struct run *r)
{
	return allocate(r, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch");
}

static int do_zero_range(struct run *r)
{
	return allocate(r, FALLOC_FL_ZERO_RANGE | (below(r, 2) ? FALLOC_FL_KEEP_SIZE : 0), "zero");
}

static int do_collapse_range(struct run *r)
{
	size_t pages = r->size / PAGE, from, count;

	if (pages < 2) {
		note(r, "collapse of nothing");
		return 0;
	}
	from = below(r, pages - 1);
	count = 1 + below(r, pages - from - 1);
	note(r, "collapse %zu at %zu", count * PAGE, from * PAGE);
	if ((from + count) * PAGE >= r->size)
		return 0;
	if (fallocate(r->fd, FALLOC_FL_COLLAPSE_RANGE, (off_t)(from * PAGE), (off_t)(count * PAGE)) < 0)
		return -1;
	memmove(r->model + from * PAGE, r->model + (from + count) * PAGE, r->size - (from + count) * PAGE);
	set_size(r, r->size - count * PAGE);
	return 0;
}

static int do_insert_range(struct run *r)
{
	size_t pages = r->size / PAGE, room = (r->limit - r->size) / PAGE, from, count;

	if (pages < 1 || room < 1) {
		note(r, "insert of nothing");
		return 0;
	}
	from = below(r, pages);
	count = 1 + below(r, room);
	note(r, "insert %zu at %zu", count * PAGE, from * PAGE);
	if (from * PAGE >= r->size)
		return 0;
	if (fallocate(r->fd, FALLOC_FL_INSERT_RANGE, (off_t)(from * PAGE), (off_t)(count * PAGE)) < 0)
		return -1;
	memmove(r->model + (from + count) * PAGE, r->model + from * PAGE, r->size - from * PAGE);
	memset(r->model + from * PAGE, 0, count * PAGE);
	r->size += count * PAGE;
	return 0;
}

/* Inside one file the ranges must not overlap: length is bounded by the distance. */
static int do_copy(struct run *r)
{
	size_t in = below(r, r->size), out = below(r, r->limit), distance = in < out ? out - in : in - out, n, done = 0;

	n = 1 + below(r, r->limit - (in > out ? in : out));
	if (n > distance)
		n = distance;
	if (in < r->size && n > r->size - in)
		n = r->size - in;
	note(r, "copy %zu from %zu to %zu", n, in, out);
	while (in < r->size && done < n) {
		off_t from = (off_t)(in + done), to = (off_t)(out + done);
		ssize_t got = copy_file_range(r->fd, &from, r->fd, &to, n - done, 0);

		if (got <= 0)
			return got < 0 ? -1 : -2;
		done += (size_t)got;
	}
	memmove(r->model + out, r->model + in, done);
	if (done && out + done > r->size)
		r->size = out + done;
	return 0;
}

static int do_sync(struct run *r)
{
	note(r, "fsync");
	return fsync(r->fd);
}

static int do_reopen(struct run *r)
{
	note(r, "reopen");
	close(r->fd);
	r->fd = open(r->path, O_RDWR);
	return r->fd < 0 ? -1 : 0;
}

static const struct { const char *name; int (*run)(struct run *r); } operations[] = {
	{ "read", do_read },		  { "write", do_write },
	{ "truncate", do_truncate },	  { "map-read", do_map_read },
	{ "map-write", do_map_write },	  { "allocate", do_allocate },
	{ "keep-size", do_keep_size },	  { "punch-hole", do_punch_hole },
	{ "zero-range", do_zero_range },  { "collapse-range", do_collapse_range },
	{ "insert-range", do_insert_range }, { "copy", do_copy },
	{ "sync", do_sync },		  { "reopen", do_reopen },
};

static size_t choose(char *names, size_t *chosen)
{
	size_t count = 0;
	char *part;

	while ((part = strsep(&names, ",")))
		for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
			if (strcmp(operations[i].name, part) == 0 && count < 32)
				chosen[count++] = i;
	return count;
}

static int check_size(struct run *r)
{
	struct stat s;

	return fstat(r->fd, &s) < 0 ? -1 : (size_t)s.st_size == r->size ? 0 : -2;
}

static int check_all(struct run *r)
{
	ssize_t n = pread(r->fd, r->scratch, r->limit, 0);

	return n < 0 ? -1 : (size_t)n == r->size && compare(r, 0, r->size) == 0 ? 0 : -3;
}

static long report(struct run *r, int result, int error)
{
	char text[LOG_LINES * (LOG_WIDTH + 1) + 128];
	size_t n = 0;

	for (long i = r->step < LOG_LINES ? 0 : r->step - LOG_LINES + 1; i <= r->step; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", r->log[i % LOG_LINES]);
	snprintf(text + n, sizeof(text) - n, "%s", result == -1 ? strerrorname_np(error) :
		 result == -2 ? "the last operation differs" : "the file differs when read whole after it");
	return reply_failure("DIFFERENCE", text);
}

/* exercise path seed steps limit operation,operation: the number of steps, or DIFFERENCE and the last operations. */
long exercise(struct word *a)
{
	long steps = (long)number(a[2]);
	struct run r = { .path = a[0].p, .random = (uint64_t)number(a[1]), .limit = (size_t)number(a[3]) };
	size_t chosen[32], count = choose(a[4].p, chosen);
	int result = 0, error = 0;

	r.fd = open(r.path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	r.model = calloc(1, r.limit);
	r.scratch = malloc(r.limit);
	if (r.fd < 0 || !count || !r.model || !r.scratch)
		return -1;
	for (; r.step < steps && result == 0; r.step++) {
		result = operations[chosen[below(&r, count)]].run(&r);
		if (result == 0)
			result = check_size(&r);
		if (result == 0 && r.step % 64 == 63)
			result = check_all(&r);
		error = errno;
	}
	r.step -= result != 0;
	if (r.fd >= 0)
		close(r.fd);
	free(r.model);
	free(r.scratch);
	return result ? report(&r, result, error) : steps;
}
