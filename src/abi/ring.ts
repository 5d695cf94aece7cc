// Owns: the ABI of /dev/rfuse as data: structs in shared memory, ioctl arguments, numbers; every field with its doc.
// Must not: hold code of the lane. docs/ring-abi.md tells the protocol; ring-header.ts writes kmod/uapi/rfuse.h and
// kmod/abi-assert.c from these tables. Words are 32 bits wide and aligned, so that Atomics reach each of them.
// In a doc, "K" writes: the kernel; "D": the daemon. Offsets and sizes are bytes.

import { defineStruct, type FieldSpec, type Struct } from "../../ffi/struct.ts";

type Rows = Readonly<Record<string, readonly [type: FieldSpec, doc: string]>>;
type SpecOf<R extends Rows> = { readonly [Name in keyof R]: R[Name][0] };

/** A struct of the ring with the sentences that the header prints. */
export interface RingStruct<R extends Rows = Rows> extends Struct<SpecOf<R>> {
  readonly doc: string;
  readonly docs: Readonly<Record<string, string>>;
}

function ringStruct<const R extends Rows>(name: string, size: number, doc: string, rows: R): RingStruct<R> {
  const entries = Object.entries(rows);
  const spec = Object.fromEntries(entries.map(([field, [type]]) => [field, type])) as SpecOf<R>;
  const docs = Object.fromEntries(entries.map(([field, [, text]]) => [field, text]));
  return Object.freeze({ ...defineStruct(name, size, spec), doc, docs: Object.freeze(docs) });
}

const spare = (count: number) => ({ type: "u32", count }) as const;
const SPARE = "0";

// --- shared memory ----------------------------------------------------------------------------------------------

export const RfuseControl = ringStruct(
  "rfuse_control",
  640,
  "First page of a channel's mapping. Each group of words has one writer and 128 bytes of its own. The kernel keeps its own copy of what it writes here and never reads it back; a head or tail of the daemon is a hint to it.",
  {
    magic: ["u32", "K, constant: RFUSE_MAGIC"],
    version: ["u32", "K, constant: RFUSE_VERSION"],
    channel: ["u32", "K, constant: this channel's number"],
    node: ["i32", "K, constant: NUMA node of the memory, or -1"],
    reserved0: [spare(28), SPARE],
    events: ["u32", "K: changes after any other word of this group did; the one word to poll or to wait on"],
    pending_tail: ["u32", "K: tags published so far"],
    forget_tail: ["u32", "K: FORGET records published so far"],
    interrupt_tail: ["u32", "K: INTERRUPT records published so far"],
    backlog: ["u32", "K: background requests that DOORBELL or WAIT would now move to the pending ring"],
    online: ["u32", "K: 1 while a CPU of this channel is online; else no synchronous request arrives"],
    reserved1: [spare(26), SPARE],
    completion_head: ["u32", "K: completion entries consumed so far"],
    reserved2: [spare(31), SPARE],
    pending_head: ["u32", "D: tags taken so far; begins as the kernel set it"],
    forget_head: ["u32", "D: FORGET records taken so far; begins as the kernel set it"],
    interrupt_head: ["u32", "D: INTERRUPT records taken so far; begins as the kernel set it"],
    completion_tail: ["u32", "D: completion entries published so far; begins as the kernel set it"],
    reserved3: [spare(28), SPARE],
    need_wakeup: ["u32", "D: not 0: tell the watchers (WAIT with WATCH, eventfd) when events changes"],
    reserved4: [spare(31), SPARE],
  },
);

