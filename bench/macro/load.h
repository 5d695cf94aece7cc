/*
 * What the files of the load generator share: its options, one worker thread's state, and the table of modes.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "histogram.h"

#define LARGE (128u << 10)
#define BLOCK 4096u /* O_DIRECT alignment, and the distance of the stamps in a data file */
#define MAX_THREADS 64
#define PATH_ROOM 4096
#define NS_PER_S 1000000000ull

struct worker;

/*
 * One workload. `step` does one operation; `flags` are those of the file that is held open, -1 for none. `size` is that
 * of one transfer, 0 for none. `begin` and `end`, where there are any, run before and after what is measured.
 */
struct mode {
	const char *name;
	void (*step)(struct worker *w);
	int flags;
	size_t size;
	size_t room; /* of the buffer, where it is larger than one transfer */
	void (*begin)(struct worker *w);
	void (*end)(struct worker *w);
};

struct options {
	const struct mode *mode;
	const char *dir;
	double seconds;
	unsigned int threads;
	size_t size, file_size;
	int pin[MAX_THREADS];
	unsigned int pins;
	int shared;
};

extern struct options opt;

struct worker {
	pthread_t thread;
	int fd, cpu;
	/* Paths: the prepared file; what this thread prepared besides; two names that are free between operations. */
	char data[PATH_ROOM], tree[PATH_ROOM], fresh[PATH_ROOM], other[PATH_ROOM];
	unsigned char *buffer;
	unsigned char *map; /* mmap mode */
	off_t next; /* sequential modes */
	uint64_t random;
	unsigned int empty; /* mixed modes: the slot without a file */
	int log; /* mixed modes: the descriptor of the log, -1 for none */
	uint64_t start_ns, end_ns, cpu_ns, user_us, system_us, voluntary, involuntary;
	struct histogram latency;
};

/* Says what failed, with the errno unless it is 0, and ends the process with status 1. */
void fail(int error, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Tables of modes; each ends with a mode without a name. */
extern const struct mode name_modes[], data_modes[], mixed_modes[];

/* What the modes of each table expect to find: the names, the data file with its stamps, the file sets. */
void prepare_names(struct worker *w);
void prepare_data(struct worker *w);
void prepare_mixed(struct worker *w);

/* xorshift64: never 0 when the seed is not. */
static inline uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* Checks the histogram against answers known beforehand; fails, or returns. */
void self_test(void);

#endif
