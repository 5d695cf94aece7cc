/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the bpf*.c files share: how a request is shown to a program, and how
 * the program's reply is judged.
 */
#ifndef _RFUSE_BPF_H
#define _RFUSE_BPF_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/srcu.h>

#include "ring.h"

struct rfuse_programs {
	struct srcu_struct srcu;	/* held while a program runs */
	struct mutex lock;		/* one change at a time */
	struct bpf_prog __rcu *of[RFUSE_BPF_OPCODES];
	struct list_head retired;	/* under lock */
};

/* The rule that a program's reply without error has to keep. */
enum rfuse_bpf_rule {
	RFUSE_RULE_NO_PROGRAM,	/* the opcode cannot have a program */
	RFUSE_RULE_LENGTH,	/* its length is right */
	RFUSE_RULE_NEVER,	/* there is none: only errors */
	RFUSE_RULE_LOOKUP,
	RFUSE_RULE_ENTRY,
	RFUSE_RULE_CREATE,
	RFUSE_RULE_ATTR,
	RFUSE_RULE_STATX,
	RFUSE_RULE_OPEN,
	RFUSE_RULE_WRITE,
	RFUSE_RULE_COPY,
	RFUSE_RULE_COPY_64,
	RFUSE_RULE_READLINK,
	RFUSE_RULE_XATTR,
};

struct rfuse_bpf_opcode {
	enum rfuse_bpf_rule rule;
	bool has_struct;	/* the request begins with an op struct */
	u8 names;		/* and then has so many names */
	umode_t type;		/* of the file that it makes; 0: any */
};

/* What fuse knows of an inode. */
struct rfuse_bpf_inode {
	bool known;
	u32 generation;
	umode_t mode;
};

/* bpf-place.c */
u32 rfuse_bpf_id(struct rfuse_conn *conn, u32 opcode);

/* bpf-context.c */
const struct rfuse_bpf_opcode *rfuse_bpf_opcode(u32 opcode);
bool rfuse_bpf_fill(struct rfuse_conn *conn, const struct fuse_req *req,
		    const struct rfuse_shape *shape,
		    struct rfuse_bpf_context *x);
void rfuse_bpf_inode(struct rfuse_conn *conn, u64 nodeid,
		     struct rfuse_bpf_inode *inode);

/* bpf-reply.c */
bool rfuse_bpf_reply(struct rfuse_conn *conn, struct fuse_req *req,
		     const struct rfuse_shape *shape, u32 verdict,
		     struct rfuse_bpf_context *x);

#endif /* _RFUSE_BPF_H */
