// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of one channel: pages of its NUMA node, mapped once into the
 * kernel and by the daemon through mmap, and the kernel's private tables.
 */
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/vmalloc.h>

#include "ring.h"

/* Zeroed pages, charged to the memory cgroup of the caller. */
static struct page **rfuse_pages_alloc(unsigned long count, int node)
{
	struct page **pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	unsigned long i;

	if (!pages)
		return NULL;
	for (i = 0; i < count; i++) {
		pages[i] = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO |
					    __GFP_NORETRY | __GFP_NOWARN, 0);
		if (!pages[i])
			break;
		cond_resched();
	}
	if (i == count)
		return pages;
	while (i--)
		__free_page(pages[i]);
	kvfree(pages);
	return NULL;
}

/* A page that a daemon still has mapped lives on until it is unmapped. */
static void rfuse_pages_free(struct page **pages, unsigned long count)
{
	unsigned long i;

	if (!pages)
		return;
	for (i = 0; i < count; i++)
		__free_page(pages[i]);
	kvfree(pages);
}

static void rfuse_channel_init_tags(struct rfuse_channel *c, u32 depth)
{
	u32 i;

	/* The lowest tag is taken first: few slots stay warm. */
	for (i = 0; i < depth; i++)
		c->free_tags[i] = depth - 1 - i;
	c->free_count = depth;
}

static void rfuse_channel_init_shared(struct rfuse_channel *c)
{
	const struct rfuse_setup *s = &c->conn->layout;
	struct rfuse_control *control = c->mem + s->control_offset;
	u32 start = READ_ONCE(rfuse_ring_start);

	c->control = control;
	c->pending = c->mem + s->pending_offset;
	c->forgets = c->mem + s->forget_offset;
	c->interrupts = c->mem + s->interrupt_offset;
	c->completion = c->mem + s->completion_offset;

	c->events = start;
	c->pending_tail = start;
	c->forget_tail = start;
	c->interrupt_tail = start;
	c->completion_head = start;
	c->backlog_head = start;
	c->backlog_tail = start;

	control->magic = RFUSE_MAGIC;
	control->version = RFUSE_VERSION;
	control->channel = c->index;
	control->node = c->node;
	control->events = start;
	control->pending_tail = start;
	control->forget_tail = start;
	control->interrupt_tail = start;
	control->completion_head = start;
	control->pending_head = start;
	control->forget_head = start;
	control->interrupt_head = start;
	control->completion_tail = start;
}

static bool rfuse_channel_alloc(struct rfuse_channel *c)
{
	struct rfuse_conn *conn = c->conn;
	const struct rfuse_setup *s = &conn->layout;

	c->pages = rfuse_pages_alloc(conn->nr_pages, c->node);
	if (!c->pages)
		return false;
	c->mem = vmap(c->pages, conn->nr_pages, VM_MAP, PAGE_KERNEL);
	c->tags = kvcalloc(s->depth, sizeof(*c->tags), GFP_KERNEL_ACCOUNT);
	c->free_tags = kvcalloc(s->depth, sizeof(u32), GFP_KERNEL_ACCOUNT);
	c->backlog = kvcalloc(s->pending_entries, sizeof(u64),
			      GFP_KERNEL_ACCOUNT);
	c->pool = bitmap_zalloc(conn->pool_pages, GFP_KERNEL_ACCOUNT);
	if (!c->mem || !c->tags || !c->free_tags || !c->backlog || !c->pool)
		return false;
	c->fud = rfuse_fud_new(conn->fc);
	return c->fud;
}

struct rfuse_channel *rfuse_channel_new(struct rfuse_conn *conn, u32 index)
{
	int node = cpu_possible(index) ? cpu_to_node(index) : NUMA_NO_NODE;
	struct rfuse_channel *c;

	c = kzalloc_node(sizeof(*c), GFP_KERNEL_ACCOUNT, node);
	if (!c)
		return NULL;
	c->conn = conn;
	c->index = index;
	c->node = node;
	c->next_other = index;
	spin_lock_init(&c->lock);
	mutex_init(&c->moving);
	init_waitqueue_head(&c->waitq);
	if (!rfuse_channel_alloc(c)) {
		rfuse_channel_free(c);
		return NULL;
	}
	rfuse_channel_init_tags(c, conn->layout.depth);
	rfuse_channel_init_shared(c);
	return c;
}

void rfuse_channel_free(struct rfuse_channel *c)
{
	if (!c)
		return;
	rfuse_server_drop(c);
	if (c->eventfd)
		eventfd_ctx_put(c->eventfd);
	if (c->fud)
		rfuse_fud_free(c->fud);
	bitmap_free(c->pool);
	kvfree(c->backlog);
	kvfree(c->free_tags);
	kvfree(c->tags);
	if (c->mem)
		vunmap(c->mem);
	rfuse_pages_free(c->pages, c->conn->nr_pages);
	kfree(c);
}
