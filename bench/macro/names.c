/*
 * The workloads on names: what fxmark's metadata tests do, one function per operation, and their table. Names live in
 * the thread's own directory, or in the one that all share; it is held open, so that only the last name is looked up.
 * An operation either succeeds whole or ends the run by fail(). No clock and no threads here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

#define ENTRIES 100 /* of the directory that is listed */
#define DEEP "/a/b/c/d" /* directories above the file of mode deep, besides the thread's own */

static void step_stat(struct worker *w)
{
	struct stat st;

	if (stat(w->data, &st))
		fail(errno, "stat %s", w->data);
}

static void open_close(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		fail(errno, "open %s", path);
	if (close(fd))
		fail(errno, "close %s", path);
}

static void step_open(struct worker *w)
{
	open_close(w->data);
}

static void step_deep(struct worker *w)
{
	open_close(w->other);
}

static void begin_deep(struct worker *w)
{
	snprintf(w->other, sizeof(w->other), "%.4000s" DEEP "/file", w->tree);
}

static void make_file(struct worker *w)
{
	int fd = openat(w->fd, w->fresh, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd < 0)
		fail(errno, "create %s", w->fresh);
	if (close(fd))
		fail(errno, "close %s", w->fresh);
}

static void remove_file(struct worker *w)
{
	if (unlinkat(w->fd, w->fresh, 0))
		fail(errno, "unlink %s", w->fresh);
}

static void step_create(struct worker *w)
{
	make_file(w);
	remove_file(w);
}

static void step_mkdir(struct worker *w)
{
	if (mkdirat(w->fd, w->fresh, 0700))
		fail(errno, "mkdir %s", w->fresh);
	if (unlinkat(w->fd, w->fresh, AT_REMOVEDIR))
		fail(errno, "rmdir %s", w->fresh);
}

static void step_symlink(struct worker *w)
{
	if (symlinkat("anywhere", w->fd, w->fresh))
		fail(errno, "symlink %s", w->fresh);
	remove_file(w);
}

/* There and back in turn, so that each operation is one rename. */
static void step_rename(struct worker *w)
{
	const char *from = w->next % 2 ? w->other : w->fresh;
	const char *to = w->next % 2 ? w->fresh : w->other;

	if (renameat(w->fd, from, w->fd, to))
		fail(errno, "rename %s to %s", from, to);
	w->next++;
}

static void end_rename(struct worker *w)
{
	if (w->next % 2)
		step_rename(w);
	remove_file(w);
}

static void step_readlink(struct worker *w)
{
	char target[64];
	ssize_t length = readlinkat(w->fd, "link", target, sizeof(target));

	if (length < 0)
		fail(errno, "readlink %s/link", w->tree);
	if (length != 8 || memcmp(target, "anywhere", 8))
		fail(0, "readlink %s/link: wrong target", w->tree);
}

static void step_readdir(struct worker *w)
{
	int fd = openat(w->fd, "list", O_RDONLY | O_DIRECTORY);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	unsigned int count = 0;

	if (!list)
		fail(errno, "open %s/list", w->tree);
	errno = 0;
	while (readdir(list))
		count++;
	if (errno)
		fail(errno, "readdir %s/list", w->tree);
	if (count != ENTRIES + 2)
		fail(0, "readdir %s/list: %u entries", w->tree, count);
	closedir(list);
}

static void begin_tree(struct worker *w)
{
	w->fd = open(w->tree, O_RDONLY | O_DIRECTORY);
	if (w->fd < 0)
		fail(errno, "open %s (`load prepare` makes it)", w->tree);
}

/* Opens the directory; from here on `fresh` and `other` are names in it. */
static void begin_place(struct worker *w)
{
	char *name = strrchr(w->fresh, '/');

	*name = 0;
	w->fd = open(w->fresh, O_RDONLY | O_DIRECTORY);
	if (w->fd < 0)
		fail(errno, "open %s (`load prepare` makes it)", w->fresh);
	memmove(w->fresh, name + 1, strlen(name + 1) + 1);
	memmove(w->other, strrchr(w->other, '/') + 1, strlen(strrchr(w->other, '/')));
}

static void begin_rename(struct worker *w)
{
	begin_place(w);
	make_file(w);
}

const struct mode name_modes[] = {
	{ .name = "stat", .step = step_stat, .flags = -1 },
	{ .name = "open", .step = step_open, .flags = -1 },
	{ .name = "deep", .step = step_deep, .flags = -1, .begin = begin_deep },
	{ .name = "create", .step = step_create, .flags = -1, .begin = begin_place },
	{ .name = "mkdir", .step = step_mkdir, .flags = -1, .begin = begin_place },
	{ .name = "symlink", .step = step_symlink, .flags = -1, .begin = begin_place },
	{ .name = "rename", .step = step_rename, .flags = -1, .begin = begin_rename, .end = end_rename },
	{ .name = "readlink", .step = step_readlink, .flags = -1, .begin = begin_tree },
	{ .name = "readdir", .step = step_readdir, .flags = -1, .begin = begin_tree },
	{ .name = NULL },
};

static void make_directory(const char *path)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		fail(errno, "mkdir %s", path);
}

static void make_empty(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	if (fd < 0)
		fail(errno, "create %s", path);
	close(fd);
}

void prepare_names(struct worker *w)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%.4000s/shared", opt.dir);
	make_directory(path);
	make_directory(w->tree);
	for (size_t end = 2; end <= strlen(DEEP); end += 2) {
		snprintf(path, sizeof(path), "%.4000s%.*s", w->tree, (int)end, DEEP);
		make_directory(path);
	}
	snprintf(path, sizeof(path), "%.4000s" DEEP "/file", w->tree);
	make_empty(path);
	snprintf(path, sizeof(path), "%.4000s/link", w->tree);
	if (symlink("anywhere", path) && errno != EEXIST)
		fail(errno, "symlink %s", path);
	snprintf(path, sizeof(path), "%.4000s/list", w->tree);
	make_directory(path);
	for (unsigned int i = 0; i < ENTRIES; i++) {
		snprintf(path, sizeof(path), "%.4000s/list/entry.%u", w->tree, i);
		make_empty(path);
	}
}
