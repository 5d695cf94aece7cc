/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The place of the eBPF fast path: asked in the caller's context, without a
 * lock, before a synchronous request takes a tag.
 */
#ifndef _RFUSE_ANSWER_H
#define _RFUSE_ANSWER_H

#include "ring.h"

/* True when the request was answered, and ended, without the daemon. */
static inline bool rfuse_answer(struct rfuse_conn *conn, struct fuse_req *req)
{
	return false;
}

#endif /* _RFUSE_ANSWER_H */
