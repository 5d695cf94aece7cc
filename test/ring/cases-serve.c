/* SPDX-License-Identifier: MIT */
/* Honest daemons, honest applications: both fronts, every way to sleep, every path of a request. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

/* Lists, stats, reads all of "big", writes it back in pieces, reads it again. */
static void exercise(struct mounted *m)
{
	static char piece[128 * 1024];
	const char *big = file_of(m, "big");
	int fd;

	check(stat_file(file_of(m, "hello")) == 0);
	check(stat_file(file_of(m, "absent")) == -ENOENT);
	check(verify_big(big) == 0);
	fd = open(big, O_RDWR);
	check(fd >= 0);
	for (off_t at = 0; at < 4 << 20; at += sizeof(piece)) {
		check(pread(fd, piece, sizeof(piece), at) == sizeof(piece));
		check(pwrite(fd, piece, sizeof(piece), at) == sizeof(piece));
	}
	check(fsync(fd) == 0);
	close(fd);
	write_text("/proc/sys/vm/drop_caches", "1");
	check(verify_big(big) == 0);
}

static void expect_honest(struct mounted *m)
{
	check(counter(m, "ring_requests") > 50);
	check(counter(m, "refused") == 0);
	check(counter(m, "spurious") == 0);
	check(counter(m, "aborted") == 0);
}

static void serve_with(const char *type, const char *sleep, const char *threads, const char *poll_us)
{
	char a[32], b[32], c[32], d[32];
	struct mounted m;

	snprintf(a, sizeof(a), "type=%s", type);
	snprintf(b, sizeof(b), "sleep=%s", sleep);
	snprintf(c, sizeof(c), "threads=%s", threads);
	snprintf(d, sizeof(d), "poll_us=%s", poll_us);
	m = start("rfused", a, b, c, d, NULL);
	exercise(&m);
	expect_honest(&m);
	note("%s, %s, %s threads, poll %s us: %llu ring, %llu background, %llu slow, %llu spin hits, %llu sleeps",
	     type, sleep, threads, poll_us, (unsigned long long)counter(&m, "ring_requests"),
	     (unsigned long long)counter(&m, "background_requests"),
	     (unsigned long long)counter(&m, "slow_requests"),
	     (unsigned long long)counter(&m, "spin_hits"), (unsigned long long)counter(&m, "sleeps"));
	stop(&m);
}

static void fronts_and_sleeps(void)
{
	static const char *const TYPES[] = { "fuse", "rfuse" };
	static const char *const SLEEPS[] = { "wait", "watch", "eventfd" };

	for (unsigned int t = 0; t < 2; t++) {
		for (unsigned int s = 0; s < 3; s++) {
			serve_with(TYPES[t], SLEEPS[s], "1", "0");
			serve_with(TYPES[t], SLEEPS[s], "2", "100");
		}
	}
	serve_with("fuse", "wait", "1", "1000000");
}

/* Without polling callers every reply goes over WAKE and the completion ring. */
static void callers_that_sleep(void)
{
	struct mounted m = start("rfused", "spin_us=0", "poll_us=0", NULL);

	exercise(&m);
	expect_honest(&m);
	check(counter(&m, "spin_hits") == 0);
	check(counter(&m, "reaped") > 50);
	stop(&m);
}

static void slow_lane_by_size(void)
{
	struct mounted m = start("rfused", "pool=4096", NULL);
	struct mounted none = start("rfused", "ring=0", NULL);

	exercise(&m);
	check(counter(&m, "slow_requests") > 8);
	exercise(&none);
	stop(&none);
	stop(&m);
}

static int exercise_child(void *m)
{
	exercise(m);
	return 0;
}

/* Nobody else reads /dev/fuse: a wake-up that is lost there hangs the child. */
static void one_thread_for_all(void)
{
	static const char *const LIMITS[] = { "pool=4096", "depth=1", "features=0" };

	for (unsigned int i = 0; i < 3; i++) {
		struct mounted m = start("rfused", "sleep=device", "poll_us=0", LIMITS[i], NULL);

		check(ended(child(exercise_child, &m), DEADLINE_MS) == 0);
		check(counter(&m, "ring_requests") > 0);
		check(counter(&m, "sleeps") > 0);
		note("%s: %llu ring, %llu slow, %llu sleeps", LIMITS[i],
		     (unsigned long long)counter(&m, "ring_requests"),
		     (unsigned long long)counter(&m, "slow_requests"),
		     (unsigned long long)counter(&m, "sleeps"));
		stop(&m);
	}
}

struct load {
	const char *path;
	unsigned int rounds;
	int error;
};

