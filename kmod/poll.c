// SPDX-License-Identifier: GPL-2.0-only
/*
 * Polling for a reply: for how long, and when it is of no use. The rule is the
 * one of the kernel's mutexes: as long as the one we wait for has a CPU.
 */
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "ring.h"

/* A woken daemon is given so long to get a CPU. */
#define RFUSE_GRACE_NS		20000
/* The clock and the server are looked at once in so many turns. */
#define RFUSE_TURNS		32

enum rfuse_server_state {
	RFUSE_SERVER_RUNS,	/* or is unknown */
	RFUSE_SERVER_OFF,	/* has no CPU */
	RFUSE_SERVER_HERE,	/* needs the CPU that we would poll on */
};

static enum rfuse_server_state rfuse_server_state(struct rfuse_channel *c)
{
	enum rfuse_server_state state = RFUSE_SERVER_RUNS;
	struct rfuse_server *server;

	rcu_read_lock();
	server = rcu_dereference(c->server);
	if (server) {
		if (task_cpu(server->task) == raw_smp_processor_id())
			state = RFUSE_SERVER_HERE;
		else if (!owner_on_cpu(server->task))
			state = RFUSE_SERVER_OFF;
	}
	rcu_read_unlock();
	return state;
}

bool rfuse_may_poll(struct rfuse_channel *c)
{
	return READ_ONCE(c->conn->spin_us) &&
	       rfuse_server_state(c) != RFUSE_SERVER_HERE;
}

/* True when there is something to finish: a reply, or the request has ended. */
bool rfuse_poll(struct rfuse_channel *c, struct rfuse_slot *slot,
		struct fuse_req *req)
{
	u64 start = local_clock();
	u64 budget = (u64)READ_ONCE(c->conn->spin_us) * NSEC_PER_USEC;
	unsigned int turn = 0;

	for (;;) {
		/* Pairs with the daemon's exchange. */
		if (smp_load_acquire(&slot->state) == RFUSE_STATE_DONE ||
		    test_bit(FR_FINISHED, &req->flags))
			return true;
		if (need_resched() || signal_pending(current))
			return false;
		if (++turn % RFUSE_TURNS == 0) {
			u64 spent = local_clock() - start;

			if (spent > budget)
				return false;
			switch (rfuse_server_state(c)) {
			case RFUSE_SERVER_HERE:
				return false;
			case RFUSE_SERVER_OFF:
				if (spent > RFUSE_GRACE_NS)
					return false;
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
