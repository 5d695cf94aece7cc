/*
 * Closed-loop load generator: each thread does one operation after the other on files below DIR until time is up.
 * It owns the clock, the latency histogram and the client's own costs; it knows nothing of FUSE, mounts or servers.
 * Output is one line of JSON. The first failure is named with its errno and ends the run with status 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

struct options opt = { .seconds = 1, .threads = 1, .file_size = 64u << 20 };

static pthread_barrier_t ready;

/* Percentiles of the latency that are reported beside p50, p99 and p99.9, in tenths of a per mille. */
static const unsigned int quantiles[] = { 0, 100, 500, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 9500, 9800,
					  9900, 9950, 9980, 9990, 9995, 9999, 10000 };

void fail(int error, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "load: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (error)
		fprintf(stderr, ": %s (errno %d)", strerror(error), error);
	fputc('\n', stderr);
	_exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(errno, "pin to cpu %d", cpu);
}

static uint64_t spent_us(const struct timeval *before, const struct timeval *after)
{
	return (uint64_t)((after->tv_sec - before->tv_sec) * 1000000 + after->tv_usec - before->tv_usec);
}

/* One clock read per operation: the end of one is the start of the next. */
static void measure(struct worker *w)
{
	uint64_t deadline, last, now;
	struct rusage before, after;
	uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);

	getrusage(RUSAGE_THREAD, &before);
	last = w->start_ns = now_ns(CLOCK_MONOTONIC);
	deadline = w->start_ns + (uint64_t)(opt.seconds * NS_PER_S);
	do {
		opt.mode->step(w);
		now = now_ns(CLOCK_MONOTONIC);
		histogram_add(&w->latency, now - last);
		last = now;
	} while (now < deadline);
	w->end_ns = now;
	getrusage(RUSAGE_THREAD, &after);
	w->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	w->user_us = spent_us(&before.ru_utime, &after.ru_utime);
	w->system_us = spent_us(&before.ru_stime, &after.ru_stime);
	w->voluntary = (uint64_t)(after.ru_nvcsw - before.ru_nvcsw);
	w->involuntary = (uint64_t)(after.ru_nivcsw - before.ru_nivcsw);
}

static void *work(void *argument)
{
	struct worker *w = argument;

	if (w->cpu >= 0)
		pin_to(w->cpu);
	if (opt.mode->flags != -1) {
		w->fd = open(w->data, opt.mode->flags);
		if (w->fd < 0)
			fail(errno, "open %s (`load prepare` makes it)", w->data);
	}
	if (opt.mode->begin)
		opt.mode->begin(w);
	pthread_barrier_wait(&ready);
	measure(w);
	if (opt.mode->end)
		opt.mode->end(w);
	if (w->fd >= 0 && close(w->fd))
		fail(errno, "close %s", w->data);
	return NULL;
}

static void init_worker(struct worker *w, unsigned int index)
{
	size_t room = opt.mode->room ? opt.mode->room : opt.size ? opt.size : BLOCK;
	char place[PATH_ROOM];
	int length = snprintf(w->data, sizeof(w->data), "%s/data.%u", opt.dir, index);

	if ((size_t)length + 64 > sizeof(w->data))
		fail(ENAMETOOLONG, "%s", opt.dir);
	snprintf(w->tree, sizeof(w->tree), "%s/tree.%u", opt.dir, index);
	if (opt.shared)
		snprintf(place, sizeof(place), "%s/shared", opt.dir);
	else
		snprintf(place, sizeof(place), "%s", w->tree);
	place[PATH_ROOM - 64] = 0;
	snprintf(w->fresh, sizeof(w->fresh), "%.4000s/fresh.%d.%u", place, (int)getpid(), index);
	snprintf(w->other, sizeof(w->other), "%.4000s/other.%d.%u", place, (int)getpid(), index);
	w->fd = -1;
	w->log = -1;
	w->cpu = opt.pins ? opt.pin[index % opt.pins] : -1;
	w->random = 0x9e3779b97f4a7c15ull * (index + 1);
	if (posix_memalign((void **)&w->buffer, BLOCK, room))
		fail(ENOMEM, "buffer of %zu", room);
	memset(w->buffer, 0xa5, room);
}

