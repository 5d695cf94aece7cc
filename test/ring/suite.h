/* SPDX-License-Identifier: MIT */
/* What the cases of the suite share: daemons, mounts, counters, deadlines. */
#ifndef RING_SUITE_H
#define RING_SUITE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../kmod/uapi/rfuse.h"

/* Everything that should happen happens within this time, also under emulation. */
#define DEADLINE_MS 30000

struct test_case {
	const char *name;
	void (*run)(void);
};

extern const struct test_case SERVE_CASES[], DEATH_CASES[], ABUSE_CASES[], BPF_CASES[], POLICY_CASES[],
	EVIL_CASES[];

/* Ends the case as failed, with a sentence. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
/* Ends the case as skipped. */
__attribute__((noreturn, format(printf, 1, 2))) void skip(const char *format, ...);
/* One line of what was tried or measured. */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);
#define check(condition) \
	do { \
		if (!(condition)) \
			fail("%s:%d: not true: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
	} while (0)

struct mounted {
	char path[64];
	pid_t pid;
};

/* Starts PROGRAM on a mountpoint of its own; NAME=VALUE words follow, then NULL. */
struct mounted start(const char *program, ...);
void stop(struct mounted *m);
void kill_daemon(struct mounted *m);
void unmount(struct mounted *m);
const char *file_of(struct mounted *m, const char *name);

/* A child that runs BODY(argument) and whose result is its exit status. */
pid_t child(int (*body)(void *), void *argument);
/* Its exit status within the deadline, 128 + signal, or -1. */
int ended(pid_t pid, unsigned int within_ms);
bool eventually(bool (*holds)(void *), void *argument, unsigned int within_ms);
void pause_ms(unsigned int ms);

/* A counter's sum over the channels of the only, or of the named, connection. */
uint64_t counter(struct mounted *m, const char *name);
int write_text(const char *path, const char *text);
uint64_t number_in(const char *path, const char *word);
/* 0, or -errno. */
int stat_file(const char *path);
int verify_big(const char *path);
bool module_loaded(void);
int load_module(const char *options);
int unload_module(void);

#endif
