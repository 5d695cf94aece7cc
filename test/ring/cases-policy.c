/* SPDX-License-Identifier: MIT */
/* eBPF programs from outside: what they see, who may place which, and what happens to them under load and at the end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "program.h"

#define ROOT 1
#define HELLO 2

static int bystander(void)
{
	return PROGRAM(.verdict = RFUSE_BPF_UPCALL);
}

static int refuser(int error)
{
	return PROGRAM(.verdict = RFUSE_BPF_REPLY, .stores = { WRITE_FIELD(error, error) });
}

/* A program that replies -EXDEV when the 32 bits at OFFSET of the context are VALUE. */
static int detector(unsigned int offset, uint32_t value)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = (int16_t)offset },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 0, .imm = RFUSE_BPF_UPCALL },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 3, .imm = (int32_t)value },
		{ .code = BPF_JMP | BPF_JNE | BPF_X, .dst_reg = 2, .src_reg = 3, .off = 3 },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 2, .imm = -EXDEV },
		{ .code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = 1, .src_reg = 2, .off = (int16_t)IN(error) },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 0, .imm = RFUSE_BPF_REPLY },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return load_program(BPF_PROG_TYPE_SYSCALL, code, sizeof(code) / sizeof(code[0]), NULL);
}

static void expect_seen(int ring, uint32_t opcode, unsigned int offset, uint32_t value, int (*request)(const char *),
			const char *path)
{
	int error;

	place_and_close(ring, opcode, detector(offset, value));
	error = request(path);
	if (error != -EXDEV)
		fail("opcode %u: the context at %u is not %u: request gave %d", opcode, offset, value, error);
	check(place(ring, opcode, -1) == 0);
}

static int stat_as_4711(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(4712) || setuid(4711))
			_exit(100);
		_exit(-stat_file(path));
	}
	return -ended(pid, DEADLINE_MS);
}

static int rename_to_new(const char *path)
{
	char to[160];

	snprintf(to, sizeof(to), "%s.new", path);
	return rename(path, to) ? -errno : 0;
}

static int rename_if_new(const char *path)
{
	char to[160];

	snprintf(to, sizeof(to), "%s.new", path);
	return renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE) ? -errno : 0;
}

