/* SPDX-License-Identifier: MIT */
/*
 * A filesystem of a few files, for tests of the transport:
 *   hello   read-only text             big     4 MiB, may be written anywhere
 *   hang    READ ends when interrupted mute    READ is never answered
 *   stats   lookups, forgets and requests so far, as text
 *   nNNNN   10000 empty files, so that there is something to look up
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ring.h"

enum { ROOT = 1, HELLO, BIG, HANG, MUTE, STATS, FIRST_MANY = 1000 };
#define MANY 10000
#define BIG_SIZE (4u << 20)
#define HELD 64
/* Of flags2; the header of Debian 12 does not know it. */
#define INIT_PASSTHROUGH (1u << 5)

static const char HELLO_TEXT[] = "hello from the ring\n";
static const struct { uint64_t nodeid; const char *name; } FILES[] = {
	{ HELLO, "hello" }, { BIG, "big" }, { HANG, "hang" }, { MUTE, "mute" },
	{ STATS, "stats" },
};
#define NFILES (sizeof(FILES) / sizeof(FILES[0]))

static char *big;
static unsigned int max_write;
static bool writeback, passthrough;
static atomic_ullong lookups, forgets, ring_requests, slow_requests, undone;

/* Requests on "hang" that wait for their INTERRUPT, and interrupts that came first. */
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t interrupted[HELD];
static unsigned int next_interrupted;

void fs_init(const struct options *options)
{
	max_write = options->max_write;
	writeback = options->writeback;
	passthrough = options->passthrough;
	big = malloc(BIG_SIZE);
	if (!big)
		abort();
	for (unsigned int i = 0; i < BIG_SIZE; i++)
		big[i] = (char)(i * 7 + (i >> 12));
}

void fs_forget(uint64_t nodeid, uint64_t nlookup)
{
	(void)nodeid;
	atomic_fetch_add(&forgets, nlookup);
}

void fs_interrupt(uint64_t unique)
{
	pthread_mutex_lock(&held_lock);
	interrupted[next_interrupted++ % HELD] = unique;
	pthread_mutex_unlock(&held_lock);
}

/* Whether an INTERRUPT came for the request; takes it out. */
bool fs_take_interrupt(uint64_t unique)
{
	bool found = false;

	pthread_mutex_lock(&held_lock);
	for (unsigned int i = 0; i < HELD; i++) {
		if (interrupted[i] == unique) {
			interrupted[i] = 0;
			found = true;
		}
	}
	pthread_mutex_unlock(&held_lock);
	return found;
}

static int stats_text(char *to, size_t size)
{
	return snprintf(to, size, "lookups %llu forgets %llu ring %llu slow %llu undone %llu\n",
			lookups, forgets, ring_requests, slow_requests, undone);
}

static bool fill_attr(struct fuse_attr *attr, uint64_t nodeid)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = nodeid;
	attr->nlink = 1;
	attr->blksize = 4096;
	attr->mode = S_IFREG | 0666;
	if (nodeid == ROOT) {
		attr->mode = S_IFDIR | 0755;
		attr->nlink = 2;
	} else if (nodeid == HELLO) {
		attr->size = sizeof(HELLO_TEXT) - 1;
	} else if (nodeid == BIG) {
		attr->size = BIG_SIZE;
	} else if (nodeid == STATS || nodeid == HANG || nodeid == MUTE) {
		attr->size = 4096;
	} else if (nodeid < FIRST_MANY || nodeid >= FIRST_MANY + MANY) {
		return false;
	}
	return true;
}

static uint64_t find_name(const char *name)
{
	for (unsigned int i = 0; i < NFILES; i++)
		if (strcmp(name, FILES[i].name) == 0)
			return FILES[i].nodeid;
	if (name[0] == 'n' && strlen(name) == 5) {
		char *end;
		unsigned long number = strtoul(name + 1, &end, 10);

		if (*end == 0 && number < MANY)
			return FIRST_MANY + number;
	}
	return 0;
}

/* Each operation: bytes of fixed reply, or -errno; *data counts variable bytes. */

static int do_lookup(struct request *r)
{
	struct fuse_entry_out *out = r->reply;

	memset(out, 0, sizeof(*out));
	out->nodeid = r->in->nodeid == ROOT ? find_name(r->args) : 0;
	if (out->nodeid == 0)
		return -ENOENT;
	fill_attr(&out->attr, out->nodeid);
	atomic_fetch_add(&lookups, 1);
	return sizeof(*out);
}

static int do_attr(struct request *r)
{
	struct fuse_attr_out *out = r->reply;

	memset(out, 0, sizeof(*out));
	return fill_attr(&out->attr, r->in->nodeid) ? (int)sizeof(*out) : -ENOENT;
}

static int do_open(struct request *r)
{
	struct fuse_open_out *out = r->reply;

	memset(out, 0, sizeof(*out));
	if (r->in->nodeid == STATS || r->in->nodeid == HANG || r->in->nodeid == MUTE)
		out->open_flags = FOPEN_DIRECT_IO;
	return sizeof(*out);
}

static int read_from(struct request *r, const char *from, size_t size, uint32_t *data)
{
	const struct fuse_read_in *in = r->args;

	if (in->offset < size) {
		*data = size - in->offset < in->size ? size - in->offset : in->size;
		if (*data > r->bulk_size)
			return -EIO;
		memcpy(r->bulk, from + in->offset, *data);
	}
	return 0;
}

