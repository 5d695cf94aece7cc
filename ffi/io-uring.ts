// Owns: io_uring by system calls: a ring whose memory is ours (IORING_SETUP_NO_MMAP over an arena, since the ring's own
// mapping cannot be laid over a SharedArrayBuffer), and the three calls. Indices are words of the ring's arena.
// A ring outlives its descriptor, and its thread: the kernel writes its last completions later. So its memory comes from
// whoever outlives the thread, and may only be let go by `unmap` (memory.ts).
// Must not: know what the entries mean. The ring belongs to the thread that made it (SINGLE_ISSUER).

import { checked, orThrow, SyscallError } from "./errno.ts";
import { libc } from "./libc.ts";
import { type Arena, addressOf, arenaOver, createKernelMemory, type Mapping, PAGE_SIZE } from "./memory.ts";
import { defineStruct } from "./struct.ts";

const SYS = { setup: 425, enter: 426, register: 427 } as const;

/** Flags of io_uring_setup(2) used here. */
export const SETUP = {
  CQSIZE: 1 << 3,
  SUBMIT_ALL: 1 << 7,
  COOP_TASKRUN: 1 << 8,
  TASKRUN_FLAG: 1 << 9,
  SQE128: 1 << 10,
  SINGLE_ISSUER: 1 << 12,
  DEFER_TASKRUN: 1 << 13,
  NO_MMAP: 1 << 14,
  /** No descriptor, but an index that only the calling thread knows: the ring ends with that thread. At most 16 for each. */
  REGISTERED_FD_ONLY: 1 << 15,
  NO_SQARRAY: 1 << 16,
} as const;

/** Opcodes used here. */
export const OP = { POLL_ADD: 6, URING_CMD: 46 } as const;
/** `len` of POLL_ADD that keeps it armed. */
export const POLL_ADD_MULTI = 1;
/** Flag of io_uring_enter: completions are made and waited for. */
const ENTER_GETEVENTS = 1;

const SqringOffsets = defineStruct("io_sqring_offsets", 40, {
  head: "u32",
  tail: "u32",
  ring_mask: "u32",
  ring_entries: "u32",
  flags: "u32",
  dropped: "u32",
  array: "u32",
  resv1: "u32",
  user_addr: "u64",
});
const CqringOffsets = defineStruct("io_cqring_offsets", 40, {
  head: "u32",
  tail: "u32",
  ring_mask: "u32",
  ring_entries: "u32",
  overflow: "u32",
  cqes: "u32",
  flags: "u32",
  resv1: "u32",
  user_addr: "u64",
});

/** struct io_uring_params. */
export const IoUringParams = defineStruct("io_uring_params", 120, {
  sq_entries: "u32",
  cq_entries: "u32",
  flags: "u32",
  sq_thread_cpu: "u32",
  sq_thread_idle: "u32",
  features: "u32",
  wq_fd: "u32",
  resv: { type: "u32", count: 3 },
  sq_off: SqringOffsets,
  cq_off: CqringOffsets,
});

/** The part of a 128 byte submission entry that is used here; `cmd` has 80 bytes. */
export const IoUringSqe = defineStruct("io_uring_sqe", 128, {
  opcode: "u8",
  flags: "u8",
  ioprio: "u16",
  fd: "i32",
  cmd_op: "u32",
  __pad1: "u32",
  addr: "u64",
  len: "u32",
  op_flags: "u32",
  user_data: "u64",
  buf_index: "u16",
  personality: "u16",
  splice_fd_in: "i32",
  cmd: { type: "u64", count: 10 },
});

/** Flag of a completion: its request is still armed. */
export const CQE_F_MORE = 2;
/** struct io_uring_cqe. */
export const IoUringCqe = defineStruct("io_uring_cqe", 16, { user_data: "u64", res: "i32", flags: "u32" });

/** Bits of the submission flags: completions overflowed, or wait for this thread to enter the kernel. */
export const SQ_FLAGS = { CQ_OVERFLOW: 2, TASKRUN: 4 } as const;

