/* SPDX-License-Identifier: MIT */
/*
 * Serving channels: the loop that docs/ring-abi.md describes, with every way to
 * sleep. A thread owns the channels i, i + threads, i + 2 * threads ...
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define HELD_MOST 64

struct server {
	struct daemon *daemon;
	pthread_t thread;
	unsigned int index;
	_Atomic uint32_t bell;	/* futex that the watcher rings */
	struct { struct channel *channel; uint32_t tag; } held[HELD_MOST];
	unsigned int held_count;
};

static struct server *servers;

static uint32_t load_acquire(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store_release(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct rfuse_slot *slot_of(struct daemon *d, struct channel *c, uint32_t tag)
{
	return (void *)(c->base + d->setup.slots_offset + (size_t)tag * d->setup.slot_size);
}

struct request request_of(struct daemon *d, struct channel *c, uint32_t tag)
{
	struct rfuse_slot *slot = slot_of(d, c, tag);
	char *in = (char *)slot + d->setup.slot_in, *out = (char *)slot + d->setup.slot_out;
	char *payload = slot->payload_offset ? c->base + slot->payload_offset : NULL;

	return (struct request){
		.in = (void *)in,
		.args = in + sizeof(struct fuse_in_header),
		.data = payload,
		.out = (void *)out,
		.reply = out + sizeof(struct fuse_out_header),
		.bulk = payload,
		.bulk_size = slot->payload_size,
	};
}

static void ring_doorbell(struct daemon *d, struct channel *c)
{
	c->must_ring = false;
	ioctl(d->ring_fd, RFUSE_IOC_DOORBELL, c->index);
}

static void complete(struct daemon *d, struct channel *c, uint32_t tag)
{
	uint32_t entries = d->setup.completion_entries;

	if (c->completion_tail - load_acquire(&c->control->completion_head) >= entries)
		ring_doorbell(d, c);
	c->completion[c->completion_tail & (entries - 1)] = tag;
	store_release(&c->control->completion_tail, ++c->completion_tail);
	c->must_ring = true;
}

static void commit(struct daemon *d, struct channel *c, uint32_t tag, const struct request *r)
{
	struct rfuse_slot *slot = slot_of(d, c, tag);
	struct fuse_in_header in = *r->in;
	struct fuse_out_header out = *r->out;
	uint32_t old = __atomic_exchange_n(&slot->state, RFUSE_STATE_DONE, __ATOMIC_SEQ_CST);

	/* From here on the slot is the kernel's: the copies are ours. */
	if (old & RFUSE_STATE_ABANDONED)
		fs_undo(&(struct request){ .in = &in, .out = &out });
	if (old & RFUSE_STATE_WAKE)
		complete(d, c, tag);
}

/* True when the request was answered. */
static bool serve_tag(struct server *s, struct channel *c, uint32_t tag)
{
	struct request r = request_of(s->daemon, c, tag);

	if (fs_serve(&r, true) != SERVED)
		return false;
	commit(s->daemon, c, tag, &r);
	return true;
}

/* Requests held back are offered again; a killed caller's are let go. */
static void serve_held(struct server *s)
{
	for (unsigned int i = 0; i < s->held_count;) {
		struct channel *c = s->held[i].channel;
		uint32_t tag = s->held[i].tag;
		struct rfuse_slot *slot = slot_of(s->daemon, c, tag);

		if (load_acquire(&slot->state) & RFUSE_STATE_ABANDONED) {
			struct request r = request_of(s->daemon, c, tag);

			*r.out = (struct fuse_out_header){ sizeof(*r.out), -EINTR, r.in->unique };
			commit(s->daemon, c, tag, &r);
		} else if (!serve_tag(s, c, tag)) {
			i++;
			continue;
		}
		s->held[i] = s->held[--s->held_count];
	}
}

static bool take_requests(struct server *s, struct channel *c)
{
	struct daemon *d = s->daemon;
	uint32_t tail = load_acquire(&c->control->pending_tail);
	bool any = false;

	while (c->pending_head != tail) {
		uint32_t tag = c->pending[c->pending_head & (d->setup.pending_entries - 1)];

		store_release(&c->control->pending_head, ++c->pending_head);
		any = true;
		if (!serve_tag(s, c, tag) && s->held_count < HELD_MOST) {
			s->held[s->held_count].channel = c;
			s->held[s->held_count++].tag = tag;
		}
	}
	return any;
}

static bool take_records(struct server *s, struct channel *c)
{
	const struct rfuse_setup *setup = &s->daemon->setup;
	bool any = false;

	while (c->forget_head != load_acquire(&c->control->forget_tail)) {
		struct rfuse_forget f = c->forgets[c->forget_head & (setup->forget_entries - 1)];

		store_release(&c->control->forget_head, ++c->forget_head);
		fs_forget(f.nodeid, f.nlookup);
		any = true;
	}
	while (c->interrupt_head != load_acquire(&c->control->interrupt_tail)) {
		struct rfuse_interrupt i = c->interrupts[c->interrupt_head & (setup->interrupt_entries - 1)];

		store_release(&c->control->interrupt_head, ++c->interrupt_head);
		fs_interrupt(i.unique);
		any = true;
	}
	return any;
}

static bool serves_device(struct server *s)
{
	return s->daemon->options.sleep == SLEEP_DEVICE && s->index == 0;
}

/* One round over the thread's channels; true when there was something. */
static bool serve_round(struct server *s)
{
	struct daemon *d = s->daemon;
	bool any = serves_device(s) && serve_slow_ready(d);

	for (uint32_t i = s->index; i < d->setup.channels; i += d->options.threads) {
		struct channel *c = &d->channels[i];

		any |= take_requests(s, c);
		any |= take_records(s, c);
		serve_held(s);
		if (c->must_ring || load_acquire(&c->control->backlog)) {
			ring_doorbell(d, c);
			any = true;
		}
	}
	return any;
}

static void set_need_wakeup(struct server *s, uint32_t value)
{
	struct daemon *d = s->daemon;

	for (uint32_t i = s->index; i < d->setup.channels; i += d->options.threads)
		__atomic_store_n(&d->channels[i].control->need_wakeup, value, __ATOMIC_SEQ_CST);
}

static void choose(struct rfuse_wait *wait, uint32_t first, uint32_t step, uint32_t count)
{
	memset(wait->channels, 0, sizeof(wait->channels));
	for (uint32_t i = first; i < count; i += step)
		wait->channels[i / 64] |= 1ull << (i % 64);
}

/* 0, or -errno of the end. */
static int sleep_in_wait(struct server *s)
{
	struct daemon *d = s->daemon;
	struct rfuse_wait wait = { .timeout_ns = s->held_count ? 20000000 : UINT64_MAX };

	if (serves_device(s))
		wait.flags = RFUSE_WAIT_DEVICE;
	choose(&wait, s->index, d->options.threads, d->setup.channels);
	return ioctl(d->ring_fd, RFUSE_IOC_WAIT, &wait) < 0 ? -errno : 0;
}

static int connection_state(struct daemon *d, uint32_t channel)
{
	return ioctl(d->ring_fd, RFUSE_IOC_DOORBELL, channel) < 0 ? -errno : 0;
}

static int sleep_on_bell(struct server *s)
{
	static const struct timespec HELD = { .tv_nsec = 20000000 };
	uint32_t bell = s->bell;

	set_need_wakeup(s, 1);
	if (serve_round(s)) {
		set_need_wakeup(s, 0);
		return 0;
	}
	syscall(SYS_futex, &s->bell, FUTEX_WAIT_PRIVATE, bell, s->held_count ? &HELD : NULL, NULL, 0);
	set_need_wakeup(s, 0);
	return connection_state(s->daemon, s->index);
}

static int sleep_on_eventfd(struct server *s)
{
	struct daemon *d = s->daemon;
	int fd = d->channels[s->index].eventfd;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	set_need_wakeup(s, 1);
	if (!serve_round(s)) {
		poll(&poll_fd, 1, s->held_count ? 20 : -1);
		if (poll_fd.revents && read(fd, &count, sizeof(count)) < 0)
			return -errno;
	}
	set_need_wakeup(s, 0);
	return connection_state(d, s->index);
}

static void open_eventfds(struct server *s)
{
	struct daemon *d = s->daemon;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	for (uint32_t i = s->index; i < d->setup.channels; i += d->options.threads) {
		struct rfuse_eventfd arg = { .channel = i, .fd = fd };

		d->channels[i].eventfd = fd;
		if (ioctl(d->ring_fd, RFUSE_IOC_EVENTFD, &arg))
			perror("EVENTFD");
	}
}

static int (*const SLEEP[])(struct server *) = {
	[SLEEP_WAIT] = sleep_in_wait,
	[SLEEP_WATCH] = sleep_on_bell,
	[SLEEP_EVENTFD] = sleep_on_eventfd,
	[SLEEP_DEVICE] = sleep_in_wait,
};

static void *run_server(void *argument)
{
	struct server *s = argument;
	struct daemon *d = s->daemon;
	uint64_t idle_since = now_ns();
	int error = 0;

	if (d->options.pin) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET(s->index, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	for (uint32_t i = s->index; i < d->setup.channels; i += d->options.threads)
		ioctl(d->ring_fd, RFUSE_IOC_SERVE, i);
	while (!error || error == -EINTR) {
		if (serve_round(s)) {
			idle_since = now_ns();
			continue;
		}
		if (now_ns() - idle_since < d->options.poll_us * 1000ull) {
			__builtin_ia32_pause();
			continue;
		}
		error = SLEEP[d->options.sleep](s);
		idle_since = now_ns();
	}
	if (error != -ENODEV)
		fprintf(stderr, "server %u: %s\n", s->index, strerror(-error));
	return NULL;
}

/* The watcher: sits in WAIT for all channels and rings the bells of their threads. */
static void *run_watcher(void *argument)
{
	struct daemon *d = argument;
	struct rfuse_wait wait = { .timeout_ns = UINT64_MAX, .flags = RFUSE_WAIT_WATCH };
	int count;

	do {
		choose(&wait, 0, 1, d->setup.channels);
		count = ioctl(d->ring_fd, RFUSE_IOC_WAIT, &wait);
		for (uint32_t i = 0; i < d->setup.channels; i++) {
			struct server *s = &servers[i % d->options.threads];

			if (count >= 0 && !(wait.channels[i / 64] >> (i % 64) & 1))
				continue;
			__atomic_store_n(&d->channels[i].control->need_wakeup, 0, __ATOMIC_SEQ_CST);
			s->bell++;
			syscall(SYS_futex, &s->bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		}
	} while (count >= 0 || errno == EINTR);
	return NULL;
}

/* Starts the serving threads; they end when the connection does. */
void serve_channels(struct daemon *d)
{
	pthread_t watcher;

	servers = calloc(d->options.threads, sizeof(*servers));
	for (unsigned int i = 0; i < d->options.threads; i++) {
		servers[i].daemon = d;
		servers[i].index = i;
		if (d->options.sleep == SLEEP_EVENTFD)
			open_eventfds(&servers[i]);
		pthread_create(&servers[i].thread, NULL, run_server, &servers[i]);
	}
	if (d->options.sleep == SLEEP_WATCH)
		pthread_create(&watcher, NULL, run_watcher, d);
}

void join_servers(struct daemon *d)
{
	for (unsigned int i = 0; i < d->options.threads; i++)
		pthread_join(servers[i].thread, NULL);
}
