/* SPDX-License-Identifier: MIT */
/* Daemons as children, mountpoints, counters from debugfs, waits with a deadline. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

#define MOST_WORDS 24

void pause_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

bool eventually(bool (*holds)(void *), void *argument, unsigned int within_ms)
{
	uint64_t until = now_ms() + within_ms;

	while (!holds(argument)) {
		if (now_ms() > until)
			return false;
		pause_ms(10);
	}
	return true;
}

pid_t child(int (*body)(void *), void *argument)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(body(argument));
	return pid;
}

struct waiting {
	pid_t pid;
	int status;
};

static bool has_ended(void *argument)
{
	struct waiting *w = argument;

	return waitpid(w->pid, &w->status, WNOHANG) != 0;
}

int ended(pid_t pid, unsigned int within_ms)
{
	struct waiting w = { pid, 0 };

	if (!eventually(has_ended, &w, within_ms))
		return -1;
	return WIFSIGNALED(w.status) ? 128 + WTERMSIG(w.status) : WEXITSTATUS(w.status);
}

/* The program beside this one. */
static const char *beside(const char *name)
{
	static char self[256], path[300];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[length > 0 ? length : 0] = 0;
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	return path;
}

/* Reads the daemon's first line, which says that it serves. */
static void await_ready(int fd, const char *program)
{
	char line[200];
	ssize_t length = read(fd, line, sizeof(line));

	if (length < 5 || memcmp(line, "ready", 5) != 0)
		fail("%s did not become ready", program);
	close(fd);
}

struct mounted start(const char *program, ...)
{
	static unsigned int count;
	struct mounted m = { .pid = 0 };
	char *words[MOST_WORDS] = { 0 };
	unsigned int used = 2;
	va_list more;
	int ready[2];

	snprintf(m.path, sizeof(m.path), "/tmp/ring-%d-%u", getpid(), count++);
	if (mkdir(m.path, 0755) || pipe2(ready, O_CLOEXEC))
		fail("%s: %s", m.path, strerror(errno));
	words[0] = (char *)beside(program);
	words[1] = m.path;
	va_start(more, program);
	for (char *word; used < MOST_WORDS - 1 && (word = va_arg(more, char *));)
		words[used++] = strdup(word);
	va_end(more);
	m.pid = fork();
	if (m.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ready[1], 1);
		execv(words[0], words);
		_exit(127);
	}
	close(ready[1]);
	await_ready(ready[0], program);
	return m;
}

void unmount(struct mounted *m)
{
	if (umount2(m->path, 0) && umount2(m->path, MNT_DETACH))
		fail("umount %s: %s", m->path, strerror(errno));
	rmdir(m->path);
}

/* The honest end: unmount, and the daemon leaves with status 0. */
void stop(struct mounted *m)
{
	int status;

	unmount(m);
	status = ended(m->pid, DEADLINE_MS);
	if (status != 0)
		fail("daemon of %s ended with %d", m->path, status);
}

void kill_daemon(struct mounted *m)
{
	kill(m->pid, SIGKILL);
	if (ended(m->pid, DEADLINE_MS) != 128 + SIGKILL)
		fail("daemon of %s cannot be killed", m->path);
}

const char *file_of(struct mounted *m, const char *name)
{
	static char paths[8][128];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", m->path, name);
	return path;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* The sum of the numbers behind WORD on a line or in a text. */
uint64_t number_in(const char *path, const char *word)
{
	char text[8192];
	uint64_t sum = 0;
	ssize_t length;
	char *at;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = 0;
	at = strstr(text, word);
	if (!at)
		fail("%s has no %s", path, word);
	at += strlen(word);
	while (*at == ' ') {
		char *end;
		uint64_t value = strtoull(at, &end, 10);

		if (end == at)
			break;
		sum += value;
		at = end;
	}
	return sum;
}

uint64_t counter(struct mounted *m, const char *name)
{
	struct stat s;
	char path[96], word[64];

	/* st_dev of the root is known without asking the daemon again. */
	if (stat(m->path, &s))
		fail("%s: %s", m->path, strerror(errno));
	snprintf(path, sizeof(path), "/sys/kernel/debug/rfuse/%u/counters", minor(s.st_dev));
	snprintf(word, sizeof(word), "%s ", name);
	word[strlen(name)] = 0;
	return number_in(path, word);
}

int stat_file(const char *path)
{
	struct stat s;

	return stat(path, &s) ? -errno : 0;
}

/* Compares the whole of "big" with what it was filled with: 0, or -errno. */
int verify_big(const char *path)
{
	static unsigned char buffer[65536];
	int fd = open(path, O_RDONLY), error = 0;
	unsigned int at = 0;
	ssize_t length;

	if (fd < 0)
		return -errno;
	while (!error && (length = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < length; i++, at++)
			if (buffer[i] != (unsigned char)(at * 7 + (at >> 12)))
				error = -EBADMSG;
	}
	if (length < 0)
		error = -errno;
	close(fd);
	return error ? error : at == 4u << 20 ? 0 : -ENODATA;
}

bool module_loaded(void)
{
	return access("/sys/module/rfuse", F_OK) == 0;
}
