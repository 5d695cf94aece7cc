/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the module share. Nothing here is visible to a daemon: the
 * shared layout is uapi/rfuse.h.
 *
 * Locks, outermost first:
 *   fuse's fc->lock, fc->bg_lock (held by callers of a background request)
 *   channel->moving	one thread moves background requests in
 *   fuse's fpq->lock	requests in flight of one channel
 *   channel->lock	tags, payload, tails, counters of one channel
 *   any wait queue's lock
 */
#ifndef _RFUSE_RING_H
#define _RFUSE_RING_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "compat.h"
#include "uapi/rfuse.h"

struct dentry;
struct eventfd_ctx;
struct rfuse_conn;
struct rfuse_programs;
struct user_struct;

#define RFUSE_FEATURES_SUPPORTED					\
	(RFUSE_FEATURE_FORGET_RING | RFUSE_FEATURE_INTERRUPT_RING |	\
	 RFUSE_FEATURE_BACKGROUND | RFUSE_FEATURE_ABANDON |		\
	 RFUSE_FEATURE_EVENTFD | RFUSE_FEATURE_WAIT_DEVICE |		\
	 RFUSE_FEATURE_BPF | RFUSE_FEATURE_BPF_PASSTHROUGH)

/* Who may end a tag. */
enum rfuse_tag_kind {
	RFUSE_TAG_FREE,
	RFUSE_TAG_HELD,		/* being filled or ended: nobody else may */
	RFUSE_TAG_SYNC,		/* its submitter does, also when woken */
	RFUSE_TAG_BACKGROUND,	/* whoever reaps its completion */
	RFUSE_TAG_ABANDONED,	/* likewise, and there is no request any more */
};

/* Kernel's memory of a tag; the slot in shared memory is never asked. */
struct rfuse_tag {
	u64 unique;
	u32 payload_page;	/* first page in the pool */
	u32 payload_pages;	/* 0: none */
	u32 owed;		/* completion entries that the daemon owes */
	u64 woken_ns;		/* when its sleeping submitter was; 0: was not */
	enum rfuse_tag_kind kind;
};

/* What a request needs in shared memory. */
struct rfuse_shape {
	u32 in_len;		/* bytes in the slot */
	u32 payload_in;		/* bytes of request data in the payload */
	u32 fixed_out;		/* out header and fixed structs */
	u32 variable_out;	/* most bytes of reply data in the payload */
	u32 payload_pages;
};

/* How a caller's polling ended. */
enum rfuse_polled {
	RFUSE_POLL_HIT,
	RFUSE_POLL_MISS,
	RFUSE_POLL_SKIPPED,	/* it would have been in the server's way */
};

/* Why background requests wait although there are some. */
enum rfuse_starved {
	RFUSE_NOT_STARVED,
	RFUSE_STARVED_TAG,
	RFUSE_STARVED_PAYLOAD,
};

/* What became of a request whose opcode has an eBPF program. */
enum rfuse_bpf_outcome {
	RFUSE_OUTCOME_REPLY,
	RFUSE_OUTCOME_PASSTHROUGH,
	RFUSE_OUTCOME_UPCALL,
	RFUSE_OUTCOME_REFUSED,
	RFUSE_OUTCOME_SKIPPED,
	RFUSE_OUTCOMES,
};

/* The thread that serves a channel; RCU, because pollers look at it. */
struct rfuse_server {
	struct task_struct *task;
	struct rcu_head rcu;
};

struct rfuse_channel {
	struct rfuse_conn *conn;
	u32 index;
	int node;

	spinlock_t lock;	/* all that has no lock named here */

	/* shared memory, and the parts of it */
	struct page **pages;
	void *mem;
	struct rfuse_control *control;
	u32 *pending;
	struct rfuse_forget *forgets;
	struct rfuse_interrupt *interrupts;
	u32 *completion;

	/* private positions; the shared words only publish them */
	u32 events;
	u32 pending_tail;
	u32 forget_tail;
	u32 interrupt_tail;
	u32 completion_head;

	struct rfuse_tag *tags;
	u32 *free_tags;
	u32 free_count;
	unsigned long *pool;	/* one bit per page of payload in use */

	/* uniques of background requests that wait to be moved in */
	struct mutex moving;	/* one thread moves at a time */
	u64 *backlog;
	u32 backlog_head;
	u32 backlog_tail;
	u32 backlog_shown;	/* what control->backlog says */
	enum rfuse_starved starved;

	/* requests in flight: fuse's abort finds them in this device */
	struct fuse_dev *fud;

