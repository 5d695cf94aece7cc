// SPDX-License-Identifier: GPL-2.0-only
/*
 * Background requests. They come while fuse holds bg_lock (and often an inode's
 * lock), so here they are only noted, by number; the daemon's own DOORBELL or
 * WAIT copies them in. From the first moment on fuse's abort finds them.
 */
#include <linux/cpumask.h>
#include <linux/topology.h>

#include "ring.h"
#include "trace.h"

/* Notes the request on @c; false when its backlog is full, or at an abort. */
static bool rfuse_note(struct rfuse_channel *c, struct fuse_req *req)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	u32 entries = c->conn->layout.pending_entries;
	bool noted = false;

	spin_lock(&fpq->lock);
	if (fpq->connected) {
		spin_lock(&c->lock);
		if (c->backlog_tail - c->backlog_head < entries) {
			c->backlog[c->backlog_tail++ & (entries - 1)] =
				req->in.h.unique;
			if (!c->starved)
				rfuse_show_backlog(c);
			noted = true;
		}
		spin_unlock(&c->lock);
	}
	if (noted) {
		clear_bit(FR_PENDING, &req->flags);
		list_add_tail(&req->list,
			      &fpq->processing[rfuse_hash(req->in.h.unique)]);
	}
	spin_unlock(&fpq->lock);
	if (noted)
		rfuse_notify(c);
	return noted;
}

/* Some CPU of it is online, and its thread is not stuck. */
static bool rfuse_usable(struct rfuse_channel *c)
{
	return READ_ONCE(c->online) && !rfuse_stuck(c);
}

/* Round robin over the others, first those of the same node. */
static bool rfuse_note_elsewhere(struct rfuse_channel *own,
				 struct fuse_req *req)
{
	struct rfuse_conn *conn = own->conn;
	u32 next = READ_ONCE(own->next_other);
	unsigned int pass;
	u32 i;

	for (pass = 0; pass < 2; pass++) {
		for (i = 1; i <= conn->nchannels; i++) {
			u32 index = (next + i) % conn->nchannels;
			struct rfuse_channel *c = conn->channels[index];

			bool near = c->node == own->node;

			if (c == own || near != !pass || !rfuse_usable(c) ||
			    !rfuse_note(c, req))
				continue;
			WRITE_ONCE(own->next_other, index);
			rfuse_count(c, &c->counts.balanced_requests);
			return true;
		}
	}
	return false;
}

/* False: the slow lane's. bg_lock is held. */
bool rfuse_background(struct rfuse_conn *conn, struct fuse_req *req)
{
	struct rfuse_channel *own = rfuse_local_channel(conn);
	struct rfuse_shape shape;

	if (!rfuse_shape_of(conn, req->args, &shape))
		return false;
	if (!rfuse_stuck(own) && rfuse_note(own, req))
		return true;
	return rfuse_note_elsewhere(own, req) || rfuse_note(own, req);
}

/*
 * The oldest of the backlog with a tag of its own, locked as fuse locks what it
 * copies. NULL with *tag negative: nothing can be moved now; with *tag 0: that
 * one was aborted, go on.
 */
static struct fuse_req *rfuse_take_oldest(struct rfuse_channel *c, int *tag,
					  struct rfuse_shape *shape)
{
	u32 mask = c->conn->layout.pending_entries - 1;
	struct fuse_pqueue *fpq = &c->fud->pq;
	struct fuse_req *req = NULL;
	u64 unique;

	*tag = -1;
	spin_lock(&fpq->lock);
	spin_lock(&c->lock);
	if (c->backlog_tail == c->backlog_head)
		goto unlock;
	unique = c->backlog[c->backlog_head & mask];
	*tag = 0;
	if (fpq->connected)
		req = rfuse_find(fpq, unique);
	if (req) {
		rfuse_shape_of(c->conn, req->args, shape);
		*tag = rfuse_tag_get(c, shape, unique);
		if (*tag < 0) {
			c->starved = -*tag;
			c->backlog_shown = 0;
			WRITE_ONCE(c->control->backlog, 0);
			req = NULL;
			goto unlock;
		}
		list_move(&req->list, &fpq->io);
		set_bit(FR_LOCKED, &req->flags);
	}
	c->starved = RFUSE_NOT_STARVED;
	c->backlog_head++;
	rfuse_show_backlog(c);
unlock:
	spin_unlock(&c->lock);
	spin_unlock(&fpq->lock);
	return req;
}

/* After the copy: back to the requests in flight. False: aborted meanwhile. */
static bool rfuse_put_back(struct rfuse_channel *c, struct fuse_req *req)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	bool connected;

	spin_lock(&fpq->lock);
	clear_bit(FR_LOCKED, &req->flags);
	connected = fpq->connected;
	if (connected) {
		set_bit(FR_SENT, &req->flags);
		list_move_tail(&req->list,
			       &fpq->processing[rfuse_hash(req->in.h.unique)]);
	} else {
		req->out.h.error = -ECONNABORTED;
		if (!test_bit(FR_PRIVATE, &req->flags))
			list_del_init(&req->list);
	}
	spin_unlock(&fpq->lock);
	return connected;
}

/* Copies the backlog into slots, as far as tags and payload last. */
void rfuse_move_in(struct rfuse_channel *c)
{
	u32 budget = c->conn->layout.pending_entries;
	struct rfuse_shape shape;
	struct fuse_req *req;
	int tag;

	if (!READ_ONCE(c->backlog_shown))
		return;
	mutex_lock(&c->moving);
	while (budget--) {
		req = rfuse_take_oldest(c, &tag, &shape);
		if (tag < 0)
			break;
		if (!req)
			continue;
		rfuse_copy_in(c, tag, req, &shape);
		if (rfuse_put_back(c, req)) {
			trace_rfuse_fetch(c, tag, c->tags[tag].unique);
			rfuse_publish(c, tag, req, RFUSE_TAG_BACKGROUND,
				      RFUSE_STATE_QUEUED | RFUSE_STATE_WAKE);
		} else {
			rfuse_tag_put(c, tag);
			fuse_request_end(req);
		}
	}
	mutex_unlock(&c->moving);
}