static int open_writing(const char *path)
{
	int fd = open(path, O_WRONLY | O_EXCL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int write_five(const char *path)
{
	return write_text(path, "five!");
}

static int make_link(const char *path)
{
	return symlink("where/to", path) ? -errno : 0;
}

/* Each value of the context is seen by a program that replies only when it is there. */
static void what_a_program_sees(void)
{
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse");
	const char *hello = file_of(&m, "hello"), *big = file_of(&m, "big"), *fresh = file_of(&m, "fresh");

	expect_seen(ring, FUSE_LOOKUP, IN(opcode), FUSE_LOOKUP, stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(nodeid), ROOT, stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(nodeid) + 4, 0, stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(uid), 4711, stat_as_4711, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(gid), 4712, stat_as_4711, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(pid), (uint32_t)getpid(), stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(name_len), 5, stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(name), 0x6c6c6568, stat_file, hello);	/* "hell" */
	expect_seen(ring, FUSE_LOOKUP, IN(name) + 4, 'o', stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(arg_size), 0, stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(out_size), sizeof(struct fuse_entry_out), stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(flags), RFUSE_BPF_HAS_GENERATION, stat_file, hello);
	expect_seen(ring, FUSE_LOOKUP, IN(generation), 0, stat_file, hello);
	expect_seen(ring, FUSE_GETATTR, IN(arg_size), sizeof(struct fuse_getattr_in), stat_file, hello);
	expect_seen(ring, FUSE_GETATTR, IN(nodeid), HELLO, stat_file, hello);
	expect_seen(ring, FUSE_OPEN, IN(arg) + offsetof(struct fuse_open_in, flags), O_WRONLY | 0100000 /* O_LARGEFILE */,
		    open_writing, big);
	expect_seen(ring, FUSE_WRITE, IN(hidden), 5, write_five, big);
	expect_seen(ring, FUSE_WRITE, IN(arg) + offsetof(struct fuse_write_in, size), 5, write_five, big);
	expect_seen(ring, FUSE_RENAME, IN(name_len), 5, rename_to_new, hello);
	expect_seen(ring, FUSE_RENAME, IN(name2_len), 9, rename_to_new, hello);
	expect_seen(ring, FUSE_RENAME, IN(name) + 4, 'o', rename_to_new, hello);
	expect_seen(ring, FUSE_RENAME, IN(name2) + 4, 0x656e2e6f, rename_to_new, hello);	/* "o.ne" */
	expect_seen(ring, FUSE_RENAME, IN(arg), ROOT, rename_to_new, hello);
	expect_seen(ring, FUSE_RENAME2, IN(arg) + offsetof(struct fuse_rename2_in, flags), RENAME_NOREPLACE, rename_if_new,
		    hello);
	expect_seen(ring, FUSE_RENAME2, IN(name2) + 8, 'w', rename_if_new, hello);
	expect_seen(ring, FUSE_SYMLINK, IN(name), 0x73657266, make_link, fresh);	/* "fres" */
	expect_seen(ring, FUSE_SYMLINK, IN(hidden), 9, make_link, fresh);
	close(ring);
	stop(&m);
}

/* A generation that the program itself gave comes back to it. */
static void generations(void)
{
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse");
	const char *ghost = file_of(&m, "ghost");

	place_and_close(ring, FUSE_LOOKUP, PROGRAM(.nodeid = ROOT, .name = "ghost", .verdict = RFUSE_BPF_REPLY, .stores = {
		WRITE_OUT(0, struct fuse_entry_out, nodeid, 77777),
		WRITE_OUT(0, struct fuse_entry_out, generation, 0x900000005ull),
		WRITE_OUT(0, struct fuse_entry_out, attr.mode, S_IFREG | 0600) }));
	expect_seen(ring, FUSE_GETATTR, IN(generation), 5, stat_file, ghost);
	expect_seen(ring, FUSE_GETATTR, IN(flags), RFUSE_BPF_HAS_GENERATION, stat_file, ghost);
	check(program_counters(ring, FUSE_LOOKUP).refused == 0);
	close(ring);
	stop(&m);
}

/* Names that the context has no room for: the program is not asked. */
static void long_names(void)
{
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse");
	char path[600];
	size_t root = (size_t)snprintf(path, sizeof(path), "%s/", m.path);

	place_and_close(ring, FUSE_LOOKUP, refuser(-EACCES));
	memset(path + root, 'x', 300);
	path[root + 255] = 0;
	check(stat_file(path) == -EACCES);
	path[root + 255] = 'x';
	path[root + 256] = 0;
	check(stat_file(path) == -ENOENT);
	check(program_counters(ring, FUSE_LOOKUP).replies == 1);
	check(program_counters(ring, FUSE_LOOKUP).skipped == 1);
	close(ring);
	stop(&m);
}

static int map_of_programs(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	check(fd >= 0);
	return fd;
}

/* -1 where the kernel itself refuses a tail call. */
static int tail_caller(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map_of_programs() },
		{ 0 },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	int error, fd = load_program(BPF_PROG_TYPE_SYSCALL, code, sizeof(code) / sizeof(code[0]), &error);

	check(fd >= 0 || error == EINVAL);
	return fd;
}

static void wrong_programs(void)
{
	static const uint32_t NEVER[] = {
		0, FUSE_FORGET, FUSE_INIT, FUSE_DESTROY, FUSE_RELEASE, FUSE_RELEASEDIR, FUSE_INTERRUPT,
		FUSE_NOTIFY_REPLY, FUSE_BATCH_FORGET, 60, RFUSE_BPF_OPCODES, 4096, ~0u,
	};
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT },
	};
	struct mounted m = start("rfused", NULL), blind = start("rfused", "features=0", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse"), other = descriptor_of(&blind, "/dev/rfuse");
	int good = bystander(), caller = tail_caller();
	struct rfuse_bpf flagged = { .opcode = FUSE_LOOKUP, .fd = good, .flags = 1 };
	struct rfuse_bpf reserved = { .opcode = FUSE_LOOKUP, .fd = good, .reserved = 1 };
	struct rfuse_bpf_counters unknown = { .opcode = FUSE_INIT };

	check(place(ring, FUSE_LOOKUP, 9999) == EBADF);
	check(place(ring, FUSE_LOOKUP, ring) == EINVAL);
	check(place(ring, FUSE_LOOKUP, -2) == EINVAL);
	for (unsigned int i = 0; i < sizeof(NEVER) / sizeof(NEVER[0]); i++)
		check(place(ring, NEVER[i], good) == EINVAL);
	check(ioctl(ring, RFUSE_IOC_BPF, &flagged) < 0 && errno == EINVAL);
	check(ioctl(ring, RFUSE_IOC_BPF, &reserved) < 0 && errno == EINVAL);
	check(ioctl(ring, RFUSE_IOC_BPF, NULL) < 0 && errno == EFAULT);
	check(ioctl(ring, RFUSE_IOC_BPF_COUNTERS, &unknown) < 0 && errno == EINVAL);
	check(place(ring, FUSE_LOOKUP, load_program(BPF_PROG_TYPE_SOCKET_FILTER, nothing, 2, NULL)) == EINVAL);
	check(place(ring, FUSE_LOOKUP, PROGRAM(.stores = { { sizeof(struct rfuse_bpf_context), 4, 1 } })) == EINVAL);
	check(place(ring, FUSE_LOOKUP, PROGRAM(.stores = { { sizeof(struct rfuse_bpf_context) - 4, 4, 1 } })) == 0);
	check(caller < 0 || place(ring, FUSE_LOOKUP, caller) == EINVAL);
	check(place(ring, FUSE_LOOKUP, replaceable_program()) == EINVAL);
	check(place(other, FUSE_LOOKUP, good) == EOPNOTSUPP);
	check(stat_file(file_of(&m, "hello")) == 0);
	close(ring);
	close(other);
	stop(&m);
	stop(&blind);
}

