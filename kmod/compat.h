/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows how kernels differ. Differences of fs/fuse are told
 * by private/probes.h, which fuse-headers.sh makes by looking at the private
 * headers themselves; kernel versions are asked only about the core's API.
 */
#ifndef _RFUSE_COMPAT_H
#define _RFUSE_COMPAT_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <linux/version.h>

#include "private/probes.h"
#include "private/fuse_i.h"
#ifdef RFUSE_HAS_ARGS_H
#include "private/args.h"
#endif
#ifdef RFUSE_HAS_DEV_H
#include "private/dev.h"
#endif
#ifdef RFUSE_HAS_FUSE_DEV_I_H
#include "private/fuse_dev_i.h"
#endif

/* Interrupts have odd numbers; fs/fuse hashes a request without that bit. */
static inline unsigned int rfuse_hash(u64 unique)
{
	return hash_long(unique & ~1ULL, FUSE_PQ_HASH_BITS);
}

/* --- connection and device ------------------------------------------------ */

#ifdef RFUSE_HAS_CHAN	/* struct fuse_chan was split off struct fuse_conn */

static inline struct fuse_iqueue *rfuse_fiq(struct fuse_conn *fc)
{
	return &fc->chan->iq;
}

static inline struct fuse_conn *rfuse_file_conn(struct file *file)
{
	struct fuse_dev *fud = READ_ONCE(file->private_data);
	struct fuse_chan *chan = fud ? fuse_dev_chan_get(fud) : NULL;

	return chan && chan != FUSE_DEV_CHAN_DISCONNECTED ? chan->conn : NULL;
}

static inline bool rfuse_connected(struct fuse_conn *fc)
{
	return READ_ONCE(fc->chan->connected);
}

static inline bool rfuse_initialized(struct fuse_conn *fc)
{
	/* Pairs with fuse's store when INIT is answered. */
	return smp_load_acquire(&fc->chan->initialized);
}

static inline bool rfuse_no_interrupt(struct fuse_conn *fc)
{
	return READ_ONCE(fc->chan->no_interrupt);
}

static inline bool rfuse_uses_io_uring(struct fuse_conn *fc)
{
	return READ_ONCE(fc->chan->io_uring);
}

static inline void rfuse_abort(struct fuse_conn *fc)
{
	fuse_chan_abort(fc->chan, false);
}

/* A device of our own, whose queue holds a channel's requests in flight. */
static inline struct fuse_dev *rfuse_fud_new(struct fuse_conn *fc)
{
	struct fuse_dev *fud = fuse_dev_alloc();

	if (fud)
		fuse_dev_install(fud, fc->chan);
	return fud;
}

static inline void rfuse_fud_free(struct fuse_dev *fud)
{
	fuse_dev_put(fud);
}

/* The stock operations are not exported: a fresh channel shows them. */
static inline const struct fuse_iqueue_ops *rfuse_stock_ops(void)
{
	struct fuse_chan *chan = fuse_dev_chan_new();
	const struct fuse_iqueue_ops *ops;

	if (!chan)
		return NULL;
	ops = chan->iq.ops;
	fuse_chan_free(chan);
	return ops;
}

#else

static inline struct fuse_iqueue *rfuse_fiq(struct fuse_conn *fc)
{
	return &fc->iq;
}

static inline struct fuse_conn *rfuse_file_conn(struct file *file)
{
	struct fuse_dev *fud = READ_ONCE(file->private_data);

	return fud ? READ_ONCE(fud->fc) : NULL;
}

static inline bool rfuse_connected(struct fuse_conn *fc)
{
	return READ_ONCE(fc->connected);
}

static inline bool rfuse_initialized(struct fuse_conn *fc)
{
	/* Pairs with fuse's store when INIT is answered. */
	return smp_load_acquire(&fc->initialized);
}

static inline bool rfuse_no_interrupt(struct fuse_conn *fc)
{
	return fc->no_interrupt;
}

static inline bool rfuse_uses_io_uring(struct fuse_conn *fc)
{
#ifdef RFUSE_HAS_IO_URING
	return fc->io_uring;
#else
	return false;
#endif
}

static inline void rfuse_abort(struct fuse_conn *fc)
{
	fuse_abort_conn(fc);
}

static inline struct fuse_dev *rfuse_fud_new(struct fuse_conn *fc)
{
	return fuse_dev_alloc_install(fc);
}

