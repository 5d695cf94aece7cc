// Owns: both sides of one ring channel over a SharedArrayBuffer, without a kernel: a caller, who does what the module does
// for one, and a server, which is the real lane and the real dispatch. Each side runs on a thread of its own. The calls
// that a server makes to the kernel wake callers by Atomics.notify, or sleep by Atomics.wait.
// It proves (test/protocol/ring-handshake.test.ts) and measures (ring.ts) the protocol alone.

import { write } from "../../ffi/file.ts";
import { createEventFd } from "../../ffi/io-uring.ts";
import { addressOf } from "../../ffi/memory.ts";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import { FuseGetattrIn, FuseInHeader } from "../../src/abi/fuse-structs.ts";
import { RFUSE_FEATURE, RFUSE_MAGIC, RFUSE_STATE, RfuseControl, RfuseSlot } from "../../src/abi/ring.ts";
import { createDispatch } from "../../src/server/dispatch.ts";
import { createStatistics, statisticsRow } from "../../src/server/statistics.ts";
import { openRingTransport } from "../../src/transport/ring.ts";
import type { RingCommands } from "../../src/transport/ring-commands.ts";
import type { RingLayout } from "../../src/transport/ring-layout.ts";
import { NEXT, type Transport } from "../../src/transport/transport.ts";
import { CONNECTION } from "./fake.ts";

const PAGE = 4096;
const DEPTH = 4;
const { QUEUED, WAKE, DONE } = RFUSE_STATE;
/** A caller that was not woken for so long was forgotten. */
const LOST_MS = 20_000;

const LAYOUT: RingLayout = {
  ...{ magic: RFUSE_MAGIC, version: 1, features: RFUSE_FEATURE.EVENTFD, channels: 1, depth: DEPTH, payload_pool: PAGE },
  ...{ spin_us: 0, channel_size: 16 * PAGE, channel_stride: 16 * PAGE, page_size: PAGE, control_offset: 0 },
  ...{ pending_offset: PAGE, pending_entries: DEPTH, completion_offset: 2 * PAGE, completion_entries: 2 * DEPTH },
  ...{ forget_offset: 3 * PAGE, forget_entries: 2, interrupt_offset: 4 * PAGE, interrupt_entries: 2 },
  ...{ slots_offset: 8 * PAGE, slot_size: 1024, slot_in: 64, slot_in_size: 640, slot_out: 704, slot_out_size: 320 },
  payload_offset: 15 * PAGE,
};
const LENGTH = FuseInHeader.size + FuseGetattrIn.size;
const word = (field: keyof typeof RfuseControl.at): number => (LAYOUT.control_offset + RfuseControl.at[field]) >> 2;
const EVENTS = word("events");
const NEED = word("need_wakeup");
const PENDING_TAIL = word("pending_tail");
const COMPLETION_HEAD = word("completion_head");
const COMPLETION_TAIL = word("completion_tail");

/** What both threads are given; a SharedArrayBuffer holds it all. */
export interface RingTrip {
  readonly memory: SharedArrayBuffer;
  /** By tag: how often its caller was woken; then the word that ends the server. */
  readonly wakes: Int32Array<SharedArrayBuffer>;
  /** Raised for a server that sits in the epoll set. */
  readonly eventFd: number;
}

/** `start`: first value of all heads and tails. */
export function createTrip(start = 0): RingTrip {
  const memory = new SharedArrayBuffer(LAYOUT.channel_size);
  const words = new Int32Array(memory);
  for (const name of ["pending", "completion", "forget", "interrupt"] as const) {
    words[word(`${name}_head`)] = words[word(`${name}_tail`)] = start;
  }
  words[EVENTS] = start;
  return { memory, wakes: new Int32Array(new SharedArrayBuffer(4 * (DEPTH + 1))), eventFd: -1 };
}

/** Tells the server to end, and wakes it. */
export function endTrip({ memory, wakes, eventFd }: RingTrip): void {
  Atomics.store(wakes, DEPTH, 1);
  stir(new Int32Array(memory), eventFd);
}

const one = new BigUint64Array([1n]);

// The kernel publishes first, then looks whether the server asked to be woken.
function stir(words: Int32Array, eventFd: number): void {
  Atomics.add(words, EVENTS, 1);
  Atomics.notify(words, EVENTS);
  if (Atomics.load(words, NEED) !== 0 && eventFd >= 0) write(eventFd, addressOf(one), 8);
}

