/* SPDX-License-Identifier: MIT */
/* The device used wrongly: descriptors, sizes, order, credentials, namespaces, fork. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "program.h"

/* A mount without a daemon program: INIT is answered here, nothing else. */
struct bare {
	char path[64];
	int fuse_fd;
};

static struct bare bare_mount(bool answer_init)
{
	static unsigned int count;
	struct { struct fuse_out_header header; struct fuse_init_out init; } reply = {
		.header = { .len = sizeof(reply) },
		.init = { .major = 7, .minor = 31, .max_write = 65536 },
	};
	struct bare b;
	char options[100], buffer[8192 + 4096];

	snprintf(b.path, sizeof(b.path), "/tmp/bare-%d-%u", getpid(), count++);
	check(mkdir(b.path, 0755) == 0);
	b.fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	check(b.fuse_fd >= 0);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", b.fuse_fd);
	check(mount("bare", b.path, "fuse", 0, options) == 0);
	if (answer_init) {
		check(read(b.fuse_fd, buffer, sizeof(buffer)) > 0);
		reply.header.unique = ((struct fuse_in_header *)buffer)->unique;
		check(write(b.fuse_fd, &reply, sizeof(reply)) == sizeof(reply));
	}
	return b;
}

static void bare_end(struct bare *b)
{
	close(b->fuse_fd);
	umount2(b->path, MNT_DETACH);
	rmdir(b->path);
}

static int ring_open(void)
{
	int fd = open("/dev/rfuse", O_RDWR | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static int attach(int ring, int fd)
{
	return ioctl(ring, RFUSE_IOC_ATTACH, fd) ? errno : 0;
}

static int setup(int ring, struct rfuse_setup *s)
{
	return ioctl(ring, RFUSE_IOC_SETUP, s) ? errno : 0;
}

static void wrong_descriptors(void)
{
	struct bare b = bare_mount(true), early = bare_mount(false);
	int ring = ring_open(), pipes[2], unmounted = open("/dev/fuse", O_RDWR);
	struct rfuse_setup s = { .version = 1 };

	check(pipe(pipes) == 0);
	check(attach(ring, -1) == EBADF);
	check(attach(ring, 9999) == EBADF);
	check(attach(ring, pipes[0]) == EINVAL);
	check(attach(ring, ring) == EINVAL);
	check(attach(ring, open("/dev/null", O_RDWR)) == EINVAL);
	check(attach(ring, unmounted) == ENOTCONN);
	check(attach(ring, early.fuse_fd) == EAGAIN);
	check(setup(ring, &s) == EPERM);
	check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, ring, 0) == MAP_FAILED);
	check(attach(ring, b.fuse_fd) == 0);
	check(attach(ring, b.fuse_fd) == EBUSY);
	bare_end(&early);
	close(ring);
	bare_end(&b);
}

static void two_daemons(void)
{
	struct bare b = bare_mount(true);
	struct rfuse_setup s = { .version = 1 };
	int first = ring_open(), second = ring_open();

	check(attach(first, b.fuse_fd) == 0);
	check(attach(second, b.fuse_fd) == EBUSY);
	check(setup(first, &s) == 0);
	check(setup(first, &s) == EBUSY);
	check(setup(second, &s) == EPERM);
	check(attach(second, b.fuse_fd) == EBUSY);
	close(first);
	check(attach(second, b.fuse_fd) == ENOTCONN);
	close(second);
	bare_end(&b);
}

