/* SPDX-License-Identifier: MIT */
/* Hostile daemons under load, while an honest mount is served and must never see an error. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

#define VICTIMS 6
#define ENOUGH 100000
#define MOST_ROUNDS 40
#define ROUND_MS 3000

static int honest_client(void *argument)
{
	struct mounted *m = argument;
	const char *hello = file_of(m, "hello"), *big = file_of(m, "big");

	for (unsigned int i = 0;; i++) {
		int error = i % 50 ? stat_file(hello) : verify_big(big);

		if (i % 50 == 0)
			write_text("/proc/sys/vm/drop_caches", "1");
		if (error)
			return -error;
	}
}

/* An application on the hostile mount: whatever it gets is fine, except to be stuck when killed. */
__attribute__((noreturn)) static int victim(void *argument)
{
	static char buffer[65536];
	struct mounted *m = argument;
	static const char *const NAMES[] = { "hello", "big", "stats", "absent", "hang" };

	for (unsigned int i = getpid();; i++) {
		const char *path = file_of(m, NAMES[i % 5]);
		int fd;

		stat_file(path);
		fd = open(path, O_RDWR);
		if (fd >= 0) {
			(void)!read(fd, buffer, sizeof(buffer));
			(void)!pwrite(fd, buffer, sizeof(buffer), i % 64 * 4096);
			close(fd);
		}
	}
}

/* A program that writes nonsense into its context, mostly where the reply is, and returns any verdict. */
static int random_program(unsigned int *seed)
{
	struct rule rule = { .verdict = rand_r(seed) % 8 ? RFUSE_BPF_REPLY : (uint32_t)rand_r(seed) % 4 };
	unsigned int count = rand_r(seed) % (sizeof(rule.stores) / sizeof(rule.stores[0]));

	for (unsigned int i = 0; i < count; i++) {
		unsigned int width = 1u << rand_r(seed) % 4;
		unsigned int room = rand_r(seed) % 4 ? 144 : sizeof(struct rfuse_bpf_context) - IN(out);
		unsigned int from = rand_r(seed) % 8 ? IN(out) : 0;

		rule.stores[i] = (struct store){
			.offset = (from + rand_r(seed) % room) / width * width,
			.width = width,
			.value = rand_r(seed) % 2 ? (uint64_t)rand_r(seed) << 33 | (uint64_t)rand_r(seed) : (uint64_t)rand_r(seed) % 64,
		};
	}
	return program_of(&rule, 1);
}

/* Places such programs on the hostile daemon's ring, whatever it does meanwhile. */
__attribute__((noreturn)) static int meddle(void *argument)
{
	struct mounted *m = argument;
	int ring = descriptor_of(m, "/dev/rfuse");
	unsigned int seed = (unsigned int)getpid();

	for (unsigned int i = 0;; i++) {
		int program = random_program(&seed);

		place(ring, (uint32_t)rand_r(&seed) % RFUSE_BPF_OPCODES, rand_r(&seed) % 3 ? program : -1);
		close(program);
		pause_ms(2);
	}
}

struct tally {
	uint64_t reaped, spurious, refused, requests, killed, programs;
};

static uint64_t counter_of(unsigned int device, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/rfuse/%u/counters", device);
	return number_in(path, name);
}

/* The connection's number, from the mount table: the mount itself may lie or hang. */
static unsigned int device_of(struct mounted *m)
{
	unsigned int device = 0;
	char line[512];
	FILE *file = fopen("/proc/self/mountinfo", "r");

	while (file && fgets(line, sizeof(line), file)) {
		unsigned int major_number, minor_number;

		if (strstr(line, m->path) && sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) == 2)
			device = minor_number;
	}
	fclose(file);
	return device;
}

static void add_counters(unsigned int device, struct tally *t)
{
	t->reaped += counter_of(device, "\nreaped");
	t->spurious += counter_of(device, "\nspurious");
	t->refused += counter_of(device, "\nrefused");
	t->requests += counter_of(device, "ring_requests");
	t->programs += counter_of(device, "bpf_replies") + counter_of(device, "bpf_upcalls");
}

