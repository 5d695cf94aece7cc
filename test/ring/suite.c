/* SPDX-License-Identifier: MIT */
/*
 * The suite of the kernel module: suite [-m MODULE.ko] [PART]...
 * Runs as root in a guest, with rfused and evil beside it; loads the module if it
 * is not there. Each case is a process. Ends with "N passed, N failed, N skipped".
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define STATUS_FAILED 1
#define STATUS_SKIPPED 77

static const struct {
	const char *name;
	const struct test_case *cases;
} PARTS[] = {
	{ "serve", SERVE_CASES },
	{ "death", DEATH_CASES },
	{ "abuse", ABUSE_CASES },
	{ "bpf", BPF_CASES },
	{ "policy", POLICY_CASES },
	{ "evil", EVIL_CASES },
};
#define NPARTS (sizeof(PARTS) / sizeof(PARTS[0]))

static const char *module_path = "/rfuse.ko";

static void say(const char *how, const char *format, va_list arguments)
{
	printf("    %s", how);
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
}

void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("FAILED: ", format, arguments);
	va_end(arguments);
	_exit(STATUS_FAILED);
}

void skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("skipped: ", format, arguments);
	va_end(arguments);
	_exit(STATUS_SKIPPED);
}

int load_module(const char *options)
{
	char command[256];

	snprintf(command, sizeof(command), "insmod %s %s", module_path, options);
	return system(command);
}

int unload_module(void)
{
	return system("rmmod rfuse 2>/dev/null");
}

/* What the kernel printed since the last look that no test may cause. */
static bool kernel_complained(void)
{
	static const char *const WORDS[] = {
		"KASAN", "BUG:", "WARNING:", "Oops", "possible circular", "possible recursive",
		"suspicious RCU", "sleeping function", "INFO: task", "general protection", "kmemleak:",
	};
	static char text[1 << 20];
	int length = klogctl(4 /* read and clear */, text, sizeof(text) - 1);
	bool bad = false;

	text[length > 0 ? length : 0] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		for (unsigned int i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
			if (!bad && strstr(line, WORDS[i]))
				bad = true;
		}
		if (bad)
			printf("    kernel: %s\n", line);
	}
	return bad;
}

/* A case that failed leaves its mounts behind. */
static void leave_nothing_mounted(void)
{
	char line[512], path[256];
	FILE *file = fopen("/proc/self/mountinfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %255s", path) == 1 &&
		    (strncmp(path, "/tmp/ring-", 10) == 0 || strncmp(path, "/tmp/bare-", 10) == 0))
			umount2(path, MNT_DETACH);
	if (file)
		fclose(file);
}

static int run_case(const struct test_case *one)
{
	int status = -1;
	pid_t pid;

	printf("  %s\n", one->name);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		one->run();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);	/* whatever the case left running */
	leave_nothing_mounted();
	if (kernel_complained())
		return STATUS_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_FAILED;
}

static bool chosen(const char *part, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], part) == 0)
			return true;
	return argc == 0;
}

int main(int argc, char **argv)
{
	unsigned int passed = 0, failed = 0, skipped = 0;

	if (argc > 2 && strcmp(argv[1], "-m") == 0) {
		module_path = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (!module_loaded() && load_module(""))
		return 2;
	klogctl(5 /* clear */, NULL, 0);
	for (unsigned int part = 0; part < NPARTS; part++) {
		if (!chosen(PARTS[part].name, argc - 1, argv + 1))
			continue;
		printf("%s\n", PARTS[part].name);
		for (const struct test_case *one = PARTS[part].cases; one->name; one++) {
			int status = run_case(one);

			passed += status == 0;
			skipped += status == STATUS_SKIPPED;
			failed += status != 0 && status != STATUS_SKIPPED;
		}
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed || !passed;
}
