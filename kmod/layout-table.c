// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing but the table that layout-table.h describes.
 */
#include <linux/stddef.h>

#include "compat.h"
#include "layout-table.h"

#define ROW(type, field, value)						\
	static const struct rfuse_layout_row				\
	__UNIQUE_ID(rfuse_layout) __used				\
	__section(RFUSE_LAYOUT_SECTION) = { #type, field, value }
#define SIZE(type)		ROW(type, "", sizeof(struct type))
#define FIELD(type, field)	ROW(type, #field, offsetof(struct type, field))

SIZE(fuse_req);
FIELD(fuse_req, list);
FIELD(fuse_req, intr_entry);
FIELD(fuse_req, args);
FIELD(fuse_req, flags);
FIELD(fuse_req, in);
FIELD(fuse_req, out);
FIELD(fuse_req, waitq);

SIZE(fuse_args);
FIELD(fuse_args, in_numargs);
FIELD(fuse_args, out_numargs);
FIELD(fuse_args, in_args);
FIELD(fuse_args, out_args);
SIZE(fuse_args_pages);
FIELD(fuse_args_pages, descs);

SIZE(fuse_iqueue);
FIELD(fuse_iqueue, connected);
FIELD(fuse_iqueue, lock);
FIELD(fuse_iqueue, waitq);
FIELD(fuse_iqueue, pending);
FIELD(fuse_iqueue, interrupts);
FIELD(fuse_iqueue, forget_list_head);
FIELD(fuse_iqueue, forget_list_tail);
FIELD(fuse_iqueue, ops);
FIELD(fuse_iqueue, priv);
SIZE(fuse_iqueue_ops);

SIZE(fuse_pqueue);
FIELD(fuse_pqueue, connected);
FIELD(fuse_pqueue, lock);
FIELD(fuse_pqueue, processing);
FIELD(fuse_pqueue, io);
SIZE(fuse_dev);
FIELD(fuse_dev, pq);

SIZE(fuse_conn);
FIELD(fuse_conn, dev);
FIELD(fuse_conn, release);
FIELD(fuse_conn, killsb);
FIELD(fuse_conn, mounts);
#ifdef RFUSE_HAS_BACKING_FILES
FIELD(fuse_conn, backing_files_map);
#endif
FIELD(fuse_mount, sb);
FIELD(fuse_mount, fc_entry);
FIELD(fuse_inode, inode);
FIELD(fuse_inode, nodeid);
FIELD(fuse_inode, state);
SIZE(fuse_fs_context);
FIELD(fuse_fs_context, rootmode);
FIELD(fuse_fs_context, max_read);
FIELD(fuse_fs_context, subtype);
#ifdef RFUSE_HAS_CHAN
SIZE(fuse_chan);
FIELD(fuse_chan, iq);
FIELD(fuse_chan, connected);
FIELD(fuse_chan, initialized);
FIELD(fuse_chan, no_interrupt);
FIELD(fuse_chan, io_uring);
FIELD(fuse_dev, chan);
#else
FIELD(fuse_conn, iq);
FIELD(fuse_conn, connected);
FIELD(fuse_conn, initialized);
FIELD(fuse_dev, fc);
#endif
