/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of a ring request: submit (published), fetch (a background
 * request was moved in by the daemon), commit (a reply was read), end.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rfuse

#if !defined(_RFUSE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RFUSE_TRACE_H

#include <linux/tracepoint.h>

#include "ring.h"

#define RFUSE_TRACE_FIELDS		\
	__field(u32, connection)	\
	__field(u32, channel)		\
	__field(u32, tag)		\
	__field(u64, unique)

#define rfuse_trace_assign()				\
	do {						\
		__entry->connection = MINOR(c->conn->fc->dev);	\
		__entry->channel = c->index;		\
		__entry->tag = tag;			\
		__entry->unique = unique;		\
	} while (0)

#define RFUSE_TRACE_FORMAT "connection %u channel %u tag %u unique %llu"
#define RFUSE_TRACE_ARGS \
	__entry->connection, __entry->channel, __entry->tag, __entry->unique

TRACE_EVENT(rfuse_submit,
	TP_PROTO(struct rfuse_channel *c, u32 tag, u64 unique, u32 opcode),
	TP_ARGS(c, tag, unique, opcode),
	TP_STRUCT__entry(
		RFUSE_TRACE_FIELDS
		__field(u32, opcode)
	),
	TP_fast_assign(
		rfuse_trace_assign();
		__entry->opcode = opcode;
	),
	TP_printk(RFUSE_TRACE_FORMAT " opcode %u", RFUSE_TRACE_ARGS,
		  __entry->opcode)
);

TRACE_EVENT(rfuse_fetch,
	TP_PROTO(struct rfuse_channel *c, u32 tag, u64 unique),
	TP_ARGS(c, tag, unique),
	TP_STRUCT__entry(RFUSE_TRACE_FIELDS),
	TP_fast_assign(rfuse_trace_assign();),
	TP_printk(RFUSE_TRACE_FORMAT, RFUSE_TRACE_ARGS)
);

TRACE_EVENT(rfuse_commit,
	TP_PROTO(struct rfuse_channel *c, u32 tag, u64 unique, int error,
		 bool refused),
	TP_ARGS(c, tag, unique, error, refused),
	TP_STRUCT__entry(
		RFUSE_TRACE_FIELDS
		__field(int, error)
		__field(bool, refused)
	),
	TP_fast_assign(
		rfuse_trace_assign();
		__entry->error = error;
		__entry->refused = refused;
	),
	TP_printk(RFUSE_TRACE_FORMAT " error %d%s", RFUSE_TRACE_ARGS,
		  __entry->error, __entry->refused ? " refused" : "")
);

TRACE_EVENT(rfuse_end,
	TP_PROTO(struct rfuse_channel *c, u32 tag, u64 unique, int error),
	TP_ARGS(c, tag, unique, error),
	TP_STRUCT__entry(
		RFUSE_TRACE_FIELDS
		__field(int, error)
	),
	TP_fast_assign(
		rfuse_trace_assign();
		__entry->error = error;
	),
	TP_printk(RFUSE_TRACE_FORMAT " error %d", RFUSE_TRACE_ARGS,
		  __entry->error)
);

#endif /* _RFUSE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
