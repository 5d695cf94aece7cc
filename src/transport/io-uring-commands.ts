// Owns: the submission side of a worker's ring: FUSE_URING_CMD entries, the poll on the device, entering the kernel.
// Entries that were made leave with the next enter. An entry of the ring is written again only after the kernel took
// it: there are at least as many as there can be commands underway. Must not: look at completions.

import { ERRNO, SyscallError } from "../../ffi/errno.ts";
import { POLL } from "../../ffi/file.ts";
import { enter, IoUringSqe, OP, POLL_ADD_MULTI, type Ring, registerFile, SQE_FIXED_FILE } from "../../ffi/io-uring.ts";
import { createArena } from "../../ffi/memory.ts";
import { URING_CMD } from "../abi/fuse-constants.ts";
import { FuseUringCmdReqBufpool, FuseUringEntInOut, FuseUringReqHeader } from "../abi/fuse-structs.ts";
import type { Request } from "../codec/request.ts";
import { describeTags } from "./io-uring-tags.ts";

const COMMIT_ID = FuseUringReqHeader.at.ring_ent_in_out + FuseUringEntInOut.at.commit_id;
const SQE = IoUringSqe.at;
const SQE_WORDS = IoUringSqe.size >> 2;
const CMD = SQE.cmd + FuseUringCmdReqBufpool.at.commit_id;
const QID = SQE.cmd + FuseUringCmdReqBufpool.at.qid;
const POOL = SQE.cmd + FuseUringCmdReqBufpool.at.bufpool;
/** user_data of the poll on the device, and of commands that are no tag's. */
export const DEVICE = 0x7fffffff;
const SETTING_UP = 0x7ffffffe;

export interface Commands {
  /** Makes the queue of a CPU, with a pool at `address`, and sends that: two completions. Before any other. */
  addPool(cpu: number, address: number, bytes: number): void;
  /** Gives a tag's memory to the kernel for the first time. */
  register(request: Request): void;
  /** Answers the tag's request and asks for the next one. Hot. */
  commit(request: Request): void;
  /** Watches the device for the end of the connection, and with `requests` for those; until a completion ends that. */
  watchDevice(requests: boolean): void;
  /** Entries that wait to be sent. */
  waiting(): number;
  /** Sends them, and waits for `minComplete` completions. Hot. */
  enter(minComplete: number): void;
}

/** Commands of one ring over `fd`; tag t belongs to the queue of `cpus[floor(t / depth)]`. `pooled`: it has a pool. */
export function createCommands(
  ring: Ring,
  fd: number,
  requests: readonly Request[],
  cpus: readonly number[],
  depth: number,
  pooled: boolean,
): Commands {
  const { words } = ring.arena;
  const iovecs = createArena(requests.length * 32);
  new BigUint64Array(iovecs.buffer).set(describeTags(requests, pooled));
  const queues = Int32Array.from(requests, ({ tag }) => cpus[Math.floor(tag / depth)] as number);
  const registered = registerFile(ring, fd) === 0;
  const file = registered ? 0 : fd;
  const URING = OP.URING_CMD | (registered ? SQE_FIXED_FILE : 0);
  const POLL_DEVICE = OP.POLL_ADD | (registered ? SQE_FIXED_FILE : 0);
  let tail = 0;
  let toSubmit = 0;

  // hot; the words that no command here uses stay zero
  function claim(opcode: number, userData: number): number {
    const at = ((ring.sqes >> 2) + (tail & ring.sqMask) * SQE_WORDS) | 0;
    tail = (tail + 1) | 0;
    toSubmit++;
    words[at] = opcode;
    words[at + (SQE.fd >> 2)] = file;
    words[at + (SQE.addr >> 2)] = 0;
    words[at + (SQE.addr >> 2) + 1] = 0;
    words[at + (SQE.len >> 2)] = 0;
    words[at + (SQE.op_flags >> 2)] = 0;
    words[at + (SQE.user_data >> 2)] = userData;
    return at;
  }

  // hot
  function command(request: Request, op: number): number {
    const { tag } = request;
    const at = claim(URING, tag);
    const id = (request.inHeader + COMMIT_ID) >> 2;
    words[at + (SQE.cmd_op >> 2)] = op;
    words[at + (CMD >> 2)] = request.words[id] as number;
    words[at + (CMD >> 2) + 1] = request.words[id + 1] as number;
    words[at + (QID >> 2)] = queues[tag] as number;
    return at;
  }

  function setUp(op: number, cpu: number): number {
    const at = claim(URING, SETTING_UP);
    words[at + (SQE.cmd_op >> 2)] = op;
    words[at + (QID >> 2)] = cpu;
    return at;
  }

  // hot; EBUSY: completions wait to be taken
  function send(minComplete: number): void {
    Atomics.store(words, ring.sqTail, tail);
    const result = enter(ring, toSubmit, minComplete);
    if (result >= 0) toSubmit -= result;
    else if (result !== -ERRNO.EINTR && result !== -ERRNO.EBUSY && result !== -ERRNO.EAGAIN) {
      throw new SyscallError("io_uring_enter", -result);
    }
  }

  return {
    addPool(cpu, address, bytes) {
      setUp(URING_CMD.ADD_QUEUE, cpu);
      const at = setUp(URING_CMD.ADD_BUFPOOL, cpu);
      words[at + (POOL >> 2)] = address;
      words[at + (POOL >> 2) + 1] = Math.floor(address / 2 ** 32);
      words[at + (POOL >> 2) + 2] = bytes;
      send(0);
      words.fill(0, at + (POOL >> 2), at + (POOL >> 2) + 3); // other commands have something else there
    },
    register(request) {
      const at = command(request, URING_CMD.REGISTER);
      const address = iovecs.address + request.tag * 32;
      words[at + (SQE.addr >> 2)] = address;
      words[at + (SQE.addr >> 2) + 1] = Math.floor(address / 2 ** 32);
      words[at + (SQE.len >> 2)] = 2;
    },
    commit(request) {
      command(request, URING_CMD.COMMIT_AND_FETCH);
    },
    watchDevice(requests) {
      const at = claim(POLL_DEVICE, DEVICE);
      words[at + (SQE.cmd_op >> 2)] = 0; // the low half of `off`, which POLL_ADD does not take
      words[at + (CMD >> 2)] = 0;
      words[at + (CMD >> 2) + 1] = 0;
      words[at + (QID >> 2)] = 0;
      words[at + (SQE.len >> 2)] = POLL_ADD_MULTI;
      words[at + (SQE.op_flags >> 2)] = requests ? POLL.IN : 0; // errors are always watched for
    },
    waiting: () => toSubmit,
    enter: send,
  };
}