struct attempt {
	int ring, program;
	uint32_t capability;	/* the only one left; ~0: none */
};

static int place_with_less(void *argument)
{
	const struct attempt *a = argument;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct left[2] = { 0 };

	if (a->capability != ~0u) {
		left[a->capability / 32].effective = 1u << (a->capability % 32);
		left[a->capability / 32].permitted = 1u << (a->capability % 32);
	}
	if (syscall(SYS_capset, &header, left))
		return 100;
	return place(a->ring, FUSE_LOOKUP, a->program);
}

static int try_with(int ring, int program, uint32_t capability)
{
	struct attempt a = { ring, program, capability };

	return ended(child(place_with_less, &a), DEADLINE_MS);
}

static int place_as_another(void *argument)
{
	const struct attempt *a = argument;

	return seteuid(4711) ? 100 : place(a->ring, FUSE_LOOKUP, a->program);
}

static void capabilities(void)
{
	struct mounted m = start("rfused", NULL), mine = start("rfused", "private=1", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse"), own = descriptor_of(&mine, "/dev/rfuse"), good = bystander();
	struct attempt other = { ring, good, 0 };

	check(try_with(ring, good, ~0u) == EPERM);
	check(try_with(ring, -1, ~0u) == EPERM);
	check(try_with(ring, good, CAP_NET_ADMIN) == EPERM);
	/* Other users' processes would run it. */
	check(try_with(ring, good, CAP_BPF) == EPERM);
	check(try_with(ring, good, CAP_SYS_ADMIN) == 0);
	check(try_with(own, good, ~0u) == EPERM);
	check(try_with(own, good, CAP_BPF) == 0);
	check(try_with(own, good, CAP_SYS_ADMIN) == 0);
	/* A descriptor is used by the credentials that opened it. */
	check(ended(child(place_as_another, &other), DEADLINE_MS) == EPERM);
	check(stat_file(file_of(&m, "hello")) == 0 && stat_file(file_of(&mine, "hello")) == 0);
	close(ring);
	close(own);
	stop(&m);
	stop(&mine);
}

static int stat_many(void *path)
{
	for (unsigned int i = 0; i < 1500; i++) {
		int error = stat_file(path);

		if (error && error != -EACCES)
			return -error;
	}
	return 0;
}

static int stat_until_gone(void *path)
{
	int error = 0;

	while (!error || error == -EACCES)
		error = stat_file(path);
	return -error;
}

static void under_load(void)
{
	struct mounted m = start("rfused", "threads=2", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse"), programs[] = { refuser(-EACCES), bystander(), -1 };
	struct rfuse_bpf_counters counters;
	pid_t callers[4];

	for (unsigned int i = 0; i < 4; i++)
		callers[i] = child(stat_many, (void *)file_of(&m, "hello"));
	for (unsigned int i = 0; i < 90; i++) {
		check(place(ring, FUSE_LOOKUP, programs[i % 3]) == 0);
		pause_ms(5);
	}
	for (unsigned int i = 0; i < 4; i++)
		check(ended(callers[i], DEADLINE_MS) == 0);
	counters = program_counters(ring, FUSE_LOOKUP);
	check(counters.refused == 0 && counters.skipped == 0);
	note("90 replacements: %llu replies, %llu upcalls", (unsigned long long)counters.replies,
	     (unsigned long long)counters.upcalls);
	close(ring);
	stop(&m);
}

/* A program that reads a byte of the caller's at ADDRESS, which may be one of a file of this very mount. */
static int reader(const void *address)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = -8 },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 1 },
		{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 3, .imm = (int32_t)(uintptr_t)address },
		{ .imm = (int32_t)((uintptr_t)address >> 32) },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_copy_from_user },
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 0, .imm = RFUSE_BPF_UPCALL },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return load_program(BPF_PROG_TYPE_SYSCALL, code, sizeof(code) / sizeof(code[0]), NULL);
}

