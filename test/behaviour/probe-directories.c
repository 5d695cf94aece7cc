// SPDX-License-Identifier: MIT
/*
 * Commands on directories being read, many files at once, and the probe's own identity.
 * An entry is printed as inode:type:name; type is the letter that find(1) uses, or ? when the filesystem says none.
 */
#include "probe.h"

#include <dirent.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static DIR *as_dir(struct word w)
{
	return (DIR *)(intptr_t)number(w);
}

static long run_opendir(struct word *a)
{
	DIR *d = opendir(a[0].p);

	return d ? (long)(intptr_t)d : -1;
}

static char type_letter(unsigned char type)
{
	switch (type) {
	case DT_REG: return 'f';
	case DT_DIR: return 'd';
	case DT_LNK: return 'l';
	case DT_FIFO: return 'p';
	case DT_SOCK: return 's';
	case DT_CHR: return 'c';
	case DT_BLK: return 'b';
	default: return '?';
	}
}

/* readdir dir count: at most count entries, separated by spaces. */
static long run_readdir(struct word *a)
{
	long left = (long)number(a[1]);
	struct dirent *entry;

	errno = 0;
	entry = left > 0 ? readdir(as_dir(a[0])) : NULL;
	if (!entry && errno)
		return -1;
	printf("ok");
	while (entry) {
		printf(" %llu:%c:", (unsigned long long)entry->d_ino, type_letter(entry->d_type));
		put_escaped(entry->d_name, strlen(entry->d_name));
		entry = --left > 0 ? readdir(as_dir(a[0])) : NULL;
	}
	putchar('\n');
	return REPLIED;
}

static long run_telldir(struct word *a)
{
	return telldir(as_dir(a[0])) & 0x7fffffffffffffffL;
}

static long run_seekdir(struct word *a)
{
	seekdir(as_dir(a[0]), (long)number(a[1]));
	return 0;
}

static long run_rewinddir(struct word *a)
{
	rewinddir(as_dir(a[0]));
	return 0;
}

static long run_closedir(struct word *a)
{
	return closedir(as_dir(a[0]));
}

static long each_file(struct word *a, int (*act)(const char *path))
{
	long first = (long)number(a[2]), count = (long)number(a[3]), done = 0;
	char path[5000];

	for (long i = first; i < first + count; i++) {
		snprintf(path, sizeof(path), "%s/%s%ld", a[0].p, a[1].p, i);
		if (act(path) == 0)
			done++;
		else if (errno != EEXIST && errno != ENOENT)
			return -1;
	}
	return done;
}

static int create_one(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int make_directory(const char *path)
{
	return mkdir(path, 0755);
}

/* create_files, remove_files, create_directories, remove_directories dir prefix first count: how many it did itself. */
static long run_create_files(struct word *a)
{
	return each_file(a, create_one);
}

static long run_remove_files(struct word *a)
{
	return each_file(a, unlink);
}

static long run_create_directories(struct word *a)
{
	return each_file(a, make_directory);
}

static long run_remove_directories(struct word *a)
{
	return each_file(a, rmdir);
}

static long run_umask(struct word *a)
{
	return umask((mode_t)number(a[0]));
}

/* identity uid gid group,group: gives up all privilege unless uid is 0. */
static long run_identity(struct word *a)
{
	gid_t groups[32];
	size_t count = 0;
	char *rest = a[2].p, *part;

	while (*a[2].p && count < 32 && (part = strsep(&rest, ",")))
		groups[count++] = (gid_t)atoi(part);
	if (setgroups(count, groups) < 0 || setresgid((gid_t)number(a[1]), (gid_t)number(a[1]), (gid_t)number(a[1])) < 0)
		return -1;
	return setresuid((uid_t)number(a[0]), (uid_t)number(a[0]), (uid_t)number(a[0]));
}

/* fsids uid gid: the identity for filesystem calls only. */
static long run_fsids(struct word *a)
{
	setfsgid((gid_t)number(a[1]));
	setfsuid((uid_t)number(a[0]));
	return setfsuid((uid_t)-1) == (int)number(a[0]) ? 0 : -1;
}

static long run_setrlimit(struct word *a)
{
	struct rlimit limit;

	if (getrlimit((int)number(a[0]), &limit) < 0)
		return -1;
	limit.rlim_cur = (rlim_t)number(a[1]);
	return setrlimit((int)number(a[0]), &limit);
}

static long run_value(struct word *a)
{
	return (long)number(a[0]);
}

/* execute path word: exit status of the program, or the errno of execve. */
static long run_execute(struct word *a)
{
	char *arguments[] = { a[0].p, a[1].p, NULL }, *environment[] = { NULL };
	int ends[2], error = 0, status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		execve(a[0].p, arguments, environment);
		error = errno;
		_exit(write(ends[1], &error, sizeof(error)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], &error, sizeof(error)) < 0)
		error = errno;
	close(ends[0]);
	waitpid(pid, &status, 0);
	errno = error;
	return error ? -1 : WEXITSTATUS(status);
}

const struct command directory_commands[] = {
	{ "opendir", 1, 1, run_opendir },	{ "readdir", 2, 2, run_readdir },
	{ "telldir", 1, 1, run_telldir },	{ "seekdir", 2, 2, run_seekdir },
	{ "rewinddir", 1, 1, run_rewinddir },	{ "closedir", 1, 1, run_closedir },
	{ "create_files", 4, 4, run_create_files },
	{ "remove_files", 4, 4, run_remove_files },
	{ "create_directories", 4, 4, run_create_directories },
	{ "remove_directories", 4, 4, run_remove_directories },
	{ 0 },
};

const struct command process_commands[] = {
	{ "umask", 1, 1, run_umask },		{ "identity", 3, 3, run_identity },
	{ "fsids", 2, 2, run_fsids },		{ "setrlimit", 2, 2, run_setrlimit },
	{ "value", 1, 1, run_value },		{ "execute", 1, 2, run_execute },
	{ 0 },
};
