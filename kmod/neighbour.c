// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which channel a caller uses: that of its CPU, unless the server of that one
 * needs this very CPU. Then a server on another CPU that polls, or sleeps where
 * nobody submits, answers without a switch on this one. All of it are hints.
 */
#include <linux/minmax.h>
#include <linux/sched/clock.h>

#include "ring.h"

/* So many channels are looked at. */
#define RFUSE_NEIGHBOURS	8
/* To wake another CPU pays only where requests come so thick... */
#define RFUSE_THICK_NS		(NSEC_PER_MSEC)
/* ...and where none came from that CPU for so long. */
#define RFUSE_QUIET_NS		(10 * NSEC_PER_MSEC)
/* After one that did not answer in time no other is woken for a while. */
#define RFUSE_ALONE_MIN_NS	(10 * NSEC_PER_MSEC)
#define RFUSE_ALONE_MAX_NS	((u64)NSEC_PER_SEC)

static bool rfuse_is_quiet(struct rfuse_channel *c, u64 now)
{
	return now - READ_ONCE(c->asked_ns) > RFUSE_QUIET_NS;
}

/* *own: the channel of this CPU, for rfuse_neighbour_told(). */
struct rfuse_channel *rfuse_channel_for(struct rfuse_conn *conn,
					struct rfuse_channel **own)
{
	u32 others = min_t(u32, conn->nchannels - 1, RFUSE_NEIGHBOURS);
	struct rfuse_channel *sleeper = NULL;
	u64 now = local_clock(), last;
	u32 i;

	*own = rfuse_local_channel(conn);
	last = READ_ONCE((*own)->asked_ns);
	WRITE_ONCE((*own)->asked_ns, now);
	if (!READ_ONCE(conn->spin_us) || !rfuse_server_here(*own))
		return *own;
	for (i = 1; i <= others; i++) {
		struct rfuse_channel *c =
			conn->channels[((*own)->index + i) % conn->nchannels];

		if (c->node != (*own)->node ||
		    READ_ONCE(c->free_count) != conn->layout.depth)
			continue;
		if (rfuse_server_polls(c)) {
			sleeper = c;
			break;
		}
		if (!sleeper && now - last < RFUSE_THICK_NS &&
		    now >= READ_ONCE((*own)->alone_until) &&
		    rfuse_is_quiet(c, now) && rfuse_server_sleeps(c))
			sleeper = c;
	}
	if (!sleeper)
		return *own;
	rfuse_count(sleeper, &sleeper->counts.balanced_requests);
	return sleeper;
}

/* Whether another channel's server answered while its caller polled. */
void rfuse_neighbour_told(struct rfuse_channel *own, bool hit)
{
	u64 alone = clamp(READ_ONCE(own->alone_ns), (u64)RFUSE_ALONE_MIN_NS,
			  RFUSE_ALONE_MAX_NS);

	if (hit) {
		WRITE_ONCE(own->alone_ns, RFUSE_ALONE_MIN_NS);
		return;
	}
	WRITE_ONCE(own->alone_until, local_clock() + alone);
	WRITE_ONCE(own->alone_ns, 2 * alone);
}
