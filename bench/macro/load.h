/*
 * What the files of the load generator share: its options, one worker thread's state, and the table of modes.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "histogram.h"

#define BLOCK 4096u /* O_DIRECT alignment, and the distance of the stamps in a data file */
#define MAX_THREADS 64
#define NS_PER_S 1000000000ull

struct worker;

/* One workload. `step` does one operation; `flags` are those of the file that is held open, -1 for none. */
struct mode {
	const char *name;
	void (*step)(struct worker *w);
	int flags;
	size_t size;
};

struct options {
	const struct mode *mode;
	const char *dir;
	double seconds;
	unsigned int threads;
	size_t size, file_size;
	int pin[MAX_THREADS];
	unsigned int pins;
};

extern struct options opt;

struct worker {
	pthread_t thread;
	int fd, cpu;
	char data[4096], fresh[4096]; /* paths: the prepared file, and one that does not exist between operations */
	unsigned char *buffer;
	off_t next; /* sequential modes */
	uint64_t random;
	uint64_t start_ns, end_ns, cpu_ns, voluntary, involuntary;
	struct histogram latency;
};

/* Says what failed, with the errno unless it is 0, and ends the process with status 1. */
void fail(int error, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* The mode of that name; "prepare", which has no step, included. Fails when there is none. */
const struct mode *find_mode(const char *name);

/* Writes the data file of one worker, each block beginning with its own offset. */
void prepare(struct worker *w);

/* Checks the histogram against answers known beforehand; fails, or returns. */
void self_test(void);

#endif
