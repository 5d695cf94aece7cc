// Owns: the `io_uring` lane of one worker: one ring that serves the queues of one or more CPUs, and the `dev` lane
// inside it, which still carries FORGET, INTERRUPT and whatever came before the queues were registered.
// Request and reply share a tag's payload, so fixed reply structs are built in its header page and copied at `reply`: a
// handler may still read a name while it fills its entry. To answer is to hand the memory back to the kernel, so a
// reply leaves at `release`, when the handler is done with it, with the next enter and all others of that time.

import { ERRNO, SyscallError } from "../../ffi/errno.ts";
import { close, POLL, read, write } from "../../ffi/file.ts";
import {
  CQE_F_MORE,
  closeRing,
  createEventFd,
  createRing,
  createRingMemory,
  IoUringCqe,
  type Ring,
  SETUP,
  SQ_FLAGS,
  signalCompletions,
} from "../../ffi/io-uring.ts";
import { createArena, type Mapping } from "../../ffi/memory.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import { FuseOutHeader, FuseUringEntInOut, FuseUringReqHeader } from "../abi/fuse-structs.ts";
import type { Request } from "../codec/request.ts";
import { createCommands, DEVICE } from "./io-uring-commands.ts";
import { createTags, placePayload, replyStructBytes, separateNotifyReply } from "./io-uring-tags.ts";
import { NEXT, type Transport } from "./transport.ts";

const PAYLOAD_SIZE = FuseUringReqHeader.at.ring_ent_in_out + FuseUringEntInOut.at.payload_sz;
const CQE = IoUringCqe.at;
const OUT = FuseOutHeader.at;
const NOTIFY_REPLY = OPCODES.NOTIFY_REPLY.code;

export interface UringTransportOptions {
  /** Descriptor of the connection that the commands go to. */
  readonly fd: number;
  /** CPUs whose queues this worker serves. */
  readonly cpus: readonly number[];
  /** Requests in flight per CPU. */
  readonly depth: number;
  readonly maxPayload: number;
  /** Memory of the ring, from `createUringMemory` for as many CPUs and requests. */
  readonly memory: SharedArrayBuffer;
  /** The kernel gives requests their payloads from a pool (INIT flag HAS_IO_URING_BUFPOOL). */
  readonly pooled: boolean;
  /** The worker's `dev` lane over `fd`, not blocking; its tags begin at `cpus.length * depth`. Undefined: none. */
  readonly dev: Transport | undefined;
}

const entriesFor = (cpus: number, depth: number): number => 2 ** Math.ceil(Math.log2(cpus * depth + 1));

/** Memory for the ring of a worker, which may only let go of it when its thread is gone. Errors: `RangeError`. */
export function createUringMemory(cpus: number, depth: number): Mapping {
  return createRingMemory(entriesFor(cpus, depth));
}

function signalFor(ring: Ring): number {
  try {
    return createEventFd();
  } catch (thrown) {
    closeRing(ring);
    throw thrown;
  }
}