static void *stat_many(void *argument)
{
	struct load *load = argument;

	for (unsigned int i = 0; i < load->rounds && !load->error; i++)
		load->error = stat_file(load->path);
	return NULL;
}

static void in_threads(struct mounted *m, unsigned int count, unsigned int rounds)
{
	static pthread_t threads[64];
	static struct load loads[64];

	for (unsigned int i = 0; i < count; i++) {
		loads[i] = (struct load){ strdup(file_of(m, "hello")), rounds, 0 };
		check(pthread_create(&threads[i], NULL, stat_many, &loads[i]) == 0);
	}
	for (unsigned int i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		check(loads[i].error == 0);
	}
}

static void many_threads(void)
{
	struct mounted m = start("rfused", "threads=2", NULL);

	in_threads(&m, 64, 100);
	expect_honest(&m);
	stop(&m);
}

/* Two tags and 64 callers: what finds no tag goes over the slow lane. */
static void full_rings(void)
{
	struct mounted m = start("rfused", "depth=2", NULL);

	in_threads(&m, 64, 50);
	check(counter(&m, "slow_requests") > 0);
	exercise(&m);
	check(counter(&m, "refused") == 0);
	note("depth 2: %llu on the ring, %llu slow", (unsigned long long)counter(&m, "ring_requests"),
	     (unsigned long long)counter(&m, "slow_requests"));
	stop(&m);
}

static void wrap_around(void)
{
	struct mounted m;

	check(write_text("/sys/module/rfuse/parameters/ring_start", "4294967200") == 0);
	m = start("rfused", NULL);
	check(write_text("/sys/module/rfuse/parameters/ring_start", "0") == 0);
	in_threads(&m, 8, 100);
	exercise(&m);
	expect_honest(&m);
	check(counter(&m, "ring_requests") > 1000);
	stop(&m);
}

static bool balanced(void *argument)
{
	struct mounted *m = argument;
	const char *stats = file_of(m, "stats");

	return number_in(stats, "lookups") - number_in(stats, "forgets") <= 10;
}

static void forgets(void)
{
	struct mounted m = start("rfused", NULL);
	char name[16];

	for (unsigned int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "n%04u", i);
		check(stat_file(file_of(&m, name)) == 0);
	}
	write_text("/proc/sys/vm/drop_caches", "2");
	check(eventually(balanced, &m, DEADLINE_MS));
	/* A daemon without a CPU for a while finds its ring full; the rest went another way. */
	check(counter(&m, "forgets") > 0);
	check(counter(&m, "forgets") + counter(&m, "forget_overflows") > 2000);
	note("%llu forgets on the rings, %llu over the slow lane", (unsigned long long)counter(&m, "forgets"),
	     (unsigned long long)counter(&m, "forget_overflows"));
	stop(&m);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static int read_file(void *path)
{
	char buffer[512];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return 100 + errno;
	return read(fd, buffer, sizeof(buffer)) < 0 ? errno : 0;
}

static int read_with_alarm(void *path)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value.tv_usec = 300000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	return read_file(path);
}

static void interrupt(void)
{
	struct mounted m = start("rfused", NULL);
	pid_t reader = child(read_with_alarm, (void *)file_of(&m, "hang"));

	check(ended(reader, DEADLINE_MS) == EINTR);
	check(counter(&m, "interrupts") == 1);
	check(counter(&m, "abandoned") == 0);
	stop(&m);
}

static bool all_tags_back(void *argument)
{
	struct mounted *m = argument;

	return counter(m, "reaped") >= 20;
}

/* Killed readers leave at once; the daemon's late replies free their tags. */
static void killed_callers(void)
{
	struct mounted m = start("rfused", "depth=16", "spin_us=0", NULL);
	uint64_t before = counter(&m, "reaped");

	for (unsigned int i = 0; i < 20; i++) {
		pid_t reader = child(read_file, (void *)file_of(&m, i % 2 ? "mute" : "hang"));

		pause_ms(50);
		kill(reader, SIGKILL);
		check(ended(reader, 5000) == 128 + SIGKILL);
	}
	check(counter(&m, "abandoned") >= 1);
	check(before + 20 >= before && eventually(all_tags_back, &m, DEADLINE_MS));
	in_threads(&m, 16, 20);
	check(counter(&m, "refused") == 0);
	note("%llu callers killed in a request", (unsigned long long)counter(&m, "abandoned"));
	stop(&m);
}

