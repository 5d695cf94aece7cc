/*
 * Mixed workloads: the loops of filebench's fileserver, webserver and varmail personalities with their sizes and mix,
 * on a set of files scaled down to a machine of few cores. One operation is one turn of the loop. Each thread has its
 * own set, in directories of DIR_WIDTH files; sizes are uniform between half and one and a half of the mean.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

#define FILES 60
#define DIR_WIDTH 20
#define APPEND (16u << 10)
#define TRANSFER (1u << 20) /* of one read or write of a whole file */
#define LOG_LIMIT (16 << 20)
#define PAGES_PER_LOG 10 /* webserver: files read per append to the log */

struct set {
	const char *name;
	size_t mean;
};

static const struct set fileserver = { "fileserver", 128u << 10 };
static const struct set webserver = { "webserver", 16u << 10 };
static const struct set varmail = { "varmail", 16u << 10 };

static void path_of(const struct worker *w, const struct set *set, unsigned int slot, char *path)
{
	snprintf(path, PATH_ROOM, "%.4000s/%s/%u/file.%u", w->tree, set->name, slot / DIR_WIDTH, slot);
}

static unsigned int any_file(struct worker *w)
{
	unsigned int slot;

	do
		slot = (unsigned int)(next_random(w) % (FILES + 1));
	while (slot == w->empty);
	return slot;
}

static int open_slot(struct worker *w, const struct set *set, unsigned int slot, int flags)
{
	char path[PATH_ROOM];
	int fd;

	path_of(w, set, slot, path);
	fd = open(path, flags, 0600);
	if (fd < 0)
		fail(errno, "open %s", path);
	return fd;
}

static void put(struct worker *w, int fd, size_t size)
{
	while (size) {
		size_t part = size < TRANSFER ? size : TRANSFER;
		ssize_t done = write(fd, w->buffer, part);

		if (done <= 0)
			fail(errno, "write %zu to a file of %s", part, opt.mode->name);
		size -= (size_t)done;
	}
}

static void read_whole(struct worker *w, int fd)
{
	ssize_t got;

	do
		got = read(fd, w->buffer, TRANSFER);
	while (got > 0);
	if (got < 0)
		fail(errno, "read a file of %s", opt.mode->name);
}

static void done_with(int fd)
{
	if (close(fd))
		fail(errno, "close a file of %s", opt.mode->name);
}

static void make_slot(struct worker *w, const struct set *set, unsigned int slot, size_t size, int sync)
{
	int fd = open_slot(w, set, slot, O_CREAT | O_EXCL | O_WRONLY);

	put(w, fd, size);
	if (sync && fsync(fd))
		fail(errno, "fsync a file of %s", set->name);
	done_with(fd);
}

static void remove_any(struct worker *w, const struct set *set)
{
	char path[PATH_ROOM];
	unsigned int slot = any_file(w);

	path_of(w, set, slot, path);
	if (unlink(path))
		fail(errno, "unlink %s", path);
	w->empty = slot;
}

static size_t some_size(struct worker *w, const struct set *set)
{
	return set->mean / 2 + next_random(w) % set->mean;
}

/* filebench appends up to a random size whose mean is half of the limit. */
static size_t some_append(struct worker *w)
{
	return 1 + next_random(w) % APPEND;
}

static void step_fileserver(struct worker *w)
{
	char path[PATH_ROOM];
	struct stat st;
	int fd;

	make_slot(w, &fileserver, w->empty, some_size(w, &fileserver), 0);
	w->empty = FILES + 1;
	fd = open_slot(w, &fileserver, any_file(w), O_WRONLY | O_APPEND);
	put(w, fd, some_append(w));
	done_with(fd);
	fd = open_slot(w, &fileserver, any_file(w), O_RDONLY);
	read_whole(w, fd);
	done_with(fd);
	remove_any(w, &fileserver);
	path_of(w, &fileserver, any_file(w), path);
	if (stat(path, &st))
		fail(errno, "stat %s", path);
}

static void step_webserver(struct worker *w)
{
	struct stat st;

	for (int i = 0; i < PAGES_PER_LOG; i++) {
		int fd = open_slot(w, &webserver, any_file(w), O_RDONLY);

		read_whole(w, fd);
		done_with(fd);
	}
	put(w, w->log, some_append(w));
	if (next_random(w) % 256 == 0 && !fstat(w->log, &st) && st.st_size > LOG_LIMIT && ftruncate(w->log, 0))
		fail(errno, "truncate the log");
}

static void step_varmail(struct worker *w)
{
	int fd;

	make_slot(w, &varmail, w->empty, some_append(w), 1);
	w->empty = FILES + 1;
	fd = open_slot(w, &varmail, any_file(w), O_RDWR | O_APPEND);
	read_whole(w, fd);
	put(w, fd, some_append(w));
	if (fsync(fd))
		fail(errno, "fsync a file of varmail");
	done_with(fd);
	fd = open_slot(w, &varmail, any_file(w), O_RDONLY);
	read_whole(w, fd);
	done_with(fd);
	remove_any(w, &varmail);
}

/* Between turns one slot is empty; a run that was killed within a turn may have left none or two. */
static void find_empty(struct worker *w, const struct set *set)
{
	char path[PATH_ROOM];
	struct stat st;

	w->empty = FILES + 1;
	for (unsigned int slot = 0; slot <= FILES; slot++) {
		path_of(w, set, slot, path);
		if (!stat(path, &st))
			continue;
		if (w->empty > FILES)
			w->empty = slot;
		else
			make_slot(w, set, slot, set->mean, 0);
	}
	if (w->empty > FILES)
		remove_any(w, set);
}

static void begin_fileserver(struct worker *w)
{
	find_empty(w, &fileserver);
}

static void begin_varmail(struct worker *w)
{
	find_empty(w, &varmail);
}

static void begin_webserver(struct worker *w)
{
	char path[PATH_ROOM];

	find_empty(w, &webserver);
	snprintf(path, sizeof(path), "%.4000s/webserver/log", w->tree);
	w->log = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	if (w->log < 0)
		fail(errno, "open %s", path);
}

static void end_webserver(struct worker *w)
{
	done_with(w->log);
}

const struct mode mixed_modes[] = {
	{ .name = "fileserver", .step = step_fileserver, .flags = -1, .room = TRANSFER, .begin = begin_fileserver },
	{ .name = "webserver", .step = step_webserver, .flags = -1, .room = TRANSFER,
	  .begin = begin_webserver, .end = end_webserver },
	{ .name = "varmail", .step = step_varmail, .flags = -1, .room = TRANSFER, .begin = begin_varmail },
	{ .name = NULL },
};

static void prepare_set(struct worker *w, const struct set *set)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%.4000s/%s", w->tree, set->name);
	if (mkdir(path, 0700))
		fail(errno, "mkdir %s", path);
	for (unsigned int slot = 0; slot < FILES; slot++) {
		snprintf(path, sizeof(path), "%.4000s/%s/%u", w->tree, set->name, slot / DIR_WIDTH);
		if (slot % DIR_WIDTH == 0 && mkdir(path, 0700))
			fail(errno, "mkdir %s", path);
		make_slot(w, set, slot, some_size(w, set), 0);
	}
	/* The directory of the last slot, which is empty at first. */
	snprintf(path, sizeof(path), "%.4000s/%s/%u", w->tree, set->name, FILES / DIR_WIDTH);
	if (mkdir(path, 0700) && errno != EEXIST)
		fail(errno, "mkdir %s", path);
}

void prepare_mixed(struct worker *w)
{
	prepare_set(w, &fileserver);
	prepare_set(w, &webserver);
	prepare_set(w, &varmail);
}
