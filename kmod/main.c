// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module and its device. /dev/rfuse is opened once per connection; ATTACH
 * ties the file to a connection, everything else acts on that one.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "ring.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

unsigned int rfuse_spin_us = 50;
module_param_named(spin_us, rfuse_spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "microseconds a caller polls for its reply (default of SETUP)");

unsigned int rfuse_spin_max_us = 1000;
module_param_named(spin_max_us, rfuse_spin_max_us, uint, 0644);
MODULE_PARM_DESC(spin_max_us, "the same at most, where waking a caller takes long and no value was asked for");

unsigned int rfuse_max_mib = 1024;
module_param_named(max_mib, rfuse_max_mib, uint, 0644);
MODULE_PARM_DESC(max_mib, "MiB of shared memory that one connection may have");

unsigned int rfuse_ring_start;
module_param_named(ring_start, rfuse_ring_start, uint, 0644);
MODULE_PARM_DESC(ring_start, "first value of all heads and tails, to test their wrap-around");

/* Only the credentials that opened the file may use it. */
static bool rfuse_may_use(struct file *file)
{
	const struct cred *cred = current_cred();

	return uid_eq(cred->euid, file->f_cred->euid) &&
	       cred->user_ns == file->f_cred->user_ns;
}

static struct rfuse_conn *rfuse_conn_of(struct file *file)
{
	/* Pairs with rfuse_attach(). */
	return smp_load_acquire(&file->private_data);
}

static int rfuse_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return nonseekable_open(inode, file);
}

static long rfuse_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct rfuse_conn *conn = rfuse_conn_of(file);
	void __user *to = (void __user *)arg;

	if (_IOC_TYPE(cmd) != RFUSE_IOC_MAGIC)
		return -ENOTTY;
	if (!rfuse_may_use(file))
		return -EPERM;
	if (cmd == RFUSE_IOC_ATTACH)
		return rfuse_attach(file, arg);
	if (!conn)
		return -EPERM;
	if (cmd == RFUSE_IOC_SETUP)
		return rfuse_setup(conn, to);
	/* Pairs with rfuse_setup(): the channels are there. */
	if (!smp_load_acquire(&conn->ready))
		return -EINVAL;

	switch (cmd) {
	case RFUSE_IOC_WAIT:
		return rfuse_wait(conn, to);
	case RFUSE_IOC_DOORBELL:
		return arg < conn->nchannels ? rfuse_doorbell(conn, arg) : -EINVAL;
	case RFUSE_IOC_SERVE:
		return arg < conn->nchannels ? rfuse_serve(conn, arg) : -EINVAL;
	case RFUSE_IOC_SPIN:
		return rfuse_spin(conn, arg);
	case RFUSE_IOC_EVENTFD:
		return rfuse_eventfd(conn, to);
	case RFUSE_IOC_COUNTERS:
		return rfuse_counters(conn, to);
	case RFUSE_IOC_BPF:
		return rfuse_bpf(conn, to);
	case RFUSE_IOC_BPF_COUNTERS:
		return rfuse_bpf_counters(conn, to);
	}
	return -ENOTTY;
}

static int rfuse_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct rfuse_conn *conn = rfuse_conn_of(file);

	if (!conn || !rfuse_may_use(file))
		return -EPERM;
	return rfuse_mmap(conn, vma);
}

const struct file_operations rfuse_fops = {
	.owner		= THIS_MODULE,
	.open		= rfuse_open,
	.release	= rfuse_release,
	.unlocked_ioctl	= rfuse_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= rfuse_file_mmap,
};

static struct miscdevice rfuse_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "rfuse",
	.fops	= &rfuse_fops,
	.mode	= 0600,
};

static int __init rfuse_init(void)
{
	int err;

	err = rfuse_debugfs_init();
	if (err)
		return err;
	err = rfuse_bpf_init();
	if (err)
		goto err_debugfs;
	err = rfuse_hotplug_init();
	if (err)
		goto err_bpf;
	err = rfuse_mount_init();
	if (err)
		goto err_hotplug;
	err = misc_register(&rfuse_misc);
	if (err)
		goto err_mount;
	return 0;

err_mount:
	rfuse_mount_exit();
err_hotplug:
	rfuse_hotplug_exit();
err_bpf:
	rfuse_bpf_exit();
err_debugfs:
	rfuse_debugfs_exit();
	return err;
}

static void __exit rfuse_exit(void)
{
	misc_deregister(&rfuse_misc);
	rfuse_mount_exit();
	rfuse_hotplug_exit();
	rfuse_bpf_exit();
	rfuse_debugfs_exit();
	/* Records of serving threads are freed by RCU callbacks of ours. */
	rcu_barrier();
}

module_init(rfuse_init);
module_exit(rfuse_exit);

MODULE_AUTHOR("rfuse authors");
MODULE_DESCRIPTION("Ring channels in shared memory for FUSE");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
