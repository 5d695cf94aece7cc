// SPDX-License-Identifier: MIT
/*
 * The interpreter: reads "command word word" lines, prints "ok VALUE" or "err ERRNO NAME".
 * Bytes that are not printable travel as %XX; a lone % is the empty word.
 * It makes no decision about what a result ought to be: that is the test's business.
 */
#include "probe.h"

#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define C(name) { #name, name }

static const struct { const char *name; long long value; } constants[] = {
	C(O_RDONLY), C(O_WRONLY), C(O_RDWR), C(O_CREAT), C(O_EXCL), C(O_TRUNC), C(O_APPEND), C(O_NOFOLLOW),
	C(O_DIRECTORY), C(O_TMPFILE), C(O_PATH), C(O_NONBLOCK), C(O_DIRECT), C(O_SYNC), C(O_DSYNC), C(O_NOATIME),
	C(S_IFREG), C(S_IFDIR), C(S_IFIFO), C(S_IFSOCK), C(S_IFCHR), C(S_IFBLK), C(S_IFLNK),
	C(SEEK_SET), C(SEEK_CUR), C(SEEK_END), C(SEEK_DATA), C(SEEK_HOLE),
	C(R_OK), C(W_OK), C(X_OK), C(F_OK), C(LOCK_SH), C(LOCK_EX), C(LOCK_UN), C(LOCK_NB),
	C(F_RDLCK), C(F_WRLCK), C(F_UNLCK), C(RENAME_NOREPLACE), C(RENAME_EXCHANGE), C(RENAME_WHITEOUT),
	C(XATTR_CREATE), C(XATTR_REPLACE), C(PROT_NONE), C(PROT_READ), C(PROT_WRITE), C(PROT_EXEC),
	C(MAP_SHARED), C(MAP_PRIVATE), C(MS_SYNC), C(MS_ASYNC), C(MS_INVALIDATE),
	C(FALLOC_FL_KEEP_SIZE), C(FALLOC_FL_PUNCH_HOLE), C(FALLOC_FL_COLLAPSE_RANGE), C(FALLOC_FL_ZERO_RANGE),
	C(FALLOC_FL_INSERT_RANGE), C(AT_SYMLINK_NOFOLLOW), C(AT_EMPTY_PATH), C(AT_FDCWD), C(AT_SYMLINK_FOLLOW),
	C(AT_REMOVEDIR), C(RLIMIT_FSIZE), C(RLIMIT_NOFILE), C(SYS_flock), C(SYS_fcntl), C(SYS_read), C(SYS_openat),
	{ "INT64_MAX", LLONG_MAX },
};

int given(struct word w)
{
	return w.p != NULL;
}

static long long one_number(const char *text)
{
	char *end;
	long long value = strtoll(text, &end, 0);

	if (end != text && *end == '\0')
		return value;
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (strcmp(constants[i].name, text) == 0)
			return constants[i].value;
	fprintf(stderr, "probe: unknown constant %s\n", text);
	exit(3);
}

long long number(struct word w)
{
	long long value = 0;
	char *copy = strdup(w.p ? w.p : "0"), *rest = copy, *part;

	while ((part = strsep(&rest, "|")))
		value |= one_number(part);
	free(copy);
	return value;
}

void put_escaped(const void *p, size_t n)
{
	const unsigned char *byte = p;

	for (size_t i = 0; i < n; i++) {
		if (byte[i] <= ' ' || byte[i] >= 0x7f || byte[i] == '%')
			printf("%%%02X", byte[i]);
		else
			putchar(byte[i]);
	}
}

long reply_bytes(const void *p, size_t n)
{
	printf("ok ");
	put_escaped(p, n);
	putchar('\n');
	return REPLIED;
}

long reply_failure(const char *name, const char *detail)
{
	printf("err 0 %s ", name);
	put_escaped(detail, strlen(detail));
	putchar('\n');
	return REPLIED;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place; the decoded word is never longer than the encoded one. */
static struct word decode(char *text)
{
	struct word w = { text, 0 };

	for (char *in = text; *in; in++) {
		if (*in != '%') {
			w.p[w.n++] = *in;
		} else if (hex(in[1]) >= 0 && hex(in[2]) >= 0) {
			w.p[w.n++] = (char)(hex(in[1]) << 4 | hex(in[2]));
			in += 2;
		}
	}
	w.p[w.n] = '\0';
	return w;
}

static const struct command *find(const char *name)
{
	const struct command *tables[] = { path_commands, file_commands, directory_commands, process_commands };

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct command *c = tables[t]; c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

static void execute(char *line)
{
	struct word words[MAX_WORDS + 1] = { 0 };
	const struct command *command;
	char *name = strsep(&line, " "), *part;
	int count = 0;
	long result;

	while (count < MAX_WORDS && (part = strsep(&line, " ")))
		words[count++] = decode(part);
	command = find(name);
	if (!command || count < command->min || count > command->max) {
		fprintf(stderr, "probe: cannot run %s with %d words\n", name, count);
		exit(3);
	}
	errno = 0;
	result = command->run(words);
	if (result == -1)
		printf("err %d %s\n", errno, strerrorname_np(errno));
	else if (result != REPLIED)
		printf("ok %ld\n", result);
	fflush(stdout);
}

/* SIGUSR1 does nothing, without SA_RESTART: a blocked call returns EINTR. */
static void interrupted(int signal)
{
	(void)signal;
}

int main(void)
{
	struct sigaction action = { .sa_handler = interrupted };
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(022);
	while ((n = getline(&line, &room, stdin)) > 0 || (n < 0 && errno == EINTR && !feof(stdin))) {
		if (n <= 0) {
			clearerr(stdin);
			continue;
		}
		line[n - 1] = '\0';
		execute(line);
	}
	return 0;
}
