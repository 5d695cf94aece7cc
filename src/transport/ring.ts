// Owns: the `ring` lane of one worker: the channels that it serves, and on worker 0 the `dev` lane inside it, which still
// carries what did not fit into a channel and what found its rings full.
// A reply leaves at `release`, when the handler is done with its memory: a polling caller sees it at once, a sleeping one
// is told by the next doorbell, one for all replies of a batch. While requests keep coming no system call is made, but a
// look at the device once in a while. Rest: one WAIT for everything, or, while an event loop turns, an epoll set.

import { ERRNO, SyscallError } from "../../ffi/errno.ts";
import { RFUSE_FEATURE } from "../abi/ring.ts";
import type { Request } from "../codec/request.ts";
import { createRingChannel, type RingChannel } from "./ring-channel.ts";
import type { RingCommands } from "./ring-commands.ts";
import type { RingLayout } from "./ring-layout.ts";
import { createRingRecords } from "./ring-records.ts";
import { createRingRest } from "./ring-rest.ts";
import { createRingUndo } from "./ring-undo.ts";
import { NEXT, type Transport } from "./transport.ts";

/** Requests between two looks at the device while the rings are busy. A power of two. */
const DEVICE_TURNS = 64;
/** Looks of one `next` that find news but no request: a background request is only moved in when it was seen. */
const ROUNDS = 4;
/** Empty looks between two readings of the clock, and the time between two looks at the device, while it spins. */
const LOOKS = 256;
const DEVICE_LOOK_NS = 5_000_000;

export interface RingTransportOptions {
  readonly layout: RingLayout;
  /** The channels that this worker serves: number and memory. */
  readonly channels: readonly { readonly index: number; readonly memory: SharedArrayBuffer }[];
  readonly commands: RingCommands;
  /** Bytes of the op struct by opcode, as negotiated. */
  readonly inSizes: Uint16Array;
  /** Opens the worker's `dev` lane, not blocking, whose tags begin at `firstTag`. Undefined: it has none. */
  readonly openDev: ((firstTag: number) => Transport) | undefined;
}

