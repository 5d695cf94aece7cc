// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount -t rfuse: the stock mount under a type name of its own, with a
 * connection that submits through us from the start. Its descriptor is a stock
 * /dev/fuse, INIT is answered there, and ATTACH is the same as for -t fuse.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "ring.h"

enum {
	RFUSE_OPT_SOURCE,
	RFUSE_OPT_SUBTYPE,
	RFUSE_OPT_FD,
	RFUSE_OPT_ROOTMODE,
	RFUSE_OPT_USER_ID,
	RFUSE_OPT_GROUP_ID,
	RFUSE_OPT_DEFAULT_PERMISSIONS,
	RFUSE_OPT_ALLOW_OTHER,
	RFUSE_OPT_MAX_READ,
};

static const struct fs_parameter_spec rfuse_parameters[] = {
	fsparam_string("source",		RFUSE_OPT_SOURCE),
	fsparam_string("subtype",		RFUSE_OPT_SUBTYPE),
	fsparam_u32("fd",			RFUSE_OPT_FD),
	fsparam_u32oct("rootmode",		RFUSE_OPT_ROOTMODE),
	fsparam_u32("user_id",			RFUSE_OPT_USER_ID),
	fsparam_u32("group_id",			RFUSE_OPT_GROUP_ID),
	fsparam_flag("default_permissions",	RFUSE_OPT_DEFAULT_PERMISSIONS),
	fsparam_flag("allow_other",		RFUSE_OPT_ALLOW_OTHER),
	fsparam_u32("max_read",			RFUSE_OPT_MAX_READ),
	{}
};

struct rfuse_mount_context {
	struct fuse_fs_context fuse;
	struct file *device;
};

static int rfuse_parse_device(struct fs_context *fsc, unsigned int fd)
{
	struct rfuse_mount_context *ctx = fsc->fs_private;

	if (ctx->device)
		return invalfc(fsc, "Multiple fds specified");
	ctx->device = fget(fd);
	if (!ctx->device)
		return -EBADF;
	return 0;
}

static int rfuse_parse_owner(struct fs_context *fsc, int opt, u32 id)
{
	struct rfuse_mount_context *ctx = fsc->fs_private;

	if (opt == RFUSE_OPT_USER_ID) {
		ctx->fuse.user_id = make_kuid(fsc->user_ns, id);
		if (!uid_valid(ctx->fuse.user_id))
			return invalfc(fsc, "Invalid user_id");
		ctx->fuse.user_id_present = true;
	} else {
		ctx->fuse.group_id = make_kgid(fsc->user_ns, id);
		if (!gid_valid(ctx->fuse.group_id))
			return invalfc(fsc, "Invalid group_id");
		ctx->fuse.group_id_present = true;
	}
	return 0;
}

/* Takes the parameter's string, once. */
static int rfuse_parse_string(struct fs_context *fsc, const char **to,
			      struct fs_parameter *param)
{
	if (*to)
		return invalfc(fsc, "Multiple %ss specified", param->key);
	*to = param->string;
	param->string = NULL;
	return 0;
}

static int rfuse_parse_param(struct fs_context *fsc, struct fs_parameter *param)
{
	struct rfuse_mount_context *ctx = fsc->fs_private;
	struct fs_parse_result result;
	int opt;

	if (fsc->purpose == FS_CONTEXT_FOR_RECONFIGURE)
		return fsc->oldapi ? 0 :
			invalfc(fsc, "No changes allowed in reconfigure");
	opt = fs_parse(fsc, rfuse_parameters, param, &result);
	switch (opt) {
	case RFUSE_OPT_SOURCE:
		return rfuse_parse_string(fsc, &fsc->source, param);
	case RFUSE_OPT_SUBTYPE:
		return rfuse_parse_string(fsc, &ctx->fuse.subtype, param);
	case RFUSE_OPT_FD:
		return rfuse_parse_device(fsc, result.uint_32);
	case RFUSE_OPT_ROOTMODE:
		if (!S_ISDIR(result.uint_32))
			return invalfc(fsc, "Invalid rootmode");
		ctx->fuse.rootmode = result.uint_32;
		ctx->fuse.rootmode_present = true;
		return 0;
	case RFUSE_OPT_USER_ID:
	case RFUSE_OPT_GROUP_ID:
		return rfuse_parse_owner(fsc, opt, result.uint_32);
	case RFUSE_OPT_DEFAULT_PERMISSIONS:
		ctx->fuse.default_permissions = true;
		return 0;
	case RFUSE_OPT_ALLOW_OTHER:
		ctx->fuse.allow_other = true;
		return 0;
	case RFUSE_OPT_MAX_READ:
		ctx->fuse.max_read = result.uint_32;
		return 0;
	}
	return opt < 0 ? opt : -EINVAL;
}

