/* SPDX-License-Identifier: MIT */
/*
 * A daemon that breaks every rule: evil MOUNTPOINT [NAME=VALUE]... with
 * threads= as the seed. It serves (so that requests keep coming), and lies: in
 * replies, in the completion ring, in every shared word, in its system calls.
 * Runs until it is killed; what it did is told on SIGUSR1, on stderr.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

static struct daemon d = { .fuse_fd = -1, .ring_fd = -1 };
static unsigned int first_seed;

enum lie {
	TRUTH, WRONG_LENGTH, WRONG_UNIQUE, WRONG_ERROR, ERROR_WITH_DATA, GARBAGE_BODY, GARBAGE_STATE, TOO_EARLY,
	REPEATED, LATE_CHANGE, STALE_TAGS, NEVER, LIES,
};
static const char *const LIE_NAMES[LIES] = {
	"truth", "wrong length", "wrong unique", "wrong error", "error with data", "garbage body", "garbage state",
	"completed too early", "completed twice", "changed late", "stale tags", "never answered",
};
static atomic_ulong told[LIES], completions, scribbles, jumps, calls, remaps;

static void complete(struct channel *c, uint32_t tag)
{
	c->completion[c->completion_tail & (d.setup.completion_entries - 1)] = tag;
	__atomic_store_n(&c->control->completion_tail, ++c->completion_tail, __ATOMIC_RELEASE);
	atomic_fetch_add(&completions, 1);
}

static void lie_in_reply(struct request *r, enum lie lie, unsigned int *seed)
{
	switch (lie) {
	case WRONG_LENGTH:
		r->out->len = rand_r(seed) % 3 ? r->out->len + rand_r(seed) % 64 - 32 : (uint32_t)rand_r(seed);
		break;
	case WRONG_UNIQUE:
		r->out->unique ^= 1ull << rand_r(seed) % 64;
		break;
	case WRONG_ERROR:
		r->out->error = rand_r(seed) % 2 ? rand_r(seed) : -rand_r(seed) % 600;
		break;
	case ERROR_WITH_DATA:
		r->out->error = -EIO;
		break;
	case GARBAGE_BODY:
		for (unsigned int i = 0; i < 256; i++)
			((unsigned char *)r->reply)[i] = rand_r(seed);
		break;
	default:
		break;
	}
}

static void answer(struct channel *c, uint32_t tag, unsigned int *seed)
{
	enum lie lie = rand_r(seed) % 3 ? TRUTH : rand_r(seed) % LIES;
	struct rfuse_slot *slot = slot_of(&d, c, tag);
	struct request r = request_of(&d, c, tag);

	atomic_fetch_add(&told[lie], 1);
	if (lie == TOO_EARLY)
		complete(c, tag);
	if (lie == NEVER && rand_r(seed) % 4 == 0)
		return;
	/* Our own scribbler may have changed the head: look before leaping. */
	if (slot->payload_offset > d.setup.channel_size - (1u << 20) || slot->payload_size > 1u << 20)
		r.bulk_size = 0;
	if (r.in->opcode != FUSE_WRITE && fs_serve(&r, true) != SERVED)
		*r.out = (struct fuse_out_header){ sizeof(*r.out), -EINTR, r.in->unique };
	if (r.in->opcode == FUSE_WRITE)
		*r.out = (struct fuse_out_header){ sizeof(*r.out), -ENOSPC, r.in->unique };
	lie_in_reply(&r, lie, seed);
	if (lie == GARBAGE_STATE)
		__atomic_store_n(&slot->state, rand_r(seed), __ATOMIC_SEQ_CST);
	__atomic_exchange_n(&slot->state, RFUSE_STATE_DONE, __ATOMIC_SEQ_CST);
	complete(c, tag);
	if (lie == REPEATED)
		complete(c, tag);
	if (lie == LATE_CHANGE)
		for (unsigned int i = 0; i < 64; i++)
			((volatile unsigned char *)r.out)[i] = rand_r(seed);
	for (unsigned int i = 0; lie == STALE_TAGS && i < 32; i++)
		complete(c, rand_r(seed) % 2 ? rand_r(seed) % d.setup.depth : (uint32_t)rand_r(seed));
}

static void *serve(void *argument)
{
	unsigned int seed = first_seed + 1;

	(void)argument;
	for (;;) {
		for (uint32_t i = 0; i < d.setup.channels; i++) {
			struct channel *c = &d.channels[i];
			uint32_t tail = __atomic_load_n(&c->control->pending_tail, __ATOMIC_ACQUIRE);

			if (tail - c->pending_head > d.setup.pending_entries)	/* scribbled */
				c->pending_head = tail - d.setup.pending_entries;
			while (c->pending_head != tail) {
				uint32_t tag = c->pending[c->pending_head++ & (d.setup.pending_entries - 1)];

				answer(c, tag % d.setup.depth, &seed);
			}
			c->control->pending_head = c->pending_head;
			/* Tags that nobody gave us, all the time. */
			for (unsigned int n = 0; n < 8; n++)
				complete(c, rand_r(&seed) % 8 ? rand_r(&seed) % d.setup.depth : (uint32_t)rand_r(&seed));
			ioctl(d.ring_fd, RFUSE_IOC_DOORBELL, i);
		}
	}
	return NULL;
}

