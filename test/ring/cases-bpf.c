/* SPDX-License-Identifier: MIT */
/* eBPF programs that answer: every kind of reply, FORGET's balance, and replies that a daemon may not give. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

#define ROOT 1
#define HELLO 2
#define HELLO_SIZE 20
#define GHOST 0x1234567890ull

#define ENTRY(id, gen, file_mode, file_size)					\
	WRITE_OUT(0, struct fuse_entry_out, nodeid, id),			\
	WRITE_OUT(0, struct fuse_entry_out, generation, gen),			\
	WRITE_OUT(0, struct fuse_entry_out, attr.ino, id),			\
	WRITE_OUT(0, struct fuse_entry_out, attr.mode, file_mode),		\
	WRITE_OUT(0, struct fuse_entry_out, attr.size, file_size),		\
	WRITE_OUT(0, struct fuse_entry_out, attr.nlink, 1)
#define ATTR(id, file_mode, file_size)						\
	WRITE_OUT(0, struct fuse_attr_out, attr.ino, id),			\
	WRITE_OUT(0, struct fuse_attr_out, attr.mode, file_mode),		\
	WRITE_OUT(0, struct fuse_attr_out, attr.size, file_size),		\
	WRITE_OUT(0, struct fuse_attr_out, attr.nlink, 1)
/* Up to 8 characters of data. */
#define DATA(text, length) WRITE_FIELD(data_size, length), { IN(data), 8, text }
#define REPLY .verdict = RFUSE_BPF_REPLY
#define ALWAYS(what) PROGRAM(.verdict = (what))

/* Every request of the opcode ends with ERROR. */
static int refuser(int error)
{
	return PROGRAM(REPLY, .stores = { WRITE_FIELD(error, error) });
}

/* The line of LOOKUP, whose first number is the opcode, adds up to what the ioctl says. */
static void expect_in_debugfs(struct mounted *m, const struct rfuse_bpf_counters *counters)
{
	char path[96];
	struct stat s;

	check(stat(m->path, &s) == 0);
	snprintf(path, sizeof(path), "/sys/kernel/debug/rfuse/%u/bpf", minor(s.st_dev));
	check(number_in(path, "\n1") == counters->program + counters->replies + counters->upcalls);
}

/* stat() of a file is LOOKUP and GETATTR: neither reaches the daemon. */
static double stats_us(const char *path, int64_t size)
{
	struct timespec from, to;
	struct stat s;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned int i = 0; i < 1000; i++)
		check(stat(path, &s) == 0 && s.st_size == size && s.st_ino == HELLO);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e6;
}

static void no_request_at_all(void)
{
	struct mounted m = start("rfused", NULL);
	const char *hello = file_of(&m, "hello");
	int ring = descriptor_of(&m, "/dev/rfuse");
	double asked, answered;
	struct rfuse_bpf_counters lookups;
	uint64_t before;
	struct stat s;

	check(stat(hello, &s) == 0 && s.st_ino == HELLO);
	asked = stats_us(hello, HELLO_SIZE);
	place_and_close(ring, FUSE_LOOKUP, PROGRAM(.nodeid = ROOT, .name = "hello", REPLY,
						   .stores = { ENTRY(HELLO, 0, S_IFREG | 0444, 12345) }));
	place_and_close(ring, FUSE_GETATTR, PROGRAM(.nodeid = HELLO, REPLY,
						    .stores = { ATTR(HELLO, S_IFREG | 0444, 12345) }));
	before = daemon_requests(ring);
	answered = stats_us(hello, 12345);
	check(daemon_requests(ring) == before);
	check(program_counters(ring, FUSE_LOOKUP).replies == 1000);
	check(program_counters(ring, FUSE_LOOKUP).upcalls == 0);
	check(program_counters(ring, FUSE_GETATTR).replies == 1000);
	check(counter(&m, "bpf_replies") >= 2000);

	check(stat(file_of(&m, "big"), &s) == 0 && s.st_size == 4 << 20);
	lookups = program_counters(ring, FUSE_LOOKUP);
	check(lookups.upcalls == 1 && lookups.refused == 0 && lookups.skipped == 0);
	expect_in_debugfs(&m, &lookups);
	note("stat: %.1f us by the daemon, %.1f us by programs", asked, answered);
	close(ring);
	stop(&m);
}