static void run(struct worker *workers)
{
	int error;

	pthread_barrier_init(&ready, NULL, opt.threads);
	for (unsigned int i = 0; i < opt.threads; i++) {
		error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (error)
			fail(error, "start thread %u", i);
	}
	for (unsigned int i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
}

static void report(struct worker *workers)
{
	struct worker sum = { .start_ns = UINT64_MAX };
	double seconds;

	for (unsigned int i = 0; i < opt.threads; i++) {
		const struct worker *w = &workers[i];

		histogram_merge(&sum.latency, &w->latency);
		sum.start_ns = w->start_ns < sum.start_ns ? w->start_ns : sum.start_ns;
		sum.end_ns = w->end_ns > sum.end_ns ? w->end_ns : sum.end_ns;
		sum.cpu_ns += w->cpu_ns;
		sum.user_us += w->user_us;
		sum.system_us += w->system_us;
		sum.voluntary += w->voluntary;
		sum.involuntary += w->involuntary;
	}
	seconds = (double)(sum.end_ns - sum.start_ns) / NS_PER_S;
	printf("{\"mode\":\"%s\",\"threads\":%u,\"size\":%zu,\"ops\":%llu,\"seconds\":%.6f,", opt.mode->name, opt.threads,
	       opt.size, (unsigned long long)sum.latency.count, seconds);
	printf("\"ops_per_s\":%.1f,\"bytes_per_s\":%.0f,", sum.latency.count / seconds,
	       (double)sum.latency.count * opt.size / seconds);
	printf("\"p50_us\":%.3f,\"p99_us\":%.3f,\"p999_us\":%.3f,\"max_us\":%.3f,",
	       histogram_permille(&sum.latency, 500) / 1e3, histogram_permille(&sum.latency, 990) / 1e3,
	       histogram_permille(&sum.latency, 999) / 1e3, sum.latency.max / 1e3);
	printf("\"voluntary\":%llu,\"involuntary\":%llu,\"cpu_us\":%.0f,", (unsigned long long)sum.voluntary,
	       (unsigned long long)sum.involuntary, sum.cpu_ns / 1e3);
	printf("\"user_us\":%llu,\"system_us\":%llu,\"quantiles\":[", (unsigned long long)sum.user_us,
	       (unsigned long long)sum.system_us);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++)
		printf("%s[%g,%.3f]", i ? "," : "", quantiles[i] / 1e4,
		       histogram_fraction(&sum.latency, quantiles[i]) / 1e3);
	printf("]}\n");
}

static double number(const char *text, const char *name)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0))
		fail(0, "--%s needs a number above 0, got \"%s\"", name, text);
	return value;
}

static void parse_pins(char *list)
{
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		char *end;
		long cpu = strtol(word, &end, 10);

		if (end == word || *end || cpu < 0 || cpu >= CPU_SETSIZE || opt.pins == MAX_THREADS)
			fail(0, "--pin needs CPU[,CPU...], got \"%s\"", word);
		opt.pin[opt.pins++] = (int)cpu;
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seconds", required_argument, NULL, 's' }, { "threads", required_argument, NULL, 't' },
		{ "pin", required_argument, NULL, 'p' },     { "size", required_argument, NULL, 'z' },
		{ "file-size", required_argument, NULL, 'f' }, { "shared", no_argument, NULL, 'S' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (letter) {
		case 's': opt.seconds = number(optarg, "seconds"); break;
		case 't': opt.threads = (unsigned int)number(optarg, "threads"); break;
		case 'p': parse_pins(optarg); break;
		case 'z': opt.size = (size_t)number(optarg, "size"); break;
		case 'f': opt.file_size = (size_t)number(optarg, "file-size"); break;
		case 'S': opt.shared = 1; break;
		default:
			fail(0, "use: load MODE DIR [--seconds S] [--threads N] [--pin CPU[,CPU]] [--size B] [--file-size B] [--shared]");
		}
	}
	if (opt.threads < 1 || opt.threads > MAX_THREADS)
		fail(0, "--threads must be 1 to %d", MAX_THREADS);
	if (optind + 2 != argc)
		fail(0, "needs MODE and DIR (or self-test)");
	opt.dir = argv[optind + 1];
}

static const struct mode *find_mode(const char *name)
{
	static const struct mode preparation = { .name = "prepare", .flags = -1, .size = LARGE, .room = 1u << 20 };
	static const struct mode *const tables[] = { name_modes, data_modes, mixed_modes };

	if (!strcmp(name, preparation.name))
		return &preparation;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct mode *mode = tables[i]; mode->name; mode++)
			if (!strcmp(mode->name, name))
				return mode;
	fail(0, "no mode \"%s\"", name);
}

int main(int argc, char **argv)
{
	struct worker *workers;

	if (argc == 2 && !strcmp(argv[1], "self-test")) {
		self_test();
		printf("{\"self_test\":\"ok\"}\n");
		return 0;
	}
	parse_options(argc, argv);
	opt.mode = find_mode(argv[optind]);
	if (!opt.size || !opt.mode->size)
		opt.size = opt.mode->size;
	if (opt.size % BLOCK || (opt.size && opt.file_size < opt.size))
		fail(0, "--size must be a multiple of %u and at most --file-size", BLOCK);
	if (opt.size && opt.file_size % opt.size)
		fail(0, "--file-size must be a multiple of the size, %zu", opt.size);
	workers = calloc(opt.threads, sizeof(*workers));
	if (!workers)
		fail(ENOMEM, "%u workers", opt.threads);
	for (unsigned int i = 0; i < opt.threads; i++)
		init_worker(&workers[i], i);
	if (opt.mode->step) {
		run(workers);
		report(workers);
		return 0;
	}
	for (unsigned int i = 0; i < opt.threads; i++) {
		prepare_data(&workers[i]);
		prepare_names(&workers[i]);
		prepare_mixed(&workers[i]);
	}
	return 0;
}