static int statfs_of(void *path)
{
	struct statfs s;

	return statfs(path, &s) ? errno : 0;
}

static int take_away(void *ring)
{
	return place(*(int *)ring, FUSE_STATFS, -1);
}

/* What takes it away waits for it: not for ever, and not when it is killed. */
static void asleep_in_its_own_mount(void)
{
	struct mounted m = start("rfused", NULL);
	int ring = descriptor_of(&m, "/dev/rfuse"), hello = open(file_of(&m, "hello"), O_RDONLY);
	const void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, hello, 0);
	pid_t sleeper, killed, patient;

	check(hello >= 0 && page != MAP_FAILED);
	close(hello); /* whoever ends with it open waits for FLUSH */
	place_and_close(ring, FUSE_STATFS, reader(page));
	check(kill(m.pid, SIGSTOP) == 0);
	sleeper = child(statfs_of, m.path);
	pause_ms(500);
	killed = child(take_away, &ring);
	check(ended(killed, 500) == -1);
	check(kill(killed, SIGKILL) == 0);
	check(ended(killed, 5000) == 128 + SIGKILL);
	check(program_counters(ring, FUSE_STATFS).program == 0);
	check(place(ring, FUSE_STATFS, bystander()) == 0);
	patient = child(take_away, &ring);
	check(ended(patient, DEADLINE_MS) == ETIMEDOUT);
	check(ended(sleeper, 0) == -1);
	check(kill(m.pid, SIGCONT) == 0);
	check(ended(sleeper, DEADLINE_MS) == 0);
	check(place(ring, FUSE_STATFS, bystander()) == 0 && place(ring, FUSE_STATFS, -1) == 0);
	munmap((void *)page, 4096);
	close(ring);
	stop(&m);
}

/* Programs that run while the connection goes away: daemon killed, aborted, unmounted. */
static void the_end(void)
{
	static const char *const HOW[] = { "kill", "abort", "umount -l" };

	for (unsigned int how = 0; how < 3; how++) {
		struct mounted m = start("rfused", "threads=2", NULL);
		int ring = descriptor_of(&m, "/dev/rfuse");
		char abort_file[64];
		pid_t callers[4];
		struct stat s;

		check(stat(m.path, &s) == 0);
		place_and_close(ring, FUSE_LOOKUP, refuser(-EACCES));
		place_and_close(ring, FUSE_GETATTR, bystander());
		close(ring);
		for (unsigned int i = 0; i < 4; i++)
			callers[i] = child(stat_until_gone, (void *)file_of(&m, "hello"));
		pause_ms(100);
		if (how == 0) {
			kill_daemon(&m);
			unmount(&m);
		} else if (how == 1) {
			snprintf(abort_file, sizeof(abort_file), "/sys/fs/fuse/connections/%u/abort", minor(s.st_dev));
			check(write_text(abort_file, "1") == 0);
			check(ended(m.pid, DEADLINE_MS) >= 0);
			unmount(&m);
		} else {
			check(umount2(m.path, MNT_DETACH) == 0);
			check(ended(m.pid, DEADLINE_MS) == 0);
			rmdir(m.path);
		}
		for (unsigned int i = 0; i < 4; i++)
			check(ended(callers[i], DEADLINE_MS) > 0);
		note("%s", HOW[how]);
	}
	check(unload_module() == 0);
	check(load_module("") == 0);
}

const struct test_case POLICY_CASES[] = {
	{ "what a program sees of a request", what_a_program_sees },
	{ "generations", generations },
	{ "names that do not fit", long_names },
	{ "wrong programs, wrong arguments", wrong_programs },
	{ "capabilities", capabilities },
	{ "replaced and taken away under load", under_load },
	{ "asleep in a page of its own mount", asleep_in_its_own_mount },
	{ "the connection goes away while programs run", the_end },
	{ 0 },
};