static void replaced(void)
{
	struct mounted m = start("rfused", NULL);
	const char *hello = file_of(&m, "hello");
	int ring = descriptor_of(&m, "/dev/rfuse");
	uint32_t first;

	place_and_close(ring, FUSE_LOOKUP, refuser(-EACCES));
	first = program_counters(ring, FUSE_LOOKUP).program;
	check(first != 0);
	check(stat_file(hello) == -EACCES);
	place_and_close(ring, FUSE_LOOKUP, refuser(-511));
	check(stat_file(hello) == -511);
	check(program_counters(ring, FUSE_LOOKUP).program != first);
	place_and_close(ring, FUSE_LOOKUP, ALWAYS(RFUSE_BPF_UPCALL));
	check(stat_file(hello) == 0);
	check(place(ring, FUSE_LOOKUP, -1) == 0 && place(ring, FUSE_LOOKUP, -1) == 0);
	check(program_counters(ring, FUSE_LOOKUP).program == 0);
	check(program_counters(ring, FUSE_LOOKUP).replies == 2);
	check(stat_file(hello) == 0);
	close(ring);
	stop(&m);
}

static void read_ghost(struct mounted *m)
{
	char text[16] = "";
	int fd = open(file_of(m, "ghost"), O_RDONLY);

	check(fd >= 0);
	check(read(fd, text, sizeof(text)) == 4 && memcmp(text, "boo\n", 4) == 0);
	check(pread(fd, text, sizeof(text), 0) == 4);
	close(fd);
}

/* A file, a link and their attributes that the daemon knows nothing of. */
static void synthetic(void)
{
	const struct rule entries[] = {
		{ .nodeid = ROOT, .name = "ghost", REPLY, .stores = { ENTRY(GHOST, 7, S_IFREG | 0444, 4) } },
		{ .nodeid = ROOT, .name = "way", REPLY, .stores = { ENTRY(GHOST + 1, 7, S_IFLNK | 0777, 5) } },
		{ .nodeid = ROOT, .name = "never", REPLY, .stores = { WRITE_OUT(0, struct fuse_entry_out, entry_valid, 60) } },
	};
	const struct rule attrs[] = {
		{ .nodeid = GHOST, REPLY, .stores = { ATTR(GHOST, S_IFREG | 0444, 4) } },
		{ .nodeid = GHOST + 1, REPLY, .stores = { ATTR(GHOST + 1, S_IFLNK | 0777, 5) } },
	};
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse");
	uint64_t before;
	char target[16];
	struct stat s;

	place_and_close(ring, FUSE_LOOKUP, program_of(entries, 3));
	place_and_close(ring, FUSE_GETATTR, program_of(attrs, 2));
	place_and_close(ring, FUSE_OPEN, PROGRAM(.nodeid = GHOST, REPLY, .stores = {
		WRITE_OUT(0, struct fuse_open_out, fh, 99),
		WRITE_OUT(0, struct fuse_open_out, open_flags, FOPEN_DIRECT_IO) }));
	place_and_close(ring, FUSE_READ, PROGRAM(.nodeid = GHOST, REPLY, .stores = { DATA(0x0a6f6f62, 4) }));
	place_and_close(ring, FUSE_FLUSH, PROGRAM(.nodeid = GHOST, REPLY));
	place_and_close(ring, FUSE_READLINK, PROGRAM(.nodeid = GHOST + 1, REPLY, .stores = { DATA(0x74736f6867, 5) }));

	check(stat(file_of(&m, "ghost"), &s) == 0 && s.st_ino == GHOST && s.st_size == 4);
	read_ghost(&m);
	check(readlink(file_of(&m, "way"), target, sizeof(target)) == 5 && memcmp(target, "ghost", 5) == 0);
	check(stat(file_of(&m, "way"), &s) == 0 && s.st_ino == GHOST);
	check(program_counters(ring, FUSE_READLINK).replies >= 1);
	check(program_counters(ring, FUSE_READ).replies == 2);

	check(stat_file(file_of(&m, "never")) == -ENOENT);
	before = program_counters(ring, FUSE_LOOKUP).replies;
	check(stat_file(file_of(&m, "never")) == -ENOENT);	/* a negative entry that the kernel keeps */
	check(program_counters(ring, FUSE_LOOKUP).replies == before);
	for (uint32_t opcode = 1; opcode < 40; opcode++)
		check(place(ring, opcode, -1) != 0 || program_counters(ring, opcode).refused == 0);
	close(ring);
	stop(&m);
}

