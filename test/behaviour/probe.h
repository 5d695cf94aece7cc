/* SPDX-License-Identifier: MIT */
/*
 * The probe: a process that makes one system call per input line and prints its result.
 * This header owns what its source files share: words, replies, and the command table's row.
 */
#ifndef PROBE_H
#define PROBE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* The command has printed its own reply line. */
#define REPLIED (-2)
#define MAX_WORDS 16

/* One decoded argument: n bytes at p, and a NUL after them that n does not count. */
struct word {
	char *p;
	size_t n;
};

/* run() returns a number >= 0 to print, -1 with errno set, or REPLIED. Absent optional words have p == NULL. */
struct command {
	const char *name;
	int min, max;
	long (*run)(struct word *a);
};

extern const struct command path_commands[], file_commands[], directory_commands[], process_commands[];

/* Decimal, 0octal, 0xhex or constant names, joined by '|'. Unknown names end the probe. */
long long number(struct word w);
int given(struct word w);
/* "ok " followed by n bytes, escaped. */
long reply_bytes(const void *p, size_t n);
long reply_failure(const char *name, const char *detail);
void put_escaped(const void *p, size_t n);
long exercise(struct word *a);

#endif