export const RfuseSlot = ringStruct(
  "rfuse_slot",
  64,
  "Head of a slot, which belongs to one tag. The request lies at slot_in, the reply is built at slot_out.",
  {
    state: ["u32", "both, by read-modify-write only: RFUSE_STATE_*"],
    flags: ["u32", "K: RFUSE_SLOT_*"],
    in_len: ["u32", "K: bytes at slot_in: fuse_in_header, op struct, names. fuse_in_header.len is in_len + payload_in"],
    payload_in: ["u32", "K: bytes of request data (WRITE, IOCTL) at payload_offset"],
    payload_offset: ["u32", "K: place of the payload from the start of the mapping, page-aligned; 0: none"],
    payload_size: ["u32", "K: bytes of the payload that the daemon may write; covers the longest legal reply data"],
    reserved: [spare(10), SPARE],
  },
);

export const RfuseForget = ringStruct("rfuse_forget", 16, "Entry of the forget ring.", {
  nodeid: ["u64", "K: the inode"],
  nlookup: ["u64", "K: lookups to take off its count"],
});

export const RfuseInterrupt = ringStruct("rfuse_interrupt", 16, "Entry of the interrupt ring.", {
  unique: ["u64", "K: unique of the request whose caller got a signal"],
  tag: ["u32", "K: the tag it was given; another request may have it by now: compare unique"],
  reserved: ["u32", SPARE],
});

// --- ioctl arguments ----------------------------------------------------------------------------------------------

export const RfuseSetup = ringStruct(
  "rfuse_setup",
  144,
  "Argument of RFUSE_IOC_SETUP. Fields marked 'in' are wishes, which the answer replaces by what is in force.",
  {
    magic: ["u32", "out: RFUSE_MAGIC"],
    version: ["u32", "in: version the daemon speaks; out: version in force"],
    features: ["u32", "in: RFUSE_FEATURE_* the daemon handles; out: those in force"],
    flags: ["u32", "in: 0"],
    channels: [
      "u32",
      "in: at most so many, 0: one per possible CPU; out: count. CPU c submits to channel c % channels",
    ],
    depth: ["u32", "in: tags per channel, 0: default; out: count"],
    payload_pool: ["u32", "in: bytes of payload per channel, 0: default; out: rounded up to whole pages"],
    spin_us: ["u32", "in: microseconds a caller polls for its reply, RFUSE_SPIN_DEFAULT: the module's; out: value"],
    channel_size: ["u64", "out: length of a channel's mapping"],
    channel_stride: ["u64", "out: mmap offset of channel i is i * channel_stride"],
    page_size: ["u32", "out: the kernel's page size"],
    control_offset: ["u32", "out: rfuse_control, from the start of the mapping, as all offsets"],
    pending_offset: ["u32", "out: u32 tags[pending_entries]"],
    pending_entries: ["u32", "out: a power of two, at least depth"],
    forget_offset: ["u32", "out: rfuse_forget[forget_entries]"],
    forget_entries: ["u32", "out: a power of two"],
    interrupt_offset: ["u32", "out: rfuse_interrupt[interrupt_entries]"],
    interrupt_entries: ["u32", "out: a power of two"],
    completion_offset: ["u32", "out: u32 tags[completion_entries]"],
    completion_entries: ["u32", "out: a power of two, at least twice depth"],
    slots_offset: ["u32", "out: slot of tag t at slots_offset + t * slot_size"],
    slot_size: ["u32", "out: bytes from slot to slot"],
    slot_in: ["u32", "out: place of fuse_in_header in a slot"],
    slot_in_size: ["u32", "out: room there"],
    slot_out: ["u32", "out: place of fuse_out_header in a slot; does not overlap the request"],
    slot_out_size: ["u32", "out: room there, enough for every reply without variable data"],
    payload_offset: ["u32", "out: the payload pool, page-aligned"],
    reserved: [spare(7), SPARE],
  },
);

/** Channels at most; also the bits of `rfuse_wait.channels`. */
export const RFUSE_MAX_CHANNELS = 1024;