static int do_read(struct request *r, uint32_t *data)
{
	char text[256];

	if (r->in->nodeid == HELLO)
		return read_from(r, HELLO_TEXT, sizeof(HELLO_TEXT) - 1, data);
	if (r->in->nodeid == BIG)
		return read_from(r, big, BIG_SIZE, data);
	if (r->in->nodeid == STATS)
		return read_from(r, text, stats_text(text, sizeof(text)), data);
	return 0;
}

static int do_write(struct request *r)
{
	const struct fuse_write_in *in = r->args;
	struct fuse_write_out *out = r->reply;

	if (r->in->nodeid != BIG || in->offset + in->size > BIG_SIZE)
		return -ENOSPC;
	memcpy(big + in->offset, r->data, in->size);
	memset(out, 0, sizeof(*out));
	out->size = in->size;
	return sizeof(*out);
}

static int do_readdir(struct request *r, uint32_t *data)
{
	const struct fuse_read_in *in = r->args;

	for (uint64_t i = in->offset; i < NFILES + 2; i++) {
		const char *name = i == 0 ? "." : i == 1 ? ".." : FILES[i - 2].name;
		struct fuse_dirent *entry = (void *)((char *)r->bulk + *data);
		uint32_t length = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + strlen(name));

		if (*data + length > in->size || *data + length > r->bulk_size)
			break;
		memset(entry, 0, length);
		entry->ino = i < 2 ? ROOT : FILES[i - 2].nodeid;
		entry->off = i + 1;
		entry->namelen = strlen(name);
		entry->type = i < 2 ? 4 : 8;
		memcpy(entry->name, name, entry->namelen);
		*data += length;
	}
	return 0;
}

static int do_statfs(struct request *r)
{
	struct fuse_statfs_out *out = r->reply;

	memset(out, 0, sizeof(*out));
	out->st.bsize = 4096;
	out->st.namelen = 255;
	return sizeof(*out);
}

static int do_init(struct request *r)
{
	const struct fuse_init_in *in = r->args;
	struct fuse_init_out *out = r->reply;

	memset(out, 0, sizeof(*out));
	out->major = 7;
	out->minor = in->minor < 36 ? in->minor : 36;
	out->max_readahead = 131072;
	out->flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ |
		     FUSE_PARALLEL_DIROPS | FUSE_ASYNC_DIO;
	if (writeback)
		out->flags |= FUSE_WRITEBACK_CACHE;
	if (passthrough) {
		out->flags |= FUSE_INIT_EXT;
		out->flags2 = in->flags2 & INIT_PASSTHROUGH;
		out->unused[0] = 1;	/* max_stack_depth */
	}
	out->flags &= in->flags;
	out->max_write = max_write;
	out->max_pages = max_write / 4096 ? max_write / 4096 : 1;
	out->max_background = 16;
	out->congestion_threshold = 12;
	out->time_gran = 1;
	return sizeof(*out);
}

static int answer(struct request *r, uint32_t *data)
{
	switch (r->in->opcode) {
	case FUSE_INIT:
		return do_init(r);
	case FUSE_LOOKUP:
		return do_lookup(r);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return do_attr(r);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return do_open(r);
	case FUSE_READ:
		return do_read(r, data);
	case FUSE_WRITE:
		return do_write(r);
	case FUSE_READDIR:
		return do_readdir(r, data);
	case FUSE_STATFS:
		return do_statfs(r);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_DESTROY:
		return 0;
	}
	return -ENOSYS;
}

/* A READ of "hang" or "mute" is held back until somebody asks again. */
static bool is_held(const struct request *r)
{
	if (r->in->opcode != FUSE_READ)
		return false;
	return r->in->nodeid == MUTE || r->in->nodeid == HANG;
}

static void finish(struct request *r, int result, uint32_t data)
{
	uint64_t unique = r->in->unique;

	r->out->unique = unique;
	r->out->error = result < 0 ? result : 0;
	r->out->len = sizeof(*r->out) + (result < 0 ? 0 : result + data);
}

enum served fs_serve(struct request *r, bool on_ring)
{
	uint32_t data = 0;
	int result;

	atomic_fetch_add(on_ring ? &ring_requests : &slow_requests, 1);
	switch (r->in->opcode) {
	case FUSE_FORGET:
		fs_forget(r->in->nodeid, ((const struct fuse_forget_in *)r->args)->nlookup);
		return NO_REPLY;
	case FUSE_BATCH_FORGET: {
		const struct fuse_batch_forget_in *in = r->args;
		const struct fuse_forget_one *one = (const void *)(in + 1);

		for (uint32_t i = 0; i < in->count; i++)
			fs_forget(one[i].nodeid, one[i].nlookup);
		return NO_REPLY;
	}
	case FUSE_INTERRUPT:
		fs_interrupt(((const struct fuse_interrupt_in *)r->args)->unique);
		return NO_REPLY;
	}
	if (is_held(r)) {
		if (r->in->nodeid == MUTE || !fs_take_interrupt(r->in->unique))
			return LATER;
		finish(r, -EINTR, 0);
		return SERVED;
	}
	result = answer(r, &data);
	finish(r, result, data);
	return SERVED;
}

/* The caller was killed before it could see the reply: what it would own is given back. */
void fs_undo(const struct request *r)
{
	if (r->in->opcode == FUSE_LOOKUP && r->out->error == 0)
		atomic_fetch_add(&forgets, 1);
	atomic_fetch_add(&undone, 1);
}
