// Owns: the kernel's side of the ring, single-threaded: channels in SharedArrayBuffers laid out unlike the module's own, the
// answer to SETUP that describes them, and the calls that a worker makes. A test submits raw requests and collects raw
// replies. Indices may start anywhere. Must not: import anything of the lane but the shape of its commands.

import { write } from "../../ffi/file.ts";
import { addressOf } from "../../ffi/memory.ts";
import {
  RFUSE_FEATURE,
  RFUSE_MAGIC,
  RFUSE_SLOT,
  RFUSE_STATE,
  RfuseControl,
  RfuseForget,
  RfuseInterrupt,
  RfuseSetup,
  RfuseSlot,
} from "../../src/abi/ring.ts";
import type { RingCommands } from "../../src/transport/ring-commands.ts";

const PAGE = 4096;
const ENODEV = 19;
const [READLINK, READ, WRITE, GETXATTR, LISTXATTR, READDIR, IOCTL, READDIRPLUS] = [5, 15, 16, 22, 23, 28, 39, 44];

export interface RingShape {
  readonly channels?: number;
  readonly depth?: number;
  readonly pool?: number;
  /** First value of all heads and tails. */
  readonly start?: number;
}

type Fields = { readonly [Field in keyof typeof RfuseSetup.at]?: number };

/** Fields of an honest answer to SETUP: reply before request in the slot, rings behind the slots, forgets few. */
export function honestFields({ channels = 1, depth = 8, pool = 64 * PAGE }: RingShape = {}): Required<Fields> {
  const slots = 16 * PAGE;
  const payload = slots + depth * 4 * PAGE;
  return {
    ...{ magic: RFUSE_MAGIC, version: 1, flags: 0, channels, depth, payload_pool: pool, spin_us: 50 },
    features: Object.values(RFUSE_FEATURE).reduce((all, bit) => all | bit, 0),
    ...{ channel_size: payload + pool, channel_stride: payload + pool + PAGE, page_size: PAGE, control_offset: 0 },
    ...{ pending_offset: PAGE, pending_entries: 2 ** Math.ceil(Math.log2(depth)) },
    ...{ completion_offset: 2 * PAGE, completion_entries: 2 ** (1 + Math.ceil(Math.log2(depth))) },
    ...{ forget_offset: 4 * PAGE, forget_entries: 4, interrupt_offset: 3 * PAGE, interrupt_entries: 4 },
    ...{
      slots_offset: slots,
      slot_size: 4 * PAGE,
      slot_out: 64,
      slot_out_size: 448,
      slot_in: 512,
      slot_in_size: 12_000,
    },
    ...{ payload_offset: payload, reserved: 0 },
  };
}

/** The answer as bytes. */
export function setupAnswer(fields: Fields): DataView {
  const answer = new DataView(new ArrayBuffer(RfuseSetup.size));
  for (const [field, value] of Object.entries({ ...honestFields(), ...fields }) as [keyof Fields, number][]) {
    const at = RfuseSetup.at[field];
    if (RfuseSetup.spec[field] === "u64") answer.setBigUint64(at, BigInt(value), true);
    else if (field !== "reserved") answer.setUint32(at, value, true);
  }
  return answer;
}

/** How a request is submitted; neither: its caller polls. */
type Manner = "polls" | "sleeps" | "background";

const opcodeOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
const u32At = (bytes: Uint8Array, at: number): number =>
  bytes.length < at + 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);

/** Bytes that stay in the slot, most bytes of variable reply data, and bytes of fixed reply structs before those. */
function shapeOf(bytes: Uint8Array): { slot: number; variable: number; structs: number } {
  const whole = { slot: bytes.length, variable: 0, structs: 0 };
  switch (opcodeOf(bytes)) {
    case WRITE:
      return { ...whole, slot: Math.min(80, bytes.length) };
    case IOCTL:
      return { slot: Math.min(72, bytes.length), variable: u32At(bytes, 68), structs: 16 };
    case READLINK:
      return { ...whole, variable: 4095 };
    case READ:
    case READDIR:
    case READDIRPLUS:
      return { ...whole, variable: u32At(bytes, 56) };
    case GETXATTR:
    case LISTXATTR:
      return { ...whole, variable: u32At(bytes, 40) };
    default:
      return whole;
  }
}

export type RingKernel = ReturnType<typeof createRingKernel>;

