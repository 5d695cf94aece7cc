/* SPDX-License-Identifier: MIT */
/* What the programs of this folder share: a small FUSE daemon on rings, in pieces. */
#ifndef RING_TEST_H
#define RING_TEST_H

#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kmod/uapi/rfuse.h"

/* How a serving thread sleeps when it has polled long enough. */
enum sleep_mode {
	SLEEP_WAIT, SLEEP_WATCH, SLEEP_EVENTFD,
	SLEEP_DEVICE,	/* as WAIT; the first thread serves the slow lane as well */
};

struct options {
	const char *mountpoint;
	const char *type;	/* "fuse" or "rfuse" */
	bool ring;		/* false: the slow lane alone */
	enum sleep_mode sleep;
	unsigned int threads;
	unsigned int poll_us;	/* how long a serving thread polls */
	unsigned int depth;
	unsigned int pool;
	unsigned int channels;
	unsigned int spin_us;	/* of callers */
	uint32_t features;
	unsigned int max_write;
	bool writeback;
	bool pin;		/* serving threads stay on the CPU of their channel */
	bool private;		/* no allow_other */
	bool passthrough;	/* INIT says so where the kernel offers it */
};

/* A request with its reply: pointers into whatever memory the lane has. */
struct request {
	const struct fuse_in_header *in;
	const void *args;	/* behind the header */
	const void *data;	/* bulk data of the request */
	struct fuse_out_header *out;
	void *reply;		/* fixed structs */
	void *bulk;		/* variable data */
	uint32_t bulk_size;
};

/* One channel as a serving thread sees it. */
struct channel {
	uint32_t index;
	char *base;
	struct rfuse_control *control;
	uint32_t *pending;
	struct rfuse_forget *forgets;
	struct rfuse_interrupt *interrupts;
	uint32_t *completion;
	uint32_t pending_head, forget_head, interrupt_head, completion_tail;
	bool must_ring;		/* completions that the kernel was not told of */
	int eventfd;
};

struct daemon {
	struct options options;
	int fuse_fd;
	int ring_fd;
	struct rfuse_setup setup;
	struct channel *channels;
};

/* fs.c: result of serve() */
enum served { SERVED, NO_REPLY, LATER };
enum served fs_serve(struct request *request, bool on_ring);
void fs_interrupt(uint64_t unique);
bool fs_take_interrupt(uint64_t unique);
void fs_forget(uint64_t nodeid, uint64_t nlookup);
void fs_undo(const struct request *request);
void fs_init(const struct options *options);

/* connection.c */
int daemon_mount(struct daemon *d);
int daemon_init_handshake(struct daemon *d);
int daemon_attach(struct daemon *d);
int daemon_map(struct daemon *d);
int serve_slow_lane(struct daemon *d);
bool serve_slow_ready(struct daemon *d);
bool parse_options(int argc, char **argv, struct options *options);

/* serve.c */
void serve_channels(struct daemon *d);
void join_servers(struct daemon *d);
struct request request_of(struct daemon *d, struct channel *c, uint32_t tag);
struct rfuse_slot *slot_of(struct daemon *d, struct channel *c, uint32_t tag);

#endif