/** Opens the lane and registers its queues. Errors: `SyscallError` of io_uring_setup, eventfd or the registration. */
export function openUringTransport(options: UringTransportOptions): Transport {
  const { fd, cpus, depth, dev, pooled } = options;
  const count = cpus.length * depth;
  const requests = createTags(count, options.maxPayload);
  // TASKRUN_FLAG: with DEFER_TASKRUN a completion is made when this thread enters; the flag says that it should.
  // REGISTERED_FD_ONLY: the ring ends with this thread, not with the process: a request that it was about to take would
  // never end otherwise, were it made by another thread of a process that is killed, which could then not end either.
  const flags =
    SETUP.SUBMIT_ALL | SETUP.SINGLE_ISSUER | SETUP.DEFER_TASKRUN | SETUP.TASKRUN_FLAG | SETUP.REGISTERED_FD_ONLY;
  const ring: Ring = createRing(options.memory, entriesFor(cpus.length, depth), flags);
  const { words } = ring.arena;
  const commands = createCommands(ring, fd, requests, cpus, depth, pooled);
  /** By tag: where the pool of its CPU begins. */
  const poolAt = Int32Array.from(requests, ({ tag }) => (requests[tag - (tag % depth)] as Request).payload);
  let head = 0;
  let live = count;
  let deviceReady = false;
  // Entries whose requests are with handlers get no completion when the connection ends; the device tells.
  let ended = false;
  let blocking = true;
  /** By tag: whether `reply` filled it and `release` shall hand it back. */
  const replied = new Uint8Array(count);
  // Work that waits for this thread to enter does not make the ring's own descriptor readable; it does signal an
  // eventfd, which is attached only while the thread waits in its event loop.
  const signal = signalFor(ring);
  const drain = createArena(8);

  // hot; a tag, or -1 when the completion was no request
  function take(): number {
    const at = (ring.cqes + (head & ring.cqMask) * IoUringCqe.size) >> 2;
    const tag = words[at] as number;
    const result = words[at + (CQE.res >> 2)] as number;
    const more = ((words[at + (CQE.flags >> 2)] as number) & CQE_F_MORE) !== 0;
    head = (head + 1) | 0;
    Atomics.store(words, ring.cqHead, head);
    if (tag === DEVICE) {
      deviceReady = true;
      if (result > 0 && (result & POLL.ERR) !== 0) ended = true;
      else if (!more && result >= 0) commands.watchDevice(dev !== undefined); // the kernel may end a poll that was to last
      return -1;
    }
    if (result < 0) {
      live--; // the connection ended (ENOTCONN, ECANCELED): this entry fetches no more
      return -1;
    }
    const request = requests[tag] as Request;
    if (pooled) placePayload(request, poolAt[tag] as number);
    request.payloadLength = request.u32(request.inHeader + PAYLOAD_SIZE);
    if (request.opcode === NOTIFY_REPLY) separateNotifyReply(request);
    return tag;
  }

  // hot
  function completed(): number {
    while (head !== Atomics.load(words, ring.kCqTail)) {
      const tag = take();
      if (tag >= 0) return tag;
    }
    return deviceReady && dev !== undefined ? fromDevice(dev) : NEXT.EMPTY;
  }

  function fromDevice(device: Transport): number {
    const tag = device.next();
    deviceReady = tag >= 0 || tag === NEXT.FULL; // FULL: asked again, for a tag may have come back
    return tag === NEXT.FULL ? NEXT.EMPTY : tag;
  }

  // hot
  function next(): number {
    const tag = completed();
    if (tag !== NEXT.EMPTY) return tag;
    if (ended || live === 0) return NEXT.ENDED;
    if (blocking) return NEXT.EMPTY;
    // The signal is taken back before the last look, so that whatever comes after that look raises it again.
    read(signal, drain.address, 8);
    commands.enter(0);
    const last = completed();
    return last === NEXT.EMPTY && (ended || live === 0) ? NEXT.ENDED : last;
  }

  // hot
  function ready(): boolean {
    if (head !== Atomics.load(words, ring.kCqTail)) return true;
    if ((Atomics.load(words, ring.kSqFlags) & SQ_FLAGS.TASKRUN) === 0) return false;
    commands.enter(0);
    return head !== Atomics.load(words, ring.kCqTail);
  }

  // hot
  function reply(request: Request, error: number, length: number): number {
    if (request.tag >= count) return (dev as Transport).reply(request, error, length);
    const header = request.inHeader;
    const fixed = replyStructBytes(request.opcode);
    const structs = fixed >= 0 ? fixed : request.u32(request.opIn) === 0 ? length : 0;
    if (error === 0 && structs > 0) {
      request.arena.bytes.copyWithin(request.payload, request.opOut, request.opOut + structs);
    }
    const low = request.uniqueLow;
    const high = request.uniqueHigh;
    request.setU32(header + OUT.len, FuseOutHeader.size + length);
    request.setU32(header + OUT.error, error);
    request.setU32(header + OUT.unique, low);
    request.setU32(header + OUT.unique + 4, high);
    request.setU32(header + PAYLOAD_SIZE, length);
    replied[request.tag] = 1;
    return 0;
  }

  // hot
  function release(request: Request): void {
    if (request.tag >= count) {
      dev?.release(request);
      return;
    }
    // A request without reply (the answer to a RETRIEVE) is handed back too, or its entry would fetch no more.
    if (replied[request.tag] === 0) reply(request, -ERRNO.EIO, 0);
    replied[request.tag] = 0;
    commands.commit(request);
  }

  // A doorbell thread that sits in poll(2) on the eventfd is not woken by its being closed.
  function end(): void {
    drain.words[0] = 1;
    drain.words[1] = 0;
    write(signal, drain.address, 8);
    close(signal);
    closeRing(ring);
  }

  // Making a queue and giving it its pool both end at once.
  function addPool(cpu: number, index: number): void {
    const first = requests[index * depth] as Request;
    commands.addPool(cpu, first.address(first.payload), first.dataCapacity * depth);
    for (let step = 0; step < 2; step++, head++) {
      const at = (ring.cqes + (head & ring.cqMask) * IoUringCqe.size) >> 2;
      const result = head === Atomics.load(words, ring.kCqTail) ? -ERRNO.EIO : (words[at + (CQE.res >> 2)] as number);
      if (result < 0) throw new SyscallError("FUSE_IO_URING_CMD_ADD_BUFPOOL", -result);
    }
    Atomics.store(words, ring.cqHead, head);
  }

  try {
    if (pooled) cpus.forEach(addPool);
    for (const request of requests) commands.register(request);
    commands.watchDevice(dev !== undefined);
    commands.enter(0);
  } catch (thrown) {
    end();
    throw thrown;
  }
  return {
    lane: "io_uring",
    watched: signal,
    opened: [signal],
    request: (tag) => (tag < count ? (requests[tag] as Request) : (dev as Transport).request(tag)),
    next,
    ready,
    flush() {
      if (commands.waiting() > 0) commands.enter(0);
    },
    sleep: () => commands.enter(1),
    reply,
    release,
    setBlocking(value) {
      if (value !== blocking) signalCompletions(ring, value ? -1 : signal);
      blocking = value;
    },
    close() {
      dev?.close();
      end();
    },
  };
}
