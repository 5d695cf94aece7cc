// SPDX-License-Identifier: GPL-2.0-only
/*
 * eBPF programs that answer a synchronous request in its caller's context,
 * before it takes a tag or goes to the slow lane. One program per opcode, of
 * type SYSCALL: its context is plain memory, struct rfuse_bpf_context.
 */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/nospec.h>
#include <linux/rcupdate_trace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bpf.h"

struct rfuse_programs {
	struct srcu_struct srcu;	/* held while a program runs */
	struct mutex lock;		/* one change at a time */
	struct bpf_prog __rcu *of[RFUSE_BPF_OPCODES];
};

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

/*
 * The verifier knows the context's size only at run time. It does not compare
 * it for programs reached by a tail call: those are not taken.
 */
static bool rfuse_bpf_stays_inside(struct bpf_prog *prog)
{
	struct bpf_prog_aux *aux = prog->aux;
	bool inside = aux->max_ctx_offset <= sizeof(struct rfuse_bpf_context);
	u32 i;

	mutex_lock(&aux->used_maps_mutex);
	for (i = 0; i < aux->used_map_cnt; i++)
		if (aux->used_maps[i]->map_type == BPF_MAP_TYPE_PROG_ARRAY)
			inside = false;
	mutex_unlock(&aux->used_maps_mutex);
	return inside;
}

static struct bpf_prog *rfuse_bpf_get(int fd)
{
	struct bpf_prog *prog;

	if (fd < 0)
		return NULL;
	prog = bpf_prog_get_type_dev(fd, BPF_PROG_TYPE_SYSCALL, false);
	if (!IS_ERR(prog) && !rfuse_bpf_stays_inside(prog)) {
		bpf_prog_put(prog);
		return ERR_PTR(-EINVAL);
	}
	return prog;
}

/*
 * Helpers of a SYSCALL program act on the task that runs it. Without
 * allow_other these are tasks of the user that mounted.
 */
static bool rfuse_bpf_may_place(struct rfuse_conn *conn)
{
	return conn->fc->allow_other ? capable(CAP_SYS_ADMIN) : bpf_capable();
}

/* RFUSE_IOC_BPF */
long rfuse_bpf(struct rfuse_conn *conn, struct rfuse_bpf __user *arg)
{
	struct rfuse_programs *programs = conn->programs;
	struct bpf_prog *prog, *old;
	struct rfuse_bpf want;

	if (copy_from_user(&want, arg, sizeof(want)))
		return -EFAULT;
	if (want.fd < -1 || want.flags || want.reserved ||
	    !rfuse_bpf_opcode(want.opcode))
		return -EINVAL;
	if (!(conn->features & RFUSE_FEATURE_BPF))
		return -EOPNOTSUPP;
	if (!rfuse_bpf_may_place(conn))
		return -EPERM;
	prog = rfuse_bpf_get(want.fd);
	if (IS_ERR(prog))
		return PTR_ERR(prog);

	want.opcode = array_index_nospec(want.opcode, RFUSE_BPF_OPCODES);
	mutex_lock(&programs->lock);
	old = rcu_replace_pointer(programs->of[want.opcode], prog,
				  lockdep_is_held(&programs->lock));
	mutex_unlock(&programs->lock);
	if (old) {
		synchronize_srcu(&programs->srcu);
		bpf_prog_put(old);
	}
	return 0;
}

/* Of the program in force, or 0. */
u32 rfuse_bpf_id(struct rfuse_conn *conn, u32 opcode)
{
	struct rfuse_programs *programs = conn->programs;
	struct bpf_prog *prog;
	u32 id = 0;
	int idx;

	idx = srcu_read_lock(&programs->srcu);
	prog = srcu_dereference(programs->of[opcode], &programs->srcu);
	if (prog)
		id = prog->aux->id;
	srcu_read_unlock(&programs->srcu, idx);
	return id;
}

int rfuse_bpf_conn_init(struct rfuse_conn *conn)
{
	int err;

	conn->programs = kzalloc(sizeof(*conn->programs), GFP_KERNEL_ACCOUNT);
	if (!conn->programs)
		return -ENOMEM;
	err = init_srcu_struct(&conn->programs->srcu);
	if (err) {
		kfree(conn->programs);
		return err;
	}
	mutex_init(&conn->programs->lock);
	return 0;
}

/* Nobody submits or looks any more: no program runs. */
void rfuse_bpf_drop(struct rfuse_conn *conn)
{
	struct bpf_prog *old;
	u32 i;

	for (i = 0; i < RFUSE_BPF_OPCODES; i++) {
		old = rcu_replace_pointer(conn->programs->of[i], NULL, true);
		if (old)
			bpf_prog_put(old);
	}
}

void rfuse_bpf_conn_exit(struct rfuse_conn *conn)
{
	rfuse_bpf_drop(conn);
	cleanup_srcu_struct(&conn->programs->srcu);
	kfree(conn->programs);
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
