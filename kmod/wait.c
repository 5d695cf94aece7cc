// SPDX-License-Identifier: GPL-2.0-only
/*
 * WAIT and DOORBELL: the daemon's own system calls. Both reap completions and
 * move background requests in; WAIT then sleeps until there is work.
 */
#include <linux/hrtimer.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "ring.h"

/* Slack of the time-out. */
#define RFUSE_SLACK_NS	50000
#define RFUSE_FOREVER	U64_MAX

/* One thread in WAIT. */
struct rfuse_sleeper {
	struct wait_queue_entry entry;
	struct rfuse_conn *conn;
	wait_queue_head_t *queue;
	struct wait_queue_entry device_entry;	/* on the stock queue's */
	bool watch;
	bool device;
	DECLARE_BITMAP(channels, RFUSE_MAX_CHANNELS);
	DECLARE_BITMAP(ready, RFUSE_MAX_CHANNELS);
};

/* Wakes a sleeper for a channel (@key) of its own, or for the end (no @key). */
static int rfuse_sleeper_wake(struct wait_queue_entry *entry, unsigned int mode,
			      int flags, void *key)
{
	struct rfuse_sleeper *s =
		container_of(entry, struct rfuse_sleeper, entry);
	struct rfuse_channel *c = key;

	if (c && !test_bit(c->index, s->channels))
		return 0;
	return default_wake_function(entry, mode, flags, NULL);
}

/* The first of the chosen channels. */
static struct rfuse_channel *rfuse_first(struct rfuse_sleeper *s)
{
	return s->conn->channels[find_first_bit(s->channels,
						s->conn->nchannels)];
}

/* A watcher sees only channels whose own thread asked to be woken. */
static bool rfuse_looks_at(struct rfuse_sleeper *s, struct rfuse_channel *c)
{
	return !s->watch || READ_ONCE(c->control->need_wakeup);
}

/* How many channels have work; which is noted in s->ready. */
static unsigned int rfuse_ready(struct rfuse_sleeper *s)
{
	unsigned int count = 0, i;

	for_each_set_bit(i, s->channels, s->conn->nchannels) {
		struct rfuse_channel *c = s->conn->channels[i];
		bool ready = rfuse_looks_at(s, c) && rfuse_has_work(c);

		__assign_bit(i, s->ready, ready);
		count += ready;
	}
	return count;
}

static bool rfuse_device_pending(struct fuse_iqueue *fiq)
{
	return !list_empty_careful(&fiq->pending) ||
	       !list_empty_careful(&fiq->interrupts) ||
	       READ_ONCE(fiq->forget_list_head.next);
}

/* Whether /dev/fuse has something to read; for a sleeper that asks. */
static bool rfuse_device_ready(struct rfuse_sleeper *s)
{
	struct fuse_iqueue *fiq = rfuse_fiq(s->conn->fc);
	bool ready;

	if (!s->device || !rfuse_device_pending(fiq))
		return false;
	/* Older kernels show a request here until queue.c has taken it. */
	spin_lock(&fiq->lock);
	ready = rfuse_device_pending(fiq);
	spin_unlock(&fiq->lock);
	return ready;
}

/* Something to do for service() below, or for the daemon. */
static bool rfuse_stirs(struct rfuse_sleeper *s)
{
	unsigned int i;

	if (rfuse_device_ready(s))
		return true;
	for_each_set_bit(i, s->channels, s->conn->nchannels) {
		struct rfuse_channel *c = s->conn->channels[i];

		if (rfuse_looks_at(s, c) &&
		    (READ_ONCE(c->backlog_shown) || rfuse_has_work(c)))
			return true;
	}
	return false;
}

static void rfuse_service(struct rfuse_sleeper *s)
{
	unsigned int i;

	for_each_set_bit(i, s->channels, s->conn->nchannels) {
		struct rfuse_channel *c = s->conn->channels[i];

		if (rfuse_looks_at(s, c)) {
			rfuse_reap(c);
			rfuse_move_in(c);
		}
	}
}