export const RfuseWait = ringStruct("rfuse_wait", 144, "Argument of RFUSE_IOC_WAIT.", {
  timeout_ns: ["u64", "in: nanoseconds to sleep at most; 0: do not sleep; all ones: for ever"],
  flags: ["u32", "in: RFUSE_WAIT_*"],
  reserved: ["u32", "in: 0"],
  channels: [
    { type: "u64", count: RFUSE_MAX_CHANNELS / 64 },
    "in: bit i of word i / 64 chooses channel i; out: those that have work",
  ],
});

export const RfuseEventfd = ringStruct("rfuse_eventfd", 8, "Argument of RFUSE_IOC_EVENTFD.", {
  channel: ["u32", "in: the channel"],
  fd: ["i32", "in: an eventfd that is raised when events changes while need_wakeup is set; -1: none any more"],
});

export const RfuseBpf = ringStruct("rfuse_bpf", 16, "Argument of RFUSE_IOC_BPF.", {
  opcode: ["u32", "in: the FUSE opcode, below RFUSE_BPF_OPCODES"],
  fd: ["i32", "in: a program of type BPF_PROG_TYPE_SYSCALL that is asked for this opcode from now on; -1: none"],
  flags: ["u32", "in: 0"],
  reserved: ["u32", "in: 0"],
});

export const RfuseBpfCounters = ringStruct(
  "rfuse_bpf_counters",
  64,
  "Argument of RFUSE_IOC_BPF_COUNTERS: what became of the requests of an opcode since SETUP, whichever program it had.",
  {
    opcode: ["u32", "in: the FUSE opcode, below RFUSE_BPF_OPCODES"],
    program: ["u32", "out: id of the program in force, 0: none"],
    replies: ["u64", "out: answered by the program"],
    passthroughs: ["u64", "out: answered by the program with a backing file"],
    upcalls: ["u64", "out: passed on to the daemon by the program"],
    refused: ["u64", "out: answered by the program in a way that a daemon may not, and therefore passed on"],
    skipped: ["u64", "out: not shown to the program because they do not fit its context, and therefore passed on"],
    reserved: [{ type: "u64", count: 2 }, SPARE],
  },
);

/** Opcodes that an eBPF program can be asked for are below this. */
export const RFUSE_BPF_OPCODES = 64;

export const RfuseBpfContext = ringStruct(
  "rfuse_bpf_context",
  2048,
  "What an eBPF program gets: a copy of the request, and room for a reply. It returns one of RFUSE_BPF_*.",
  {
    opcode: ["u32", "K: FUSE opcode"],
    flags: ["u32", "K: RFUSE_BPF_HAS_*"],
    uid: ["u32", "K: as fuse_in_header"],
    gid: ["u32", "K: as fuse_in_header"],
    pid: ["u32", "K: as fuse_in_header"],
    generation: ["u32", "K, with HAS_GENERATION: of nodeid, the low 32 bits of what its entry reply said"],
    nodeid: ["u64", "K: as fuse_in_header"],
    arg_size: ["u32", "K: bytes in 'arg'"],
    name_len: ["u32", "K: bytes in 'name' before the NUL; 0: the opcode has no name"],
    name2_len: ["u32", "K: likewise of 'name2'"],
    out_size: ["u32", "K: bytes of 'out' that a reply without error consists of"],
    data_max: ["u32", "K: bytes of 'data' that a reply may have; 0: none"],
    hidden: ["u32", "K: bytes of the request that are not here (WRITE data, value of an xattr, target of a symlink)"],
    error: ["i32", "program: 0, or -errno to reply with"],
    data_size: ["u32", "program: bytes of 'data' in the reply"],
    arg: [{ type: "u8", count: 128 }, "K: the op struct, then 0"],
    name: [{ type: "u8", count: 256 }, "K: the name, or the old one of a RENAME, then 0"],
    name2: [{ type: "u8", count: 256 }, "K: the new name of a RENAME, then 0"],
    out: [{ type: "u8", count: 320 }, "program: the fixed out structs; 0 at first"],
    data: [{ type: "u8", count: 1024 }, "program: variable reply data; 0 at first"],
  },
);

