// SPDX-License-Identifier: GPL-2.0-only
/*
 * A synchronous request from its caller's context into a channel: tag, copy,
 * registration with fuse, publication; then the caller polls or sleeps, and
 * takes its reply out itself.
 */
#include <linux/sched.h>

#include "ring.h"
#include "trace.h"

/*
 * Makes a whole request visible. From here on a background request may be
 * ended, and its memory freed, by anyone; a synchronous one stays the caller's.
 * True when the daemon slept and was woken.
 */
bool rfuse_publish(struct rfuse_channel *c, u32 tag, struct fuse_req *req,
		   enum rfuse_tag_kind kind, u32 state)
{
	struct rfuse_control *control = c->control;
	u32 mask = c->conn->layout.pending_entries - 1;

	trace_rfuse_submit(c, tag, req->in.h.unique, req->in.h.opcode);
	spin_lock(&c->lock);
	c->tags[tag].kind = kind;
	c->tags[tag].owed += !!(state & RFUSE_STATE_WAKE);
	WRITE_ONCE(rfuse_slot(c, tag)->state, state);
	WRITE_ONCE(c->pending[c->pending_tail & mask], tag);
	c->counts.ring_requests++;
	if (kind == RFUSE_TAG_BACKGROUND)
		c->counts.background_requests++;
	/* Pairs with the daemon's acquire: slot and entry are whole. */
	smp_store_release(&control->pending_tail, ++c->pending_tail);
	rfuse_event(c);
	spin_unlock(&c->lock);
	return rfuse_notify(c);
}

/* Where abort finds it; false when the connection is being aborted. */
static bool rfuse_register(struct rfuse_channel *c, struct fuse_req *req)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	bool connected;

	spin_lock(&fpq->lock);
	connected = fpq->connected;
	if (connected) {
		clear_bit(FR_PENDING, &req->flags);
		set_bit(FR_SENT, &req->flags);
		list_add_tail(&req->list,
			      &fpq->processing[rfuse_hash(req->in.h.unique)]);
	}
	spin_unlock(&fpq->lock);
	return connected;
}

/* What waits for its turn goes first: it could wait for ever otherwise. */
static bool rfuse_must_yield(struct rfuse_channel *c,
			     const struct rfuse_shape *shape)
{
	return c->starved == RFUSE_STARVED_TAG ||
	       (c->starved == RFUSE_STARVED_PAYLOAD && shape->payload_pages);
}

static int rfuse_tag_for(struct rfuse_channel *c,
			 const struct rfuse_shape *shape, u64 unique)
{
	int tag = -1;

	spin_lock(&c->lock);
	if (!rfuse_must_yield(c, shape))
		tag = rfuse_tag_get(c, shape, unique);
	spin_unlock(&c->lock);
	return tag;
}

/*
 * Polls, then asks to be woken. True when the caller has something to finish
 * at once: a reply, an abort, or nonsense in the state word, to be refused.
 */
static bool rfuse_poll_then_wake(struct rfuse_channel *c, u32 tag,
				 struct fuse_req *req, bool woken)
{
	struct rfuse_slot *slot = rfuse_slot(c, tag);
	enum rfuse_polled polled = rfuse_poll(c, slot, req, woken);
	bool sleeps;

	if (polled == RFUSE_POLL_HIT) {
		rfuse_count(c, &c->counts.spin_hits);
		return true;
	}
	spin_lock(&c->lock);
	if (polled == RFUSE_POLL_MISS)
		c->counts.spin_misses++;
	else
		c->counts.spin_skips++;
	/* Pairs with the daemon's exchange: it finds WAKE, or we find DONE. */
	sleeps = cmpxchg(&slot->state, RFUSE_STATE_QUEUED,
			 RFUSE_STATE_QUEUED | RFUSE_STATE_WAKE) ==
		 RFUSE_STATE_QUEUED;
	c->tags[tag].owed += sleeps;
	spin_unlock(&c->lock);
	return !sleeps;
}

/*
 * True when the request went through a channel. It is then finished, unless
 * fuse's abort or resend has taken it: request_wait_answer() sees to those.
 */
bool rfuse_submit(struct rfuse_conn *conn, struct fuse_req *req)
{
	u64 unique = req->in.h.unique;
	struct rfuse_channel *c, *own;
	struct rfuse_shape shape;
	bool woken, done;
	int tag;

	if (rfuse_bpf_answer(conn, req))
		return true;
	c = rfuse_channel_for(conn, &own);
	if (!rfuse_shape_of(conn, req->args, &shape))
		return false;
	tag = rfuse_tag_for(c, &shape, unique);
	if (tag < 0)
		return false;
	rfuse_copy_in(c, tag, req, &shape);
	if (!rfuse_register(c, req)) {
		rfuse_tag_put(c, tag);
		return false;
	}

	woken = rfuse_publish(c, tag, req, RFUSE_TAG_SYNC, RFUSE_STATE_QUEUED);
	done = rfuse_poll_then_wake(c, tag, req, woken);
	if (c != own)
		rfuse_neighbour_told(own, done);
	if (done)
		rfuse_finish(c, tag, unique);
	else
		rfuse_sleep(c, tag, req);
	return true;
}
