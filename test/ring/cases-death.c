/* SPDX-License-Identifier: MIT */
/* Every way in which a connection, a daemon, a CPU or the module goes away while requests are in flight. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define CALLERS 12

static int stat_until_error(void *path)
{
	int error;

	do
		error = stat_file(path);
	while (!error);
	return -error;
}

static int read_mute(void *path)
{
	char buffer[64];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return errno;
	return read(fd, buffer, sizeof(buffer)) < 0 ? errno : 0;
}

static int read_big_until_error(void *path)
{
	int error;

	do {
		error = verify_big(path);
		write_text("/proc/sys/vm/drop_caches", "1");
	} while (!error);
	return -error;
}

/* Callers of every kind, all of them in a request when they are needed. */
static void start_callers(struct mounted *m, pid_t *callers)
{
	for (unsigned int i = 0; i < CALLERS; i++) {
		int (*const kinds[])(void *) = { stat_until_error, read_mute, read_big_until_error };
		const char *const names[] = { "hello", "mute", "big" };

		callers[i] = child(kinds[i % 3], (void *)file_of(m, names[i % 3]));
	}
	pause_ms(300);
}

static bool is_end(int error)
{
	return error == ENOTCONN || error == ECONNABORTED || error == EIO || error == ENOENT;
}

static void expect_ends(pid_t *callers)
{
	for (unsigned int i = 0; i < CALLERS; i++) {
		int error = ended(callers[i], DEADLINE_MS);

		if (!is_end(error))
			fail("caller %u of kind %u ended with %d", i, i % 3, error);
	}
}

static void kill_under_load(const char *type, const char *sleep)
{
	char a[32], b[32];
	pid_t callers[CALLERS];
	struct mounted m;

	snprintf(a, sizeof(a), "type=%s", type);
	snprintf(b, sizeof(b), "sleep=%s", sleep);
	m = start("rfused", a, b, NULL);
	start_callers(&m, callers);
	kill_daemon(&m);
	expect_ends(callers);
	check(stat_file(file_of(&m, "hello")) == -ENOTCONN);
	unmount(&m);
}

static void daemon_killed(void)
{
	static const char *const SLEEPS[] = { "wait", "watch", "eventfd" };

	for (unsigned int i = 0; i < 6; i++)
		kill_under_load(i % 2 ? "rfuse" : "fuse", SLEEPS[i % 3]);
	note("6 daemons killed, %u callers each, none stays", CALLERS);
}

static void connection_file(struct mounted *m, const char *name, char *path, size_t size)
{
	struct stat s;

	check(stat(m->path, &s) == 0);
	snprintf(path, size, "/sys/fs/fuse/connections/%u/%s", minor(s.st_dev), name);
}

static void aborted(void)
{
	pid_t callers[CALLERS];
	struct mounted m = start("rfused", NULL);
	char path[96];

	connection_file(&m, "abort", path, sizeof(path));
	start_callers(&m, callers);
	check(write_text(path, "1") == 0);
	expect_ends(callers);
	/* The daemon is told by ENODEV on both lanes, and leaves by itself. */
	check(ended(m.pid, DEADLINE_MS) == 0);
	unmount(&m);
}

static void forced_unmount(void)
{
	pid_t callers[CALLERS];
	struct mounted m = start("rfused", "sleep=watch", NULL);

	start_callers(&m, callers);
	check(umount2(m.path, MNT_FORCE) == 0 || errno == EBUSY);
	expect_ends(callers);
	umount2(m.path, MNT_DETACH);
	check(ended(m.pid, DEADLINE_MS) == 0);
	rmdir(m.path);
}

static bool unloads(void *unused)
{
	(void)unused;
	return unload_module() == 0;
}

static void unload(void)
{
	struct mounted m = start("rfused", NULL), front = start("rfused", "type=rfuse", NULL);

	check(unload_module() != 0);
	stop(&m);
	check(unload_module() != 0);
	kill_daemon(&front);
	check(module_loaded());
	check(unload_module() != 0);	/* the dead mount is still there */
	unmount(&front);
	check(eventually(unloads, NULL, DEADLINE_MS));
	check(load_module("ring_start=4294967290 spin_us=200") == 0);
	m = start("rfused", NULL);
	check(verify_big(file_of(&m, "big")) == 0);
	stop(&m);
	check(eventually(unloads, NULL, DEADLINE_MS));
	check(load_module("") == 0);
}

static void set_cpu(unsigned int cpu, const char *state)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	check(write_text(path, state) == 0);
}

static int stat_for_ever(void *path)
{
	for (;;) {
		int error = stat_file(path);

		if (error)
			return -error;
	}
}

static int read_for_ever(void *path)
{
	for (;;) {
		int error = verify_big(path);

		if (error)
			return -error;
		write_text("/proc/sys/vm/drop_caches", "1");
	}
}

static void cpu_offline(void)
{
	struct mounted m = start("rfused", "threads=2", "pin=1", NULL);
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t before = counter(&m, "ring_requests");
	pid_t callers[4];

	if (cpus < 2)
		skip("one CPU only");
	for (unsigned int i = 0; i < 4; i++)
		callers[i] = child(i % 2 ? read_for_ever : stat_for_ever,
				   (void *)file_of(&m, i % 2 ? "big" : "hello"));
	for (unsigned int round = 0; round < 4; round++) {
		for (long cpu = cpus - 1; cpu > 0; cpu--) {
			set_cpu(cpu, "0");
			pause_ms(200);
			set_cpu(cpu, "1");
			pause_ms(100);
		}
	}
	for (unsigned int i = 0; i < 4; i++) {
		check(waitpid(callers[i], NULL, WNOHANG) == 0);
		kill(callers[i], SIGKILL);
		check(ended(callers[i], DEADLINE_MS) == 128 + SIGKILL);
	}
	note("%ld CPUs, 4 rounds: %llu requests meanwhile", cpus,
	     (unsigned long long)(counter(&m, "ring_requests") - before));
	stop(&m);
}

/* Daemons that die at any moment of their start and of their first requests. */
static void early_deaths(void)
{
	for (unsigned int i = 0; i < 12; i++) {
		struct mounted m = start("rfused", i % 2 ? "type=rfuse" : "type=fuse", NULL);
		pid_t caller = child(stat_until_error, (void *)file_of(&m, "hello"));

		usleep(i * 1500);
		kill_daemon(&m);
		check(is_end(ended(caller, DEADLINE_MS)));
		unmount(&m);
	}
}

const struct test_case DEATH_CASES[] = {
	{ "daemon killed under load, both fronts, three ways to sleep: every caller ends", daemon_killed },
	{ "daemon killed early, 12 times", early_deaths },
	{ "abort through fusectl: every caller ends, the daemon leaves", aborted },
	{ "umount -f under load: every caller ends", forced_unmount },
	{ "CPUs offline and online under load", cpu_offline },
	{ "rmmod: refused while a connection lives, works afterwards", unload },
	{ 0 },
};
