/* SPDX-License-Identifier: MIT */
/*
 * From nothing to a mounted connection with rings: mount, INIT on the slow
 * lane, ATTACH, SETUP, one mapping per channel; and the slow lane itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "ring.h"

#define SLOW_BUFFER ((1u << 20) + 65536)

static int complain(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return -1;
}

int daemon_mount(struct daemon *d)
{
	char options[160];

	d->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (d->fuse_fd < 0)
		return complain("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s",
		 d->fuse_fd, getuid(), getgid(), d->options.private ? "" : ",allow_other");
	if (mount("ring-test", d->options.mountpoint, d->options.type, MS_NOSUID | MS_NODEV, options))
		return complain(d->options.mountpoint);
	return 0;
}

/* Serves one request of the slow lane: 0, or -errno of what ended it. */
static int serve_one(struct daemon *d, char *in, char *out)
{
	ssize_t length = read(d->fuse_fd, in, SLOW_BUFFER);
	struct fuse_in_header *header = (void *)in;
	struct request r = {
		.in = header,
		.args = header + 1,
		.data = (char *)(header + 1) + sizeof(struct fuse_write_in),
		.out = (void *)out,
		.reply = out + sizeof(struct fuse_out_header),
		.bulk = out + sizeof(struct fuse_out_header),
		.bulk_size = SLOW_BUFFER - sizeof(struct fuse_out_header),
	};

	if (length < 0)
		return -errno;
	/* What is held back here stays unanswered: tests hold on the rings. */
	if (fs_serve(&r, false) == SERVED && write(d->fuse_fd, out, r.out->len) < 0 &&
	    errno != ENOENT)
		return -errno;
	return 0;
}

static bool is_passing(int error)
{
	return error == -EINTR || error == -EAGAIN || error == -ENOENT;
}

int daemon_init_handshake(struct daemon *d)
{
	char *in = malloc(SLOW_BUFFER), *out = malloc(SLOW_BUFFER);
	int error;

	do
		error = serve_one(d, in, out);
	while (is_passing(error));
	free(in);
	free(out);
	errno = -error;
	return error ? complain("INIT") : 0;
}

/* Until the connection ends: 0 for the normal end. */
int serve_slow_lane(struct daemon *d)
{
	char *in = malloc(SLOW_BUFFER), *out = malloc(SLOW_BUFFER);
	int error;

	do
		error = serve_one(d, in, out);
	while (!error || is_passing(error));
	free(in);
	free(out);
	return error == -ENODEV || error == -ECONNABORTED ? 0 : error;
}

/* Serves what there is on a descriptor that does not block: true when there was something. One thread does. */
bool serve_slow_ready(struct daemon *d)
{
	static char *in, *out;
	bool any = false;
	int error;

	if (!in) {
		in = malloc(SLOW_BUFFER);
		out = malloc(SLOW_BUFFER);
		fcntl(d->fuse_fd, F_SETFL, O_NONBLOCK);
	}
	while (!(error = serve_one(d, in, out)) || error == -EINTR || error == -ENOENT)
		any = true;
	return any;
}

int daemon_attach(struct daemon *d)
{
	const struct options *o = &d->options;

	d->setup = (struct rfuse_setup){
		.version = RFUSE_VERSION,
		.features = o->features,
		.channels = o->channels,
		.depth = o->depth,
		.payload_pool = o->pool,
		.spin_us = o->spin_us,
	};
	d->ring_fd = open("/dev/rfuse", O_RDWR | O_CLOEXEC);
	if (d->ring_fd < 0)
		return complain("/dev/rfuse");
	if (ioctl(d->ring_fd, RFUSE_IOC_ATTACH, d->fuse_fd))
		return complain("ATTACH");
	if (ioctl(d->ring_fd, RFUSE_IOC_SETUP, &d->setup))
		return complain("SETUP");
	return 0;
}

static void look_at(struct daemon *d, struct channel *c)
{
	const struct rfuse_setup *s = &d->setup;

	c->control = (void *)(c->base + s->control_offset);
	c->pending = (void *)(c->base + s->pending_offset);
	c->forgets = (void *)(c->base + s->forget_offset);
	c->interrupts = (void *)(c->base + s->interrupt_offset);
	c->completion = (void *)(c->base + s->completion_offset);
	c->pending_head = c->control->pending_head;
	c->forget_head = c->control->forget_head;
	c->interrupt_head = c->control->interrupt_head;
	c->completion_tail = c->control->completion_tail;
	c->eventfd = -1;
}

int daemon_map(struct daemon *d)
{
	const struct rfuse_setup *s = &d->setup;

	d->channels = calloc(s->channels, sizeof(*d->channels));
	for (uint32_t i = 0; i < s->channels; i++) {
		struct channel *c = &d->channels[i];

		c->index = i;
		c->base = mmap(NULL, s->channel_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       d->ring_fd, i * s->channel_stride);
		if (c->base == MAP_FAILED)
			return complain("mmap");
		look_at(d, c);
	}
	return 0;
}

static bool set_option(struct options *o, const char *name, const char *value)
{
	static const char *const MODES[] = { "wait", "watch", "eventfd", "device" };
	static const char *const NUMBERS[] = {
		"threads", "poll_us", "depth", "pool", "channels", "spin_us",
		"max_write", "features", "writeback", "pin", "ring", "private", "passthrough",
	};
	unsigned int *const targets[] = {
		&o->threads, &o->poll_us, &o->depth, &o->pool, &o->channels, &o->spin_us,
		&o->max_write, &o->features,
	};
	const unsigned int numbers = sizeof(targets) / sizeof(targets[0]);
	bool *const flags[] = { &o->writeback, &o->pin, &o->ring, &o->private, &o->passthrough };

	if (strcmp(name, "type") == 0) {
		o->type = value;
		return true;
	}
	for (unsigned int i = 0; strcmp(name, "sleep") == 0 && i < 4; i++) {
		if (strcmp(value, MODES[i]) == 0) {
			o->sleep = i;
			return true;
		}
	}
	for (unsigned int i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
		if (strcmp(name, NUMBERS[i]) != 0)
			continue;
		if (i < numbers)
			*targets[i] = strtoul(value, NULL, 0);
		else
			*flags[i - numbers] = strtoul(value, NULL, 0);
		return true;
	}
	return false;
}

/* MOUNTPOINT [NAME=VALUE]... */
bool parse_options(int argc, char **argv, struct options *o)
{
	*o = (struct options){
		.type = "fuse", .ring = true, .threads = 1, .poll_us = 100, .spin_us = RFUSE_SPIN_DEFAULT,
		.features = ~0u, .max_write = 1u << 20,
	};
	if (argc < 2)
		return false;
	o->mountpoint = argv[1];
	for (int i = 2; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals)
			return false;
		*equals = 0;
		if (!set_option(o, argv[i], equals + 1))
			return false;
	}
	return true;
}
