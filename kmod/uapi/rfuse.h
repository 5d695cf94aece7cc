/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * The ABI of /dev/rfuse: ring channels between a FUSE connection and its
 * daemon. docs/ring-abi.md of the project tells the protocol.
 *
 * Generated from src/abi/ring.ts by src/abi/write-ring-header.ts; edit the
 * tables there.
 *
 * In the field lists K is the kernel and D the daemon: the one that writes.
 * Offsets and sizes are bytes, 64-bit fields little endian.
 */
#ifndef _UAPI_LINUX_RFUSE_H
#define _UAPI_LINUX_RFUSE_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* --- Identity, and arguments with a meaning of their own. --- */

/* "RFUS" in memory */
#define RFUSE_MAGIC			0x53554652U
/* of this header */
#define RFUSE_VERSION			1
/* channels at most, and bits of rfuse_wait.channels */
#define RFUSE_MAX_CHANNELS		1024
/* rfuse_counters.channel: the sums */
#define RFUSE_ALL_CHANNELS		0xffffffffU
/* rfuse_setup.spin_us: as the module's parameter says */
#define RFUSE_SPIN_DEFAULT		0xffffffffU
/* rfuse_bpf.opcode is below this */
#define RFUSE_BPF_OPCODES		64

/* --- rfuse_slot.state --- */

/* no request */
#define RFUSE_STATE_FREE		0
/* K: the request is whole and its reply is awaited */
#define RFUSE_STATE_QUEUED		1
/*
 * K, with QUEUED: the caller sleeps; the reply's tag goes to the completion
 * ring
 */
#define RFUSE_STATE_WAKE		2
/* D, by exchange: the reply is whole */
#define RFUSE_STATE_DONE		4
/* K, with QUEUED and WAKE: the caller was killed; the reply is thrown away */
#define RFUSE_STATE_ABANDONED		8

/* --- rfuse_slot.flags --- */

/* nobody waits for the reply in person (readahead, writeback, RELEASE) */
#define RFUSE_SLOT_BACKGROUND		1

/* --- rfuse_setup.features; what is not in force stays on /dev/fuse --- */

/* FORGET comes on the forget ring; overflow on /dev/fuse */
#define RFUSE_FEATURE_FORGET_RING	0x1U
/*
 * INTERRUPT of a ring request comes on the interrupt ring; overflow on
 * /dev/fuse
 */
#define RFUSE_FEATURE_INTERRUPT_RING	0x2U
/* background requests come on the rings */
#define RFUSE_FEATURE_BACKGROUND	0x4U
/* a killed caller leaves at once and the state word says so */
#define RFUSE_FEATURE_ABANDON		0x8U
/* RFUSE_IOC_EVENTFD */
#define RFUSE_FEATURE_EVENTFD		0x10U
/* RFUSE_IOC_BPF: eBPF programs may answer requests */
#define RFUSE_FEATURE_BPF		0x20U
/* RFUSE_WAIT_DEVICE */
#define RFUSE_FEATURE_WAIT_DEVICE	0x40U
/* RFUSE_BPF_PASSTHROUGH: kernel and INIT have passthrough */
#define RFUSE_FEATURE_BPF_PASSTHROUGH	0x80U

/* --- rfuse_wait.flags --- */

/* wait for others: only channels whose need_wakeup is set count */
#define RFUSE_WAIT_WATCH		1
/* return also when /dev/fuse has something to read; the result may then be 0 */
#define RFUSE_WAIT_DEVICE		2

/* --- what an eBPF program returns --- */

/* the daemon is asked */
#define RFUSE_BPF_UPCALL		0
/*
 * error, or out_size bytes of 'out' and data_size bytes of 'data', are the
 * reply
 */
#define RFUSE_BPF_REPLY			1
/*
 * as REPLY, of OPEN: the kernel goes to the backing file
 * fuse_open_out.backing_id
 */
#define RFUSE_BPF_PASSTHROUGH		2

/* --- rfuse_bpf_context.flags --- */

/* the kernel knows the generation of nodeid */
#define RFUSE_BPF_HAS_GENERATION	1

/**
 * struct rfuse_control - First page of a channel's mapping. Each group of words
 *	has one writer and 128 bytes of its own. The kernel keeps its own copy
 *	of what it writes here and never reads it back; a head or tail of the
 *	daemon is a hint to it.
 * @magic: K, constant: RFUSE_MAGIC
 * @version: K, constant: RFUSE_VERSION
 * @channel: K, constant: this channel's number
 * @node: K, constant: NUMA node of the memory, or -1
 * @events: K: changes after any other word of this group did; the one word to
 *	poll or to wait on
 * @pending_tail: K: tags published so far
 * @forget_tail: K: FORGET records published so far
 * @interrupt_tail: K: INTERRUPT records published so far
 * @backlog: K: background requests that DOORBELL or WAIT would now move to the
 *	pending ring
 * @online: K: 1 while a CPU of this channel is online; else no synchronous
 *	request arrives
 * @completion_head: K: completion entries consumed so far
 * @pending_head: D: tags taken so far; begins as the kernel set it
 * @forget_head: D: FORGET records taken so far; begins as the kernel set it
 * @interrupt_head: D: INTERRUPT records taken so far; begins as the kernel set
 *	it
 * @completion_tail: D: completion entries published so far; begins as the
 *	kernel set it
 * @need_wakeup: D: not 0: tell the watchers (WAIT with WATCH, eventfd) when
 *	events changes
 *
 * 640 bytes. Reserved fields are 0.
 */