/** A ring. `words` index: `sqTail` is ours, `cqTail` the kernel's, `cqHead` ours. */
export interface Ring {
  /** A descriptor, or an index of the calling thread when it was made so (REGISTERED_FD_ONLY). */
  readonly fd: number;
  readonly registered: boolean;
  readonly arena: Arena;
  readonly sqMask: number;
  readonly cqMask: number;
  readonly sqTail: number;
  readonly kCqTail: number;
  readonly cqHead: number;
  /** Word of the submission flags (SQ_FLAGS), the kernel's. */
  readonly kSqFlags: number;
  /** Byte offset of the first submission entry and of the first completion entry in the arena. */
  readonly sqes: number;
  readonly cqes: number;
  /** Keeps the setup parameters' memory. */
  readonly features: number;
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;

const sqeBytesOf = (entries: number): number => pages(entries * IoUringSqe.size);

/** Memory for a ring of `entries`. Errors: `RangeError`. */
export function createRingMemory(entries: number): Mapping {
  return createKernelMemory(sqeBytesOf(entries) + pages(entries * 2 * IoUringCqe.size + 512));
}

/**
 * Makes a ring of `entries` (a power of two) 128 byte submission entries and twice as many completion entries, in memory
 * from `createRingMemory`. Errors: `SyscallError` (EPERM: disabled by sysctl or seccomp; ENOSYS; EINVAL: the kernel is too old; ENOMEM;
 * EBUSY: the thread has 16 of its own).
 */
export function createRing(memory: SharedArrayBuffer, entries: number, flags: number): Ring {
  const sqeBytes = sqeBytesOf(entries);
  const arena = arenaOver(memory);
  const params = new DataView(new ArrayBuffer(IoUringParams.size));
  const { at } = IoUringParams;
  const sq = IoUringParams.spec.sq_off.at;
  const cq = IoUringParams.spec.cq_off.at;
  params.setUint32(at.cq_entries, entries * 2, true);
  params.setUint32(at.flags, flags | SETUP.SQE128 | SETUP.CQSIZE | SETUP.NO_MMAP | SETUP.NO_SQARRAY, true);
  params.setBigUint64(at.sq_off + sq.user_addr, BigInt(arena.address), true);
  params.setBigUint64(at.cq_off + cq.user_addr, BigInt(arena.address + sqeBytes), true);
  const fd = checked(libc.syscall(SYS.setup, entries, addressOf(params), 0, 0, 0, 0));
  if (fd < 0) throw new SyscallError("io_uring_setup", -fd);
  const word = (offset: number): number => (sqeBytes + params.getUint32(offset, true)) >> 2;
  return {
    fd,
    registered: (flags & SETUP.REGISTERED_FD_ONLY) !== 0,
    arena,
    sqMask: arena.words[word(at.sq_off + sq.ring_mask)] as number,
    cqMask: arena.words[word(at.cq_off + cq.ring_mask)] as number,
    sqTail: word(at.sq_off + sq.tail),
    kCqTail: word(at.cq_off + cq.tail),
    cqHead: word(at.cq_off + cq.head),
    kSqFlags: word(at.sq_off + sq.flags),
    sqes: 0,
    cqes: sqeBytes + params.getUint32(at.cq_off + cq.cqes, true),
    features: params.getUint32(at.features, true),
  };
}

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const REGISTER = { FILES: 2, EVENTFD: 4, NO_EVENTFD: 5, NO_RING_FDS: 21, USE_REGISTERED_RING: 1 << 31 } as const;
const ENTER_REGISTERED_RING = 1 << 4;
/** Flag of an entry (bits 8 to 15 of its first word): `fd` is an index into the registered files. */
export const SQE_FIXED_FILE = 1 << 8;

/** A descriptor that polls readable once it was signalled, until it is read. Errors: `SyscallError` (EMFILE, ENFILE). */
export const createEventFd = (): number => orThrow(checked(libc.eventfd(0, EFD_NONBLOCK_CLOEXEC)), "eventfd");

function register({ fd, registered }: Ring, what: number, address: number, count: number): number {
  const op = registered ? what | REGISTER.USE_REGISTERED_RING : what;
  return checked(libc.syscall(SYS.register, fd, op, address, count, 0, 0));
}

/** The ring signals `eventFd` whenever something has been or can be completed; -1 ends that. Result 0 or -errno. */
export function signalCompletions(ring: Ring, eventFd: number): number {
  if (eventFd < 0) return register(ring, REGISTER.NO_EVENTFD, 0, 0);
  return register(ring, REGISTER.EVENTFD, addressOf(new Int32Array([eventFd])), 1);
}

/** Entries may name `fd` by index 0 from now on, which saves the kernel the look-up. Result 0 or -errno. */
export function registerFile(ring: Ring, fd: number): number {
  return register(ring, REGISTER.FILES, addressOf(new Int32Array([fd])), 1);
}

/** Lets go of a ring; what is underway ends with ECANCELED. Only the thread that made it. */
export function closeRing(ring: Ring): void {
  if (!ring.registered) return void libc.close(ring.fd);
  const update = new Uint32Array(4); // struct io_uring_rsrc_update: offset, resv, data
  update[0] = ring.fd;
  register(ring, REGISTER.NO_RING_FDS, addressOf(update), 1);
}

/** io_uring_enter(2): submits, and waits for `minComplete` completions. Result: entries submitted, or -errno. Hot. */
export function enter({ fd, registered }: Ring, toSubmit: number, minComplete: number): number {
  const flags = registered ? ENTER_GETEVENTS | ENTER_REGISTERED_RING : ENTER_GETEVENTS;
  return checked(libc.syscall(SYS.enter, fd, toSubmit, minComplete, flags, 0, 0));
}