static void rfuse_free_fsc(struct fs_context *fsc)
{
	struct rfuse_mount_context *ctx = fsc->fs_private;

	if (!ctx)
		return;
	if (ctx->device)
		fput(ctx->device);
	kfree(ctx->fuse.subtype);
	kfree(ctx);
}

static int rfuse_fill_super(struct super_block *sb, struct fs_context *fsc)
{
	struct rfuse_mount_context *ctx = fsc->fs_private;
	struct fuse_mount *fm = get_fuse_mount_super(sb);
	int err;

#ifdef RFUSE_HAS_CTX_FUD
	ctx->fuse.fud = ctx->device->private_data;
#else
	ctx->fuse.fudptr = &ctx->device->private_data;
#endif
	err = fuse_fill_super_common(sb, &ctx->fuse);
	if (err)
		return err;
	/* The device's private_data is set: its reader may take INIT. */
	smp_mb();
	fuse_send_init(fm);
	return 0;
}

/* A connection whose queue is ours; @conn is its from here on. */
static int rfuse_init_conn(struct fuse_conn *fc, struct fuse_mount *fm,
			   struct user_namespace *ns, struct rfuse_conn *conn)
{
#ifdef RFUSE_HAS_CHAN
	struct fuse_chan *chan = fuse_dev_chan_new();

	if (!chan)
		return -ENOMEM;
	chan->iq.ops = &rfuse_queue_ops;
	chan->iq.priv = conn;
	fuse_conn_init(fc, fm, ns, chan);
#else
	fuse_conn_init(fc, fm, ns, &rfuse_queue_ops, conn);
#endif
	conn->fc = fc;
	fc->release = fuse_free_conn;
	return 0;
}

static int rfuse_check_mount(struct fs_context *fsc)
{
	struct rfuse_mount_context *ctx = fsc->fs_private;

	if (!ctx->device || !ctx->fuse.rootmode_present ||
	    !ctx->fuse.user_id_present || !ctx->fuse.group_id_present)
		return invalfc(fsc, "fd, rootmode, user_id and group_id are needed");
	if (ctx->device->f_op != &fuse_dev_operations ||
	    ctx->device->f_cred->user_ns != fsc->user_ns)
		return invalfc(fsc, "fd is no FUSE device of this user namespace");
	return rfuse_file_conn(ctx->device) ? -EBUSY : 0;
}

static int rfuse_get_tree(struct fs_context *fsc)
{
	struct rfuse_conn *conn;
	struct fuse_mount *fm;
	struct fuse_conn *fc;
	int err;

	err = rfuse_check_mount(fsc);
	if (err)
		return err;
	conn = rfuse_conn_new();
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	fc = kzalloc(sizeof(*fc), GFP_KERNEL);
	fm = kzalloc(sizeof(*fm), GFP_KERNEL);
	err = fc && fm ? rfuse_init_conn(fc, fm, fsc->user_ns, conn) : -ENOMEM;
	if (err) {
		kfree(fm);
		kfree(fc);
		rfuse_conn_free(conn);
		return err;
	}
	fsc->s_fs_info = fm;
	err = get_tree_nodev(fsc, rfuse_fill_super);
	if (fsc->s_fs_info)
		fuse_mount_destroy(fm);
	return err;
}

static const struct fs_context_operations rfuse_context_ops = {
	.free		= rfuse_free_fsc,
	.parse_param	= rfuse_parse_param,
	.get_tree	= rfuse_get_tree,
};

static int rfuse_init_fs_context(struct fs_context *fsc)
{
	struct rfuse_mount_context *ctx;

	if (fsc->purpose == FS_CONTEXT_FOR_SUBMOUNT)
		return fuse_init_fs_context_submount(fsc);
	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	ctx->fuse.max_read = ~0;
	ctx->fuse.legacy_opts_show = true;
	fsc->fs_private = ctx;
	fsc->ops = &rfuse_context_ops;
	return 0;
}

static void rfuse_kill_sb(struct super_block *sb)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);

	if (sb->s_root && fuse_mount_remove(fm))
		fuse_conn_destroy(fm);
	kill_anon_super(sb);
	fuse_mount_destroy(fm);
}

static struct file_system_type rfuse_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "rfuse",
	.fs_flags		= FS_HAS_SUBTYPE | FS_USERNS_MOUNT,
	.init_fs_context	= rfuse_init_fs_context,
	.parameters		= rfuse_parameters,
	.kill_sb		= rfuse_kill_sb,
};
MODULE_ALIAS_FS("rfuse");

int rfuse_mount_init(void)
{
	return register_filesystem(&rfuse_fs_type);
}

void rfuse_mount_exit(void)
{
	unregister_filesystem(&rfuse_fs_type);
}