	wait_queue_head_t waitq;	/* WAIT on this channel alone */
	struct rfuse_server __rcu *server;
	struct eventfd_ctx *eventfd;
	u32 next_other;			/* round robin of balancing */
	u64 wakeup_ns;			/* poll.c: what a caller's wake-up takes */
	u64 asked_ns;			/* neighbour.c: last request of its CPUs */
	u64 alone_until;
	u64 alone_ns;
	bool online;			/* a CPU that submits here is online */

	struct rfuse_counters counts;
	u64 bpf_counts[RFUSE_BPF_OPCODES][RFUSE_OUTCOMES];
};

struct rfuse_conn {
	struct fuse_conn *fc;
	const struct fuse_iqueue_ops *stock;
	struct file *pin;		/* keeps the module until fc is gone */
	bool owned;			/* a daemon is attached */

	/* Submitters are inside while they use a channel, also asleep. */
	struct srcu_struct srcu;
	bool ready;			/* channels may be used */
	bool dead;			/* the daemon is gone */

	struct rfuse_programs *programs; /* eBPF, one per opcode */
	struct super_block *sb;		/* to find inodes; never followed */

	struct mutex setup_lock;	/* SETUP happens once */
	struct rfuse_setup layout;	/* the answer to SETUP */
	u32 features;
	u32 spin_us;
	bool spin_learns;		/* the daemon left spin_us to us */
	u32 nchannels;
	u32 pool_pages;			/* per channel */
	unsigned long nr_pages;		/* of shared memory per channel */
	struct rfuse_channel **channels;

	wait_queue_head_t servers;	/* WAIT on several channels */
	wait_queue_head_t watchers;	/* WAIT with WATCH */
	struct wait_queue_entry abort_watch;

	struct user_struct *user;	/* charged for locked pages, or NULL */
	unsigned long charged;
	struct dentry *debugfs;
	struct list_head entry;		/* on the list of hotplug.c */
};

static inline struct rfuse_slot *rfuse_slot(struct rfuse_channel *c, u32 tag)
{
	return c->mem + c->conn->layout.slots_offset +
	       (size_t)tag * c->conn->layout.slot_size;
}

static inline void *rfuse_payload(struct rfuse_channel *c, u32 tag)
{
	return c->mem + c->conn->layout.payload_offset +
	       (size_t)c->tags[tag].payload_page * PAGE_SIZE;
}

static inline struct rfuse_channel *rfuse_local_channel(struct rfuse_conn *conn)
{
	return conn->channels[raw_smp_processor_id() % conn->nchannels];
}

/* The one word that a daemon polls: after any other of its group. c->lock is held. */
static inline void rfuse_event(struct rfuse_channel *c)
{
	/* Pairs with the daemon's acquire. */
	smp_store_release(&c->control->events, ++c->events);
}

/* One more of a count of @c, where nothing else needs the channel's lock. */
static inline void rfuse_count(struct rfuse_channel *c, u64 *count)
{
	spin_lock(&c->lock);
	(*count)++;
	spin_unlock(&c->lock);
}

/* main.c */
extern unsigned int rfuse_spin_us;
extern unsigned int rfuse_spin_max_us;
extern unsigned int rfuse_max_mib;
extern unsigned int rfuse_ring_start;
extern const struct file_operations rfuse_fops;

/* attach.c */
struct rfuse_conn *rfuse_conn_new(void);
void rfuse_conn_free(struct rfuse_conn *conn);
long rfuse_attach(struct file *file, unsigned int fd);
int rfuse_release(struct inode *inode, struct file *file);

/* queue.c */
extern const struct fuse_iqueue_ops rfuse_queue_ops;

/* layout.c */
int rfuse_layout(struct rfuse_setup *setup);

/* channel.c */
struct rfuse_channel *rfuse_channel_new(struct rfuse_conn *conn, u32 index);
void rfuse_channel_free(struct rfuse_channel *c);

/* setup.c */
long rfuse_setup(struct rfuse_conn *conn, struct rfuse_setup __user *arg);
int rfuse_mmap(struct rfuse_conn *conn, struct vm_area_struct *vma);
void rfuse_teardown(struct rfuse_conn *conn);

/* tag.c */
int rfuse_tag_get(struct rfuse_channel *c, const struct rfuse_shape *shape,
		  u64 unique);
void rfuse_tag_put(struct rfuse_channel *c, u32 tag);
void rfuse_tag_put_locked(struct rfuse_channel *c, u32 tag);
void rfuse_show_backlog(struct rfuse_channel *c);