static void attributes(void)
{
	const struct rule xattrs[] = {
		{ .nodeid = HELLO, .name = "user.a", REPLY, .stores = { DATA(0x646362, 3) } },
		{ .nodeid = HELLO, .name = "user.no", REPLY, .stores = { WRITE_FIELD(error, -ENODATA) } },
		{ .nodeid = HELLO, .name = "user.s", REPLY, .stores = { WRITE_OUT(0, struct fuse_getxattr_out, size, 77) } },
	};
	struct mounted m = start("rfused", NULL);
	const char *hello = file_of(&m, "hello");
	int ring = descriptor_of(&m, "/dev/rfuse");
	char value[16];

	place_and_close(ring, FUSE_GETXATTR, program_of(xattrs, 3));
	place_and_close(ring, FUSE_LISTXATTR, PROGRAM(.nodeid = HELLO, REPLY, .stores = { DATA(0x00612e72657375, 7) }));
	place_and_close(ring, FUSE_ACCESS, PROGRAM(.nodeid = HELLO, REPLY, .stores = { WRITE_FIELD(error, -EACCES) }));
	check(getxattr(hello, "user.a", value, sizeof(value)) == 3 && memcmp(value, "bcd", 3) == 0);
	check(getxattr(hello, "user.no", value, sizeof(value)) == -1 && errno == ENODATA);
	check(getxattr(hello, "user.s", NULL, 0) == 77);
	check(listxattr(hello, value, sizeof(value)) == 7 && strcmp(value, "user.a") == 0);
	check(access(hello, R_OK) == -1 && errno == EACCES);
	check(program_counters(ring, FUSE_GETXATTR).refused == 0);
	/* Longer than the caller's buffer: refused, and the daemon has no extended attributes. */
	check(getxattr(hello, "user.a", value, 2) == -1 && errno == EOPNOTSUPP);
	check(program_counters(ring, FUSE_GETXATTR).refused == 1);
	place_and_close(ring, FUSE_ACCESS, PROGRAM(REPLY));
	check(access(hello, R_OK) == 0);
	close(ring);
	stop(&m);
}

struct balance {
	int stats;
	uint64_t wanted;
	unsigned long long lookups, forgets;
};

static bool all_forgotten(void *argument)
{
	struct balance *b = argument;
	char text[256] = "";

	check(pread(b->stats, text, sizeof(text) - 1, 0) > 0);
	check(sscanf(text, "lookups %llu forgets %llu", &b->lookups, &b->forgets) == 2);
	return b->forgets >= b->wanted;
}

/* The daemon's FORGETs are exactly the lookups that the programs answered. */
static void forget_balance(void)
{
	const struct rule entries[] = {
		{ .nodeid = ROOT, .name = "ghost", REPLY, .stores = { ENTRY(GHOST, 0, S_IFREG | 0444, 4) } },
		{ .nodeid = ROOT, .name = "bad", REPLY, .stores = { ENTRY(GHOST, 0, 0444, 4) } },
		{ .nodeid = ROOT, .name = "none", REPLY },
	};
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse");
	struct balance b = { .wanted = 500 };
	struct stat s;

	b.stats = open(file_of(&m, "stats"), O_RDONLY);
	check(b.stats >= 0);
	place_and_close(ring, FUSE_LOOKUP, program_of(entries, 3));
	place_and_close(ring, FUSE_GETATTR, PROGRAM(.nodeid = GHOST, REPLY, .stores = { ATTR(GHOST, S_IFREG | 0444, 4) }));
	for (unsigned int i = 0; i < 500; i++) {
		check(stat(file_of(&m, "ghost"), &s) == 0);
		if (i % 50 == 0) {
			check(stat_file(file_of(&m, "bad")) == -ENOENT);
			check(stat_file(file_of(&m, "none")) == -ENOENT);
		}
	}
	check(program_counters(ring, FUSE_LOOKUP).replies == 510);
	check(program_counters(ring, FUSE_LOOKUP).refused == 10);
	check(place(ring, FUSE_LOOKUP, -1) == 0);
	write_text("/proc/sys/vm/drop_caches", "2");
	check(eventually(all_forgotten, &b, DEADLINE_MS));
	check(b.forgets == 500 && b.lookups == 1);	/* the one of "stats" itself */
	close(b.stats);
	close(ring);
	stop(&m);
}

struct bad_reply {
	const char *what;
	uint32_t opcode;
	uint32_t verdict;
	struct store stores[16];
};

#define BAD_ENTRY(...) { ENTRY(GHOST, 0, S_IFREG | 0444, 4), __VA_ARGS__ }
#define BAD_ATTR(...) { ATTR(HELLO, S_IFREG | 0444, 4), __VA_ARGS__ }

