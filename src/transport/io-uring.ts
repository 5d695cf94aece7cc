// Owns: the `io_uring` lane of one worker: one ring that serves the queues of one or more CPUs, and the `dev` lane
// inside it, which still carries FORGET, INTERRUPT and whatever came before the queues were registered.
// A tag's memory: a header page (in/out header, op struct, entry state, then room for reply structs) and a payload.
// Request and reply share the payload, so fixed reply structs are built in the header page and copied at `reply`:
// a handler may still read a name while it fills its entry. To answer is to hand the memory back to the kernel, so a
// reply leaves at `release`, when the handler is done with it, with the next enter and all others of that time.

import { ERRNO, SyscallError } from "../../ffi/errno.ts";
import { close, POLL, read, write } from "../../ffi/file.ts";
import {
  CQE_F_MORE,
  createEventFd,
  createRing,
  enter,
  IoUringCqe,
  IoUringSqe,
  OP,
  POLL_ADD_MULTI,
  type Ring,
  SETUP,
  signalCompletions,
} from "../../ffi/io-uring.ts";
import { createArena } from "../../ffi/memory.ts";
import { URING_CMD } from "../abi/fuse-constants.ts";
import { FuseOutHeader, FuseUringCmdReq, FuseUringEntInOut, FuseUringReqHeader } from "../abi/fuse-structs.ts";
import type { Request } from "../codec/request.ts";
import { createTags, describeTags, replyStructBytes } from "./io-uring-tags.ts";
import { NEXT, type Transport } from "./transport.ts";

const HEADER = FuseUringReqHeader.at;
const ENTRY = FuseUringEntInOut.at;
const SQE = IoUringSqe.at;
const CMD = FuseUringCmdReq.at;
const OUT = FuseOutHeader.at;
/** user_data of the poll on the device. */
const DEVICE = 0x7fffffff;

export interface UringTransportOptions {
  /** Descriptor of the connection that the commands go to. */
  readonly fd: number;
  /** CPUs whose queues this worker serves. */
  readonly cpus: readonly number[];
  /** Requests in flight per CPU. */
  readonly depth: number;
  readonly maxPayload: number;
  /** The worker's `dev` lane over `fd`, not blocking; its tags begin at `cpus.length * depth`. Undefined: none. */
  readonly dev: Transport | undefined;
}

