// SPDX-License-Identifier: GPL-2.0-only
/*
 * A caller asleep: signals, the one INTERRUPT, and how a killed caller leaves
 * while the daemon still has its request.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "ring.h"
#include "trace.h"

static bool rfuse_answered(struct rfuse_slot *slot, struct fuse_req *req)
{
	/* Pairs with the daemon's exchange. */
	return smp_load_acquire(&slot->state) == RFUSE_STATE_DONE ||
	       test_bit(FR_FINISHED, &req->flags);
}

/*
 * Gives the tag to whoever reaps the late reply. False when the reply is there
 * already. Under c->lock, so that a reaper sees kind and state agree.
 */
static bool rfuse_disown(struct rfuse_channel *c, u32 tag)
{
	struct rfuse_slot *slot = rfuse_slot(c, tag);
	bool late;

	spin_lock(&c->lock);
	/* Pairs with the daemon's exchange: one of the two sees the other. */
	late = xchg(&slot->state, RFUSE_STATE_QUEUED | RFUSE_STATE_WAKE |
		    RFUSE_STATE_ABANDONED) == RFUSE_STATE_DONE;
	if (late) {
		WRITE_ONCE(slot->state, RFUSE_STATE_DONE);
	} else {
		c->tags[tag].kind = RFUSE_TAG_ABANDONED;
		c->counts.abandoned++;
	}
	spin_unlock(&c->lock);
	return !late;
}

/* Ends the request with EINTR, unless abort or resend has taken it. */
static void rfuse_end_killed(struct rfuse_channel *c, u32 tag, u64 unique)
{
	struct fuse_pqueue *fpq = &c->fud->pq;
	struct fuse_req *req = NULL;

	spin_lock(&fpq->lock);
	if (fpq->connected)
		req = rfuse_find(fpq, unique);
	if (req) {
		clear_bit(FR_SENT, &req->flags);
		list_del_init(&req->list);
		req->out.h.error = -EINTR;
	}
	spin_unlock(&fpq->lock);
	if (req) {
		trace_rfuse_end(c, tag, unique, -EINTR);
		fuse_request_end(req);
	}
}

/*
 * Waits for the reply, with the state word at QUEUED|WAKE. The same waits as in
 * request_wait_answer(), but the caller takes its reply out itself, and a
 * killed one need not wait for the daemon.
 */
void rfuse_sleep(struct rfuse_channel *c, u32 tag, struct fuse_req *req)
{
	struct rfuse_slot *slot = rfuse_slot(c, tag);
	struct rfuse_conn *conn = c->conn;
	u64 unique = req->in.h.unique;

	if (!rfuse_no_interrupt(conn->fc)) {
		if (!wait_event_interruptible(req->waitq,
					      rfuse_answered(slot, req)))
			goto answered;
		rfuse_interrupt(c, tag, req);
	}
	if (!test_bit(FR_FORCE, &req->flags) &&
	    (conn->features & RFUSE_FEATURE_ABANDON)) {
		if (!wait_event_killable(req->waitq, rfuse_answered(slot, req)))
			goto answered;
		if (rfuse_disown(c, tag)) {
			rfuse_end_killed(c, tag, unique);
			return;
		}
	}
	wait_event(req->waitq, rfuse_answered(slot, req));
answered:
	rfuse_learn_wakeup(c, READ_ONCE(c->tags[tag].woken_ns));
	rfuse_finish(c, tag, unique);
}