/* Garbage in every shared word: all of control page and rings, heads of slots, bodies. */
static void *scribble(void *argument)
{
	unsigned int seed = first_seed + 2;

	(void)argument;
	for (;;) {
		struct channel *c = &d.channels[rand_r(&seed) % d.setup.channels];
		uint32_t words = d.setup.slots_offset / 4;
		uint32_t *word = (uint32_t *)c->base + rand_r(&seed) % words;

		switch (rand_r(&seed) % 6) {
		case 0:
			*(volatile uint32_t *)word = rand_r(&seed);
			break;
		case 1:
			c->control->completion_tail += rand_r(&seed) % 4096;
			atomic_fetch_add(&jumps, 1);
			break;
		case 2:
			c->control->forget_head = rand_r(&seed);
			c->control->interrupt_head = rand_r(&seed);
			break;
		case 3:
			c->control->need_wakeup = rand_r(&seed) % 2;
			c->control->pending_head = rand_r(&seed);
			break;
		case 4: {
			uint32_t *slot = (uint32_t *)slot_of(&d, c, rand_r(&seed) % d.setup.depth);

			((volatile uint32_t *)slot)[1 + rand_r(&seed) % (d.setup.slot_size / 4 - 1)] = rand_r(&seed);
			break;
		}
		case 5:
			*(volatile uint32_t *)&slot_of(&d, c, rand_r(&seed) % d.setup.depth)->state =
				rand_r(&seed) % 16;
			break;
		}
		atomic_fetch_add(&scribbles, 1);
		if (rand_r(&seed) % 64 == 0)
			usleep(100);
	}
	return NULL;
}

/* System calls in any order, with arguments that may make sense or not. */
static void *call(void *argument)
{
	unsigned int seed = first_seed + (uintptr_t)argument;
	int event = eventfd(0, EFD_NONBLOCK);

	for (;;) {
		struct rfuse_wait wait = { .timeout_ns = rand_r(&seed) % 3000000, .flags = rand_r(&seed) % 4 };
		struct rfuse_eventfd bell = { rand_r(&seed) % 4, rand_r(&seed) % 2 ? event : -1 };
		struct rfuse_counters counters = { .channel = rand_r(&seed) % 4 };

		wait.channels[0] = 1 + rand_r(&seed) % ((1u << d.setup.channels) - 1);
		switch (rand_r(&seed) % 8) {
		case 0:
		case 1:
			ioctl(d.ring_fd, RFUSE_IOC_WAIT, &wait);
			break;
		case 2:
			ioctl(d.ring_fd, RFUSE_IOC_DOORBELL, rand_r(&seed) % 5);
			break;
		case 3:
			ioctl(d.ring_fd, RFUSE_IOC_SERVE, rand_r(&seed) % 5);
			break;
		case 4:
			ioctl(d.ring_fd, RFUSE_IOC_SPIN, rand_r(&seed) % 20000);
			break;
		case 5:
			ioctl(d.ring_fd, RFUSE_IOC_EVENTFD, &bell);
			break;
		case 6:
			ioctl(d.ring_fd, RFUSE_IOC_COUNTERS, &counters);
			break;
		case 7:
			ioctl(d.ring_fd, RFUSE_IOC_ATTACH, d.fuse_fd);
			break;
		}
		atomic_fetch_add(&calls, 1);
	}
	return NULL;
}

/* Maps channels again and again beside the mappings in use, writes, unmaps; pieces of them, too. */
static void *remap(void *argument)
{
	unsigned int seed = first_seed + 9;

	(void)argument;
	for (;;) {
		uint32_t i = rand_r(&seed) % d.setup.channels;
		char *map = mmap(NULL, d.setup.channel_size, PROT_READ | PROT_WRITE, MAP_SHARED, d.ring_fd,
				 i * d.setup.channel_stride);

		if (map != MAP_FAILED) {
			uint32_t at = (rand_r(&seed) % (uint32_t)d.setup.channel_size) & ~4095u;

			*(volatile uint32_t *)(map + d.setup.slots_offset + 4) = rand_r(&seed);
			munmap(map + at, 4096);
			munmap(map, d.setup.channel_size);
			atomic_fetch_add(&remaps, 1);
		}
		usleep(2000);
	}
	return NULL;
}

static void report(int signal)
{
	(void)signal;
	for (unsigned int i = 0; i < LIES; i++)
		dprintf(2, "    %s: %lu\n", LIE_NAMES[i], told[i]);
	dprintf(2, "    completion entries %lu, scribbles %lu, tail jumps %lu, calls %lu, remaps %lu\n", completions,
		scribbles, jumps, calls, remaps);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (!parse_options(argc, argv, &d.options))
		return 2;
	first_seed = d.options.threads * 1000;
	fs_init(&d.options);
	if (daemon_mount(&d) || daemon_init_handshake(&d) || daemon_attach(&d) || daemon_map(&d))
		return 1;
	signal(SIGUSR1, report);
	pthread_create(&thread, NULL, serve, NULL);
	pthread_create(&thread, NULL, scribble, NULL);
	pthread_create(&thread, NULL, remap, NULL);
	for (uintptr_t i = 3; i < 6; i++)
		pthread_create(&thread, NULL, call, (void *)i);
	printf("ready\n");
	fflush(stdout);
	serve_slow_lane(&d);
	return 0;
}
