// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters, to the daemon by ioctl and to the administrator in debugfs.
 */
#include <linux/debugfs.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "bpf.h"

/* The u64 counts of struct rfuse_counters, in its order. */
#define RFUSE_COUNTS_OFFSET	offsetof(struct rfuse_counters, ring_requests)
#define RFUSE_COUNTS	((offsetof(struct rfuse_counters, reserved1) -	\
			  RFUSE_COUNTS_OFFSET) / sizeof(u64))

static const char *const rfuse_count_names[] = {
	"ring_requests", "background_requests", "slow_requests",
	"balanced_requests", "spin_hits", "spin_misses", "spin_skips",
	"daemon_wakeups", "doorbells", "waits", "sleeps", "reaped", "forgets",
	"forget_overflows", "interrupts", "interrupt_overflows", "abandoned",
	"refused", "spurious", "aborted", "bpf_replies", "bpf_upcalls",
};

static_assert(ARRAY_SIZE(rfuse_count_names) == RFUSE_COUNTS);

static struct dentry *rfuse_debugfs_root;

static u64 *rfuse_counts(struct rfuse_counters *counters)
{
	return (void *)counters + RFUSE_COUNTS_OFFSET;
}

static void rfuse_add_counts(struct rfuse_counters *to, struct rfuse_channel *c)
{
	unsigned int i;

	spin_lock(&c->lock);
	for (i = 0; i < RFUSE_COUNTS; i++)
		rfuse_counts(to)[i] += rfuse_counts(&c->counts)[i];
	spin_unlock(&c->lock);
}

/* RFUSE_IOC_COUNTERS */
long rfuse_counters(struct rfuse_conn *conn, struct rfuse_counters __user *arg)
{
	struct rfuse_counters sums = {};
	u32 i;

	if (get_user(sums.channel, &arg->channel) ||
	    get_user(sums.reserved0, &arg->reserved0))
		return -EFAULT;
	if (sums.reserved0)
		return -EINVAL;
	if (sums.channel == RFUSE_ALL_CHANNELS) {
		for (i = 0; i < conn->nchannels; i++)
			rfuse_add_counts(&sums, conn->channels[i]);
	} else if (sums.channel < conn->nchannels) {
		i = array_index_nospec(sums.channel, conn->nchannels);
		rfuse_add_counts(&sums, conn->channels[i]);
	} else {
		return -EINVAL;
	}
	return copy_to_user(arg, &sums, sizeof(sums)) ? -EFAULT : 0;
}

