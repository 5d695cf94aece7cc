// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program is shown of a request: which opcodes there are, where their
 * names are, and what fuse knows of the inode. A copy; nothing is read back.
 */
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "bpf.h"

#define OP(rule, struct, names)		{ RFUSE_RULE_##rule, struct, names, 0 }
#define MAKES(rule, struct, names, type) { RFUSE_RULE_##rule, struct, names, type }

/* An opcode that is not here ends or begins something that is the daemon's. */
static const struct rfuse_bpf_opcode rfuse_bpf_opcodes[RFUSE_BPF_OPCODES] = {
	[FUSE_LOOKUP]		= OP(LOOKUP, false, 1),
	[FUSE_GETATTR]		= OP(ATTR, true, 0),
	[FUSE_SETATTR]		= OP(ATTR, true, 0),
	[FUSE_READLINK]		= OP(READLINK, false, 0),
	[FUSE_SYMLINK]		= MAKES(ENTRY, false, 1, S_IFLNK),
	[FUSE_MKNOD]		= OP(ENTRY, true, 1),
	[FUSE_MKDIR]		= MAKES(ENTRY, true, 1, S_IFDIR),
	[FUSE_UNLINK]		= OP(LENGTH, false, 1),
	[FUSE_RMDIR]		= OP(LENGTH, false, 1),
	[FUSE_RENAME]		= OP(LENGTH, true, 2),
	[FUSE_LINK]		= OP(ENTRY, true, 1),
	[FUSE_OPEN]		= OP(OPEN, true, 0),
	[FUSE_READ]		= OP(LENGTH, true, 0),
	[FUSE_WRITE]		= OP(WRITE, true, 0),
	[FUSE_STATFS]		= OP(LENGTH, false, 0),
	[FUSE_FSYNC]		= OP(LENGTH, true, 0),
	[FUSE_SETXATTR]		= OP(LENGTH, true, 1),
	[FUSE_GETXATTR]		= OP(XATTR, true, 1),
	[FUSE_LISTXATTR]	= OP(XATTR, true, 0),
	[FUSE_REMOVEXATTR]	= OP(LENGTH, false, 1),
	[FUSE_FLUSH]		= OP(LENGTH, true, 0),
	[FUSE_OPENDIR]		= OP(OPEN, true, 0),
	[FUSE_READDIR]		= OP(LENGTH, true, 0),
	[FUSE_FSYNCDIR]		= OP(LENGTH, true, 0),
	[FUSE_GETLK]		= OP(LENGTH, true, 0),
	[FUSE_SETLK]		= OP(LENGTH, true, 0),
	[FUSE_SETLKW]		= OP(LENGTH, true, 0),
	[FUSE_ACCESS]		= OP(LENGTH, true, 0),
	[FUSE_CREATE]		= MAKES(CREATE, true, 1, S_IFREG),
	[FUSE_BMAP]		= OP(LENGTH, true, 0),
	[FUSE_IOCTL]		= OP(NEVER, true, 0),
	[FUSE_POLL]		= OP(LENGTH, true, 0),
	[FUSE_FALLOCATE]	= OP(LENGTH, true, 0),
	[FUSE_READDIRPLUS]	= OP(NEVER, true, 0),
	[FUSE_RENAME2]		= OP(LENGTH, true, 2),
	[FUSE_LSEEK]		= OP(LENGTH, true, 0),
	[FUSE_COPY_FILE_RANGE]	= OP(COPY, true, 0),
	[FUSE_SYNCFS]		= OP(LENGTH, true, 0),
	[FUSE_TMPFILE]		= MAKES(CREATE, true, 1, S_IFREG),
#ifdef RFUSE_HAS_STATX
	[FUSE_STATX]		= OP(STATX, true, 0),
#endif
#ifdef RFUSE_HAS_COPY_FILE_RANGE_64
	[FUSE_COPY_FILE_RANGE_64] = OP(COPY_64, true, 0),
#endif
};

/* NULL when the opcode cannot have a program. */
const struct rfuse_bpf_opcode *rfuse_bpf_opcode(u32 opcode)
{
	const struct rfuse_bpf_opcode *op;

	if (opcode >= RFUSE_BPF_OPCODES)
		return NULL;
	op = &rfuse_bpf_opcodes[array_index_nospec(opcode, RFUSE_BPF_OPCODES)];
	return op->rule == RFUSE_RULE_NO_PROGRAM ? NULL : op;
}

