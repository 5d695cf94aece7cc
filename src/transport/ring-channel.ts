// Owns: one channel's memory as its worker sees it: which tags the kernel gave, their requests, their replies. The
// kernel's words are taken once and masked or checked; our own positions are kept here and only published there.
// Ordering (docs/ring-abi.md): tails are loaded before the entries below them; a head is stored after its entry was
// taken; the state's exchange to DONE publishes a reply. Atomics are sequentially consistent, so each is also the barrier
// that its partner in the kernel pairs with. Must not: make system calls.

import { ERRNO } from "../../ffi/errno.ts";
import { type Arena, arenaOver } from "../../ffi/memory.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import { FuseInHeader, FuseIoctlOut, FuseOutHeader } from "../abi/fuse-structs.ts";
import { RFUSE_STATE, RfuseControl, RfuseForget, RfuseInterrupt, RfuseSlot } from "../abi/ring.ts";
import { Request } from "../codec/request.ts";
import type { RingLayout } from "./ring-layout.ts";

const CONTROL = RfuseControl.at;
const SLOT = RfuseSlot.at;
const OUT = FuseOutHeader.at;
const { DONE, WAKE, ABANDONED } = RFUSE_STATE;
const IOCTL = OPCODES.IOCTL.code;

/** Who has a tag. */
const FREE = 0;
const HANDLER = 1;
const REPLIED = 2;

export interface RingChannelOptions {
  readonly index: number;
  readonly memory: SharedArrayBuffer;
  readonly layout: RingLayout;
  /** Number of its first tag. */
  readonly firstTag: number;
  /** Bytes of the op struct by opcode, as negotiated. */
  readonly inSizes: Uint16Array;
  /** Told once, before its memory goes back, of a reply that nobody waits for any more. */
  readonly abandoned: (request: Request) => void;
}

export interface RingChannel {
  readonly index: number;
  readonly arena: Arena;
  readonly requests: readonly Request[];
  /** Entries in the completion ring that the kernel has not been told of, or background requests that wait. */
  readonly dirty: boolean;
  /** Forgets and interrupts that may be taken; all pending tags published before them were given out first. */
  readonly forgets: number;
  readonly interrupts: number;
  /** Whether the kernel has published anything since the last `look`. Hot. */
  changed(): boolean;
  /** Takes notice of what the kernel has published; false when there is nothing new. Hot. */
  look(): boolean;
  /** Tag of the next request, -1: no more than `look` saw. Hot. */
  take(): number;
  /** Byte offset of the oldest forget or interrupt record; `taken` says that it was copied. */
  oldestForget(): number;
  forgetTaken(): void;
  oldestInterrupt(): number;
  interruptTaken(): void;
  /** Builds the out header. Hot. */
  reply(request: Request, error: number, length: number): void;
  /** Gives the tag's memory back, with its reply. Hot. */
  commit(request: Request): void;
  /** The kernel was told (DOORBELL, WAIT). */
  told(): void;
  /** Whether the kernel shall raise the eventfd, from now on. */
  watch(on: boolean): void;
}

function createRequests(arena: Arena, layout: RingLayout, firstTag: number): Request[] {
  return Array.from({ length: layout.depth }, (_, tag) => {
    const slot = layout.slots_offset + tag * layout.slot_size;
    const outHeader = slot + layout.slot_out;
    const opOut = outHeader + FuseOutHeader.size;
    const inHeader = slot + layout.slot_in;
    return new Request(firstTag + tag, arena, { inHeader, outHeader, opOut, dataOut: opOut, dataCapacity: 0 });
  });
}