export const RfuseCounters = ringStruct(
  "rfuse_counters",
  192,
  "Argument of RFUSE_IOC_COUNTERS. All counts grow from SETUP on.",
  {
    channel: ["u32", "in: the channel, or RFUSE_ALL_CHANNELS for the sums"],
    reserved0: ["u32", "in: 0"],
    ring_requests: ["u64", "requests published on the pending ring"],
    background_requests: ["u64", "those of them that are background"],
    slow_requests: ["u64", "requests given to the stock queue instead: too large, no tag, no payload, no reply wanted"],
    balanced_requests: ["u64", "requests of another CPU's channel, whose worker was stuck or needed its caller's CPU"],
    spin_hits: ["u64", "synchronous requests answered while the caller polled"],
    spin_misses: ["u64", "synchronous requests whose caller polled and then slept"],
    spin_skips: ["u64", "synchronous requests whose caller slept at once"],
    daemon_wakeups: ["u64", "times that a sleeper in WAIT or an eventfd was woken"],
    doorbells: ["u64", "DOORBELL calls"],
    waits: ["u64", "WAIT calls that looked at this channel"],
    sleeps: ["u64", "WAIT calls that slept"],
    reaped: ["u64", "completion entries consumed"],
    forgets: ["u64", "FORGETs put on the ring"],
    forget_overflows: ["u64", "FORGETs given to the stock queue"],
    interrupts: ["u64", "INTERRUPTs put on the ring"],
    interrupt_overflows: ["u64", "INTERRUPTs given to the stock queue"],
    abandoned: ["u64", "requests whose caller was killed before the reply"],
    refused: ["u64", "replies that failed validation: the caller got EIO"],
    spurious: ["u64", "completion entries that no WAKE asked for, and jumps of the completion tail"],
    aborted: ["u64", "requests ended by an abort of the connection"],
    bpf_replies: ["u64", "requests answered by an eBPF program"],
    bpf_upcalls: ["u64", "requests of an opcode with an eBPF program that the daemon got"],
    reserved1: [{ type: "u64", count: 1 }, SPARE],
  },
);

// --- numbers ------------------------------------------------------------------------------------------------------

/** "RFUS" as bytes in memory. */
export const RFUSE_MAGIC = 0x53554652;
export const RFUSE_VERSION = 1;
/** `rfuse_counters.channel`: the sums. */
export const RFUSE_ALL_CHANNELS = 0xffffffff;
/** `rfuse_setup.spin_us`: what the module's parameter says. */
export const RFUSE_SPIN_DEFAULT = 0xffffffff;

/** `rfuse_slot.state`. QUEUED and DONE exclude each other; WAKE and ABANDONED are or-ed to QUEUED by the kernel. */
export const RFUSE_STATE = Object.freeze({ FREE: 0, QUEUED: 1, WAKE: 2, DONE: 4, ABANDONED: 8 } as const);

/** `rfuse_slot.flags`. */
export const RFUSE_SLOT = Object.freeze({ BACKGROUND: 1 << 0 } as const);

/** `rfuse_setup.features`. */
export const RFUSE_FEATURE = Object.freeze({
  FORGET_RING: 1 << 0,
  INTERRUPT_RING: 1 << 1,
  BACKGROUND: 1 << 2,
  ABANDON: 1 << 3,
  EVENTFD: 1 << 4,
  BPF: 1 << 5,
  WAIT_DEVICE: 1 << 6,
  BPF_PASSTHROUGH: 1 << 7,
} as const);

/** `rfuse_wait.flags`. */
export const RFUSE_WAIT = Object.freeze({ WATCH: 1 << 0, DEVICE: 1 << 1 } as const);

/** What an eBPF program returns. */
export const RFUSE_BPF = Object.freeze({ UPCALL: 0, REPLY: 1, PASSTHROUGH: 2 } as const);

