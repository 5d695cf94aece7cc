// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a reply in shared memory to an ended request. A reply's header is copied
 * once and judged by private knowledge; a request is looked up by the number
 * that we remember for the tag, so that no word of a daemon leads to memory
 * that is not there any more.
 */
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>

#include "ring.h"
#include "trace.h"

/* fpq->lock is held. */
struct fuse_req *rfuse_find(struct fuse_pqueue *fpq, u64 unique)
{
	struct fuse_req *req;

	list_for_each_entry(req, &fpq->processing[rfuse_hash(unique)], list)
		if (req->in.h.unique == unique)
			return req;
	return NULL;
}

/*
 * The request, locked as fuse locks one that it copies: abort leaves it to us.
 * NULL when abort or resend was faster.
 */
static struct fuse_req *rfuse_claim(struct rfuse_channel *c, u64 unique)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	struct fuse_req *req = NULL;

	spin_lock(&fpq->lock);
	if (fpq->connected)
		req = rfuse_find(fpq, unique);
	if (req) {
		clear_bit(FR_SENT, &req->flags);
		list_move(&req->list, &fpq->io);
		set_bit(FR_LOCKED, &req->flags);
	}
	spin_unlock(&fpq->lock);
	return req;
}

/*
 * Reads, judges and copies out the reply: 0, or the error that the request
 * ends with. *refused says that the daemon broke the rules.
 */
static int rfuse_read_reply(struct rfuse_channel *c, u32 tag,
			    struct fuse_req *req, bool *refused)
{
	struct rfuse_slot *slot = rfuse_slot(c, tag);
	struct fuse_out_header header;

	*refused = true;
	/* Pairs with the daemon's exchange: the reply is whole. */
	if (smp_load_acquire(&slot->state) != RFUSE_STATE_DONE)
		return -EIO;
	memcpy(&header, (void *)slot + c->conn->layout.slot_out,
	       sizeof(header));
	barrier();	/* from here on only the copy counts */
	if (header.unique != req->in.h.unique ||
	    header.error > 0 || header.error <= -512)
		return -EIO;
	if (header.error) {
		if (header.len != sizeof(header))
			return -EIO;
		*refused = false;
		return header.error;
	}
	if (header.len < sizeof(header) ||
	    rfuse_copy_out(c, tag, req, header.len))
		return -EIO;
	*refused = false;
	return 0;
}

/*
 * Ends the request of @tag with its reply, and frees the tag. The caller is
 * the only one that may: its submitter, or who claimed a background tag.
 * False when the request was somebody else's by then.
 */
bool rfuse_finish(struct rfuse_channel *c, u32 tag, u64 unique)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	struct fuse_req *req = rfuse_claim(c, unique);
	bool refused = false;
	bool aborted;
	int error;

	if (!req) {
		rfuse_count(c, &c->counts.aborted);
		rfuse_tag_put(c, tag);
		return false;
	}
	error = rfuse_read_reply(c, tag, req, &refused);
	trace_rfuse_commit(c, tag, unique, error, refused);
	if (refused)
		rfuse_count(c, &c->counts.refused);

	spin_lock(&fpq->lock);
	clear_bit(FR_LOCKED, &req->flags);
	aborted = !fpq->connected;
	req->out.h.error = aborted ? -ECONNABORTED : error;
	if (!test_bit(FR_PRIVATE, &req->flags))
		list_del_init(&req->list);
	spin_unlock(&fpq->lock);

	rfuse_tag_put(c, tag);
	trace_rfuse_end(c, tag, unique, req->out.h.error);
	fuse_request_end(req);
	return true;
}

/* The daemon says that a sleeping caller's reply is there. */
static void rfuse_wake_caller(struct rfuse_channel *c, u64 unique)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	struct fuse_req *req;

	spin_lock(&fpq->lock);
	req = fpq->connected ? rfuse_find(fpq, unique) : NULL;
	if (req)
		wake_up(&req->waitq);
	spin_unlock(&fpq->lock);
}

/* One entry of the completion ring, or -1. c->lock is held. */
static int rfuse_next_completion(struct rfuse_channel *c)
{
	u32 entries = c->conn->layout.completion_entries;
	struct rfuse_control *control = c->control;
	u32 depth = c->conn->layout.depth;
	u32 tail, tag;

	for (;;) {
		/* Pairs with the daemon's release of the entries. */
		tail = smp_load_acquire(&control->completion_tail);
		if (tail == c->completion_head)
			return -1;
		if (tail - c->completion_head > entries) {
			/* It jumped: nothing of it can be believed. */
			c->completion_head = tail;
			c->counts.spurious++;
			WRITE_ONCE(control->completion_head, tail);
			return -1;
		}
		tag = READ_ONCE(c->completion[c->completion_head &
					      (entries - 1)]);
		WRITE_ONCE(control->completion_head, ++c->completion_head);
		c->counts.reaped++;
		if (tag < depth)
			return array_index_nospec(tag, depth);
		c->counts.spurious++;
		return depth;
	}
}

/* False when the ring is empty. */
static bool rfuse_reap_one(struct rfuse_channel *c)
{
	enum rfuse_tag_kind kind = RFUSE_TAG_FREE;
	bool done = false, starved = false;
	u64 unique = 0;
	int tag;

	spin_lock(&c->lock);
	tag = rfuse_next_completion(c);
	if (tag >= 0 && tag < c->conn->layout.depth) {
		kind = c->tags[tag].kind;
		unique = c->tags[tag].unique;
		done = READ_ONCE(rfuse_slot(c, tag)->state) == RFUSE_STATE_DONE;
		/* A caller may have been faster than the entry that it is owed. */
		if (c->tags[tag].owed)
			c->tags[tag].owed--;
		else
			c->counts.spurious++;
		if (kind == RFUSE_TAG_HELD || (kind != RFUSE_TAG_SYNC && !done)) {
			kind = RFUSE_TAG_FREE;
		} else if (kind == RFUSE_TAG_SYNC) {
			WRITE_ONCE(c->tags[tag].woken_ns, local_clock());
		} else if (kind == RFUSE_TAG_BACKGROUND) {
			c->tags[tag].kind = RFUSE_TAG_HELD;
		} else if (kind == RFUSE_TAG_ABANDONED) {
			starved = c->starved && !c->backlog_shown;
			rfuse_tag_put_locked(c, tag);
		}
	}
	spin_unlock(&c->lock);

	if (kind == RFUSE_TAG_SYNC)
		rfuse_wake_caller(c, unique);
	else if (kind == RFUSE_TAG_BACKGROUND)
		rfuse_finish(c, tag, unique);
	if (starved)
		rfuse_notify(c);
	return tag >= 0;
}

/* Consumes the completion ring; bounded, whatever the daemon does meanwhile. */
void rfuse_reap(struct rfuse_channel *c)
{
	u32 budget = c->conn->layout.completion_entries;

	/* Nothing that this thread has published: no need of the lock. */
	if (READ_ONCE(c->control->completion_tail) ==
	    READ_ONCE(c->completion_head))
		return;
	while (budget-- && rfuse_reap_one(c))
		cond_resched();
}
