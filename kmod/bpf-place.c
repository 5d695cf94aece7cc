// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which programs may be placed, and how one is taken away while others call
 * it: whoever takes it away waits until nobody runs it, but not for ever. A
 * program may sleep in a page fault that only this daemon can serve.
 */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bpf.h"

#define RFUSE_BPF_WAIT	(10 * HZ)

/* A program that was taken away and may still run. */
struct rfuse_retired {
	struct list_head list;
	struct bpf_prog *prog;
	unsigned long cookie;	/* of SRCU: once it has come, nobody does */
};

/*
 * The verifier knows the context's size only at run time. It does not compare
 * it for programs reached by a tail call, nor for one that replaces a function
 * later (freplace), which BTF has to describe: neither are taken.
 */
static bool rfuse_bpf_stays_inside(struct bpf_prog *prog)
{
	struct bpf_prog_aux *aux = prog->aux;
	bool inside = aux->max_ctx_offset <= sizeof(struct rfuse_bpf_context) &&
		      !aux->func_info_cnt;
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

/* With the lock held: lets go of programs that nobody runs any more. */
static void rfuse_bpf_reap(struct rfuse_programs *programs)
{
	struct rfuse_retired *retired, *next;

	list_for_each_entry_safe(retired, next, &programs->retired, list) {
		if (!poll_state_synchronize_srcu(&programs->srcu,
						 retired->cookie))
			continue;
		list_del(&retired->list);
		bpf_prog_put(retired->prog);
		kfree(retired);
	}
}

/* Gives the opcode @prog; true when it had another, with a @cookie for that. */
static bool rfuse_bpf_exchange(struct rfuse_programs *programs, u32 opcode,
			       struct bpf_prog *prog,
			       struct rfuse_retired *retired,
			       unsigned long *cookie)
{
	mutex_lock(&programs->lock);
	retired->prog = rcu_replace_pointer(programs->of[opcode], prog,
					    lockdep_is_held(&programs->lock));
	if (!retired->prog) {
		mutex_unlock(&programs->lock);
		kfree(retired);
		return false;
	}
	*cookie = start_poll_synchronize_srcu(&programs->srcu);
	retired->cookie = *cookie;
	list_add_tail(&retired->list, &programs->retired);
	mutex_unlock(&programs->lock);
	return true;
}

/* Until nobody runs what was taken away before @cookie. */
static long rfuse_bpf_await(struct rfuse_programs *programs,
			    unsigned long cookie)
{
	unsigned long end = jiffies + RFUSE_BPF_WAIT;
	long err = 0;

	while (!err && !poll_state_synchronize_srcu(&programs->srcu, cookie)) {
		schedule_timeout_killable(1);
		if (fatal_signal_pending(current))
			err = -EINTR;
		else if (time_after(jiffies, end))
			err = -ETIMEDOUT;
	}
	mutex_lock(&programs->lock);
	rfuse_bpf_reap(programs);
	mutex_unlock(&programs->lock);
	return err;
}

/* RFUSE_IOC_BPF */
long rfuse_bpf(struct rfuse_conn *conn, struct rfuse_bpf __user *arg)
{
	struct rfuse_retired *retired;
	struct bpf_prog *prog;
	unsigned long cookie;
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
	retired = kmalloc(sizeof(*retired), GFP_KERNEL_ACCOUNT);
	if (!retired)
		return -ENOMEM;
	prog = rfuse_bpf_get(want.fd);
	if (IS_ERR(prog)) {
		kfree(retired);
		return PTR_ERR(prog);
	}
	want.opcode = array_index_nospec(want.opcode, RFUSE_BPF_OPCODES);
	if (!rfuse_bpf_exchange(conn->programs, want.opcode, prog, retired,
				&cookie))
		return 0;
	return rfuse_bpf_await(conn->programs, cookie);
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
	INIT_LIST_HEAD(&conn->programs->retired);
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
	struct rfuse_programs *programs = conn->programs;

	rfuse_bpf_drop(conn);
	mutex_lock(&programs->lock);
	if (!list_empty(&programs->retired)) {
		synchronize_srcu(&programs->srcu);
		rfuse_bpf_reap(programs);
	}
	mutex_unlock(&programs->lock);
	cleanup_srcu_struct(&programs->srcu);
	kfree(programs);
}