struct rfuse_control {
	__u32 magic;
	__u32 version;
	__u32 channel;
	__s32 node;
	__u32 reserved0[28];
	__u32 events;
	__u32 pending_tail;
	__u32 forget_tail;
	__u32 interrupt_tail;
	__u32 backlog;
	__u32 online;
	__u32 reserved1[26];
	__u32 completion_head;
	__u32 reserved2[31];
	__u32 pending_head;
	__u32 forget_head;
	__u32 interrupt_head;
	__u32 completion_tail;
	__u32 reserved3[28];
	__u32 need_wakeup;
	__u32 reserved4[31];
};

/**
 * struct rfuse_slot - Head of a slot, which belongs to one tag. The request
 *	lies at slot_in, the reply is built at slot_out.
 * @state: both, by read-modify-write only: RFUSE_STATE_*
 * @flags: K: RFUSE_SLOT_*
 * @in_len: K: bytes at slot_in: fuse_in_header, op struct, names.
 *	fuse_in_header.len is in_len + payload_in
 * @payload_in: K: bytes of request data (WRITE, IOCTL) at payload_offset
 * @payload_offset: K: place of the payload from the start of the mapping,
 *	page-aligned; 0: none
 * @payload_size: K: bytes of the payload that the daemon may write; covers the
 *	longest legal reply data
 *
 * 64 bytes. Reserved fields are 0.
 */
struct rfuse_slot {
	__u32 state;
	__u32 flags;
	__u32 in_len;
	__u32 payload_in;
	__u32 payload_offset;
	__u32 payload_size;
	__u32 reserved[10];
};

/**
 * struct rfuse_forget - Entry of the forget ring.
 * @nodeid: K: the inode
 * @nlookup: K: lookups to take off its count
 *
 * 16 bytes. Reserved fields are 0.
 */
struct rfuse_forget {
	__u64 nodeid;
	__u64 nlookup;
};

/**
 * struct rfuse_interrupt - Entry of the interrupt ring.
 * @unique: K: unique of the request whose caller got a signal
 * @tag: K: the tag it was given; another request may have it by now: compare
 *	unique
 *
 * 16 bytes. Reserved fields are 0.
 */
struct rfuse_interrupt {
	__u64 unique;
	__u32 tag;
	__u32 reserved;
};

/**
 * struct rfuse_setup - Argument of RFUSE_IOC_SETUP. Fields marked 'in' are
 *	wishes, which the answer replaces by what is in force.
 * @magic: out: RFUSE_MAGIC
 * @version: in: version the daemon speaks; out: version in force
 * @features: in: RFUSE_FEATURE_* the daemon handles; out: those in force
 * @flags: in: 0
 * @channels: in: at most so many, 0: one per possible CPU; out: count. CPU c
 *	submits to channel c % channels
 * @depth: in: tags per channel, 0: default; out: count
 * @payload_pool: in: bytes of payload per channel, 0: default; out: rounded up
 *	to whole pages
 * @spin_us: in: microseconds a caller polls for its reply, RFUSE_SPIN_DEFAULT:
 *	the module's; out: value
 * @channel_size: out: length of a channel's mapping
 * @channel_stride: out: mmap offset of channel i is i * channel_stride
 * @page_size: out: the kernel's page size
 * @control_offset: out: rfuse_control, from the start of the mapping, as all
 *	offsets
 * @pending_offset: out: u32 tags[pending_entries]
 * @pending_entries: out: a power of two, at least depth
 * @forget_offset: out: rfuse_forget[forget_entries]
 * @forget_entries: out: a power of two
 * @interrupt_offset: out: rfuse_interrupt[interrupt_entries]
 * @interrupt_entries: out: a power of two
 * @completion_offset: out: u32 tags[completion_entries]
 * @completion_entries: out: a power of two, at least twice depth
 * @slots_offset: out: slot of tag t at slots_offset + t * slot_size
 * @slot_size: out: bytes from slot to slot
 * @slot_in: out: place of fuse_in_header in a slot
 * @slot_in_size: out: room there
 * @slot_out: out: place of fuse_out_header in a slot; does not overlap the
 *	request
 * @slot_out_size: out: room there, enough for every reply without variable data
 * @payload_offset: out: the payload pool, page-aligned
 *
 * 144 bytes. Reserved fields are 0.
 */