/** One application. `call` sends a GETATTR and looks `polls` times for its reply before it sleeps; true when it slept. */
export function createCaller({ memory, wakes, eventFd }: RingTrip): (polls: number) => boolean {
  const words = new Int32Array(memory);
  let unique = 0;
  let tag = 0;
  let tail = Atomics.load(words, PENDING_TAIL);

  // hot
  function submit(): number {
    const slot = (LAYOUT.slots_offset + tag * LAYOUT.slot_size) >> 2;
    const header = slot + (LAYOUT.slot_in >> 2);
    words[slot + (RfuseSlot.at.in_len >> 2)] = LENGTH;
    words[header] = LENGTH;
    words[header + (FuseInHeader.at.opcode >> 2)] = OPCODES.GETATTR.code;
    words[header + (FuseInHeader.at.unique >> 2)] = ++unique;
    words[header + (FuseInHeader.at.nodeid >> 2)] = 1;
    Atomics.store(words, slot, QUEUED);
    words[(LAYOUT.pending_offset >> 2) + (tail & (LAYOUT.pending_entries - 1))] = tag;
    tail = (tail + 1) | 0;
    Atomics.store(words, PENDING_TAIL, tail);
    stir(words, eventFd);
    return slot;
  }

  // Whichever of the two is second acts: the caller finds DONE, or the server finds WAKE.
  function sleepFor(state: number, seen: number): boolean {
    if (Atomics.compareExchange(words, state, QUEUED, QUEUED | WAKE) === DONE) return false;
    while (Atomics.load(words, state) !== DONE || Atomics.load(wakes, tag) === seen) {
      if (Atomics.wait(wakes, tag, seen, LOST_MS) === "timed-out") throw new Error(`request ${unique} was forgotten`);
    }
    return true;
  }

  return (polls) => {
    const seen = Atomics.load(wakes, tag);
    const state = submit();
    let left = polls;
    while (Atomics.load(words, state) !== DONE && left > 0) left--;
    const slept = Atomics.load(words, state) !== DONE && sleepFor(state, seen);
    if ((words[state + ((LAYOUT.slot_out + 8) >> 2)] as number) !== unique) throw new Error("the reply is another's");
    tag = (tag + 1) % DEPTH;
    return slept;
  };
}

function commandsOf({ memory, wakes }: RingTrip): RingCommands {
  const words = new Int32Array(memory);

  function reap(): number {
    let head = Atomics.load(words, COMPLETION_HEAD);
    while (head !== Atomics.load(words, COMPLETION_TAIL)) {
      const tag = words[(LAYOUT.completion_offset >> 2) + (head & (LAYOUT.completion_entries - 1))] as number;
      head = (head + 1) | 0;
      Atomics.store(words, COMPLETION_HEAD, head);
      Atomics.add(wakes, tag, 1);
      Atomics.notify(wakes, tag);
    }
    return 0;
  }

  return {
    serve: () => 0,
    doorbell: reap,
    raise: () => 0,
    wait(sleeps) {
      reap();
      const seen = Atomics.load(words, EVENTS);
      const work = Atomics.load(words, PENDING_TAIL) !== Atomics.load(words, word("pending_head"));
      if (sleeps && !work && Atomics.load(wakes, DEPTH) === 0) Atomics.wait(words, EVENTS, seen);
      return 0;
    },
  };
}

/** A device that never has anything: with it the server rests in an epoll set. */
function silentDevice(watched: number): Transport {
  return {
    ...{ lane: "dev", watched, ready: () => false, next: () => NEXT.EMPTY, reply: () => 0 },
    request: () => {
      throw new Error("the device has no requests");
    },
    ...{ flush() {}, sleep() {}, release() {}, setBlocking() {}, close() {} },
  };
}

/** One worker. `serve` runs until the trip ends: it spins, sleeps in WAIT, or sleeps beside a device. */
export function createTripServer(trip: RingTrip, rests: "spin" | "wait" | "epoll") {
  let eventFd = -1;
  const transport = openRingTransport({
    layout: LAYOUT,
    channels: [{ index: 0, memory: trip.memory }],
    commands: { ...commandsOf(trip), raise: (fd) => (fd < 0 ? 0 : take(fd)) },
    inSizes: Uint16Array.from({ length: 64 }, (_, code) => (code === OPCODES.GETATTR.code ? FuseGetattrIn.size : 0)),
    openDev: rests === "epoll" ? () => silentDevice(createEventFd()) : undefined,
  });
  const statistics = statisticsRow(createStatistics(1), 0);
  const dispatch = createDispatch({
    filesystem: { getattr: () => 0 },
    connection: CONNECTION,
    ...{ transport, statistics, timeoutMs: 0, slowMs: 0 },
    events: { error() {}, slow() {}, foreignInterrupt() {}, retrieved() {}, released() {} },
  });

  function take(fd: number): number {
    eventFd = fd;
    return 0;
  }

  return {
    /** To be given to the caller. */
    trip: { ...trip, eventFd },
    serve(): void {
      for (;;) {
        const tag = transport.next();
        if (tag >= 0) dispatch.serve(transport.request(tag));
        else if (Atomics.load(trip.wakes, DEPTH) !== 0) return;
        else if (rests === "spin") transport.flush();
        else transport.sleep();
      }
    },
    close: () => transport.close(),
  };
}
