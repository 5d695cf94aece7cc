// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a rfuse_conn: it is made by ATTACH (for a stock mount) or by
 * mount -t rfuse, belongs to the file that attached, and is freed when fuse
 * frees the connection.
 */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "ring.h"

static DEFINE_MUTEX(rfuse_attach_lock);

/* A file whose only purpose is that its last fput drops a module reference. */
static const struct file_operations rfuse_pin_fops = {
	.owner = THIS_MODULE,
};

struct rfuse_conn *rfuse_conn_new(void)
{
	struct rfuse_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!conn)
		return ERR_PTR(-ENOMEM);
	conn->stock = rfuse_stock_ops();
	if (!conn->stock)
		goto err_free;
	err = init_srcu_struct(&conn->srcu);
	if (err)
		goto err_free;
	conn->pin = anon_inode_getfile("[rfuse]", &rfuse_pin_fops, NULL, O_RDWR);
	if (IS_ERR(conn->pin)) {
		err = PTR_ERR(conn->pin);
		goto err_srcu;
	}
	err = rfuse_bpf_conn_init(conn);
	if (err)
		goto err_pin;
	mutex_init(&conn->setup_lock);
	init_waitqueue_head(&conn->servers);
	init_waitqueue_head(&conn->watchers);
	INIT_LIST_HEAD(&conn->entry);
	return conn;

err_pin:
	fput(conn->pin);
err_srcu:
	cleanup_srcu_struct(&conn->srcu);
err_free:
	kfree(conn);
	return ERR_PTR(err);
}

/* The last thing: after the final fput the module may be unloaded. */
void rfuse_conn_free(struct rfuse_conn *conn)
{
	struct file *pin = conn->pin;

	rfuse_bpf_conn_exit(conn);
	cleanup_srcu_struct(&conn->srcu);
	kfree(conn);
	fput(pin);
}

/*
 * Makes @fc submit through us. Whatever is queued or in flight stays with the
 * stock queue; the stock operations stay in use for the slow lane.
 */
static struct rfuse_conn *rfuse_take_over(struct fuse_conn *fc)
{
	struct fuse_iqueue *fiq = rfuse_fiq(fc);
	struct rfuse_conn *conn = rfuse_conn_new();
	bool taken;

	if (IS_ERR(conn))
		return conn;
	conn->fc = fc;
	spin_lock(&fiq->lock);
	taken = fiq->ops == conn->stock && !fiq->priv;
	if (taken) {
		fiq->priv = conn;
		/* Pairs with rfuse_of(): who sees the operations sees priv. */
		smp_store_release(&fiq->ops, &rfuse_queue_ops);
	}
	spin_unlock(&fiq->lock);
	if (!taken) {
		rfuse_conn_free(conn);
		return ERR_PTR(-EBUSY);
	}
	return conn;
}

/* The connection of @file, if it is a FUSE device that we may attach to. */
static struct fuse_conn *rfuse_attachable(struct file *ring, struct file *file)
{
	struct user_namespace *ns = current_user_ns();
	struct fuse_conn *fc;

	if (file->f_op != &fuse_dev_operations ||
	    file->f_cred->user_ns != ns || ring->f_cred->user_ns != ns)
		return ERR_PTR(-EINVAL);
	fc = rfuse_file_conn(file);
	if (!fc || !rfuse_connected(fc))
		return ERR_PTR(-ENOTCONN);
	if (!rfuse_initialized(fc))
		return ERR_PTR(-EAGAIN);
	if (rfuse_uses_io_uring(fc))
		return ERR_PTR(-EBUSY);
	return fc;
}

static long rfuse_attach_file(struct file *ring, struct file *file)
{
	struct fuse_conn *fc = rfuse_attachable(ring, file);
	struct fuse_iqueue *fiq;
	struct rfuse_conn *conn;

	if (IS_ERR(fc))
		return PTR_ERR(fc);
	if (ring->private_data)
		return -EBUSY;
	fiq = rfuse_fiq(fc);
	if (READ_ONCE(fiq->ops) == &rfuse_queue_ops)
		conn = fiq->priv;	/* mount -t rfuse, or attached before */
	else
		conn = rfuse_take_over(fc);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	if (conn->owned)
		return -EBUSY;
	conn->owned = true;
	fuse_conn_get(fc);
	/* Pairs with rfuse_conn_of(). */
	smp_store_release(&ring->private_data, conn);
	return 0;
}

long rfuse_attach(struct file *ring, unsigned int fd)
{
	struct file *file = fget(fd);
	long err;

	if (!file)
		return -EBADF;
	mutex_lock(&rfuse_attach_lock);
	err = rfuse_attach_file(ring, file);
	mutex_unlock(&rfuse_attach_lock);
	fput(file);
	return err;
}

/* The daemon is gone: all that it owes ends. */
int rfuse_release(struct inode *inode, struct file *ring)
{
	struct rfuse_conn *conn = ring->private_data;

	if (conn) {
		struct fuse_conn *fc = conn->fc;

		rfuse_teardown(conn);
		fuse_conn_put(fc);	/* conn may be free now */
	}
	return 0;
}
