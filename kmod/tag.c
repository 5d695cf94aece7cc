// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tags of a channel and the payload pool: who gets one, and what happens when
 * there is none. All state is private; the slot is only told.
 */
#include "ring.h"

/*
 * Contiguous pages of the pool, first fit, so that the same few are used again
 * and stay in the caches; -1 when there are none.
 */
static int rfuse_pool_get(struct rfuse_channel *c, u32 count)
{
	u32 size = c->conn->pool_pages;
	unsigned long at = bitmap_find_next_zero_area(c->pool, size, 0, count, 0);

	if (at >= size)
		return -1;
	bitmap_set(c->pool, at, count);
	return at;
}

static u32 rfuse_backlog(struct rfuse_channel *c)
{
	return c->backlog_tail - c->backlog_head;
}

/* Tells the daemon how much a doorbell would move in. c->lock is held. */
void rfuse_show_backlog(struct rfuse_channel *c)
{
	c->backlog_shown = rfuse_backlog(c);
	WRITE_ONCE(c->control->backlog, c->backlog_shown);
	rfuse_event(c);
}

/*
 * A tag for a request of @shape, or a negative number: 0 - which kind of
 * shortage it was. c->lock is held.
 */
int rfuse_tag_get(struct rfuse_channel *c, const struct rfuse_shape *shape,
		  u64 unique)
{
	struct rfuse_tag *tag;
	int page = 0;
	u32 index;

	if (!c->free_count)
		return -RFUSE_STARVED_TAG;
	if (shape->payload_pages) {
		page = rfuse_pool_get(c, shape->payload_pages);
		if (page < 0)
			return -RFUSE_STARVED_PAYLOAD;
	}
	index = c->free_tags[--c->free_count];
	tag = &c->tags[index];
	tag->kind = RFUSE_TAG_HELD;
	tag->unique = unique;
	tag->woken_ns = 0;
	tag->payload_page = page;
	tag->payload_pages = shape->payload_pages;
	return index;
}

/* c->lock is held. The caller notifies if the backlog may move again. */
void rfuse_tag_put_locked(struct rfuse_channel *c, u32 index)
{
	struct rfuse_tag *tag = &c->tags[index];

	WRITE_ONCE(rfuse_slot(c, index)->state, RFUSE_STATE_FREE);
	if (tag->payload_pages)
		bitmap_clear(c->pool, tag->payload_page, tag->payload_pages);
	tag->kind = RFUSE_TAG_FREE;
	tag->unique = 0;
	tag->payload_pages = 0;
	c->free_tags[c->free_count++] = index;
	if (c->starved && !c->backlog_shown)
		rfuse_show_backlog(c);
}

void rfuse_tag_put(struct rfuse_channel *c, u32 index)
{
	bool starved;

	spin_lock(&c->lock);
	starved = c->starved && !c->backlog_shown;
	rfuse_tag_put_locked(c, index);
	spin_unlock(&c->lock);
	if (starved)
		rfuse_notify(c);
}