/* copy.c */
bool rfuse_shape_of(struct rfuse_conn *conn, const struct fuse_args *args,
		    struct rfuse_shape *shape);
void rfuse_copy_in(struct rfuse_channel *c, u32 tag, struct fuse_req *req,
		   const struct rfuse_shape *shape);
int rfuse_deliver(struct fuse_args *args, const void *from, const void *data,
		  u32 len);
int rfuse_copy_out(struct rfuse_channel *c, u32 tag, struct fuse_req *req,
		   u32 len);

/* submit.c */
bool rfuse_submit(struct rfuse_conn *conn, struct fuse_req *req);
bool rfuse_publish(struct rfuse_channel *c, u32 tag, struct fuse_req *req,
		   enum rfuse_tag_kind kind, u32 state);

/* neighbour.c */
struct rfuse_channel *rfuse_channel_for(struct rfuse_conn *conn,
					struct rfuse_channel **own);
void rfuse_neighbour_told(struct rfuse_channel *own, bool hit);

/* poll.c */
bool rfuse_server_here(struct rfuse_channel *c);
bool rfuse_server_polls(struct rfuse_channel *c);
bool rfuse_server_sleeps(struct rfuse_channel *c);
enum rfuse_polled rfuse_poll(struct rfuse_channel *c, struct rfuse_slot *slot,
			     struct fuse_req *req, bool woken);
void rfuse_learn_wakeup(struct rfuse_channel *c, u64 woken_ns);
bool rfuse_stuck(struct rfuse_channel *c);
long rfuse_spin(struct rfuse_conn *conn, unsigned long us);
long rfuse_serve(struct rfuse_conn *conn, u32 channel);
void rfuse_server_drop(struct rfuse_channel *c);

/* complete.c */
struct fuse_req *rfuse_find(struct fuse_pqueue *fpq, u64 unique);
bool rfuse_finish(struct rfuse_channel *c, u32 tag, u64 unique);
void rfuse_reap(struct rfuse_channel *c);

/* abandon.c */
void rfuse_sleep(struct rfuse_channel *c, u32 tag, struct fuse_req *req);

/* background.c */
bool rfuse_background(struct rfuse_conn *conn, struct fuse_req *req);
void rfuse_move_in(struct rfuse_channel *c);

/* records.c */
bool rfuse_forget(struct rfuse_conn *conn, u64 nodeid, u64 nlookup);
void rfuse_interrupt(struct rfuse_channel *c, u32 tag, struct fuse_req *req);

/* wait.c */
long rfuse_wait(struct rfuse_conn *conn, struct rfuse_wait __user *arg);
long rfuse_doorbell(struct rfuse_conn *conn, u32 channel);

/* notify.c */
bool rfuse_has_work(struct rfuse_channel *c);
bool rfuse_notify(struct rfuse_channel *c);
void rfuse_notify_end(struct rfuse_conn *conn);
long rfuse_eventfd(struct rfuse_conn *conn, struct rfuse_eventfd __user *arg);
void rfuse_watch_abort(struct rfuse_conn *conn);
void rfuse_unwatch_abort(struct rfuse_conn *conn);

/* bpf.c */
bool rfuse_bpf_answer(struct rfuse_conn *conn, struct fuse_req *req);
int rfuse_bpf_init(void);
void rfuse_bpf_exit(void);

/* bpf-place.c */
long rfuse_bpf(struct rfuse_conn *conn, struct rfuse_bpf __user *arg);
int rfuse_bpf_conn_init(struct rfuse_conn *conn);
void rfuse_bpf_drop(struct rfuse_conn *conn);
void rfuse_bpf_conn_exit(struct rfuse_conn *conn);

/* counters.c */
long rfuse_counters(struct rfuse_conn *conn,
		    struct rfuse_counters __user *arg);
long rfuse_bpf_counters(struct rfuse_conn *conn,
			struct rfuse_bpf_counters __user *arg);
void rfuse_debugfs_add(struct rfuse_conn *conn);
int rfuse_debugfs_init(void);
void rfuse_debugfs_exit(void);

/* hotplug.c */
void rfuse_hotplug_add(struct rfuse_conn *conn);
void rfuse_hotplug_del(struct rfuse_conn *conn);
int rfuse_hotplug_init(void);
void rfuse_hotplug_exit(void);

/* mount.c */
int rfuse_mount_init(void);
void rfuse_mount_exit(void);

#endif /* _RFUSE_RING_H */
