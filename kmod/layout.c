// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a daemon's wishes to the layout of a channel: defaults, limits, offsets
 * and sizes. Pure arithmetic; allocates nothing.
 */
#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "ring.h"

#define RFUSE_DEPTH_DEFAULT	64
#define RFUSE_DEPTH_MAX		1024
#define RFUSE_POOL_DEFAULT	SZ_1M
#define RFUSE_POOL_MAX		SZ_64M
#define RFUSE_SPIN_MAX_US	10000
#define RFUSE_FORGET_ENTRIES	1024
#define RFUSE_PART_ALIGN	128

/* A slot: 64 bytes of head, the request, the reply. */
#define RFUSE_SLOT_SIZE		1024
#define RFUSE_SLOT_IN		64
#define RFUSE_SLOT_OUT		704
#define RFUSE_SLOT_IN_SIZE	(RFUSE_SLOT_OUT - RFUSE_SLOT_IN)
#define RFUSE_SLOT_OUT_SIZE	(RFUSE_SLOT_SIZE - RFUSE_SLOT_OUT)

static_assert(sizeof(struct rfuse_slot) <= RFUSE_SLOT_IN);
/* RENAME2 with two longest names; STATX, the longest fixed reply. */
static_assert(sizeof(struct fuse_in_header) + 16 + 2 * 256 <= RFUSE_SLOT_IN_SIZE);
static_assert(sizeof(struct fuse_out_header) + 288 <= RFUSE_SLOT_OUT_SIZE);

static int rfuse_check_wishes(const struct rfuse_setup *s)
{
	if (!s->version || s->version > RFUSE_VERSION)
		return -EPROTONOSUPPORT;
	if (s->flags || s->depth > RFUSE_DEPTH_MAX ||
	    s->payload_pool > RFUSE_POOL_MAX)
		return -EINVAL;
	if (s->spin_us != RFUSE_SPIN_DEFAULT && s->spin_us > RFUSE_SPIN_MAX_US)
		return -EINVAL;
	if (memchr_inv(s->reserved, 0, sizeof(s->reserved)))
		return -EINVAL;
	return 0;
}

/* The next part of the mapping: @bytes at the returned offset. */
static u32 rfuse_part(u32 *end, u32 bytes, u32 align)
{
	u32 offset = ALIGN(*end, align);

	*end = offset + bytes;
	return offset;
}

/* Replaces the wishes in @s by the answer, or refuses them. */
int rfuse_layout(struct rfuse_setup *s)
{
	u32 most = min_t(u32, nr_cpu_ids, RFUSE_MAX_CHANNELS);
	u32 end = 0;
	int err = rfuse_check_wishes(s);

	if (err)
		return err;
	s->magic = RFUSE_MAGIC;
	s->version = RFUSE_VERSION;
	s->features &= RFUSE_FEATURES_SUPPORTED;
	s->channels = s->channels ? min(s->channels, most) : most;
	s->depth = s->depth ?: RFUSE_DEPTH_DEFAULT;
	s->payload_pool = PAGE_ALIGN(s->payload_pool ?: RFUSE_POOL_DEFAULT);
	if (s->spin_us == RFUSE_SPIN_DEFAULT)
		s->spin_us = min_t(u32, READ_ONCE(rfuse_spin_us),
				   RFUSE_SPIN_MAX_US);

	s->pending_entries = roundup_pow_of_two(s->depth);
	s->forget_entries = RFUSE_FORGET_ENTRIES;
	s->interrupt_entries = roundup_pow_of_two(s->depth);
	s->completion_entries = 2 * roundup_pow_of_two(s->depth);
	s->slot_size = RFUSE_SLOT_SIZE;
	s->slot_in = RFUSE_SLOT_IN;
	s->slot_in_size = RFUSE_SLOT_IN_SIZE;
	s->slot_out = RFUSE_SLOT_OUT;
	s->slot_out_size = RFUSE_SLOT_OUT_SIZE;

	s->page_size = PAGE_SIZE;
	s->control_offset = rfuse_part(&end, PAGE_SIZE, PAGE_SIZE);
	s->pending_offset = rfuse_part(&end, s->pending_entries * sizeof(u32),
				       RFUSE_PART_ALIGN);
	s->completion_offset = rfuse_part(&end,
					  s->completion_entries * sizeof(u32),
					  RFUSE_PART_ALIGN);
	s->interrupt_offset = rfuse_part(&end, s->interrupt_entries *
					 sizeof(struct rfuse_interrupt),
					 RFUSE_PART_ALIGN);
	s->forget_offset = rfuse_part(&end, s->forget_entries *
				      sizeof(struct rfuse_forget),
				      RFUSE_PART_ALIGN);
	s->slots_offset = rfuse_part(&end, s->depth * RFUSE_SLOT_SIZE,
				     PAGE_SIZE);
	s->payload_offset = rfuse_part(&end, s->payload_pool, PAGE_SIZE);
	s->channel_size = PAGE_ALIGN(end);
	s->channel_stride = s->channel_size;
	return 0;
}

/* RFUSE_IOC_SPIN */
long rfuse_spin(struct rfuse_conn *conn, unsigned long us)
{
	if (us > RFUSE_SPIN_MAX_US)
		return -EINVAL;
	WRITE_ONCE(conn->spin_learns, false);
	WRITE_ONCE(conn->spin_us, us);
	return 0;
}