/** One channel over its mapped memory. */
export function createRingChannel(options: RingChannelOptions): RingChannel {
  const { index, layout, firstTag, inSizes } = options;
  const arena = arenaOver(options.memory);
  const { words } = arena;
  const { depth } = layout;
  const requests = createRequests(arena, layout, firstTag);
  const held = new Uint8Array(depth);
  const word = (field: keyof typeof CONTROL): number => (layout.control_offset + CONTROL[field]) >> 2;
  const kEvents = word("events");
  const kPendingTail = word("pending_tail");
  const kForgetTail = word("forget_tail");
  const kInterruptTail = word("interrupt_tail");
  const kBacklog = word("backlog");
  const kCompletionHead = word("completion_head");
  const pendingHead = word("pending_head");
  const forgetHead = word("forget_head");
  const interruptHead = word("interrupt_head");
  const completionTail = word("completion_tail");
  const needWakeup = word("need_wakeup");
  const pending = layout.pending_offset >> 2;
  const pendingMask = layout.pending_entries - 1;
  const completion = layout.completion_offset >> 2;
  const completionMask = layout.completion_entries - 1;
  const poolEnd = layout.payload_offset + layout.payload_pool;
  const pageMask = layout.page_size - 1;

  let seen = (Atomics.load(words, kEvents) - 1) | 0; // the first look looks; counting up does not come to it
  let head = Atomics.load(words, pendingHead);
  let tail = head;
  let forgetAt = Atomics.load(words, forgetHead);
  let forgetEnd = forgetAt;
  let interruptAt = Atomics.load(words, interruptHead);
  let interruptEnd = interruptAt;
  let completed = Atomics.load(words, completionTail);
  let dirty = false;

  // A tail further ahead than its ring is long is nonsense; nothing of it can be believed.
  const reached = (from: number, to: number, entries: number): number => ((to - from) >>> 0 > entries ? from : to);

  // hot; the pending tail comes last, so that an interrupt's request is among the tags
  function look(): boolean {
    const events = Atomics.load(words, kEvents);
    if (events === seen) return false;
    seen = events;
    interruptEnd = reached(interruptAt, Atomics.load(words, kInterruptTail), layout.interrupt_entries);
    forgetEnd = reached(forgetAt, Atomics.load(words, kForgetTail), layout.forget_entries);
    tail = reached(head, Atomics.load(words, kPendingTail), layout.pending_entries);
    if (Atomics.load(words, kBacklog) !== 0) dirty = true;
    return true;
  }

  // hot; a number that is no tag, or one that is in use, is no request: there is nobody to answer
  function take(): number {
    while (head !== tail) {
      const tag = Atomics.load(words, pending + (head & pendingMask)) >>> 0;
      head = (head + 1) | 0;
      Atomics.store(words, pendingHead, head);
      if (tag >= depth || held[tag] !== FREE) continue;
      held[tag] = HANDLER;
      place(requests[tag] as Request, tag);
      return firstTag + tag;
    }
    return -1;
  }

  // hot; each word of the slot is read once
  function place(request: Request, tag: number): void {
    const slot = (layout.slots_offset + tag * layout.slot_size) >> 2;
    const inLength = (words[slot + (SLOT.in_len >> 2)] as number) >>> 0;
    const payloadIn = (words[slot + (SLOT.payload_in >> 2)] as number) >>> 0;
    const payload = (words[slot + (SLOT.payload_offset >> 2)] as number) >>> 0;
    const payloadSize = (words[slot + (SLOT.payload_size >> 2)] as number) >>> 0;
    const opcode = request.opcode;
    const opSize = inSizes[opcode] ?? 0;
    const tailLength = inLength - FuseInHeader.size - opSize;
    request.opIn = request.inHeader + FuseInHeader.size;
    request.payload = payloadIn > 0 ? payload : request.opIn + opSize;
    request.payloadLength = payloadIn > 0 ? payloadIn : tailLength;
    // IOCTL alone has a struct and data: the one lies in the slot, the other at the start of the payload.
    const struct = opcode === IOCTL ? FuseIoctlOut.size : 0;
    request.dataOut = payload > 0 ? payload - struct : request.opOut;
    request.dataCapacity = payload > 0 ? payloadSize + struct : struct;
    const whole = inLength <= layout.slot_in_size && request.length === inLength + payloadIn;
    const straight = payloadIn === 0 || (tailLength === 0 && payload > 0);
    if (!whole || !straight || !fits(payload, payloadIn > payloadSize ? payloadIn : payloadSize)) malform(request);
  }

  // hot
  function fits(payload: number, bytes: number): boolean {
    if (payload === 0) return bytes === 0;
    return (payload & pageMask) === 0 && payload >= layout.payload_offset && payload + bytes <= poolEnd;
  }

  function malform(request: Request): void {
    request.payload = request.opIn;
    request.payloadLength = -1;
    request.dataOut = request.opOut;
    request.dataCapacity = 0;
  }

  // hot
  function reply(request: Request, error: number, length: number): void {
    const header = request.outHeader;
    request.setU32(header + OUT.len, FuseOutHeader.size + length);
    request.setU32(header + OUT.error, error);
    request.setU32(header + OUT.unique, request.uniqueLow);
    request.setU32(header + OUT.unique + 4, request.uniqueHigh);
    held[request.tag - firstTag] = REPLIED;
  }

  // hot; until the exchange succeeds the memory is ours, so that what is owed for an abandoned reply can be read there
  function commit(request: Request): void {
    const tag = request.tag - firstTag;
    if (held[tag] !== REPLIED) reply(request, -ERRNO.EIO, 0); // malformed beyond an answer, but its caller waits
    held[tag] = FREE;
    const state = (layout.slots_offset + tag * layout.slot_size + SLOT.state) >> 2;
    let old = Atomics.load(words, state);
    for (let told = 0, found = 0; ; told |= old, old = found) {
      if ((old & ABANDONED & ~told) !== 0) options.abandoned(request);
      found = Atomics.compareExchange(words, state, old, DONE);
      if (found === old) break;
    }
    if ((old & WAKE) !== 0) complete(tag);
  }

  // hot; twice as many entries as tags: only a kernel that never takes any leaves no room, and then it is not told
  function complete(tag: number): void {
    if ((completed - Atomics.load(words, kCompletionHead)) >>> 0 > completionMask) return;
    words[completion + (completed & completionMask)] = tag;
    completed = (completed + 1) | 0;
    Atomics.store(words, completionTail, completed);
    dirty = true;
  }

  return {
    index,
    arena,
    requests,
    get dirty() {
      return dirty;
    },
    get forgets() {
      return (forgetEnd - forgetAt) >>> 0;
    },
    get interrupts() {
      return (interruptEnd - interruptAt) >>> 0;
    },
    changed: () => Atomics.load(words, kEvents) !== seen,
    look,
    take,
    oldestForget: () => layout.forget_offset + (forgetAt & (layout.forget_entries - 1)) * RfuseForget.size,
    forgetTaken() {
      forgetAt = (forgetAt + 1) | 0;
      Atomics.store(words, forgetHead, forgetAt);
    },
    oldestInterrupt: () =>
      layout.interrupt_offset + (interruptAt & (layout.interrupt_entries - 1)) * RfuseInterrupt.size,
    interruptTaken() {
      interruptAt = (interruptAt + 1) | 0;
      Atomics.store(words, interruptHead, interruptAt);
    },
    reply,
    commit,
    told() {
      dirty = false;
    },
    watch(on) {
      Atomics.store(words, needWakeup, on ? 1 : 0);
    },
  };
}