/** `rfuse_bpf_context.flags`. */
export const RFUSE_BPF_HAS = Object.freeze({ GENERATION: 1 << 0 } as const);

/** Type letter of the ioctls. */
export const RFUSE_IOC_MAGIC = 0xe7;

/** One ioctl: number, direction, struct behind the pointer (none: the argument itself is the value), doc. */
export interface RingIoctl {
  readonly nr: number;
  readonly direction: "none" | "write" | "readwrite";
  readonly struct?: RingStruct;
  readonly doc: string;
}

// biome-ignore format: one table, read by eye
export const RING_IOCTLS = Object.freeze({
  ATTACH: { nr: 1, direction: "none", doc: "argument: descriptor of a mounted /dev/fuse whose INIT was answered" },
  SETUP: { nr: 2, direction: "readwrite", struct: RfuseSetup, doc: "makes the channels and says how they are laid out" },
  WAIT: { nr: 3, direction: "readwrite", struct: RfuseWait, doc: "reaps completions, moves background requests in, sleeps until there is work; result: channels with work" },
  DOORBELL: { nr: 4, direction: "none", doc: "argument: channel. Reaps its completions, moves its background requests in" },
  SERVE: { nr: 5, direction: "none", doc: "argument: channel. The calling thread is the one that serves it" },
  SPIN: { nr: 6, direction: "none", doc: "argument: microseconds, replaces rfuse_setup.spin_us" },
  EVENTFD: { nr: 7, direction: "write", struct: RfuseEventfd, doc: "sets or takes away a channel's eventfd" },
  COUNTERS: { nr: 8, direction: "readwrite", struct: RfuseCounters, doc: "reads the counters" },
  BPF: { nr: 9, direction: "write", struct: RfuseBpf, doc: "sets, replaces or takes away an opcode's eBPF program" },
  BPF_COUNTERS: { nr: 10, direction: "readwrite", struct: RfuseBpfCounters, doc: "reads the counters of an opcode's eBPF programs" },
} as const satisfies Record<string, RingIoctl>);

const IOC_DIRECTION = { none: 0, write: 1, readwrite: 3 } as const;

/** The ioctl's request number as <linux/ioctl.h> computes it. */
export function ringIoctlNumber({ nr, direction, struct }: RingIoctl): number {
  return ((IOC_DIRECTION[direction] << 30) | ((struct?.size ?? 0) << 16) | (RFUSE_IOC_MAGIC << 8) | nr) >>> 0;
}

/** Request numbers by name. */
export const RFUSE_IOC = Object.freeze({
  ATTACH: ringIoctlNumber(RING_IOCTLS.ATTACH),
  SETUP: ringIoctlNumber(RING_IOCTLS.SETUP),
  WAIT: ringIoctlNumber(RING_IOCTLS.WAIT),
  DOORBELL: ringIoctlNumber(RING_IOCTLS.DOORBELL),
  SERVE: ringIoctlNumber(RING_IOCTLS.SERVE),
  SPIN: ringIoctlNumber(RING_IOCTLS.SPIN),
  EVENTFD: ringIoctlNumber(RING_IOCTLS.EVENTFD),
  COUNTERS: ringIoctlNumber(RING_IOCTLS.COUNTERS),
  BPF: ringIoctlNumber(RING_IOCTLS.BPF),
  BPF_COUNTERS: ringIoctlNumber(RING_IOCTLS.BPF_COUNTERS),
} as const);

/** Every struct, in the order of the header. */
export const RING_STRUCTS: readonly RingStruct[] = [
  RfuseControl,
  RfuseSlot,
  RfuseForget,
  RfuseInterrupt,
  RfuseSetup,
  RfuseWait,
  RfuseEventfd,
  RfuseCounters,
  RfuseBpf,
  RfuseBpfCounters,
  RfuseBpfContext,
];