static inline void rfuse_fud_free(struct fuse_dev *fud)
{
	fuse_dev_free(fud);
}

static inline const struct fuse_iqueue_ops *rfuse_stock_ops(void)
{
	return &fuse_dev_fiq_ops;
}

#endif

#ifdef RFUSE_HAS_SEND_REQ
static inline void rfuse_assign_unique(struct fuse_iqueue *fiq,
				       struct fuse_req *req)
{
#ifdef RFUSE_HAS_ASSIGN_UNIQUE
	fuse_request_assign_unique(fiq, req);
#else
	req->in.h.unique = fuse_get_unique(fiq);
#endif
}
#endif

/* --- a request's pages ---------------------------------------------------- */

#ifdef RFUSE_HAS_FOLIOS

static inline unsigned int rfuse_segments(struct fuse_args_pages *ap)
{
	return ap->num_folios;
}

static inline void rfuse_segment_read(struct fuse_args_pages *ap,
				      unsigned int i, void *to, size_t len)
{
	memcpy_from_folio(to, ap->folios[i], ap->descs[i].offset, len);
}

static inline void rfuse_segment_write(struct fuse_args_pages *ap,
				       unsigned int i, const void *from,
				       size_t len)
{
	memcpy_to_folio(ap->folios[i], ap->descs[i].offset, from, len);
}

static inline void rfuse_segment_zero(struct fuse_args_pages *ap,
				      unsigned int i, size_t from, size_t len)
{
	folio_zero_range(ap->folios[i], ap->descs[i].offset + from, len);
}

#else

static inline unsigned int rfuse_segments(struct fuse_args_pages *ap)
{
	return ap->num_pages;
}

static inline void rfuse_segment_read(struct fuse_args_pages *ap,
				      unsigned int i, void *to, size_t len)
{
	memcpy_from_page(to, ap->pages[i], ap->descs[i].offset, len);
}

static inline void rfuse_segment_write(struct fuse_args_pages *ap,
				       unsigned int i, const void *from,
				       size_t len)
{
	memcpy_to_page(ap->pages[i], ap->descs[i].offset, from, len);
}

static inline void rfuse_segment_zero(struct fuse_args_pages *ap,
				      unsigned int i, size_t from, size_t len)
{
	memzero_page(ap->pages[i], ap->descs[i].offset + from, len);
}

#endif

/* --- eBPF programs: what they may be asked for ----------------------------- */

#if FUSE_KERNEL_MINOR_VERSION >= 39
#define RFUSE_HAS_STATX
#endif
#if FUSE_KERNEL_MINOR_VERSION >= 45
#define RFUSE_HAS_COPY_FILE_RANGE_64
#endif

#if defined(RFUSE_HAS_BACKING_FILES) && IS_ENABLED(CONFIG_FUSE_PASSTHROUGH)

static inline bool rfuse_has_passthrough(struct fuse_conn *fc)
{
	return fc->passthrough;
}

static inline bool rfuse_is_passthrough(const struct fuse_open_out *out)
{
	return out->open_flags & FOPEN_PASSTHROUGH;
}

/* Makes @out one of passthrough; false when it names no backing file. */
static inline bool rfuse_pass_through(struct fuse_conn *fc,
				      struct fuse_open_out *out)
{
	bool found;

	if (!fc->passthrough || out->backing_id <= 0)
		return false;
	rcu_read_lock();
	found = idr_find(&fc->backing_files_map, out->backing_id);
	rcu_read_unlock();
	out->open_flags |= FOPEN_PASSTHROUGH;
	return found;
}

#else

static inline bool rfuse_has_passthrough(struct fuse_conn *fc)
{
	return false;
}

static inline bool rfuse_is_passthrough(const struct fuse_open_out *out)
{
	return false;
}

static inline bool rfuse_pass_through(struct fuse_conn *fc,
				      struct fuse_open_out *out)
{
	return false;
}

#endif

/* --- the core's API ------------------------------------------------------- */

static inline void rfuse_vma_set_flags(struct vm_area_struct *vma,
				       unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void rfuse_eventfd_raise(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* Its fields are not all there yet. */
static inline bool rfuse_inode_is_new(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return inode_state_read_once(inode) & I_NEW;
#else
	return READ_ONCE(inode->i_state) & I_NEW;
#endif
}

#endif /* _RFUSE_COMPAT_H */