struct rfuse_bpf_wanted {
	u64 nodeid;
	struct rfuse_bpf_inode *inode;
};

/* Under RCU, without a lock: an inode that is being made is none yet. */
static int rfuse_bpf_look(struct inode *inode, void *data)
{
	struct rfuse_bpf_wanted *wanted = data;

	if (get_node_id(inode) != wanted->nodeid)
		return 0;
	if (!rfuse_inode_is_new(inode) && !fuse_is_bad(inode)) {
		/* Pairs with the barrier before I_NEW is cleared. */
		smp_rmb();
		wanted->inode->known = true;
		wanted->inode->generation = READ_ONCE(inode->i_generation);
		wanted->inode->mode = READ_ONCE(inode->i_mode);
	}
	return 1;
}

void rfuse_bpf_inode(struct rfuse_conn *conn, u64 nodeid,
		     struct rfuse_bpf_inode *inode)
{
	struct rfuse_bpf_wanted wanted = { nodeid, inode };

	inode->known = false;
	rcu_read_lock();
	/* A superblock's address is only compared; see rfuse_find_sb(). */
	find_inode_rcu(conn->sb, nodeid, rfuse_bpf_look, &wanted);
	rcu_read_unlock();
}

/* A name may be spread over arguments; it ends with a NUL. */
static bool rfuse_bpf_name(const struct fuse_args *args, unsigned int *i,
			   unsigned int count, u8 *to, u32 *len)
{
	const u32 room = sizeof_field(struct rfuse_bpf_context, name) - 1;

	while (*i < count) {
		const struct fuse_in_arg *arg = &args->in_args[(*i)++];
		const void *end = memchr(arg->value, 0, arg->size);
		u32 part = end ? end - arg->value : arg->size;

		if (part > room - *len)
			return false;
		memcpy(to + *len, arg->value, part);
		*len += part;
		if (end)
			return true;
	}
	return false;
}

static bool rfuse_bpf_fill_args(const struct fuse_args *args,
				const struct rfuse_bpf_opcode *op,
				struct rfuse_bpf_context *x)
{
	unsigned int count = args->in_numargs -
			     (args->in_pages && args->in_numargs);
	unsigned int i = 0;

	/* Newer kernels keep the place of an op struct that is not there. */
	while (i < count && !args->in_args[i].size)
		i++;
	if (op->has_struct) {
		if (i == count || args->in_args[i].size > sizeof(x->arg))
			return false;
		x->arg_size = args->in_args[i].size;
		memcpy(x->arg, args->in_args[i++].value, x->arg_size);
	}
	if (op->names > 0 &&
	    !rfuse_bpf_name(args, &i, count, x->name, &x->name_len))
		return false;
	if (op->names > 1 &&
	    !rfuse_bpf_name(args, &i, count, x->name2, &x->name2_len))
		return false;
	while (i < args->in_numargs)
		x->hidden += args->in_args[i++].size;
	return true;
}

/* @x is zeroed. False when the request does not fit. */
bool rfuse_bpf_fill(struct rfuse_conn *conn, const struct fuse_req *req,
		    const struct rfuse_shape *shape,
		    struct rfuse_bpf_context *x)
{
	struct rfuse_bpf_inode inode;

	x->opcode = req->in.h.opcode;
	x->uid = req->in.h.uid;
	x->gid = req->in.h.gid;
	x->pid = req->in.h.pid;
	x->nodeid = req->in.h.nodeid;
	x->out_size = shape->fixed_out - sizeof(struct fuse_out_header);
	x->data_max = min_t(u32, shape->variable_out, sizeof(x->data));
	if (x->out_size > sizeof(x->out))
		return false;
	rfuse_bpf_inode(conn, x->nodeid, &inode);
	if (inode.known) {
		x->flags = RFUSE_BPF_HAS_GENERATION;
		x->generation = inode.generation;
	}
	return rfuse_bpf_fill_args(req->args, rfuse_bpf_opcode(x->opcode), x);
}