static const struct bad_reply BAD_REPLIES[] = {
	{ "verdict 3", FUSE_LOOKUP, 3, { ENTRY(GHOST, 0, S_IFREG | 0444, 4) } },
	{ "verdict -1", FUSE_LOOKUP, ~0u, { ENTRY(GHOST, 0, S_IFREG | 0444, 4) } },
	{ "passthrough of a LOOKUP", FUSE_LOOKUP, RFUSE_BPF_PASSTHROUGH, { ENTRY(GHOST, 0, S_IFREG | 0444, 4) } },
	{ "passthrough without a backing file", FUSE_OPEN, RFUSE_BPF_PASSTHROUGH,
	  { WRITE_OUT(0, struct fuse_open_out, padding, 1) } },
	{ "error 1", FUSE_LOOKUP, RFUSE_BPF_REPLY, { WRITE_FIELD(error, 1) } },
	{ "error -512", FUSE_LOOKUP, RFUSE_BPF_REPLY, { WRITE_FIELD(error, -512) } },
	{ "error INT_MIN", FUSE_LOOKUP, RFUSE_BPF_REPLY, { WRITE_FIELD(error, 0x80000000u) } },
	{ "error ENOSYS", FUSE_GETATTR, RFUSE_BPF_REPLY, { WRITE_FIELD(error, -ENOSYS) } },
	{ "data where there is none", FUSE_LOOKUP, RFUSE_BPF_REPLY, BAD_ENTRY(WRITE_FIELD(data_size, 1)) },
	{ "4 GiB of data", FUSE_LOOKUP, RFUSE_BPF_REPLY, BAD_ENTRY(WRITE_FIELD(data_size, ~0u)) },
	{ "the root as an entry", FUSE_LOOKUP, RFUSE_BPF_REPLY,
	  BAD_ENTRY(WRITE_OUT(0, struct fuse_entry_out, nodeid, ROOT)) },
	{ "entry of no type", FUSE_LOOKUP, RFUSE_BPF_REPLY,
	  BAD_ENTRY(WRITE_OUT(0, struct fuse_entry_out, attr.mode, 0444)) },
	{ "entry of size -1", FUSE_LOOKUP, RFUSE_BPF_REPLY,
	  BAD_ENTRY(WRITE_OUT(0, struct fuse_entry_out, attr.size, ~0ull)) },
	{ "nanoseconds of a second", FUSE_LOOKUP, RFUSE_BPF_REPLY,
	  BAD_ENTRY(WRITE_OUT(0, struct fuse_entry_out, entry_valid_nsec, 1000000000)) },
	{ "nanoseconds of a time", FUSE_LOOKUP, RFUSE_BPF_REPLY,
	  BAD_ENTRY(WRITE_OUT(0, struct fuse_entry_out, attr.mtimensec, ~0u)) },
	{ "another generation of a living inode", FUSE_LOOKUP, RFUSE_BPF_REPLY, { ENTRY(HELLO, 5, S_IFREG | 0444, 4) } },
	{ "another type of a living inode", FUSE_LOOKUP, RFUSE_BPF_REPLY, { ENTRY(HELLO, 0, S_IFDIR | 0555, 4) } },
	{ "attributes of no type", FUSE_GETATTR, RFUSE_BPF_REPLY,
	  BAD_ATTR(WRITE_OUT(0, struct fuse_attr_out, attr.mode, 0444)) },
	{ "attributes of another type", FUSE_GETATTR, RFUSE_BPF_REPLY,
	  BAD_ATTR(WRITE_OUT(0, struct fuse_attr_out, attr.mode, S_IFDIR | 0444)) },
	{ "attributes of size 2^63", FUSE_GETATTR, RFUSE_BPF_REPLY,
	  BAD_ATTR(WRITE_OUT(0, struct fuse_attr_out, attr.size, 1ull << 63)) },
	{ "nothing at all", FUSE_GETATTR, RFUSE_BPF_REPLY, { { 0 } } },
	{ "1025 bytes read", FUSE_READ, RFUSE_BPF_REPLY, { WRITE_FIELD(data_size, 1025) } },
	{ "more read than asked for", FUSE_READ, RFUSE_BPF_REPLY, { WRITE_FIELD(data_size, 33) } },
};