/* One wish each, and what it must be answered with. */
static void absurd_setups(void)
{
	static const struct { struct rfuse_setup s; int error; } TRIED[] = {
		{ { .version = 0 }, EPROTONOSUPPORT },
		{ { .version = 2 }, EPROTONOSUPPORT },
		{ { .version = ~0u }, EPROTONOSUPPORT },
		{ { .version = 1, .flags = 1 }, EINVAL },
		{ { .version = 1, .depth = 1025 }, EINVAL },
		{ { .version = 1, .depth = ~0u }, EINVAL },
		{ { .version = 1, .payload_pool = (64u << 20) + 1 }, EINVAL },
		{ { .version = 1, .payload_pool = ~0u }, EINVAL },
		{ { .version = 1, .spin_us = 10001 }, EINVAL },
		{ { .version = 1, .reserved = { 0, 0, 0, 0, 0, 0, 1 } }, EINVAL },
		{ { .version = 1, .channels = ~0u, .features = ~0u, .depth = 1, .payload_pool = 1, .spin_us = ~0u,
		    .slots_offset = ~0u, .channel_size = ~0ull }, 0 },
	};
	unsigned int count = sizeof(TRIED) / sizeof(TRIED[0]);
	struct bare b = bare_mount(true);
	int ring = ring_open();

	check(attach(ring, b.fuse_fd) == 0);
	check(ioctl(ring, RFUSE_IOC_SETUP, (void *)8) < 0 && errno == EFAULT);
	for (unsigned int i = 0; i < count; i++) {
		struct rfuse_setup s = TRIED[i].s;

		if (setup(ring, &s) != TRIED[i].error)
			fail("wish %u gave %s", i, strerror(errno));
		if (!TRIED[i].error) {
			check(s.magic == RFUSE_MAGIC && s.depth == 1 && s.payload_pool == 4096);
			check(s.channels >= 1 && s.channels <= RFUSE_MAX_CHANNELS);
			check(s.channel_size < 1 << 20);
		}
	}
	note("%u wishes", count);
	close(ring);
	bare_end(&b);
}

static void wrong_mappings(void)
{
	struct bare b = bare_mount(true);
	struct rfuse_setup s = { .version = 1 };
	int ring = ring_open();
	char *good;

	check(attach(ring, b.fuse_fd) == 0 && setup(ring, &s) == 0);
	good = mmap(NULL, s.channel_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	check(good != MAP_FAILED);
	check(mmap(NULL, s.channel_size, PROT_READ, MAP_PRIVATE, ring, 0) == MAP_FAILED);
	check(mmap(NULL, s.channel_size, PROT_READ | PROT_EXEC, MAP_SHARED, ring, 0) == MAP_FAILED);
	check(mmap(NULL, s.channel_size / 2, PROT_READ, MAP_SHARED, ring, 0) == MAP_FAILED);
	check(mmap(NULL, s.channel_size * 2, PROT_READ, MAP_SHARED, ring, 0) == MAP_FAILED);
	check(mmap(NULL, s.channel_size, PROT_READ, MAP_SHARED, ring, 4096) == MAP_FAILED);
	check(mmap(NULL, s.channel_size, PROT_READ, MAP_SHARED, ring, s.channels * s.channel_stride) == MAP_FAILED);
	check(mmap(NULL, s.channel_size, PROT_READ, MAP_SHARED, ring, 1ll << 60) == MAP_FAILED);
	check(mremap(good, s.channel_size, s.channel_size * 2, MREMAP_MAYMOVE) == MAP_FAILED);
	close(ring);
	/* The mapping holds the connection: it ends with it. */
	check(((struct rfuse_control *)good)->magic == RFUSE_MAGIC);
	check(munmap(good, s.channel_size) == 0);
	bare_end(&b);
}

static char *inherited;

static int touch_inherited(void *unused)
{
	(void)unused;
	return *(volatile char *)inherited;
}

static void forked(void)
{
	struct bare b = bare_mount(true);
	struct rfuse_setup s = { .version = 1 };
	int ring = ring_open();

	check(attach(ring, b.fuse_fd) == 0 && setup(ring, &s) == 0);
	inherited = mmap(NULL, s.channel_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	check(inherited != MAP_FAILED);
	check(ended(child(touch_inherited, NULL), DEADLINE_MS) == 128 + SIGSEGV);
	check(((struct rfuse_control *)inherited)->magic == RFUSE_MAGIC);
	munmap(inherited, s.channel_size);
	close(ring);
	bare_end(&b);
}

struct other {
	int ring, fuse_fd;
};

static int as_other_user(void *argument)
{
	struct other *o = argument;
	struct rfuse_counters c = { .channel = RFUSE_ALL_CHANNELS };

	if (setresuid(65534, 65534, 65534))
		return 100;
	if (open("/dev/rfuse", O_RDWR) >= 0 || errno != EACCES)
		return 1;
	if (ioctl(o->ring, RFUSE_IOC_COUNTERS, &c) == 0 || errno != EPERM)
		return 2;
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, o->ring, 0) != MAP_FAILED || errno != EPERM)
		return 3;
	return 0;
}

