// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judges what a program replied. A reply that fuse would answer with EIO, or
 * that would make it give up an inode, is refused: the daemon is asked then.
 * Of the context only what the program wrote is read.
 */
#include <linux/limits.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "bpf.h"

struct rfuse_bpf_case {
	struct rfuse_conn *conn;
	const struct fuse_req *req;
	const struct rfuse_bpf_opcode *op;
	bool passthrough;
	struct rfuse_bpf_context *x;
};

static bool rfuse_valid_type(umode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) ||
	       S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) ||
	       S_ISSOCK(mode);
}

static bool rfuse_valid_attr(const struct fuse_attr *attr)
{
	return rfuse_valid_type(attr->mode) && attr->size <= LLONG_MAX &&
	       attr->atimensec < NSEC_PER_SEC &&
	       attr->mtimensec < NSEC_PER_SEC && attr->ctimensec < NSEC_PER_SEC;
}

static bool rfuse_same_type(const struct rfuse_bpf_inode *inode, u32 mode)
{
	return !inode->known || !((inode->mode ^ mode) & S_IFMT);
}

static bool rfuse_judge_entry(const struct rfuse_bpf_case *c)
{
	const struct fuse_entry_out *out = (const void *)c->x->out;
	struct rfuse_bpf_inode inode;

	if (out->entry_valid_nsec >= NSEC_PER_SEC ||
	    out->attr_valid_nsec >= NSEC_PER_SEC)
		return false;
	if (!out->nodeid)
		return c->op->rule == RFUSE_RULE_LOOKUP;
	if (out->nodeid == FUSE_ROOT_ID || !rfuse_valid_attr(&out->attr))
		return false;
	if (c->op->type && (out->attr.mode & S_IFMT) != c->op->type)
		return false;
	rfuse_bpf_inode(c->conn, out->nodeid, &inode);
	return rfuse_same_type(&inode, out->attr.mode) &&
	       (!inode.known || inode.generation == (u32)out->generation);
}

static bool rfuse_judge_open_out(const struct rfuse_bpf_case *c,
				 struct fuse_open_out *out)
{
	if (!c->passthrough)
		return !rfuse_is_passthrough(out);
	return rfuse_pass_through(c->conn->fc, out);
}

static bool rfuse_judge_create(const struct rfuse_bpf_case *c)
{
	return rfuse_judge_entry(c) &&
	       rfuse_judge_open_out(c, (void *)c->x->out +
				    sizeof(struct fuse_entry_out));
}

static bool rfuse_judge_open(const struct rfuse_bpf_case *c)
{
	return rfuse_judge_open_out(c, (void *)c->x->out);
}

static bool rfuse_judge_attr(const struct rfuse_bpf_case *c)
{
	const struct fuse_attr_out *out = (const void *)c->x->out;
	struct rfuse_bpf_inode inode;

	rfuse_bpf_inode(c->conn, c->req->in.h.nodeid, &inode);
	return out->attr_valid_nsec < NSEC_PER_SEC &&
	       rfuse_valid_attr(&out->attr) &&
	       rfuse_same_type(&inode, out->attr.mode);
}

#ifdef RFUSE_HAS_STATX
static bool rfuse_judge_statx(const struct rfuse_bpf_case *c)
{
	const struct fuse_statx_out *out = (const void *)c->x->out;
	const struct fuse_statx *stat = &out->stat;
	struct rfuse_bpf_inode inode;

	rfuse_bpf_inode(c->conn, c->req->in.h.nodeid, &inode);
	if (out->attr_valid_nsec >= NSEC_PER_SEC)
		return false;
	if ((stat->mask & STATX_SIZE) && stat->size > LLONG_MAX)
		return false;
	return !(stat->mask & STATX_TYPE) ||
	       (rfuse_valid_type(stat->mode) &&
		rfuse_same_type(&inode, stat->mode));
}
#endif

/* fuse's own op struct; the context's copy is the program's by now. */
static const void *rfuse_op_struct(const struct rfuse_bpf_case *c)
{
	return c->req->args->in_args[0].value;
}

static bool rfuse_judge_write(const struct rfuse_bpf_case *c)
{
	const struct fuse_write_out *out = (const void *)c->x->out;
	const struct fuse_write_in *in = rfuse_op_struct(c);

	return out->size <= in->size;
}

