// SPDX-License-Identifier: GPL-2.0-only
/*
 * eBPF programs that answer a synchronous request in its caller's context,
 * before it takes a tag or goes to the slow lane. One program per opcode, of
 * type SYSCALL: its context is plain memory, struct rfuse_bpf_context.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/rcupdate_trace.h>
#include <linux/slab.h>

#include "bpf.h"

static struct kmem_cache *rfuse_bpf_contexts;

/* A program may sleep, and bpf's own maps and programs wait for RCU trace. */
static u32 rfuse_bpf_run(struct rfuse_programs *programs, u32 opcode,
			 struct rfuse_bpf_context *x)
{
	u32 verdict = RFUSE_BPF_UPCALL;
	struct bpf_prog *prog;
	int idx;

	idx = srcu_read_lock(&programs->srcu);
	prog = srcu_dereference(programs->of[opcode], &programs->srcu);
	if (prog) {
		rcu_read_lock_trace();
		verdict = bpf_prog_run_pin_on_cpu(prog, x);
		rcu_read_unlock_trace();
	}
	srcu_read_unlock(&programs->srcu, idx);
	return verdict;
}

static enum rfuse_bpf_outcome rfuse_bpf_judge(struct rfuse_conn *conn,
					      struct fuse_req *req,
					      const struct rfuse_shape *shape,
					      struct rfuse_bpf_context *x)
{
	u32 verdict;

	if (!rfuse_bpf_fill(conn, req, shape, x))
		return RFUSE_OUTCOME_SKIPPED;
	verdict = rfuse_bpf_run(conn->programs, req->in.h.opcode, x);
	if (verdict == RFUSE_BPF_UPCALL)
		return RFUSE_OUTCOME_UPCALL;
	if (verdict > RFUSE_BPF_PASSTHROUGH ||
	    !rfuse_bpf_reply(conn, req, shape, verdict, x))
		return RFUSE_OUTCOME_REFUSED;
	return verdict == RFUSE_BPF_PASSTHROUGH ? RFUSE_OUTCOME_PASSTHROUGH :
						  RFUSE_OUTCOME_REPLY;
}

static enum rfuse_bpf_outcome rfuse_bpf_ask(struct rfuse_conn *conn,
					    struct fuse_req *req)
{
	enum rfuse_bpf_outcome outcome;
	struct rfuse_bpf_context *x;
	struct rfuse_shape shape;

	/* Whether a slot could hold it does not matter here. */
	rfuse_shape_of(conn, req->args, &shape);
	x = kmem_cache_zalloc(rfuse_bpf_contexts, GFP_NOFS | __GFP_NOWARN);
	if (!x)
		return RFUSE_OUTCOME_SKIPPED;
	outcome = rfuse_bpf_judge(conn, req, &shape, x);
	kmem_cache_free(rfuse_bpf_contexts, x);
	return outcome;
}

/* On the channel of the CPU that the program, which may sleep, ended on. */
static bool rfuse_bpf_count(struct rfuse_conn *conn, u32 opcode,
			    enum rfuse_bpf_outcome outcome)
{
	bool answered = outcome == RFUSE_OUTCOME_REPLY ||
			outcome == RFUSE_OUTCOME_PASSTHROUGH;
	struct rfuse_channel *c = rfuse_local_channel(conn);

	spin_lock(&c->lock);
	c->bpf_counts[opcode][outcome]++;
	if (answered)
		c->counts.bpf_replies++;
	else
		c->counts.bpf_upcalls++;
	spin_unlock(&c->lock);
	return answered;
}

/* True when the request was answered, and ended, without the daemon. */
bool rfuse_bpf_answer(struct rfuse_conn *conn, struct fuse_req *req)
{
	u32 opcode = req->in.h.opcode;

	if (opcode >= RFUSE_BPF_OPCODES ||
	    !rcu_access_pointer(conn->programs->of[opcode]) ||
	    !rfuse_connected(conn->fc))
		return false;
	if (!rfuse_bpf_count(conn, opcode, rfuse_bpf_ask(conn, req)))
		return false;
	clear_bit(FR_PENDING, &req->flags);
	fuse_request_end(req);
	return true;
}

int rfuse_bpf_init(void)
{
	rfuse_bpf_contexts = KMEM_CACHE(rfuse_bpf_context, 0);
	return rfuse_bpf_contexts ? 0 : -ENOMEM;
}

void rfuse_bpf_exit(void)
{
	kmem_cache_destroy(rfuse_bpf_contexts);
}