static int in_other_namespace(void *argument)
{
	struct other *o = argument;
	int ring;

	if (unshare(CLONE_NEWUSER))
		return 77;
	/* The descriptor that root opened outside is no good here, nor is a new one for that mount. */
	if (ioctl(o->ring, RFUSE_IOC_ATTACH, o->fuse_fd) == 0 || errno != EPERM)
		return 1;
	ring = open("/dev/rfuse", O_RDWR);
	if (ring >= 0 && (ioctl(ring, RFUSE_IOC_ATTACH, o->fuse_fd) == 0 || errno != EINVAL))
		return 2;
	return 0;
}

static void other_credentials(void)
{
	struct bare b = bare_mount(true), free_one = bare_mount(true);
	struct rfuse_setup s = { .version = 1 };
	struct other o = { ring_open(), b.fuse_fd };
	struct other fresh = { ring_open(), free_one.fuse_fd };
	int status;

	check(attach(o.ring, b.fuse_fd) == 0 && setup(o.ring, &s) == 0);
	check(ended(child(as_other_user, &o), DEADLINE_MS) == 0);
	status = ended(child(in_other_namespace, &fresh), DEADLINE_MS);
	check(status == 0 || status == 77);
	note(status ? "no user namespaces in this kernel" : "another user and another user namespace are refused");
	close(o.ring);
	close(fresh.ring);
	bare_end(&b);
	bare_end(&free_one);
}

static int setup_with_little(void *argument)
{
	struct other *o = argument;
	struct rlimit limit = { 65536, 65536 };
	struct rfuse_setup s = { .version = 1 };
	int error;

	/* Root without CAP_IPC_LOCK is counted like anybody: another uid drops it, the file stays ours by euid. */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(1234, 1234, 1234))
		return 100;
	o->ring = open("/tmp/ring-for-all", O_RDWR);
	if (o->ring < 0)
		return 101;
	if (attach(o->ring, o->fuse_fd))
		return 102;
	error = setup(o->ring, &s);
	if (error != ENOMEM)
		return error ? error : 103;
	s = (struct rfuse_setup){ .version = 1, .depth = 1, .payload_pool = 4096, .channels = 1 };
	return setup(o->ring, &s);
}

static void memory_limits(void)
{
	struct bare b = bare_mount(true), c = bare_mount(true);
	struct other o = { -1, b.fuse_fd };
	struct rfuse_setup s = { .version = 1, .payload_pool = 64u << 20 };
	struct stat device;
	int ring = ring_open(), status;

	check(stat("/dev/rfuse", &device) == 0);
	unlink("/tmp/ring-for-all");
	check(mknod("/tmp/ring-for-all", S_IFCHR | 0666, device.st_rdev) == 0);
	check(chmod("/tmp/ring-for-all", 0666) == 0);
	status = ended(child(setup_with_little, &o), DEADLINE_MS);
	if (status)
		fail("with a small RLIMIT_MEMLOCK: status %d", status);
	unlink("/tmp/ring-for-all");
	check(write_text("/sys/module/rfuse/parameters/max_mib", "8") == 0);
	check(attach(ring, c.fuse_fd) == 0);
	check(setup(ring, &s) == ENOMEM);
	check(write_text("/sys/module/rfuse/parameters/max_mib", "1024") == 0);
	s = (struct rfuse_setup){ .version = 1 };
	check(setup(ring, &s) == 0);
	note("memory of a channel: %llu KiB, %u KiB of it payload", (unsigned long long)s.channel_size >> 10,
	     s.payload_pool >> 10);
	close(ring);
	bare_end(&b);
	bare_end(&c);
}