static bool rfuse_judge_copy(const struct rfuse_bpf_case *c)
{
	const struct fuse_write_out *out = (const void *)c->x->out;
	const struct fuse_copy_file_range_in *in = rfuse_op_struct(c);

	return out->size <= in->len;
}

#ifdef RFUSE_HAS_COPY_FILE_RANGE_64
static bool rfuse_judge_copy_64(const struct rfuse_bpf_case *c)
{
	const struct fuse_copy_file_range_out *out = (const void *)c->x->out;
	const struct fuse_copy_file_range_in *in = rfuse_op_struct(c);

	return out->bytes_copied <= in->len;
}
#endif

static bool rfuse_judge_readlink(const struct rfuse_bpf_case *c)
{
	u32 size = c->x->data_size;

	return size && !memchr(c->x->data, 0, size);
}

/* The size of the value, or the value itself: then its length was judged. */
static bool rfuse_judge_xattr(const struct rfuse_bpf_case *c)
{
	const struct fuse_getxattr_out *out = (const void *)c->x->out;

	return c->req->args->out_argvar || out->size <= XATTR_SIZE_MAX;
}

static bool rfuse_judge_length(const struct rfuse_bpf_case *c)
{
	return true;
}

static bool rfuse_judge_never(const struct rfuse_bpf_case *c)
{
	return false;
}

static bool (*const rfuse_judges[])(const struct rfuse_bpf_case *c) = {
	[RFUSE_RULE_NO_PROGRAM]	= rfuse_judge_never,
	[RFUSE_RULE_LENGTH]	= rfuse_judge_length,
	[RFUSE_RULE_NEVER]	= rfuse_judge_never,
	[RFUSE_RULE_LOOKUP]	= rfuse_judge_entry,
	[RFUSE_RULE_ENTRY]	= rfuse_judge_entry,
	[RFUSE_RULE_CREATE]	= rfuse_judge_create,
	[RFUSE_RULE_ATTR]	= rfuse_judge_attr,
#ifdef RFUSE_HAS_STATX
	[RFUSE_RULE_STATX]	= rfuse_judge_statx,
#endif
	[RFUSE_RULE_OPEN]	= rfuse_judge_open,
	[RFUSE_RULE_WRITE]	= rfuse_judge_write,
	[RFUSE_RULE_COPY]	= rfuse_judge_copy,
#ifdef RFUSE_HAS_COPY_FILE_RANGE_64
	[RFUSE_RULE_COPY_64]	= rfuse_judge_copy_64,
#endif
	[RFUSE_RULE_READLINK]	= rfuse_judge_readlink,
	[RFUSE_RULE_XATTR]	= rfuse_judge_xattr,
};

/* ENOSYS would switch the opcode off for the whole mount: the daemon's to say. */
static bool rfuse_valid_error(s32 error)
{
	return error < 0 && error > -512 && error != -ENOSYS;
}

static bool rfuse_valid_reply(const struct rfuse_bpf_case *c, u32 room)
{
	return c->x->data_size <= min_t(u32, room, sizeof(c->x->data)) &&
	       rfuse_judges[c->op->rule](c);
}

/* Gives a program's reply to the request: true when it was a legal one. */
bool rfuse_bpf_reply(struct rfuse_conn *conn, struct fuse_req *req,
		     const struct rfuse_shape *shape, u32 verdict,
		     struct rfuse_bpf_context *x)
{
	const struct rfuse_bpf_case c = {
		.conn = conn,
		.req = req,
		.op = rfuse_bpf_opcode(req->in.h.opcode),
		.passthrough = verdict == RFUSE_BPF_PASSTHROUGH,
		.x = x,
	};

	if (c.passthrough && (x->error || req->in.h.opcode != FUSE_OPEN))
		return false;
	if (x->error) {
		if (!rfuse_valid_error(x->error))
			return false;
		req->out.h.error = x->error;
		return true;
	}
	if (!rfuse_valid_reply(&c, shape->variable_out) ||
	    rfuse_deliver(req->args, x->out, x->data,
			  shape->fixed_out + x->data_size))
		return false;
	req->out.h.error = 0;
	return true;
}
