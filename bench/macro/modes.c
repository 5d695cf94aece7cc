/*
 * The workloads: one function per operation, and the table of modes. An operation either succeeds whole, with the
 * right data, or ends the run by fail(). No clock and no threads here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

/* xorshift64: never 0 when the seed is not. */
static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static void step_stat(struct worker *w)
{
	struct stat st;

	if (stat(w->data, &st))
		fail(errno, "stat %s", w->data);
}

static void step_open(struct worker *w)
{
	int fd = open(w->data, O_RDONLY);

	if (fd < 0)
		fail(errno, "open %s", w->data);
	if (close(fd))
		fail(errno, "close %s", w->data);
}

static void step_create(struct worker *w)
{
	int fd = open(w->fresh, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd < 0)
		fail(errno, "create %s", w->fresh);
	if (close(fd))
		fail(errno, "close %s", w->fresh);
	if (unlink(w->fresh))
		fail(errno, "unlink %s", w->fresh);
}

static void stamp(unsigned char *buffer, size_t size, off_t offset)
{
	for (size_t at = 0; at < size; at += BLOCK) {
		uint64_t mark = (uint64_t)offset + at;

		memcpy(buffer + at, &mark, sizeof(mark));
	}
}

/* A server that answers quickly with the wrong bytes must not win: the first stamp is checked. */
static void read_at(struct worker *w, off_t offset)
{
	ssize_t got = pread(w->fd, w->buffer, opt.size, offset);
	uint64_t mark;

	if (got < 0)
		fail(errno, "read %zu at %lld of %s", opt.size, (long long)offset, w->data);
	if ((size_t)got != opt.size)
		fail(0, "read %zu at %lld of %s: got %zd", opt.size, (long long)offset, w->data, got);
	memcpy(&mark, w->buffer, sizeof(mark));
	if (mark != (uint64_t)offset)
		fail(0, "read at %lld of %s: wrong data", (long long)offset, w->data);
}

static void write_at(struct worker *w, off_t offset)
{
	ssize_t put;

	stamp(w->buffer, opt.size, offset);
	put = pwrite(w->fd, w->buffer, opt.size, offset);
	if (put < 0)
		fail(errno, "write %zu at %lld of %s", opt.size, (long long)offset, w->data);
	if ((size_t)put != opt.size)
		fail(0, "write %zu at %lld of %s: put %zd", opt.size, (long long)offset, w->data, put);
}

static off_t random_offset(struct worker *w)
{
	return (off_t)(next_random(w) % (opt.file_size / opt.size) * opt.size);
}

/* At the end of the file the page cache is dropped, so that every pass of a buffered mode asks the server again. */
static off_t sequential_offset(struct worker *w)
{
	off_t offset = w->next;

	if ((size_t)offset + opt.size > opt.file_size) {
		posix_fadvise(w->fd, 0, 0, POSIX_FADV_DONTNEED);
		offset = 0;
	}
	w->next = offset + (off_t)opt.size;
	return offset;
}

static void step_random_read(struct worker *w)
{
	read_at(w, random_offset(w));
}

static void step_random_write(struct worker *w)
{
	write_at(w, random_offset(w));
}

static void step_sequential_read(struct worker *w)
{
	read_at(w, sequential_offset(w));
}

static void step_sequential_write(struct worker *w)
{
	write_at(w, sequential_offset(w));
}

static const struct mode modes[] = {
	{ "stat", step_stat, -1, 0 },
	{ "open", step_open, -1, 0 },
	{ "create", step_create, -1, 0 },
	{ "rread", step_random_read, O_RDONLY | O_DIRECT, BLOCK },
	{ "rwrite", step_random_write, O_WRONLY | O_DIRECT, BLOCK },
	{ "sread", step_sequential_read, O_RDONLY, 128u << 10 },
	{ "dread128k", step_sequential_read, O_RDONLY | O_DIRECT, 128u << 10 },
	{ "dwrite128k", step_sequential_write, O_WRONLY | O_DIRECT, 128u << 10 },
};

void prepare(struct worker *w)
{
	w->fd = open(w->data, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (w->fd < 0)
		fail(errno, "create %s", w->data);
	for (off_t at = 0; (size_t)at < opt.file_size; at += (off_t)opt.size)
		write_at(w, at);
	if (close(w->fd))
		fail(errno, "close %s", w->data);
}

const struct mode *find_mode(const char *name)
{
	static const struct mode preparation = { "prepare", NULL, -1, 128u << 10 };

	if (!strcmp(name, preparation.name))
		return &preparation;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	fail(0, "no mode \"%s\"", name);
}