/** Opens the lane and registers its queues. Errors: `SyscallError` of io_uring_setup or of the registration. */
export function openUringTransport(options: UringTransportOptions): Transport {
  const { fd, cpus, depth, dev } = options;
  const count = cpus.length * depth;
  const requests = createTags(count, options.maxPayload);
  const iovecs = createArena(count * 32);
  new BigUint64Array(iovecs.buffer).set(describeTags(requests));
  const entries = 2 ** Math.ceil(Math.log2(count + 1));
  const ring: Ring = createRing(entries, SETUP.SUBMIT_ALL | SETUP.SINGLE_ISSUER | SETUP.DEFER_TASKRUN);
  const { words } = ring.arena;
  let tail = 0;
  let toSubmit = 0;
  let head = 0;
  let live = count;
  let deviceReady = false;
  let blocking = true;
  /** By tag: whether `reply` filled it and `release` shall hand it back. */
  const replied = new Uint8Array(count);
  // Work that waits for this thread to enter (DEFER_TASKRUN) does not make the ring's own descriptor readable; it does
  // signal an eventfd, which is attached only while the thread waits in its event loop.
  const signal = createEventFd();
  const drain = createArena(8);

  // hot
  function claim(): number {
    const at = (ring.sqes + (tail & ring.sqMask) * IoUringSqe.size) >> 2;
    tail = (tail + 1) | 0;
    toSubmit++;
    return at;
  }

  // hot
  function command(request: Request, op: number): void {
    const at = claim();
    words.fill(0, at, at + (IoUringSqe.size >> 2));
    words[at] = OP.URING_CMD;
    words[at + (SQE.fd >> 2)] = fd;
    words[at + (SQE.cmd_op >> 2)] = op;
    words[at + (SQE.user_data >> 2)] = request.tag;
    const cmd = at + (SQE.cmd >> 2);
    const entry = (request.inHeader + HEADER.ring_ent_in_out + ENTRY.commit_id) >> 2;
    words[cmd + (CMD.commit_id >> 2)] = request.words[entry] as number;
    words[cmd + (CMD.commit_id >> 2) + 1] = request.words[entry + 1] as number;
    words[cmd + (CMD.qid >> 2)] = cpus[Math.floor(request.tag / depth)] as number;
  }

  function register(request: Request): void {
    const at = (ring.sqes + (tail & ring.sqMask) * IoUringSqe.size) >> 2;
    command(request, URING_CMD.REGISTER);
    const address = iovecs.address + request.tag * 32;
    words[at + (SQE.addr >> 2)] = address;
    words[at + (SQE.addr >> 2) + 1] = Math.floor(address / 2 ** 32);
    words[at + (SQE.len >> 2)] = 2;
  }

  function watchDevice(): void {
    const at = claim();
    words.fill(0, at, at + (IoUringSqe.size >> 2));
    words[at] = OP.POLL_ADD;
    words[at + (SQE.fd >> 2)] = fd;
    words[at + (SQE.len >> 2)] = POLL_ADD_MULTI;
    words[at + (SQE.op_flags >> 2)] = POLL.IN;
    words[at + (SQE.user_data >> 2)] = DEVICE;
  }

  // hot; EBUSY: completions wait to be taken
  function submit(minComplete: number): void {
    Atomics.store(words, ring.sqTail, tail);
    const result = enter(ring.fd, toSubmit, minComplete);
    if (result >= 0) toSubmit -= result;
    else if (result !== -ERRNO.EINTR && result !== -ERRNO.EBUSY && result !== -ERRNO.EAGAIN) {
      throw new SyscallError("io_uring_enter", -result);
    }
  }

  // hot; a tag, or -1 when the completion was no request
  function take(): number {
    const at = (ring.cqes + (head & ring.cqMask) * IoUringCqe.size) >> 2;
    const tag = words[at] as number;
    const result = words[at + (IoUringCqe.at.res >> 2)] as number;
    head = (head + 1) | 0;
    Atomics.store(words, ring.cqHead, head);
    if (tag === DEVICE) {
      deviceReady = true;
      const armed = ((words[at + (IoUringCqe.at.flags >> 2)] as number) & CQE_F_MORE) !== 0;
      if (!armed && result >= 0) watchDevice(); // the kernel may end a poll that was to last
      return -1;
    }
    if (result < 0) {
      live--; // the connection ended (ENOTCONN, ECANCELED): this entry fetches no more
      return -1;
    }
    const request = requests[tag] as Request;
    request.payloadLength = request.u32(request.inHeader + HEADER.ring_ent_in_out + ENTRY.payload_sz);
    return tag;
  }

  // hot
  function next(): number {
    if (!blocking) read(signal, drain.address, 8);
    for (let entered = false; ; ) {
      while (head !== Atomics.load(words, ring.kCqTail)) {
        const tag = take();
        if (tag >= 0) return tag;
      }
      if (deviceReady && dev !== undefined) {
        const tag = dev.next();
        if (tag >= 0 || tag === NEXT.ENDED) return tag;
        deviceReady = tag === NEXT.FULL; // then it is asked again when a tag came back
      }
      if (live === 0) return NEXT.ENDED;
      if (!blocking && entered) return NEXT.EMPTY;
      submit(blocking ? 1 : 0);
      entered = true;
    }
  }

  // hot
  function reply(request: Request, error: number, length: number): number {
    if (request.tag >= count) return dev === undefined ? -ERRNO.EINVAL : dev.reply(request, error, length);
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
    request.setU32(header + HEADER.ring_ent_in_out + ENTRY.payload_sz, length);
    replied[request.tag] = 1;
    return 0;
  }

  // hot
  function release(request: Request): void {
    if (request.tag >= count) dev?.release(request);
    else if (replied[request.tag] === 1) {
      replied[request.tag] = 0;
      command(request, URING_CMD.COMMIT_AND_FETCH);
    }
  }

  // A doorbell thread that sits in poll(2) on the eventfd is not woken by its being closed.
  function closeRing(): void {
    drain.words[0] = 1;
    drain.words[1] = 0;
    write(signal, drain.address, 8);
    close(signal);
    close(ring.fd);
  }

  try {
    for (const request of requests) register(request);
    if (dev !== undefined) watchDevice();
    submit(0);
  } catch (thrown) {
    closeRing();
    throw thrown;
  }
  return {
    lane: "io_uring",
    watched: signal,
    request: (tag) => (tag < count ? (requests[tag] as Request) : (dev as Transport).request(tag)),
    next,
    reply,
    release,
    setBlocking(value) {
      if (value !== blocking) signalCompletions(ring.fd, value ? -1 : signal);
      blocking = value;
    },
    close() {
      dev?.close();
      closeRing();
    },
  };
}