export function createRingKernel(shape: RingShape = {}, overrides: Fields = {}) {
  const at = { ...honestFields(shape), ...overrides };
  const start = shape.start ?? 0;
  const slotOf = (tag: number): number => at.slots_offset + tag * at.slot_size;
  const all = Array.from({ length: at.channels }, () => {
    const memory = new SharedArrayBuffer(at.channel_size);
    const words = new Int32Array(memory);
    const free = Array.from({ length: at.depth }, (_, tag) => at.depth - 1 - tag);
    const pages = new Uint8Array(at.payload_pool / PAGE);
    const requests = new Map<number, Uint8Array>();
    const backlog: Uint8Array[] = [];
    return { memory, words, bytes: new Uint8Array(memory), free, pages, requests, backlog, moved: [] as number[] };
  });
  type Channel = (typeof all)[number];
  const control = (field: keyof typeof RfuseControl.at): number => (at.control_offset + RfuseControl.at[field]) >> 2;
  const HEADS = ["pending", "forget", "interrupt"] as const;
  for (const { words } of all) {
    for (const name of HEADS) words[control(`${name}_tail`)] = words[control(`${name}_head`)] = start;
    words[control("completion_head")] = words[control("completion_tail")] = start;
    words[control("events")] = start;
  }
  const woken: (readonly [channel: number, tag: number])[] = [];
  const served: number[] = [];
  const calls = { doorbells: 0, waits: 0, sleeps: 0 };
  const signal = new BigUint64Array([1n]);
  let eventFd = -1;
  let ended = false;
  let devices = 0;

  function raise(): void {
    if (eventFd >= 0) write(eventFd, addressOf(signal), 8);
  }

  function event({ words }: Channel): void {
    Atomics.add(words, control("events"), 1);
    if (Atomics.load(words, control("need_wakeup")) !== 0) raise();
  }

  function publish(channel: Channel, ring: (typeof HEADS)[number], put: (index: number) => void): boolean {
    const { words } = channel;
    const tail = Atomics.load(words, control(`${ring}_tail`));
    if ((tail - Atomics.load(words, control(`${ring}_head`))) >>> 0 >= at[`${ring}_entries`]) return false;
    put(tail & (at[`${ring}_entries`] - 1));
    Atomics.store(words, control(`${ring}_tail`), (tail + 1) | 0);
    event(channel);
    return true;
  }

  function pagesFor({ pages }: Channel, bytes: number): number {
    const count = Math.ceil(bytes / PAGE);
    for (let first = 0; first + count <= pages.length; first++) {
      if (pages.subarray(first, first + count).some((used) => used !== 0)) continue;
      pages.fill(1, first, first + count);
      return at.payload_offset + first * PAGE;
    }
    return -1;
  }

  /** The tag, or -1: no tag or no payload is free, and the request belongs to the slow lane. */
  function place(channel: Channel, request: Uint8Array, state: number, flags: number): number {
    const { slot, variable } = shapeOf(request);
    const payloadIn = request.length - slot;
    const need = Math.max(payloadIn, variable);
    const tag = channel.free.at(-1);
    if (tag === undefined || slot > at.slot_in_size) return -1;
    const room = Math.ceil(need / PAGE) * PAGE;
    const payload = need > 0 ? pagesFor(channel, need) : 0;
    if (payload < 0) return -1;
    channel.free.pop();
    const base = slotOf(tag);
    channel.bytes.fill(0, base, base + at.slot_size);
    channel.bytes.set(request.subarray(0, slot), base + at.slot_in);
    if (payloadIn > 0) channel.bytes.set(request.subarray(slot), payload);
    const head = { state, flags, in_len: slot, payload_in: payloadIn, payload_offset: payload, payload_size: room };
    for (const [field, value] of Object.entries(head)) {
      channel.words[(base + RfuseSlot.at[field as keyof typeof head]) >> 2] = value;
    }
    channel.requests.set(tag, request.slice());
    publish(channel, "pending", (index) => (channel.words[(at.pending_offset >> 2) + index] = tag));
    return tag;
  }

  function freeTag(channel: Channel, tag: number): void {
    const base = slotOf(tag) >> 2;
    const [payload = 0, size = 0] = [channel.words[base + 4], channel.words[base + 5]];
    const first = (payload - at.payload_offset) / PAGE;
    if (payload > 0) channel.pages.fill(0, first, first + Math.ceil(size / PAGE));
    channel.requests.delete(tag);
    channel.words[base] = RFUSE_STATE.FREE;
    channel.free.push(tag);
    if (channel.backlog.length > 0) showBacklog(channel);
  }

  function reap(index: number): void {
    const { words } = all[index] as Channel;
    let head = Atomics.load(words, control("completion_head"));
    while (head !== Atomics.load(words, control("completion_tail"))) {
      woken.push([index, words[(at.completion_offset >> 2) + (head & (at.completion_entries - 1))] as number]);
      head = (head + 1) | 0;
      Atomics.store(words, control("completion_head"), head);
    }
  }

  function showBacklog(channel: Channel, movable = channel.backlog.length): void {
    Atomics.store(channel.words, control("backlog"), movable);
    event(channel);
  }

  function moveIn(channel: Channel): void {
    if (Atomics.load(channel.words, control("backlog")) === 0) return;
    while (channel.backlog.length > 0) {
      const [oldest] = channel.backlog as [Uint8Array];
      const tag = place(channel, oldest, RFUSE_STATE.QUEUED | RFUSE_STATE.WAKE, RFUSE_SLOT.BACKGROUND);
      if (tag < 0) break;
      channel.moved.push(tag);
      channel.backlog.shift();
    }
    showBacklog(channel, 0); // what is left waits for a tag
  }

  const commands: RingCommands = {
    serve: (channel) => served.push(channel) * 0,
    doorbell(index) {
      calls.doorbells++;
      if (ended) return -ENODEV;
      reap(index);
      moveIn(all[index] as Channel);
      return 0;
    },
    wait(sleeps, device) {
      if (device) devices++;
      calls[sleeps ? "sleeps" : "waits"]++;
      if (ended) return -ENODEV;
      all.forEach((channel, index) => {
        reap(index);
        moveIn(channel);
      });
      return all.filter(({ words }) =>
        HEADS.some((name) => words[control(`${name}_head`)] !== words[control(`${name}_tail`)]),
      ).length;
    },
    raise(fd) {
      eventFd = fd;
      return ended ? -ENODEV : 0;
    },
  };

  return {
    answer: setupAnswer(at),
    at,
    commands,
    calls,
    /** WAIT calls that returned for the device as well. */
    get devices() {
      return devices;
    },
    woken,
    served,
    memories: all.map(({ memory }, index) => ({ index, memory })),
    words: (channel = 0): Int32Array => (all[channel] as Channel).words,
    control,
    slotWord: (tag: number, field: keyof typeof RfuseSlot.at): number => (slotOf(tag) + RfuseSlot.at[field]) >> 2,
    free: (channel = 0): number => (all[channel] as Channel).free.length,
    moved: (channel = 0): number[] => (all[channel] as Channel).moved,
    /** Puts a request on a channel; its tag, or -1 when it belongs to the slow lane (or to the backlog). */
    submit(request: Uint8Array, manner: Manner = "polls", index = 0): number {
      const channel = all[index] as Channel;
      if (manner !== "background") {
        return place(channel, request, RFUSE_STATE.QUEUED | (manner === "sleeps" ? RFUSE_STATE.WAKE : 0), 0);
      }
      channel.backlog.push(request);
      showBacklog(channel);
      return -1;
    },
    /** Takes a finished request's reply out, as one piece; undefined while there is none. */
    collect(tag: number, index = 0): Uint8Array | undefined {
      const channel = all[index] as Channel;
      const base = slotOf(tag);
      if (Atomics.load(channel.words, base >> 2) !== RFUSE_STATE.DONE) return undefined;
      const request = channel.requests.get(tag) as Uint8Array;
      const out = base + at.slot_out;
      const length = channel.words[out >> 2] as number;
      const { variable, structs } = shapeOf(request);
      const inSlot = 16 + (variable > 0 || structs > 0 ? Math.min(structs, length - 16) : length - 16);
      const payload = channel.words[(base + RfuseSlot.at.payload_offset) >> 2] as number;
      const parts = [
        channel.bytes.slice(out, out + inSlot),
        channel.bytes.slice(payload, payload + (length > inSlot ? length - inSlot : 0)),
      ];
      freeTag(channel, tag);
      return new Uint8Array(Buffer.concat(parts));
    },
    /** The caller was killed; false when the reply is there already. */
    abandon(tag: number, index = 0): boolean {
      const { words } = all[index] as Channel;
      const state = slotOf(tag) >> 2;
      const { QUEUED, WAKE, ABANDONED, DONE } = RFUSE_STATE;
      if (Atomics.load(words, state) === DONE) return false;
      Atomics.store(words, state, QUEUED | WAKE | ABANDONED);
      return true;
    },
    /** Publishes a FORGET record; false: the ring is full. */
    forget(nodeid: number, nlookup: number, index = 0): boolean {
      const channel = all[index] as Channel;
      const view = new DataView(channel.memory);
      return publish(channel, "forget", (entry) => {
        view.setBigUint64(at.forget_offset + entry * RfuseForget.size, BigInt(nodeid), true);
        view.setBigUint64(at.forget_offset + entry * RfuseForget.size + 8, BigInt(nlookup), true);
      });
    },
    /** Publishes an INTERRUPT record; false: the ring is full. */
    interrupt(unique: bigint, tag: number, index = 0): boolean {
      const channel = all[index] as Channel;
      const view = new DataView(channel.memory);
      return publish(channel, "interrupt", (entry) => {
        view.setBigUint64(at.interrupt_offset + entry * RfuseInterrupt.size, unique, true);
        view.setUint32(at.interrupt_offset + entry * RfuseInterrupt.size + 8, tag, true);
      });
    },
    /** Says that something happened, as after a word that the test wrote by itself. */
    stir: (index = 0): void => event(all[index] as Channel),
    /** The connection ends. */
    end(): void {
      ended = true;
      raise();
    },
  };
}
