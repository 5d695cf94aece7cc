// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request's arguments into slot and payload, and a reply's out of them.
 * Lengths come from the request alone; a reply's length was validated before.
 */
#include <linux/string.h>

#include "ring.h"

/* The data argument that lies in the payload, if there is one. */
static bool rfuse_variable_reply(const struct fuse_args *args)
{
	return args->out_numargs && (args->out_pages || args->out_argvar);
}

static u32 rfuse_sum_in(const struct fuse_args *args, unsigned int count)
{
	u32 sum = 0;

	while (count--)
		sum += args->in_args[count].size;
	return sum;
}

static u32 rfuse_sum_out(const struct fuse_args *args, unsigned int count)
{
	u32 sum = 0;

	while (count--)
		sum += args->out_args[count].size;
	return sum;
}

/* False when the request does not fit: it belongs to the slow lane. */
bool rfuse_shape_of(struct rfuse_conn *conn, const struct fuse_args *args,
		    struct rfuse_shape *shape)
{
	bool paged = args->in_pages && args->in_numargs;
	bool variable = rfuse_variable_reply(args);
	unsigned int ins = args->in_numargs - paged;
	unsigned int outs = args->out_numargs - variable;
	u32 payload;

	shape->in_len = sizeof(struct fuse_in_header) + rfuse_sum_in(args, ins);
	shape->payload_in = paged ? args->in_args[ins].size : 0;
	shape->fixed_out = sizeof(struct fuse_out_header) +
			   rfuse_sum_out(args, outs);
	shape->variable_out = variable ? args->out_args[outs].size : 0;
	payload = max(shape->payload_in, shape->variable_out);
	shape->payload_pages = DIV_ROUND_UP(payload, PAGE_SIZE);
	return shape->in_len <= conn->layout.slot_in_size &&
	       shape->fixed_out <= conn->layout.slot_out_size &&
	       shape->payload_pages <= conn->pool_pages;
}

static void rfuse_pages_in(struct fuse_args *args, void *to, size_t count)
{
	struct fuse_args_pages *ap = container_of(args, typeof(*ap), args);
	unsigned int i;

	for (i = 0; i < rfuse_segments(ap) && count; i++) {
		size_t len = min_t(size_t, ap->descs[i].length, count);

		rfuse_segment_read(ap, i, to, len);
		to += len;
		count -= len;
	}
	if (WARN_ON_ONCE(count))
		memset(to, 0, count);
}

/* Fills the request's pages from @from; the rest is zeroed where fuse asks. */
static void rfuse_pages_out(struct fuse_args *args, const void *from,
			    size_t count)
{
	struct fuse_args_pages *ap = container_of(args, typeof(*ap), args);
	unsigned int i;

	for (i = 0; i < rfuse_segments(ap); i++) {
		size_t room = ap->descs[i].length;
		size_t len = min(room, count);

		if (len)
			rfuse_segment_write(ap, i, from, len);
		if (len < room && args->page_zeroing)
			rfuse_segment_zero(ap, i, len, room - len);
		else if (!len)
			break;
		from += len;
		count -= len;
	}
}

/*
 * Everything but the state word is written here, so nothing of an earlier
 * request is left in the slot.
 */
void rfuse_copy_in(struct rfuse_channel *c, u32 tag, struct fuse_req *req,
		   const struct rfuse_shape *shape)
{
	const struct rfuse_setup *s = &c->conn->layout;
	struct fuse_args *args = req->args;
	unsigned int ins = args->in_numargs - (args->in_pages && args->in_numargs);
	struct rfuse_slot *slot = rfuse_slot(c, tag);
	void *to = (void *)slot + s->slot_in;
	unsigned int i;

	memset((void *)slot + sizeof(slot->state), 0,
	       s->slot_size - sizeof(slot->state));
	if (test_bit(FR_BACKGROUND, &req->flags))
		slot->flags = RFUSE_SLOT_BACKGROUND;
	slot->in_len = shape->in_len;
	slot->payload_in = shape->payload_in;
	if (shape->payload_pages) {
		slot->payload_offset = rfuse_payload(c, tag) - c->mem;
		slot->payload_size = shape->payload_pages << PAGE_SHIFT;
	}

	memcpy(to, &req->in.h, sizeof(req->in.h));
	to += sizeof(req->in.h);
	for (i = 0; i < ins; i++) {
		const struct fuse_in_arg *arg = &args->in_args[i];

		if (arg->size && arg->value)
			memcpy(to, arg->value, arg->size);
		to += arg->size;
	}
	if (shape->payload_in)
		rfuse_pages_in(args, rfuse_payload(c, tag), shape->payload_in);
}

/*
 * Hands a reply to the request: @len bytes of it in all, header included, the
 * fixed structs at @from, variable data at @data. -EINVAL when that is not a
 * length that this request's reply can have.
 */
int rfuse_deliver(struct fuse_args *args, const void *from, const void *data,
		  u32 len)
{
	bool variable = rfuse_variable_reply(args);
	unsigned int outs = args->out_numargs - variable;
	u32 fixed = sizeof(struct fuse_out_header) + rfuse_sum_out(args, outs);
	unsigned int i;
	u32 extra;

	if (len < fixed)
		return -EINVAL;
	extra = len - fixed;
	if (extra > (variable ? args->out_args[outs].size : 0))
		return -EINVAL;
	if (variable && !args->out_argvar && extra != args->out_args[outs].size)
		return -EINVAL;

	for (i = 0; i < outs; i++) {
		struct fuse_arg *arg = &args->out_args[i];

		if (arg->size)
			memcpy(arg->value, from, arg->size);
		from += arg->size;
	}
	if (!variable)
		return 0;
	args->out_args[outs].size = extra;
	if (args->out_pages)
		rfuse_pages_out(args, data, extra);
	else if (extra)
		memcpy(args->out_args[outs].value, data, extra);
	return 0;
}

/* The reply of a tag, of @len bytes. */
int rfuse_copy_out(struct rfuse_channel *c, u32 tag, struct fuse_req *req,
		   u32 len)
{
	return rfuse_deliver(req->args, (void *)rfuse_slot(c, tag) +
			     c->conn->layout.slot_out +
			     sizeof(struct fuse_out_header),
			     rfuse_payload(c, tag), len);
}