static void evil_round(unsigned int round, struct tally *t)
{
	char seed[32], type[32];
	pid_t victims[VICTIMS];
	unsigned int device;
	struct mounted m;
	pid_t meddler;

	snprintf(seed, sizeof(seed), "threads=%u", round + 1);
	snprintf(type, sizeof(type), "type=%s", round % 2 ? "rfuse" : "fuse");
	m = start("evil", seed, type, "depth=32", "spin_us=30", NULL);
	device = device_of(&m);
	meddler = child(meddle, &m);
	for (unsigned int i = 0; i < VICTIMS; i++)
		victims[i] = child(victim, &m);
	for (unsigned int at = 0; at < ROUND_MS; at += 250) {
		unsigned int i = at / 250 % VICTIMS;

		pause_ms(250);
		/* One after the other is killed in whatever request it is, and replaced. */
		kill(victims[i], SIGKILL);
		t->killed += ended(victims[i], 1000) == 128 + SIGKILL;
		victims[i] = child(victim, &m);
	}
	add_counters(device, t);
	kill(m.pid, SIGUSR1);
	pause_ms(50);
	/* The copy of the ring that it holds goes first: the daemon's end has to be the ring's end. */
	kill(meddler, SIGKILL);
	check(ended(meddler, DEADLINE_MS) == 128 + SIGKILL);
	kill_daemon(&m);
	for (unsigned int i = 0; i < VICTIMS; i++) {
		kill(victims[i], SIGKILL);
		check(ended(victims[i], DEADLINE_MS) != -1);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	unmount(&m);
}

static void evil_daemons(void)
{
	struct mounted honest = start("rfused", "threads=2", NULL);
	pid_t client = child(honest_client, &honest);
	struct tally t = { 0 };
	unsigned int round;
	int status = 0;

	for (round = 0; round < MOST_ROUNDS && (t.reaped < ENOUGH || round < 4); round++) {
		evil_round(round, &t);
		if (waitpid(client, &status, WNOHANG) > 0)
			fail("the honest mount's client ended with %d", WEXITSTATUS(status));
	}
	note("%u hostile daemons: %llu completion entries consumed, %llu of them refused as spurious", round,
	     (unsigned long long)t.reaped, (unsigned long long)t.spurious);
	note("%llu requests, %llu replies refused, %llu callers killed", (unsigned long long)t.requests,
	     (unsigned long long)t.refused, (unsigned long long)t.killed);
	note("%llu requests asked a program of nonsense", (unsigned long long)t.programs);
	note("the honest mount meanwhile: %llu requests, 0 errors",
	     (unsigned long long)counter(&honest, "ring_requests"));
	check(t.reaped >= ENOUGH);
	check(t.refused > 0 && t.spurious > 0 && t.programs > 0);
	check(counter(&honest, "refused") == 0 && counter(&honest, "spurious") == 0);
	kill(client, SIGKILL);
	check(ended(client, DEADLINE_MS) == 128 + SIGKILL);
	stop(&honest);
}

static bool unloads(void *unused)
{
	(void)unused;
	return unload_module() == 0;
}

static void nothing_left(void)
{
	check(eventually(unloads, NULL, DEADLINE_MS));
	if (write_text("/sys/kernel/debug/kmemleak", "scan") == 0) {
		char text[4096];
		int fd = open("/sys/kernel/debug/kmemleak", O_RDONLY);
		ssize_t length = read(fd, text, sizeof(text) - 1);

		close(fd);
		text[length > 0 ? length : 0] = 0;
		if (strstr(text, "rfuse"))
			fail("leaked: %s", text);
		note("kmemleak found nothing of rfuse");
	}
	check(load_module("") == 0);
}

const struct test_case EVIL_CASES[] = {
	{ "hostile daemons until 100000 completions, an honest mount beside them", evil_daemons },
	{ "the module unloads afterwards, and nothing is left", nothing_left },
	{ 0 },
};
