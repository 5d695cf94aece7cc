// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations of a connection's input queue, as fuse calls them, in the two
 * shapes that fuse has had. They decide between the rings and the stock queue
 * (the slow lane) and nothing else: what we do not take goes to the operations
 * that were there before us.
 */
#include <linux/slab.h>

#include "ring.h"

static struct rfuse_conn *rfuse_of(struct fuse_iqueue *fiq)
{
	/* Pairs with rfuse_take_over(). */
	(void)smp_load_acquire(&fiq->ops);
	return fiq->priv;
}

static bool rfuse_open_for(struct rfuse_conn *conn, u32 feature)
{
	/* Pairs with rfuse_setup(). */
	return smp_load_acquire(&conn->ready) && !READ_ONCE(conn->dead) &&
	       (conn->features & feature) == feature;
}

/* Only requests that are answered; NOTIFY_REPLY and the like are not. */
static bool rfuse_wants(struct rfuse_conn *conn, struct fuse_req *req)
{
	u32 feature = test_bit(FR_BACKGROUND, &req->flags) ?
		RFUSE_FEATURE_BACKGROUND : 0;

	return test_bit(FR_ISREPLY, &req->flags) &&
	       rfuse_open_for(conn, feature);
}

/*
 * True when the request is on its way through a channel; a synchronous one is
 * then finished, or fuse's abort or resend has got hold of it.
 */
static bool rfuse_take(struct rfuse_conn *conn, struct fuse_req *req)
{
	bool taken;

	if (test_bit(FR_BACKGROUND, &req->flags))
		taken = rfuse_background(conn, req);
	else
		taken = rfuse_submit(conn, req);
	if (!taken) {
		struct rfuse_channel *c = rfuse_local_channel(conn);

		rfuse_count(c, &c->counts.slow_requests);
	}
	return taken;
}

static void rfuse_queue_release(struct fuse_iqueue *fiq)
{
	struct rfuse_conn *conn = fiq->priv;

	/* Nothing of this module may be found here after it is unloaded. */
	fiq->ops = conn->stock;
	fiq->priv = NULL;
	rfuse_conn_free(conn);
}

#ifdef RFUSE_HAS_SEND_REQ

/* Called without a lock, or under bg_lock for a background request. */
static void rfuse_send_req(struct fuse_iqueue *fiq, struct fuse_req *req)
{
	struct rfuse_conn *conn = rfuse_of(fiq);
	int idx = srcu_read_lock(&conn->srcu);
	bool taken = false;

	if (rfuse_wants(conn, req)) {
		rfuse_assign_unique(fiq, req);
		taken = rfuse_take(conn, req);
	}
	if (!taken)
		conn->stock->send_req(fiq, req);
	srcu_read_unlock(&conn->srcu, idx);
}

static void rfuse_send_forget(struct fuse_iqueue *fiq,
			      struct fuse_forget_link *link)
{
	struct rfuse_conn *conn = rfuse_of(fiq);
	int idx = srcu_read_lock(&conn->srcu);

	if (rfuse_open_for(conn, RFUSE_FEATURE_FORGET_RING) &&
	    rfuse_forget(conn, link->forget_one.nodeid,
			 link->forget_one.nlookup))
		kfree(link);
	else
		conn->stock->send_forget(fiq, link);
	srcu_read_unlock(&conn->srcu, idx);
}

/* Of requests on the stock queue; ours wait in rfuse_sleep(). */
static void rfuse_send_interrupt(struct fuse_iqueue *fiq, struct fuse_req *req)
{
	rfuse_of(fiq)->stock->send_interrupt(fiq, req);
}

const struct fuse_iqueue_ops rfuse_queue_ops = {
	.send_req	= rfuse_send_req,
	.send_forget	= rfuse_send_forget,
	.send_interrupt	= rfuse_send_interrupt,
	.release	= rfuse_queue_release,
};

#else /* called with fiq->lock held, the new object is the last on its list */

/* Puts a request that the channels refused where it came from. */
static void rfuse_give_back(struct rfuse_conn *conn, struct fuse_iqueue *fiq,
			    struct fuse_req *req)
	__acquires(fiq->lock)
	__releases(fiq->lock)
{
	spin_lock(&fiq->lock);
	if (fiq->connected) {
		set_bit(FR_PENDING, &req->flags);
		list_add_tail(&req->list, &fiq->pending);
		conn->stock->wake_pending_and_unlock(fiq);
		return;
	}
	spin_unlock(&fiq->lock);
	/*
	 * Abort empties the background queue before it disconnects fiq, so
	 * this is a synchronous request.
	 */
	WARN_ON_ONCE(test_bit(FR_BACKGROUND, &req->flags));
	req->out.h.error = -ENOTCONN;
	fuse_request_end(req);
}

static void rfuse_wake_pending(struct fuse_iqueue *fiq)
	__releases(fiq->lock)
{
	struct rfuse_conn *conn = rfuse_of(fiq);
	struct fuse_req *req = list_last_entry(&fiq->pending, struct fuse_req,
					       list);
	int idx = srcu_read_lock(&conn->srcu);

	if (rfuse_wants(conn, req)) {
		list_del_init(&req->list);
		clear_bit(FR_PENDING, &req->flags);
		spin_unlock(&fiq->lock);
		if (!rfuse_take(conn, req))
			rfuse_give_back(conn, fiq, req);
	} else {
		conn->stock->wake_pending_and_unlock(fiq);
	}
	srcu_read_unlock(&conn->srcu, idx);
}

/* Takes the forget if it is alone; others before it are the slow lane's. */
static void rfuse_wake_forget(struct fuse_iqueue *fiq)
	__releases(fiq->lock)
{
	struct rfuse_conn *conn = rfuse_of(fiq);
	struct fuse_forget_link *link = fiq->forget_list_head.next;
	int idx = srcu_read_lock(&conn->srcu);

	if (!link->next &&
	    rfuse_open_for(conn, RFUSE_FEATURE_FORGET_RING) &&
	    rfuse_forget(conn, link->forget_one.nodeid,
			 link->forget_one.nlookup)) {
		fiq->forget_list_head.next = NULL;
		fiq->forget_list_tail = &fiq->forget_list_head;
		spin_unlock(&fiq->lock);
		kfree(link);
	} else {
		conn->stock->wake_forget_and_unlock(fiq);
	}
	srcu_read_unlock(&conn->srcu, idx);
}

/* Of requests on the stock queue; ours wait in rfuse_sleep(). */
static void rfuse_wake_interrupt(struct fuse_iqueue *fiq)
	__releases(fiq->lock)
{
	rfuse_of(fiq)->stock->wake_interrupt_and_unlock(fiq);
}

const struct fuse_iqueue_ops rfuse_queue_ops = {
	.wake_pending_and_unlock	= rfuse_wake_pending,
	.wake_forget_and_unlock		= rfuse_wake_forget,
	.wake_interrupt_and_unlock	= rfuse_wake_interrupt,
	.release			= rfuse_queue_release,
};

#endif
