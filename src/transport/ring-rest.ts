// Owns: how a worker rests that cannot sit in WAIT: because its event loop turns, or because the module's WAIT does not
// know the device, which worker 0 watches too. An eventfd of all its channels and the device are in one epoll set,
// whose descriptor polls readable when it shall wake.
// Ordering: `need_wakeup` is stored (a full barrier) before the caller's last look at `events`; the kernel publishes before
// it looks at `need_wakeup`. Edges that are taken were raised before that look. So no wake-up is lost.

import { createEpoll, type Epoll } from "../../ffi/epoll.ts";
import { close, write } from "../../ffi/file.ts";
import { createEventFd } from "../../ffi/io-uring.ts";
import { createArena } from "../../ffi/memory.ts";
import type { RingChannel } from "./ring-channel.ts";

/** Names in the epoll set. */
const SIGNAL = 0;
const DEVICE = 1;

export interface RingRest {
  /** Polls readable when a channel or the device has had something since the last `take`. */
  readonly fd: number;
  /** The eventfd for the kernel to raise. */
  readonly signal: number;
  /** Whether the kernel raises it now. */
  readonly watching: boolean;
  watch(on: boolean): void;
  /** Adds the device. Errors: `SyscallError`. */
  addDevice(fd: number): void;
  /** Waits at most `timeoutMs` (-1: for ever) and takes what came; true when the device was among it. Hot. */
  take(timeoutMs: number): boolean;
  close(): void;
}

// Nothing stays open when one of the two cannot be had.
function openBoth(): { readonly signal: number; readonly epoll: Epoll } {
  const signal = createEventFd();
  let epoll: Epoll | undefined;
  try {
    epoll = createEpoll();
    epoll.add(signal, SIGNAL);
    return { signal, epoll };
  } catch (thrown) {
    epoll?.close();
    close(signal);
    throw thrown;
  }
}

/** Errors: `SyscallError`. */
export function createRingRest(channels: readonly RingChannel[]): RingRest {
  const { signal, epoll } = openBoth();
  let watching = false;
  return {
    fd: epoll.fd,
    signal,
    get watching() {
      return watching;
    },
    // hot
    watch(on) {
      watching = on;
      for (let index = 0; index < channels.length; index++) (channels[index] as RingChannel).watch(on);
    },
    addDevice: (fd) => epoll.add(fd, DEVICE),
    // hot
    take(timeoutMs) {
      const changes = epoll.wait(timeoutMs);
      let device = false;
      for (let index = 0; index < changes; index++) if (epoll.name(index) === DEVICE) device = true;
      return device;
    },
    close() {
      const one = createArena(8);
      one.words[0] = 1;
      write(signal, one.address, 8); // a doorbell thread that sits in poll(2) is not woken by a close
      epoll.close();
      close(signal);
    },
  };
}