/* Each is refused and counted, and the daemon's right answer is what the caller gets. */
static void garbage(void)
{
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse");
	char text[32];
	struct stat s;

	check(stat_file(file_of(&m, "hello")) == 0);
	for (unsigned int i = 0; i < sizeof(BAD_REPLIES) / sizeof(BAD_REPLIES[0]); i++) {
		const struct bad_reply *bad = &BAD_REPLIES[i];
		uint64_t before = program_counters(ring, bad->opcode).refused;
		struct rule rule = { .verdict = bad->verdict };
		int fd;

		memcpy(rule.stores, bad->stores, sizeof(bad->stores));
		place_and_close(ring, bad->opcode, program_of(&rule, 1));
		write_text("/proc/sys/vm/drop_caches", "1");
		fd = open(file_of(&m, "hello"), O_RDONLY);
		if (fd < 0 || fstat(fd, &s) || s.st_size != HELLO_SIZE || !S_ISREG(s.st_mode))
			fail("%s: not the daemon's answer: fd %d, size %lld, mode %o, errno %d", bad->what, fd,
			     (long long)s.st_size, s.st_mode, errno);
		check(read(fd, text, sizeof(text)) == HELLO_SIZE && memcmp(text, "hello ", 6) == 0);
		close(fd);
		/* Of this one READ is a request that the caller waits for. */
		fd = open(file_of(&m, "stats"), O_RDONLY);
		check(fd >= 0 && read(fd, text, sizeof(text)) > 8 && memcmp(text, "lookups ", 8) == 0);
		close(fd);
		if (program_counters(ring, bad->opcode).refused == before)
			fail("%s: was not refused", bad->what);
		check(program_counters(ring, bad->opcode).replies == 0);
		check(place(ring, bad->opcode, -1) == 0);
	}
	check(counter(&m, "bpf_replies") == 0);
	note("%u kinds of garbage", (unsigned int)(sizeof(BAD_REPLIES) / sizeof(BAD_REPLIES[0])));
	close(ring);
	stop(&m);
}

struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)

/* A verdict that the module does not take: the daemon opens. */
static void opened_by_daemon(struct mounted *m)
{
	char text[32];
	int fd = open(file_of(m, "hello"), O_RDONLY);

	check(fd >= 0 && read(fd, text, sizeof(text)) == HELLO_SIZE);
	close(fd);
}

/* An OPEN whose file is one of the daemon's backing files, where the kernel has that; elsewhere the verdict is refused. */
static void passthrough(void)
{
	struct mounted m = start("rfused", "passthrough=1", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse"), device = descriptor_of(&m, "/dev/fuse");
	struct backing_map map = { .fd = open("/tmp", O_TMPFILE | O_RDWR, 0600) };
	char text[32];
	int id, fd;

	check(map.fd >= 0 && write(map.fd, "from behind", 11) == 11);
	id = ioctl(device, BACKING_OPEN, &map);
	if (id <= 0) {
		note("this kernel has no FUSE passthrough: %s", strerror(errno));
		place_and_close(ring, FUSE_OPEN, PROGRAM(.verdict = RFUSE_BPF_PASSTHROUGH, .stores = {
			WRITE_OUT(0, struct fuse_open_out, padding, 1) }));
		opened_by_daemon(&m);
		check(program_counters(ring, FUSE_OPEN).refused == 1);
		check(program_counters(ring, FUSE_OPEN).passthroughs == 0);
		close(device);
		close(ring);
		stop(&m);
		return;
	}
	place_and_close(ring, FUSE_OPEN, PROGRAM(.nodeid = HELLO, .verdict = RFUSE_BPF_PASSTHROUGH, .stores = {
		WRITE_OUT(0, struct fuse_open_out, padding, id) }));
	fd = open(file_of(&m, "hello"), O_RDONLY);
	check(fd >= 0);
	check(read(fd, text, sizeof(text)) == 11 && memcmp(text, "from behind", 11) == 0);
	close(fd);
	check(program_counters(ring, FUSE_OPEN).passthroughs == 1);
	/* No such backing file: the daemon opens. */
	place_and_close(ring, FUSE_OPEN, PROGRAM(.verdict = RFUSE_BPF_PASSTHROUGH, .stores = {
		WRITE_OUT(0, struct fuse_open_out, padding, id + 1) }));
	opened_by_daemon(&m);
	/* The flag is the module's to set. */
	place_and_close(ring, FUSE_OPEN, PROGRAM(REPLY, .stores = {
		WRITE_OUT(0, struct fuse_open_out, open_flags, 1 << 7),
		WRITE_OUT(0, struct fuse_open_out, padding, id) }));
	opened_by_daemon(&m);
	check(program_counters(ring, FUSE_OPEN).refused == 2);
	close(device);
	close(ring);
	stop(&m);
}

const struct test_case BPF_CASES[] = {
	{ "LOOKUP and GETATTR answered: no request reaches the daemon", no_request_at_all },
	{ "a program replaced, and taken away", replaced },
	{ "a file and a link that only programs know", synthetic },
	{ "GETXATTR, LISTXATTR and ACCESS answered", attributes },
	{ "FORGET: exactly the lookups that programs answered", forget_balance },
	{ "garbage is refused, and the daemon is asked", garbage },
	{ "OPEN with a backing file", passthrough },
	{ 0 },
};
