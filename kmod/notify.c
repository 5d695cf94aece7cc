// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waking the daemon: sleepers in WAIT, watchers, eventfds. May be called in
 * atomic context. Every waker publishes first and then looks for sleepers;
 * every sleeper shows itself first and then looks for work.
 */
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "ring.h"

/* The daemon's heads are hints: a wrong one costs the daemon a wake-up. */
bool rfuse_has_work(struct rfuse_channel *c)
{
	struct rfuse_control *control = c->control;

	return READ_ONCE(control->pending_head) != READ_ONCE(c->pending_tail) ||
	       READ_ONCE(control->forget_head) != READ_ONCE(c->forget_tail) ||
	       READ_ONCE(control->interrupt_head) !=
			READ_ONCE(c->interrupt_tail);
}

static bool rfuse_wake_queue(struct wait_queue_head *queue, void *key)
{
	/* After a full barrier: rfuse_notify(). */
	if (!waitqueue_active(queue))
		return false;
	__wake_up(queue, TASK_NORMAL, 0, key);
	return true;
}

/* The daemon set need_wakeup: its watchers and its eventfd are told. */
static bool rfuse_notify_watchers(struct rfuse_channel *c)
{
	bool woken = rfuse_wake_queue(&c->conn->watchers, c);

	if (READ_ONCE(c->eventfd)) {
		spin_lock(&c->lock);
		if (c->eventfd) {
			rfuse_eventfd_raise(c->eventfd);
			woken = true;
		}
		spin_unlock(&c->lock);
	}
	return woken;
}

/* True when somebody slept and was woken. */
bool rfuse_notify(struct rfuse_channel *c)
{
	bool woken;

	/*
	 * Pairs with set_current_state() in rfuse_wait_for() and with the
	 * barrier after a daemon's store to need_wakeup.
	 */
	smp_mb();
	woken = rfuse_wake_queue(&c->waitq, c);
	woken |= rfuse_wake_queue(&c->conn->servers, c);
	if (READ_ONCE(c->control->need_wakeup))
		woken |= rfuse_notify_watchers(c);
	if (woken)
		rfuse_count(c, &c->counts.daemon_wakeups);
	return woken;
}

/* The connection ended: everybody returns. */
void rfuse_notify_end(struct rfuse_conn *conn)
{
	u32 i;

	wake_up_all(&conn->servers);
	wake_up_all(&conn->watchers);
	for (i = 0; i < conn->nchannels; i++) {
		struct rfuse_channel *c = conn->channels[i];

		wake_up_all(&c->waitq);
		spin_lock(&c->lock);
		if (c->eventfd)
			rfuse_eventfd_raise(c->eventfd);
		spin_unlock(&c->lock);
	}
}

/*
 * fuse tells nobody that it aborts a connection, but it wakes all readers of
 * the stock queue, and so us. Called with that queue's lock held.
 */
static int rfuse_abort_seen(struct wait_queue_entry *entry, unsigned int mode,
			    int flags, void *key)
{
	struct rfuse_conn *conn =
		container_of(entry, struct rfuse_conn, abort_watch);

	if (!READ_ONCE(rfuse_fiq(conn->fc)->connected))
		rfuse_notify_end(conn);
	return 0;
}

void rfuse_watch_abort(struct rfuse_conn *conn)
{
	init_waitqueue_func_entry(&conn->abort_watch, rfuse_abort_seen);
	add_wait_queue(&rfuse_fiq(conn->fc)->waitq, &conn->abort_watch);
}

void rfuse_unwatch_abort(struct rfuse_conn *conn)
{
	remove_wait_queue(&rfuse_fiq(conn->fc)->waitq, &conn->abort_watch);
}

/* RFUSE_IOC_EVENTFD */
long rfuse_eventfd(struct rfuse_conn *conn, struct rfuse_eventfd __user *arg)
{
	struct eventfd_ctx *ctx = NULL, *old;
	struct rfuse_eventfd want;
	struct rfuse_channel *c;

	if (copy_from_user(&want, arg, sizeof(want)))
		return -EFAULT;
	if (want.channel >= conn->nchannels || want.fd < -1)
		return -EINVAL;
	c = conn->channels[array_index_nospec(want.channel, conn->nchannels)];
	if (want.fd >= 0) {
		ctx = eventfd_ctx_fdget(want.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	spin_lock(&c->lock);
	old = c->eventfd;
	WRITE_ONCE(c->eventfd, ctx);
	spin_unlock(&c->lock);
	if (old)
		eventfd_ctx_put(old);
	return 0;
}
