// SPDX-License-Identifier: GPL-2.0-only
/*
 * Polling for a reply: for how long, and when it is of no use. The rule is the
 * one of the kernel's mutexes: as long as the one we wait for has a CPU. It is
 * worth about what sleeping would cost, which differs by a factor of twenty
 * between processors and halted virtual ones, and so is measured.
 */
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "ring.h"

/* A server without a CPU is given so long to get one. */
#define RFUSE_GRACE_NS		20000
/* One that was just woken, in wake-ups; and how many of these a reply may take. */
#define RFUSE_GRACE_WAKEUPS	2
#define RFUSE_WORTH_WAKEUPS	4
/* Weight of a measured wake-up in the average; a longer one was a full CPU's. */
#define RFUSE_WAKEUP_SHIFT	3
#define RFUSE_WAKEUP_MAX_NS	NSEC_PER_MSEC
/* The clock and the server are looked at once in so many turns. */
#define RFUSE_TURNS		32

enum rfuse_server_state {
	RFUSE_SERVER_UNKNOWN,
	RFUSE_SERVER_RUNS,
	RFUSE_SERVER_OFF,	/* has no CPU */
	RFUSE_SERVER_ASLEEP,	/* needs none */
	RFUSE_SERVER_HERE,	/* needs the CPU that we would poll on */
};

static enum rfuse_server_state rfuse_server_state(struct rfuse_channel *c)
{
	enum rfuse_server_state state = RFUSE_SERVER_UNKNOWN;
	struct rfuse_server *server;

	rcu_read_lock();
	server = rcu_dereference(c->server);
	if (server) {
		if (task_cpu(server->task) == raw_smp_processor_id())
			state = RFUSE_SERVER_HERE;
		else if (owner_on_cpu(server->task))
			state = RFUSE_SERVER_RUNS;
		else if (READ_ONCE(server->task->__state) != TASK_RUNNING)
			state = RFUSE_SERVER_ASLEEP;
		else
			state = RFUSE_SERVER_OFF;
	}
	rcu_read_unlock();
	return state;
}

/* Whether polling on this CPU would keep the channel's server from it. */
bool rfuse_server_here(struct rfuse_channel *c)
{
	return rfuse_server_state(c) == RFUSE_SERVER_HERE;
}

/* Of a channel without requests: whether its server looks for them elsewhere. */
bool rfuse_server_polls(struct rfuse_channel *c)
{
	return rfuse_server_state(c) == RFUSE_SERVER_RUNS;
}

bool rfuse_server_sleeps(struct rfuse_channel *c)
{
	return rfuse_server_state(c) == RFUSE_SERVER_ASLEEP;
}

/* A sleeping caller runs again: what waking it took, unless it queued. */
void rfuse_learn_wakeup(struct rfuse_channel *c, u64 woken_ns)
{
	u64 took = local_clock() - woken_ns;
	u64 average = READ_ONCE(c->wakeup_ns);

	if (!woken_ns || took > RFUSE_WAKEUP_MAX_NS || !single_task_running())
		return;
	/* Without a lock: a lost sample does no harm. */
	WRITE_ONCE(c->wakeup_ns, !average ? took :
		   average - (average >> RFUSE_WAKEUP_SHIFT) +
		   (took >> RFUSE_WAKEUP_SHIFT));
}

/* While nobody else wants this CPU, so many wake-ups are waited for as well. */
static bool rfuse_worth(struct rfuse_channel *c, u64 spent, u64 wakeups)
{
	u64 most = (u64)READ_ONCE(rfuse_spin_max_us) * NSEC_PER_USEC;

	return READ_ONCE(c->conn->spin_learns) &&
	       spent <= min(wakeups * READ_ONCE(c->wakeup_ns), most) &&
	       single_task_running();
}

/* @woken: the server slept until this request came. */
enum rfuse_polled rfuse_poll(struct rfuse_channel *c, struct rfuse_slot *slot,
			     struct fuse_req *req, bool woken)
{
	u64 budget = (u64)READ_ONCE(c->conn->spin_us) * NSEC_PER_USEC;
	u64 grace_wakeups = woken ? RFUSE_GRACE_WAKEUPS : 0;
	unsigned int turn = 0;
	u64 start;

	if (!budget || rfuse_server_here(c))
		return RFUSE_POLL_SKIPPED;
	start = local_clock();
	for (;;) {
		/* Pairs with the daemon's exchange. */
		if (smp_load_acquire(&slot->state) == RFUSE_STATE_DONE ||
		    test_bit(FR_FINISHED, &req->flags))
			return RFUSE_POLL_HIT;
		if (need_resched() || signal_pending(current))
			return RFUSE_POLL_MISS;
		if (++turn % RFUSE_TURNS == 0) {
			u64 spent = local_clock() - start;

			if (spent > budget &&
			    !rfuse_worth(c, spent, RFUSE_WORTH_WAKEUPS))
				return RFUSE_POLL_MISS;
			switch (rfuse_server_state(c)) {
			case RFUSE_SERVER_HERE:
				return RFUSE_POLL_MISS;
			case RFUSE_SERVER_OFF:
			case RFUSE_SERVER_ASLEEP:
				if (spent > RFUSE_GRACE_NS &&
				    !rfuse_worth(c, spent, grace_wakeups))
					return RFUSE_POLL_MISS;
				break;
			default:
				break;
			}
		}
		cpu_relax();
	}
}

/*
 * Whether the channel's thread sleeps somewhere else while requests wait for
 * it: in a long operation of its own. A hint for balancing.
 */
bool rfuse_stuck(struct rfuse_channel *c)
{
	struct rfuse_server *server;
	bool asleep = false;

	if (READ_ONCE(c->control->pending_head) == READ_ONCE(c->pending_tail) ||
	    READ_ONCE(c->control->need_wakeup))
		return false;
	/* Without a barrier: a wrong answer costs a better place only. */
	if (waitqueue_active(&c->waitq))
		return false;
	/* Likewise. */
	if (waitqueue_active(&c->conn->servers))
		return false;
	rcu_read_lock();
	server = rcu_dereference(c->server);
	if (server)
		asleep = READ_ONCE(server->task->__state) != TASK_RUNNING;
	rcu_read_unlock();
	return asleep;
}

static void rfuse_server_free(struct rcu_head *rcu)
{
	struct rfuse_server *server =
		container_of(rcu, struct rfuse_server, rcu);

	put_task_struct(server->task);
	kfree(server);
}

static void rfuse_server_set(struct rfuse_channel *c,
			     struct rfuse_server *server)
{
	struct rfuse_server *old;

	spin_lock(&c->lock);
	old = rcu_replace_pointer(c->server, server, lockdep_is_held(&c->lock));
	spin_unlock(&c->lock);
	if (old)
		call_rcu(&old->rcu, rfuse_server_free);
}

void rfuse_server_drop(struct rfuse_channel *c)
{
	rfuse_server_set(c, NULL);
}

/* RFUSE_IOC_SERVE */
long rfuse_serve(struct rfuse_conn *conn, u32 channel)
{
	struct rfuse_server *server;

	channel = array_index_nospec(channel, conn->nchannels);
	server = kmalloc(sizeof(*server), GFP_KERNEL_ACCOUNT);
	if (!server)
		return -ENOMEM;
	server->task = get_task_struct(current);
	rfuse_server_set(conn->channels[channel], server);
	return 0;
}