/* Asks the mount for something that waits for no other request. It must not hold the daemon's descriptors. */
static int ask_in(void *argument)
{
	struct bare *b = argument;
	struct statfs s;

	close_range(3, ~0u, 0);
	return statfs(b->path, &s) ? 1 : 0;
}

static bool slow_request_waits(void *argument)
{
	struct rfuse_counters c = { .channel = RFUSE_ALL_CHANNELS };

	return ioctl(*(int *)argument, RFUSE_IOC_COUNTERS, &c) == 0 && c.slow_requests > 0;
}

/* One tag: the second caller's request is the slow lane's, and stays there until it is read. */
static void wait_for_device(void)
{
	static const uint32_t FEATURES = RFUSE_FEATURE_WAIT_DEVICE | RFUSE_FEATURE_ABANDON;
	struct rfuse_setup s = { .version = 1, .channels = 1, .depth = 1, .features = FEATURES };
	struct rfuse_wait blind = { .timeout_ns = 10000000, .channels = { 1 } };
	struct rfuse_wait sees = { .timeout_ns = UINT64_MAX, .flags = RFUSE_WAIT_DEVICE, .channels = { 1 } };
	struct rfuse_wait unknown = { .flags = RFUSE_WAIT_DEVICE << 1, .channels = { 1 } };
	struct bare b = bare_mount(true);
	struct rfuse_control *control;
	char buffer[8192 + 65536];
	int ring = ring_open();

	check(attach(ring, b.fuse_fd) == 0 && setup(ring, &s) == 0);
	check(s.features == FEATURES);
	control = mmap(NULL, s.channel_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	check(control != MAP_FAILED);
	check(ioctl(ring, RFUSE_IOC_WAIT, &unknown) < 0 && errno == EINVAL);
	child(ask_in, &b);
	child(ask_in, &b);
	check(eventually(slow_request_waits, &ring, DEADLINE_MS));
	check(ioctl(ring, RFUSE_IOC_WAIT, &sees) == 1 && sees.channels[0] == 1);
	control->pending_head = control->pending_tail;
	check(ioctl(ring, RFUSE_IOC_WAIT, &blind) == 0);
	check(ioctl(ring, RFUSE_IOC_WAIT, &sees) == 0 && sees.channels[0] == 0);
	check(read(b.fuse_fd, buffer, sizeof(buffer)) > 0);
	/* Nothing to read any more: it sleeps until its time is over. */
	sees.channels[0] = 1;
	sees.timeout_ns = blind.timeout_ns;
	check(ioctl(ring, RFUSE_IOC_WAIT, &sees) == 0);
	munmap(control, s.channel_size);
	close(ring);
	bare_end(&b);
}

/* Random calls from many threads, before and after every step of the set-up. */
struct fuzz {
	int ring, fuse_fd, program;
	unsigned int seed, calls;
	volatile bool *end;
};

/* An address at which nothing is: the kernel would else write over this program's own heap. Half of them are its own. */
static unsigned long nowhere(unsigned int *seed)
{
	static const unsigned long BASES[] = { 0x400000000000ul, 0xffff880000000000ul };

	return BASES[rand_r(seed) % 2] + (unsigned long)rand_r(seed);
}

static void *fuzz_calls(void *argument)
{
	static const unsigned long CALLS[] = {
		RFUSE_IOC_ATTACH, RFUSE_IOC_SETUP, RFUSE_IOC_WAIT, RFUSE_IOC_DOORBELL, RFUSE_IOC_SERVE,
		RFUSE_IOC_SPIN, RFUSE_IOC_EVENTFD, RFUSE_IOC_COUNTERS, RFUSE_IOC_BPF, RFUSE_IOC_BPF_COUNTERS,
		0, 0xe700, 0xffffffff,
	};
	struct fuzz *f = argument;
	union { struct rfuse_wait wait; struct rfuse_setup setup; struct rfuse_bpf bpf; unsigned char bytes[256]; } data;

	while (!*f->end) {
		unsigned long call = CALLS[rand_r(&f->seed) % (sizeof(CALLS) / sizeof(CALLS[0]))];
		unsigned long argument;

		for (unsigned int i = 0; i < sizeof(data); i++)
			data.bytes[i] = rand_r(&f->seed) % 4 ? 0 : rand_r(&f->seed);
		if (call == RFUSE_IOC_WAIT) {
			data.wait.timeout_ns %= 2000000;
			data.wait.flags &= RFUSE_WAIT_WATCH | RFUSE_WAIT_DEVICE;
			data.wait.reserved = 0;
			if (rand_r(&f->seed) % 2) {
				memset(data.wait.channels, 0, sizeof(data.wait.channels));
				data.wait.channels[0] = 1 + rand_r(&f->seed) % 3;
			}
		}
		if (call == RFUSE_IOC_SETUP && rand_r(&f->seed) % 2)
			data.setup = (struct rfuse_setup){ .version = 1, .features = ~0u };
		if (call == RFUSE_IOC_BPF && rand_r(&f->seed) % 4)
			data.bpf = (struct rfuse_bpf){ .opcode = rand_r(&f->seed) % RFUSE_BPF_OPCODES,
						       .fd = rand_r(&f->seed) % 2 ? f->program : -1 };
		argument = rand_r(&f->seed) % 8 ? (unsigned long)&data :
			   rand_r(&f->seed) % 2 ? (unsigned long)f->fuse_fd : nowhere(&f->seed);
		if (call == RFUSE_IOC_DOORBELL || call == RFUSE_IOC_SERVE)
			argument = rand_r(&f->seed) % 6;
		if (call == RFUSE_IOC_ATTACH)
			argument = rand_r(&f->seed) % 12;
		ioctl(f->ring, call, argument);
		f->calls++;
		if (rand_r(&f->seed) % 16 == 0) {
			void *map = mmap(NULL, 4096 * (1 + rand_r(&f->seed) % 400), PROT_READ | PROT_WRITE, MAP_SHARED,
					 f->ring, 4096ll * (rand_r(&f->seed) % 1000));

			if (map != MAP_FAILED)
				munmap(map, 4096);
		}
	}
	return NULL;
}

static void any_order(void)
{
	int program = PROGRAM(.verdict = RFUSE_BPF_REPLY);
	unsigned int calls = 0;

	for (unsigned int round = 0; round < 6; round++) {
		struct bare b = bare_mount(true);
		volatile bool end = false;
		struct fuzz fuzz[8];
		pthread_t threads[8];
		int ring = ring_open();

		for (unsigned int i = 0; i < 8; i++) {
			fuzz[i] = (struct fuzz){ ring, b.fuse_fd, program, round * 8 + i + 1, 0, &end };
			check(pthread_create(&threads[i], NULL, fuzz_calls, &fuzz[i]) == 0);
		}
		pause_ms(700);
		end = true;
		for (unsigned int i = 0; i < 8; i++) {
			pthread_join(threads[i], NULL);
			calls += fuzz[i].calls;
		}
		close(ring);
		bare_end(&b);
	}
	note("%u calls from 8 threads, 6 connections", calls);
}

const struct test_case ABUSE_CASES[] = {
	{ "ATTACH: wrong descriptors, wrong order", wrong_descriptors },
	{ "ATTACH: two daemons on one connection", two_daemons },
	{ "SETUP: absurd numbers", absurd_setups },
	{ "mmap: wrong lengths, offsets, protections, growth", wrong_mappings },
	{ "fork: the mapping is not inherited", forked },
	{ "credentials: another user, another user namespace", other_credentials },
	{ "memory: RLIMIT_MEMLOCK and max_mib", memory_limits },
	{ "WAIT_DEVICE: a request on the slow lane, and none", wait_for_device },
	{ "ioctls in any order from many threads", any_order },
	{ 0 },
};
