/*
 * The workloads on the data of one large file: one function per operation, and their table. An operation either
 * succeeds whole, with the right data, or ends the run by fail(). No clock and no threads here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

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

/*
 * Reads one page by touching it; pages come in an order that no readahead guesses. After a pass over the file both the
 * mapping and the page cache are dropped, so that the next pass asks the server again.
 */
static void step_mapped_read(struct worker *w)
{
	size_t pages = opt.file_size / BLOCK;
	off_t offset = (off_t)((uint64_t)w->next * 2654435761u % pages * BLOCK);
	uint64_t mark;

	memcpy(&mark, w->map + offset, sizeof(mark));
	if (mark != (uint64_t)offset)
		fail(0, "mapped page at %lld of %s: wrong data", (long long)offset, w->data);
	if ((size_t)++w->next < pages)
		return;
	w->next = 0;
	if (madvise(w->map, opt.file_size, MADV_DONTNEED))
		fail(errno, "madvise %s", w->data);
	posix_fadvise(w->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void begin_mapped(struct worker *w)
{
	posix_fadvise(w->fd, 0, 0, POSIX_FADV_DONTNEED);
	w->map = mmap(NULL, opt.file_size, PROT_READ, MAP_SHARED, w->fd, 0);
	if (w->map == MAP_FAILED)
		fail(errno, "mmap %s", w->data);
	if (madvise(w->map, opt.file_size, MADV_RANDOM))
		fail(errno, "madvise %s", w->data);
}

static void end_mapped(struct worker *w)
{
	if (munmap(w->map, opt.file_size))
		fail(errno, "munmap %s", w->data);
}

const struct mode data_modes[] = {
	{ .name = "rread", .step = step_random_read, .flags = O_RDONLY | O_DIRECT, .size = BLOCK },
	{ .name = "rwrite", .step = step_random_write, .flags = O_WRONLY | O_DIRECT, .size = BLOCK },
	{ .name = "sread", .step = step_sequential_read, .flags = O_RDONLY, .size = LARGE },
	{ .name = "swrite", .step = step_sequential_write, .flags = O_WRONLY, .size = LARGE },
	{ .name = "dread128k", .step = step_sequential_read, .flags = O_RDONLY | O_DIRECT, .size = LARGE },
	{ .name = "dwrite128k", .step = step_sequential_write, .flags = O_WRONLY | O_DIRECT, .size = LARGE },
	{ .name = "mmap", .step = step_mapped_read, .flags = O_RDONLY, .size = BLOCK,
	  .begin = begin_mapped, .end = end_mapped },
	{ .name = NULL },
};

void prepare_data(struct worker *w)
{
	w->fd = open(w->data, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (w->fd < 0)
		fail(errno, "create %s", w->data);
	for (off_t at = 0; (size_t)at < opt.file_size; at += (off_t)opt.size)
		write_at(w, at);
	if (close(w->fd))
		fail(errno, "close %s", w->data);
}
