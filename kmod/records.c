// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two rings of records that need no reply: FORGET and INTERRUPT. A full
 * ring is no loss: the stock queue takes what does not fit.
 */
#include "ring.h"

/*
 * Room in a ring whose head is the daemon's word: a nonsensical head is a full
 * ring. c->lock is held.
 */
static bool rfuse_has_room(u32 tail, const u32 *head, u32 entries)
{
	return tail - READ_ONCE(*head) < entries;
}

/* May be called in atomic context. False: the ring is full. */
bool rfuse_forget(struct rfuse_conn *conn, u64 nodeid, u64 nlookup)
{
	struct rfuse_channel *c = rfuse_local_channel(conn);
	u32 entries = conn->layout.forget_entries;
	struct rfuse_control *control = c->control;
	bool room;

	spin_lock(&c->lock);
	room = rfuse_has_room(c->forget_tail, &control->forget_head, entries);
	if (room) {
		struct rfuse_forget *record =
			&c->forgets[c->forget_tail & (entries - 1)];

		record->nodeid = nodeid;
		record->nlookup = nlookup;
		c->counts.forgets++;
		/* Pairs with the daemon's acquire: the record is whole. */
		smp_store_release(&control->forget_tail, ++c->forget_tail);
		rfuse_event(c);
	} else {
		c->counts.forget_overflows++;
	}
	spin_unlock(&c->lock);
	if (room)
		rfuse_notify(c);
	return room;
}

/* As the core would for a request of the stock queue. */
static void rfuse_interrupt_slow(struct rfuse_conn *conn, struct fuse_req *req)
{
	struct fuse_iqueue *fiq = rfuse_fiq(conn->fc);

	set_bit(FR_INTERRUPTED, &req->flags);
	/* As in request_wait_answer(): before the stock queue looks. */
	smp_mb__after_atomic();
#ifdef RFUSE_HAS_SEND_REQ
	conn->stock->send_interrupt(fiq, req);
#else
	spin_lock(&fiq->lock);
	if (!list_empty(&req->intr_entry) ||
	    test_bit(FR_FINISHED, &req->flags)) {
		spin_unlock(&fiq->lock);
		return;
	}
	list_add_tail(&req->intr_entry, &fiq->interrupts);
	/* Pairs with test_and_set_bit() in fuse_request_end(). */
	smp_mb();
	if (test_bit(FR_FINISHED, &req->flags)) {
		list_del_init(&req->intr_entry);
		spin_unlock(&fiq->lock);
		return;
	}
	conn->stock->wake_interrupt_and_unlock(fiq);
#endif
}

/* Tells the daemon that the caller of @tag has a signal. */
void rfuse_interrupt(struct rfuse_channel *c, u32 tag, struct fuse_req *req)
{
	struct rfuse_conn *conn = c->conn;
	u32 entries = conn->layout.interrupt_entries;
	struct rfuse_control *control = c->control;
	bool room = false;

	spin_lock(&c->lock);
	if (conn->features & RFUSE_FEATURE_INTERRUPT_RING)
		room = rfuse_has_room(c->interrupt_tail,
				      &control->interrupt_head, entries);
	if (room) {
		struct rfuse_interrupt *record =
			&c->interrupts[c->interrupt_tail & (entries - 1)];

		record->unique = req->in.h.unique;
		record->tag = tag;
		c->counts.interrupts++;
		/* Pairs with the daemon's acquire: the record is whole. */
		smp_store_release(&control->interrupt_tail,
				  ++c->interrupt_tail);
		rfuse_event(c);
	} else {
		c->counts.interrupt_overflows++;
	}
	spin_unlock(&c->lock);
	if (room)
		rfuse_notify(c);
	else
		rfuse_interrupt_slow(conn, req);
}