struct rfuse_setup {
	__u32 magic;
	__u32 version;
	__u32 features;
	__u32 flags;
	__u32 channels;
	__u32 depth;
	__u32 payload_pool;
	__u32 spin_us;
	__u64 channel_size;
	__u64 channel_stride;
	__u32 page_size;
	__u32 control_offset;
	__u32 pending_offset;
	__u32 pending_entries;
	__u32 forget_offset;
	__u32 forget_entries;
	__u32 interrupt_offset;
	__u32 interrupt_entries;
	__u32 completion_offset;
	__u32 completion_entries;
	__u32 slots_offset;
	__u32 slot_size;
	__u32 slot_in;
	__u32 slot_in_size;
	__u32 slot_out;
	__u32 slot_out_size;
	__u32 payload_offset;
	__u32 reserved[7];
};

/**
 * struct rfuse_wait - Argument of RFUSE_IOC_WAIT.
 * @timeout_ns: in: nanoseconds to sleep at most; 0: do not sleep; all ones: for
 *	ever
 * @flags: in: RFUSE_WAIT_*
 * @channels: in: bit i of word i / 64 chooses channel i; out: those that have
 *	work
 *
 * 144 bytes. Reserved fields are 0.
 */
struct rfuse_wait {
	__u64 timeout_ns;
	__u32 flags;
	__u32 reserved;
	__u64 channels[16];
};

/**
 * struct rfuse_eventfd - Argument of RFUSE_IOC_EVENTFD.
 * @channel: in: the channel
 * @fd: in: an eventfd that is raised when events changes while need_wakeup is
 *	set; -1: none any more
 *
 * 8 bytes. Reserved fields are 0.
 */
struct rfuse_eventfd {
	__u32 channel;
	__s32 fd;
};

/**
 * struct rfuse_counters - Argument of RFUSE_IOC_COUNTERS. All counts grow from
 *	SETUP on.
 * @channel: in: the channel, or RFUSE_ALL_CHANNELS for the sums
 * @ring_requests: requests published on the pending ring
 * @background_requests: those of them that are background
 * @slow_requests: requests given to the stock queue instead: too large, no tag,
 *	no payload, no reply wanted
 * @balanced_requests: requests of another CPU's channel, whose worker was stuck
 *	or needed its caller's CPU
 * @spin_hits: synchronous requests answered while the caller polled
 * @spin_misses: synchronous requests whose caller polled and then slept
 * @spin_skips: synchronous requests whose caller slept at once
 * @daemon_wakeups: times that a sleeper in WAIT or an eventfd was woken
 * @doorbells: DOORBELL calls
 * @waits: WAIT calls that looked at this channel
 * @sleeps: WAIT calls that slept
 * @reaped: completion entries consumed
 * @forgets: FORGETs put on the ring
 * @forget_overflows: FORGETs given to the stock queue
 * @interrupts: INTERRUPTs put on the ring
 * @interrupt_overflows: INTERRUPTs given to the stock queue
 * @abandoned: requests whose caller was killed before the reply
 * @refused: replies that failed validation: the caller got EIO
 * @spurious: completion entries that no WAKE asked for, and jumps of the
 *	completion tail
 * @aborted: requests ended by an abort of the connection
 * @bpf_replies: requests answered by an eBPF program
 * @bpf_upcalls: requests of an opcode with an eBPF program that the daemon got
 *
 * 192 bytes. Reserved fields are 0.
 */
struct rfuse_counters {
	__u32 channel;
	__u32 reserved0;
	__u64 ring_requests;
	__u64 background_requests;
	__u64 slow_requests;
	__u64 balanced_requests;
	__u64 spin_hits;
	__u64 spin_misses;
	__u64 spin_skips;
	__u64 daemon_wakeups;
	__u64 doorbells;
	__u64 waits;
	__u64 sleeps;
	__u64 reaped;
	__u64 forgets;
	__u64 forget_overflows;
	__u64 interrupts;
	__u64 interrupt_overflows;
	__u64 abandoned;
	__u64 refused;
	__u64 spurious;
	__u64 aborted;
	__u64 bpf_replies;
	__u64 bpf_upcalls;
	__u64 reserved1;
};

/**
 * struct rfuse_bpf - Argument of RFUSE_IOC_BPF.
 * @opcode: in: the FUSE opcode, below RFUSE_BPF_OPCODES
 * @fd: in: a program of type BPF_PROG_TYPE_SYSCALL that is asked for this
 *	opcode from now on; -1: none
 * @flags: in: 0
 *
 * 16 bytes. Reserved fields are 0.
 */