/** Serves the channels from the calling thread. Errors: `SyscallError`. */
export function openRingTransport(options: RingTransportOptions): Transport {
  const { commands, layout, inSizes } = options;
  const { depth } = layout;
  const count = options.channels.length * depth;
  const waitsForDevice = (layout.features & RFUSE_FEATURE.WAIT_DEVICE) !== 0;
  const records = createRingRecords(count);
  const undo = createRingUndo(count + 1);
  const firstDevTag = count + 1 + undo.tags;
  const channels: readonly RingChannel[] = options.channels.map(({ index, memory }, at) =>
    createRingChannel({ index, memory, layout, firstTag: at * depth, inSizes, abandoned: undo.note }),
  );
  const rest = createRingRest(channels);
  let dev: Transport | undefined;
  let at = 0; // channel whose turn it is
  let turn = 0;
  let looks = 0;
  let lookedNs = 0;
  let deviceReady = true; // until the first look
  let blocking = true;
  let ended = false;

  // hot
  function next(): number {
    const tag = take();
    if (tag >= 0) {
      if (rest.watching) rest.watch(false);
      return tag;
    }
    if (ended) return NEXT.ENDED;
    return blocking ? NEXT.EMPTY : lastLook();
  }

  // hot
  function take(): number {
    turn = (turn + 1) & (DEVICE_TURNS - 1);
    if (turn === 0 && dev !== undefined && dev.ready()) deviceReady = true;
    if (deviceReady && (turn & 1) === 0) {
      const tag = fromDevice();
      if (tag >= 0) return tag;
    }
    const tag = fromRings();
    return tag < 0 && deviceReady ? fromDevice() : tag;
  }

  function fromDevice(): number {
    if (dev === undefined) {
      deviceReady = false;
      return NEXT.EMPTY;
    }
    const tag = dev.next();
    deviceReady = tag >= 0 || tag === NEXT.FULL; // FULL: asked again, for a tag may have come back
    if (tag === NEXT.ENDED) ended = true;
    return tag >= 0 ? tag : NEXT.EMPTY;
  }

  // hot; when all that the last looks saw is served, whoever sleeps is told of it before the next looks' begin
  function fromRings(): number {
    for (let round = 0; round < ROUNDS; round++) {
      for (let left = channels.length; left > 0; left--) {
        const tag = fromChannel(channels[at] as RingChannel);
        if (tag >= 0) return tag;
        at = at + 1 < channels.length ? at + 1 : 0;
      }
      const owed = undo.next();
      if (owed >= 0) return owed;
      if (ended || !look()) return NEXT.EMPTY;
      flush();
    }
    return NEXT.EMPTY;
  }

  // hot
  function fromChannel(channel: RingChannel): number {
    const tag = channel.take();
    if (tag >= 0) return tag;
    return records.takeForgets(channel) || records.takeInterrupt(channel) ? count : NEXT.EMPTY;
  }

  // hot
  function look(): boolean {
    let found = false;
    for (let index = 0; index < channels.length; index++) {
      if ((channels[index] as RingChannel).look()) found = true;
    }
    return found;
  }

  // hot
  function flush(): void {
    for (let index = 0; index < channels.length; index++) {
      const channel = channels[index] as RingChannel;
      if (!channel.dirty) continue;
      channel.told();
      heed("DOORBELL", commands.doorbell(channel.index));
    }
  }

  // hot
  function heed(call: string, result: number): void {
    if (result === -ERRNO.ENODEV) ended = true;
    else if (result < 0 && result !== -ERRNO.EINTR) throw new SyscallError("ioctl", -result, "/dev/rfuse", call);
  }

  // hot; WAIT does what the doorbells would. Result: how many channels have work, or -errno
  function wait(sleeps: boolean, device: boolean): number {
    for (let index = 0; index < channels.length; index++) (channels[index] as RingChannel).told();
    const result = commands.wait(sleeps, device);
    heed("WAIT", result);
    return result;
  }

  // hot
  function changed(): boolean {
    for (let index = 0; index < channels.length; index++) {
      if ((channels[index] as RingChannel).changed()) return true;
    }
    return false;
  }

  // hot
  function ready(): boolean {
    if (changed() || deviceReady || ended) return true;
    if (dev === undefined || ++looks < LOOKS) return false;
    looks = 0;
    const now = Bun.nanoseconds();
    if (now - lookedNs < DEVICE_LOOK_NS) return false;
    lookedNs = now;
    deviceReady = dev.ready();
    return deviceReady;
  }

  function lastLook(): number {
    wait(false, false);
    if (!rest.watching) rest.watch(true);
    if (rest.take(0)) deviceReady = true;
    const tag = take();
    if (tag >= 0) rest.watch(false);
    return tag >= 0 ? tag : ended ? NEXT.ENDED : NEXT.EMPTY;
  }

  function sleep(): void {
    if (dev === undefined) wait(true, false);
    else if (!waitsForDevice) sleepWatching();
    // Without work on a channel it is the device that has some.
    else if (!deviceReady && !ended && wait(true, true) === 0) deviceReady = true;
  }

  function sleepWatching(): void {
    flush();
    rest.watch(true);
    if (!changed() && !deviceReady && !ended && rest.take(-1)) deviceReady = true;
    rest.watch(false);
  }

  function begin(): void {
    dev = options.openDev?.(firstDevTag);
    if (dev !== undefined) rest.addDevice(dev.watched);
    heed("EVENTFD", commands.raise(rest.signal));
    for (const { index } of channels) heed("SERVE", commands.serve(index));
  }

  function close(): void {
    dev?.close();
    commands.raise(-1);
    rest.close();
  }

  try {
    begin();
  } catch (thrown) {
    close();
    throw thrown;
  }
  return {
    lane: "ring",
    watched: rest.fd,
    opened: [rest.fd, rest.signal],
    request(tag) {
      if (tag < count) return (channels[Math.floor(tag / depth)] as RingChannel).requests[tag % depth] as Request;
      if (tag === count) return records.request;
      return tag < firstDevTag ? undo.request(tag) : (dev as Transport).request(tag);
    },
    next,
    ready,
    flush,
    sleep,
    reply(request, error, length) {
      const { tag } = request;
      if (tag < count) (channels[Math.floor(tag / depth)] as RingChannel).reply(request, error, length);
      else if (tag >= firstDevTag) return (dev as Transport).reply(request, error, length);
      return 0;
    },
    release(request) {
      const { tag } = request;
      if (tag < count) (channels[Math.floor(tag / depth)] as RingChannel).commit(request);
      else if (tag >= firstDevTag) dev?.release(request);
      else if (tag > count) undo.release(request);
    },
    setBlocking(value) {
      blocking = value;
      if (value && rest.watching) rest.watch(false);
    },
    close,
  };
}