/** Numbers of the header: C prefix, what they are, the values. */
export interface RingConstants {
  readonly prefix: string;
  readonly doc: string;
  readonly values: Readonly<Record<string, number>>;
  readonly docs: Readonly<Record<string, string>>;
}

export const RING_CONSTANTS: readonly RingConstants[] = [
  {
    prefix: "RFUSE_",
    doc: "Identity, and arguments with a meaning of their own.",
    values: {
      MAGIC: RFUSE_MAGIC,
      VERSION: RFUSE_VERSION,
      MAX_CHANNELS: RFUSE_MAX_CHANNELS,
      ALL_CHANNELS: RFUSE_ALL_CHANNELS,
      SPIN_DEFAULT: RFUSE_SPIN_DEFAULT,
      BPF_OPCODES: RFUSE_BPF_OPCODES,
    },
    docs: {
      MAGIC: '"RFUS" in memory',
      VERSION: "of this header",
      MAX_CHANNELS: "channels at most, and bits of rfuse_wait.channels",
      ALL_CHANNELS: "rfuse_counters.channel: the sums",
      SPIN_DEFAULT: "rfuse_setup.spin_us: as the module's parameter says",
      BPF_OPCODES: "rfuse_bpf.opcode is below this",
    },
  },
  {
    prefix: "RFUSE_STATE_",
    doc: "rfuse_slot.state",
    values: RFUSE_STATE,
    docs: {
      FREE: "no request",
      QUEUED: "K: the request is whole and its reply is awaited",
      WAKE: "K, with QUEUED: the caller sleeps; the reply's tag goes to the completion ring",
      DONE: "D, by exchange: the reply is whole",
      ABANDONED: "K, with QUEUED and WAKE: the caller was killed; the reply is thrown away",
    },
  },
  {
    prefix: "RFUSE_SLOT_",
    doc: "rfuse_slot.flags",
    values: RFUSE_SLOT,
    docs: { BACKGROUND: "nobody waits for the reply in person (readahead, writeback, RELEASE)" },
  },
  {
    prefix: "RFUSE_FEATURE_",
    doc: "rfuse_setup.features; what is not in force stays on /dev/fuse",
    values: RFUSE_FEATURE,
    docs: {
      FORGET_RING: "FORGET comes on the forget ring; overflow on /dev/fuse",
      INTERRUPT_RING: "INTERRUPT of a ring request comes on the interrupt ring; overflow on /dev/fuse",
      BACKGROUND: "background requests come on the rings",
      ABANDON: "a killed caller leaves at once and the state word says so",
      EVENTFD: "RFUSE_IOC_EVENTFD",
      BPF: "RFUSE_IOC_BPF: eBPF programs may answer requests",
      WAIT_DEVICE: "RFUSE_WAIT_DEVICE",
      BPF_PASSTHROUGH: "RFUSE_BPF_PASSTHROUGH: kernel and INIT have passthrough",
    },
  },
  {
    prefix: "RFUSE_WAIT_",
    doc: "rfuse_wait.flags",
    values: RFUSE_WAIT,
    docs: {
      WATCH: "wait for others: only channels whose need_wakeup is set count",
      DEVICE: "return also when /dev/fuse has something to read; the result may then be 0",
    },
  },
  {
    prefix: "RFUSE_BPF_",
    doc: "what an eBPF program returns",
    values: RFUSE_BPF,
    docs: {
      UPCALL: "the daemon is asked",
      REPLY: "error, or out_size bytes of 'out' and data_size bytes of 'data', are the reply",
      PASSTHROUGH: "as REPLY, of OPEN: the kernel goes to the backing file fuse_open_out.backing_id",
    },
  },
  {
    prefix: "RFUSE_BPF_HAS_",
    doc: "rfuse_bpf_context.flags",
    values: RFUSE_BPF_HAS,
    docs: { GENERATION: "the kernel knows the generation of nodeid" },
  },
];