/* One line per counter, one column per channel. */
static int rfuse_counters_show(struct seq_file *m, void *unused)
{
	struct rfuse_conn *conn = m->private;
	unsigned int i;
	u32 channel;

	for (i = 0; i < RFUSE_COUNTS; i++) {
		seq_puts(m, rfuse_count_names[i]);
		for (channel = 0; channel < conn->nchannels; channel++) {
			u64 *counts = rfuse_counts(&conn->channels[channel]->counts);

			seq_printf(m, " %llu", READ_ONCE(counts[i]));
		}
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rfuse_counters);

/* What stands where right now; heads of the daemon as it last wrote them. */
static int rfuse_channels_show(struct seq_file *m, void *unused)
{
	struct rfuse_conn *conn = m->private;
	u32 i;

	seq_puts(m, "channel node online pending forgets interrupts completions ");
	seq_puts(m, "backlog starved free_tags payload_pages need_wakeup\n");
	for (i = 0; i < conn->nchannels; i++) {
		struct rfuse_channel *c = conn->channels[i];
		struct rfuse_control *control = c->control;

		spin_lock(&c->lock);
		seq_printf(m, "%u %d %u %u %u %u %u %u %u %u %u %u\n", i,
			   c->node, c->online,
			   c->pending_tail - READ_ONCE(control->pending_head),
			   c->forget_tail - READ_ONCE(control->forget_head),
			   c->interrupt_tail -
				READ_ONCE(control->interrupt_head),
			   READ_ONCE(control->completion_tail) -
				c->completion_head,
			   c->backlog_tail - c->backlog_head, c->starved,
			   c->free_count,
			   bitmap_weight(c->pool, conn->pool_pages),
			   READ_ONCE(control->need_wakeup));
		spin_unlock(&c->lock);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rfuse_channels);

static void rfuse_bpf_sum(struct rfuse_conn *conn, u32 opcode,
			  u64 counts[RFUSE_OUTCOMES])
{
	u32 i, outcome;

	memset(counts, 0, RFUSE_OUTCOMES * sizeof(counts[0]));
	for (i = 0; i < conn->nchannels; i++) {
		struct rfuse_channel *c = conn->channels[i];

		spin_lock(&c->lock);
		for (outcome = 0; outcome < RFUSE_OUTCOMES; outcome++)
			counts[outcome] += c->bpf_counts[opcode][outcome];
		spin_unlock(&c->lock);
	}
}

/* RFUSE_IOC_BPF_COUNTERS */
long rfuse_bpf_counters(struct rfuse_conn *conn,
			struct rfuse_bpf_counters __user *arg)
{
	struct rfuse_bpf_counters out = {};
	u64 counts[RFUSE_OUTCOMES];

	if (get_user(out.opcode, &arg->opcode))
		return -EFAULT;
	if (!rfuse_bpf_opcode(out.opcode))
		return -EINVAL;
	out.opcode = array_index_nospec(out.opcode, RFUSE_BPF_OPCODES);
	rfuse_bpf_sum(conn, out.opcode, counts);
	out.program = rfuse_bpf_id(conn, out.opcode);
	out.replies = counts[RFUSE_OUTCOME_REPLY];
	out.passthroughs = counts[RFUSE_OUTCOME_PASSTHROUGH];
	out.upcalls = counts[RFUSE_OUTCOME_UPCALL];
	out.refused = counts[RFUSE_OUTCOME_REFUSED];
	out.skipped = counts[RFUSE_OUTCOME_SKIPPED];
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

/* One line per opcode that has or had a program. */
static int rfuse_programs_show(struct seq_file *m, void *unused)
{
	struct rfuse_conn *conn = m->private;
	u64 counts[RFUSE_OUTCOMES];
	u32 opcode, program, i;

	seq_puts(m, "opcode program replies passthroughs upcalls refused skipped\n");
	for (opcode = 0; opcode < RFUSE_BPF_OPCODES; opcode++) {
		program = rfuse_bpf_id(conn, opcode);
		rfuse_bpf_sum(conn, opcode, counts);
		if (!program && !memchr_inv(counts, 0, sizeof(counts)))
			continue;
		seq_printf(m, "%u %u", opcode, program);
		for (i = 0; i < RFUSE_OUTCOMES; i++)
			seq_printf(m, " %llu", counts[i]);
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rfuse_programs);

/* rfuse/DEVICE/ where DEVICE is the number under /sys/fs/fuse/connections. */
void rfuse_debugfs_add(struct rfuse_conn *conn)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", MINOR(conn->fc->dev));
	conn->debugfs = debugfs_create_dir(name, rfuse_debugfs_root);
	debugfs_create_file("counters", 0400, conn->debugfs, conn,
			    &rfuse_counters_fops);
	debugfs_create_file("channels", 0400, conn->debugfs, conn,
			    &rfuse_channels_fops);
	debugfs_create_file("bpf", 0400, conn->debugfs, conn,
			    &rfuse_programs_fops);
}

int rfuse_debugfs_init(void)
{
	rfuse_debugfs_root = debugfs_create_dir("rfuse", NULL);
	return 0;	/* never in the way of the rest */
}

void rfuse_debugfs_exit(void)
{
	debugfs_remove(rfuse_debugfs_root);
}