/* Sleeps once. 0: look again; -ETIME, -EINTR. */
static int rfuse_sleep_once(struct rfuse_sleeper *s, ktime_t *until)
{
	bool ended, stirs;
	int err = 0;

	add_wait_queue(s->queue, &s->entry);
	if (s->device)
		add_wait_queue(&rfuse_fiq(s->conn->fc)->waitq,
			       &s->device_entry);
	/* Pairs with smp_mb() in rfuse_notify(). */
	set_current_state(TASK_INTERRUPTIBLE);
	ended = !rfuse_connected(s->conn->fc);
	stirs = rfuse_stirs(s);
	if (signal_pending(current))
		err = -EINTR;
	else if (ended || stirs)
		;
	else if (!schedule_hrtimeout_range(until, RFUSE_SLACK_NS,
					   HRTIMER_MODE_ABS))
		err = -ETIME;
	__set_current_state(TASK_RUNNING);
	if (s->device)
		remove_wait_queue(&rfuse_fiq(s->conn->fc)->waitq,
				  &s->device_entry);
	remove_wait_queue(s->queue, &s->entry);
	return err;
}

static long rfuse_wait_for(struct rfuse_sleeper *s, u64 timeout_ns)
{
	ktime_t until, *limit = NULL;
	unsigned int count;
	bool slept = false;
	int err = 0;

	if (timeout_ns != RFUSE_FOREVER) {
		until = ktime_add_safe(ktime_get(),
				       min_t(u64, timeout_ns, KTIME_MAX));
		limit = &until;
	}
	for (;;) {
		if (!rfuse_connected(s->conn->fc))
			return -ENODEV;
		rfuse_service(s);
		count = rfuse_ready(s);
		if (count || !timeout_ns || err == -ETIME ||
		    rfuse_device_ready(s))
			break;
		if (err)
			return err;
		if (!slept) {
			struct rfuse_channel *c = rfuse_first(s);

			rfuse_count(c, &c->counts.sleeps);
			slept = true;
		}
		err = rfuse_sleep_once(s, limit);
	}
	return count;
}

/* The daemon's choice of channels; -EINVAL when it names one that is not. */
static int rfuse_choose(struct rfuse_sleeper *s, const struct rfuse_wait *arg)
{
	u32 nchannels = s->conn->nchannels;
	unsigned int chosen;

	bitmap_from_arr64(s->channels, arg->channels, RFUSE_MAX_CHANNELS);
	if (find_next_bit(s->channels, RFUSE_MAX_CHANNELS, nchannels) <
	    RFUSE_MAX_CHANNELS)
		return -EINVAL;
	chosen = bitmap_weight(s->channels, nchannels);
	if (!chosen)
		return -EINVAL;
	if (s->watch)
		s->queue = &s->conn->watchers;
	else if (chosen > 1)
		s->queue = &s->conn->servers;
	else
		s->queue = &rfuse_first(s)->waitq;
	return 0;
}

static void rfuse_count_waits(struct rfuse_sleeper *s)
{
	unsigned int i;

	for_each_set_bit(i, s->channels, s->conn->nchannels) {
		struct rfuse_channel *c = s->conn->channels[i];

		rfuse_count(c, &c->counts.waits);
	}
}

/* RFUSE_IOC_WAIT */
long rfuse_wait(struct rfuse_conn *conn, struct rfuse_wait __user *arg)
{
	struct rfuse_sleeper s = { .conn = conn };
	struct rfuse_wait want;
	long count;
	int err;

	if (copy_from_user(&want, arg, sizeof(want)))
		return -EFAULT;
	if (want.flags & ~(RFUSE_WAIT_WATCH | RFUSE_WAIT_DEVICE) ||
	    want.reserved)
		return -EINVAL;
	s.watch = want.flags & RFUSE_WAIT_WATCH;
	s.device = want.flags & RFUSE_WAIT_DEVICE;
	init_waitqueue_entry(&s.device_entry, current);
	init_waitqueue_func_entry(&s.entry, rfuse_sleeper_wake);
	s.entry.private = current;
	err = rfuse_choose(&s, &want);
	if (err)
		return err;
	rfuse_count_waits(&s);
	count = rfuse_wait_for(&s, want.timeout_ns);
	if (count < 0)
		return count;
	bitmap_to_arr64(want.channels, s.ready, RFUSE_MAX_CHANNELS);
	if (copy_to_user(arg->channels, want.channels, sizeof(want.channels)))
		return -EFAULT;
	return count;
}

/* RFUSE_IOC_DOORBELL */
long rfuse_doorbell(struct rfuse_conn *conn, u32 channel)
{
	struct rfuse_channel *c;

	c = conn->channels[array_index_nospec(channel, conn->nchannels)];
	if (!rfuse_connected(conn->fc))
		return -ENODEV;
	rfuse_count(c, &c->counts.doorbells);
	rfuse_reap(c);
	rfuse_move_in(c);
	return 0;
}