struct rfuse_bpf {
	__u32 opcode;
	__s32 fd;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct rfuse_bpf_counters - Argument of RFUSE_IOC_BPF_COUNTERS: what became
 *	of the requests of an opcode since SETUP, whichever program it had.
 * @opcode: in: the FUSE opcode, below RFUSE_BPF_OPCODES
 * @program: out: id of the program in force, 0: none
 * @replies: out: answered by the program
 * @passthroughs: out: answered by the program with a backing file
 * @upcalls: out: passed on to the daemon by the program
 * @refused: out: answered by the program in a way that a daemon may not, and
 *	therefore passed on
 * @skipped: out: not shown to the program because they do not fit its context,
 *	and therefore passed on
 *
 * 64 bytes. Reserved fields are 0.
 */
struct rfuse_bpf_counters {
	__u32 opcode;
	__u32 program;
	__u64 replies;
	__u64 passthroughs;
	__u64 upcalls;
	__u64 refused;
	__u64 skipped;
	__u64 reserved[2];
};

/**
 * struct rfuse_bpf_context - What an eBPF program gets: a copy of the request,
 *	and room for a reply. It returns one of RFUSE_BPF_*.
 * @opcode: K: FUSE opcode
 * @flags: K: RFUSE_BPF_HAS_*
 * @uid: K: as fuse_in_header
 * @gid: K: as fuse_in_header
 * @pid: K: as fuse_in_header
 * @generation: K, with HAS_GENERATION: of nodeid, the low 32 bits of what its
 *	entry reply said
 * @nodeid: K: as fuse_in_header
 * @arg_size: K: bytes in 'arg'
 * @name_len: K: bytes in 'name' before the NUL; 0: the opcode has no name
 * @name2_len: K: likewise of 'name2'
 * @out_size: K: bytes of 'out' that a reply without error consists of
 * @data_max: K: bytes of 'data' that a reply may have; 0: none
 * @hidden: K: bytes of the request that are not here (WRITE data, value of an
 *	xattr, target of a symlink)
 * @error: program: 0, or -errno to reply with
 * @data_size: program: bytes of 'data' in the reply
 * @arg: K: the op struct, then 0
 * @name: K: the name, or the old one of a RENAME, then 0
 * @name2: K: the new name of a RENAME, then 0
 * @out: program: the fixed out structs; 0 at first
 * @data: program: variable reply data; 0 at first
 *
 * 2048 bytes. Reserved fields are 0.
 */
struct rfuse_bpf_context {
	__u32 opcode;
	__u32 flags;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 generation;
	__u64 nodeid;
	__u32 arg_size;
	__u32 name_len;
	__u32 name2_len;
	__u32 out_size;
	__u32 data_max;
	__u32 hidden;
	__s32 error;
	__u32 data_size;
	__u8 arg[128];
	__u8 name[256];
	__u8 name2[256];
	__u8 out[320];
	__u8 data[1024];
};

#define RFUSE_IOC_MAGIC		0xe7

/* argument: descriptor of a mounted /dev/fuse whose INIT was answered */
#define RFUSE_IOC_ATTACH	_IO(RFUSE_IOC_MAGIC, 1)
/* makes the channels and says how they are laid out */
#define RFUSE_IOC_SETUP		_IOWR(RFUSE_IOC_MAGIC, 2, struct rfuse_setup)
/*
 * reaps completions, moves background requests in, sleeps until there is work;
 * result: channels with work
 */
#define RFUSE_IOC_WAIT		_IOWR(RFUSE_IOC_MAGIC, 3, struct rfuse_wait)
/* argument: channel. Reaps its completions, moves its background requests in */
#define RFUSE_IOC_DOORBELL	_IO(RFUSE_IOC_MAGIC, 4)
/* argument: channel. The calling thread is the one that serves it */
#define RFUSE_IOC_SERVE		_IO(RFUSE_IOC_MAGIC, 5)
/* argument: microseconds, replaces rfuse_setup.spin_us */
#define RFUSE_IOC_SPIN		_IO(RFUSE_IOC_MAGIC, 6)
/* sets or takes away a channel's eventfd */
#define RFUSE_IOC_EVENTFD	_IOW(RFUSE_IOC_MAGIC, 7, struct rfuse_eventfd)
/* reads the counters */
#define RFUSE_IOC_COUNTERS	_IOWR(RFUSE_IOC_MAGIC, 8, struct rfuse_counters)
/* sets, replaces or takes away an opcode's eBPF program */
#define RFUSE_IOC_BPF		_IOW(RFUSE_IOC_MAGIC, 9, struct rfuse_bpf)
/* reads the counters of an opcode's eBPF programs */
#define RFUSE_IOC_BPF_COUNTERS	_IOWR(RFUSE_IOC_MAGIC, 10, struct rfuse_bpf_counters)

#endif /* _UAPI_LINUX_RFUSE_H */
