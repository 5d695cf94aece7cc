// SPDX-License-Identifier: GPL-2.0-only
/*
 * SETUP, mmap, and the end: from an attached connection to one with channels,
 * and back. Memory is charged to the user that asks for it.
 */
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ring.h"

/* Counts @pages against RLIMIT_MEMLOCK of the user, as io_uring does. */
static int rfuse_charge(struct rfuse_conn *conn, unsigned long pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *user = current_user();
	long old, new;

	if (pages > (unsigned long)READ_ONCE(rfuse_max_mib) << (20 - PAGE_SHIFT))
		return -ENOMEM;
	if (capable(CAP_IPC_LOCK))
		return 0;
	old = atomic_long_read(&user->locked_vm);
	do {
		new = old + pages;
		if (new > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &old, new));
	conn->user = get_uid(user);
	conn->charged = pages;
	return 0;
}

static void rfuse_uncharge(struct rfuse_conn *conn)
{
	if (!conn->user)
		return;
	atomic_long_sub(conn->charged, &conn->user->locked_vm);
	free_uid(conn->user);
	conn->user = NULL;
	conn->charged = 0;
}

static void rfuse_free_channels(struct rfuse_conn *conn)
{
	u32 i;

	for (i = 0; i < conn->nchannels; i++)
		rfuse_channel_free(conn->channels[i]);
	kvfree(conn->channels);
	conn->channels = NULL;
	conn->nchannels = 0;
	rfuse_uncharge(conn);
}

static int rfuse_make_channels(struct rfuse_conn *conn)
{
	u32 count = conn->layout.channels, i;
	int err;

	conn->nr_pages = conn->layout.channel_size >> PAGE_SHIFT;
	conn->pool_pages = conn->layout.payload_pool >> PAGE_SHIFT;
	err = rfuse_charge(conn, conn->nr_pages * count);
	if (err)
		return err;
	conn->channels = kvcalloc(count, sizeof(*conn->channels),
				  GFP_KERNEL_ACCOUNT);
	if (!conn->channels)
		goto nomem;
	conn->nchannels = count;
	for (i = 0; i < count; i++) {
		conn->channels[i] = rfuse_channel_new(conn, i);
		if (!conn->channels[i] || fatal_signal_pending(current))
			goto nomem;
	}
	return 0;

nomem:
	rfuse_free_channels(conn);
	return -ENOMEM;
}

/* A connection to /dev/fuse has one superblock; every request comes from it. */
static struct super_block *rfuse_find_sb(struct fuse_conn *fc)
{
	struct super_block *sb = NULL;
	struct fuse_mount *fm;

	down_read(&fc->killsb);
	fm = list_first_entry_or_null(&fc->mounts, struct fuse_mount, fc_entry);
	if (fm)
		sb = fm->sb;
	up_read(&fc->killsb);
	return sb;
}

static long rfuse_setup_locked(struct rfuse_conn *conn,
			       struct rfuse_setup *wishes)
{
	bool learns = wishes->spin_us == RFUSE_SPIN_DEFAULT;
	int err;

	if (conn->ready)
		return -EBUSY;
	if (!rfuse_connected(conn->fc))
		return -ENOTCONN;
	err = rfuse_layout(wishes);
	if (err)
		return err;
	if (!rfuse_has_passthrough(conn->fc))
		wishes->features &= ~RFUSE_FEATURE_BPF_PASSTHROUGH;
	conn->sb = rfuse_find_sb(conn->fc);
	conn->layout = *wishes;
	conn->features = wishes->features;
	conn->spin_us = wishes->spin_us;
	conn->spin_learns = learns;
	err = rfuse_make_channels(conn);
	if (err)
		return err;
	rfuse_hotplug_add(conn);
	rfuse_debugfs_add(conn);
	rfuse_watch_abort(conn);
	/* Pairs with rfuse_open_for() and rfuse_ioctl(). */
	smp_store_release(&conn->ready, true);
	return 0;
}

long rfuse_setup(struct rfuse_conn *conn, struct rfuse_setup __user *arg)
{
	struct rfuse_setup setup;
	long err;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	mutex_lock(&conn->setup_lock);
	err = rfuse_setup_locked(conn, &setup);
	mutex_unlock(&conn->setup_lock);
	if (!err && copy_to_user(arg, &setup, sizeof(setup)))
		err = -EFAULT;
	return err;
}

int rfuse_mmap(struct rfuse_conn *conn, struct vm_area_struct *vma)
{
	unsigned long pages = vma_pages(vma), channel;

	/* Pairs with rfuse_setup(). */
	if (!smp_load_acquire(&conn->ready))
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC) ||
	    pages != conn->nr_pages || vma->vm_pgoff % conn->nr_pages)
		return -EINVAL;
	channel = vma->vm_pgoff / conn->nr_pages;
	if (channel >= conn->nchannels)
		return -EINVAL;
	/* Not inherited by fork, not grown by mremap, not in core dumps. */
	rfuse_vma_set_flags(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	return vm_insert_pages(vma, vma->vm_start,
			       conn->channels[channel]->pages, &pages);
}

/*
 * The file that attached is being released: no ioctl, no mapping is left.
 * After the abort every submitter finds its request ended and leaves.
 */
void rfuse_teardown(struct rfuse_conn *conn)
{
	WRITE_ONCE(conn->dead, true);
	rfuse_abort(conn->fc);
	synchronize_srcu(&conn->srcu);
	if (!conn->ready)
		return;
	rfuse_unwatch_abort(conn);
	debugfs_remove(conn->debugfs);
	rfuse_bpf_drop(conn);
	rfuse_hotplug_del(conn);
	rfuse_free_channels(conn);
}