/* Readahead and writeback are background requests, moved in by the daemon's own calls. */
static void background(void)
{
	struct mounted m = start("rfused", "writeback=1", "threads=2", NULL);
	static char page[4096];
	int fd = open(file_of(&m, "big"), O_RDWR);
	char *map;

	check(fd >= 0);
	check(verify_big(file_of(&m, "big")) == 0);
	for (unsigned int at = 0; at < 4u << 20; at += sizeof(page)) {
		check(pread(fd, page, sizeof(page), at) == sizeof(page));
		check(pwrite(fd, page, sizeof(page), at) == sizeof(page));
	}
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 1 << 20);
	check(map != MAP_FAILED);
	for (unsigned int at = 0; at < 1u << 20; at += 4096)
		((volatile char *)map)[at] = map[at];
	check(msync(map, 1 << 20, MS_SYNC) == 0);
	check(fsync(fd) == 0);
	close(fd);
	munmap(map, 1 << 20);
	write_text("/proc/sys/vm/drop_caches", "1");
	check(verify_big(file_of(&m, "big")) == 0);
	check(counter(&m, "background_requests") > 10);
	check(counter(&m, "refused") == 0);
	note("%llu background requests, %llu of them balanced",
	     (unsigned long long)counter(&m, "background_requests"),
	     (unsigned long long)counter(&m, "balanced_requests"));
	stop(&m);
}

/* A pool that holds one readahead: the backlog waits for payload, and all of it arrives. */
static void starved_backlog(void)
{
	struct mounted m = start("rfused", "pool=131072", "depth=4", "writeback=1", NULL);

	for (unsigned int i = 0; i < 3; i++) {
		write_text("/proc/sys/vm/drop_caches", "1");
		check(verify_big(file_of(&m, "big")) == 0);
	}
	exercise(&m);
	check(counter(&m, "background_requests") > 0);
	stop(&m);
}

static void one_channel(void)
{
	struct mounted m = start("rfused", "channels=1", NULL);

	in_threads(&m, 8, 50);
	exercise(&m);
	expect_honest(&m);
	stop(&m);
}

/* Some more stats; whether enough of all went to the other CPU's server, and were answered while their caller polled. */
static bool neighbour_answered(void *argument)
{
	struct mounted *m = argument;

	for (unsigned int i = 0; i < 100; i++)
		check(stat_file(file_of(m, "hello")) == 0);
	return counter(m, "balanced_requests") >= 100 && counter(m, "spin_hits") >= 100;
}

static int ask_from_cpu_0(void *argument)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return errno;
	return eventually(neighbour_answered, argument, DEADLINE_MS) ? 0 : 1;
}

/* The server of the caller's channel can only run where the caller does. */
static void neighbour(void)
{
	struct mounted m = start("rfused", "threads=2", "pin=1", "poll_us=2000", NULL);

	check(ended(child(ask_from_cpu_0, &m), 2 * DEADLINE_MS) == 0);
	note("%llu of %llu requests by the other CPU's server", (unsigned long long)counter(&m, "balanced_requests"),
	     (unsigned long long)counter(&m, "ring_requests"));
	stop(&m);
}

/* Features that a daemon does not ask for stay on the slow lane. */
static void without_features(void)
{
	struct mounted m = start("rfused", "features=0", NULL);

	exercise(&m);
	check(counter(&m, "background_requests") == 0);
	check(counter(&m, "forgets") == 0);
	check(ended(child(read_with_alarm, (void *)file_of(&m, "hang")), DEADLINE_MS) == EINTR);
	check(counter(&m, "interrupt_overflows") == 1);
	stop(&m);
}

const struct test_case SERVE_CASES[] = {
	{ "both fronts, three ways to sleep, one and two threads: data is right", fronts_and_sleeps },
	{ "callers that never poll: every reply over the completion ring", callers_that_sleep },
	{ "requests larger than the pool: slow lane", slow_lane_by_size },
	{ "WAIT_DEVICE: one thread for rings and slow lane, asleep in one call", one_thread_for_all },
	{ "64 callers on all CPUs", many_threads },
	{ "two tags for 64 callers: slow lane takes the rest", full_rings },
	{ "ring positions started near 2^32: they wrap", wrap_around },
	{ "one channel for all CPUs", one_channel },
	{ "FORGET: every lookup is given back", forgets },
	{ "INTERRUPT: reaches the handler that runs", interrupt },
	{ "SIGKILL: callers leave at once and tags come back", killed_callers },
	{ "readahead, writeback, mmap: background requests", background },
	{ "a pool of one readahead: no background request starves", starved_backlog },
	{ "a caller on its server's CPU: another CPU's server answers", neighbour },
	{ "no features asked for: everything still works", without_features },
	{ 0 },
};
