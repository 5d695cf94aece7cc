// Owns: a worker's system calls on the ring. Results are `n >= 0` or -errno.
// Must not: look into channels.

import { ioctl } from "../../ffi/file.ts";
import { addressOf, createArena } from "../../ffi/memory.ts";
import { RFUSE_IOC, RFUSE_WAIT, RfuseEventfd, RfuseWait } from "../abi/ring.ts";

const WAIT = RfuseWait.at;
const CHANNELS = WAIT.channels >> 2;

/** What a worker asks of the kernel; a test has a kernel of its own. */
export interface RingCommands {
  /** The calling thread is the one that serves the channel. */
  serve(channel: number): number;
  /** Reaps the channel's completions and moves its background requests in. Hot. */
  doorbell(channel: number): number;
  /**
   * The same for all of the worker's channels; `sleeps`: and sleeps until one of them has work; `device`: or until
   * /dev/fuse has something to read. Result: channels with work. Hot.
   */
  wait(sleeps: boolean, device: boolean): number;
  /** Every channel of the worker raises `eventFd` from now on, when `need_wakeup` is set; -1: none any more. */
  raise(eventFd: number): number;
}

/** Commands for `channels` of the ring `fd`. */
export function createRingCommands(fd: number, channels: readonly number[]): RingCommands {
  const chosen = new Int32Array(RfuseWait.size >> 2);
  for (const channel of channels) {
    const word = CHANNELS + (channel >> 5);
    chosen[word] = (chosen[word] as number) | (1 << (channel & 31));
  }
  const used = CHANNELS + (Math.max(...channels) >> 5) + 1;
  const { words: argument, address } = createArena(RfuseWait.size);
  const flags = WAIT.flags >> 2;
  const ever = WAIT.timeout_ns >> 2;

  return {
    serve: (channel) => ioctl(fd, RFUSE_IOC.SERVE, channel),
    doorbell: (channel) => ioctl(fd, RFUSE_IOC.DOORBELL, channel),
    // hot; the kernel leaves only the channels with work in the argument
    wait(sleeps, device) {
      for (let word = CHANNELS; word < used; word++) argument[word] = chosen[word] as number;
      argument[ever] = sleeps ? -1 : 0;
      argument[ever + 1] = sleeps ? -1 : 0;
      argument[flags] = device ? RFUSE_WAIT.DEVICE : 0;
      return ioctl(fd, RFUSE_IOC.WAIT, address);
    },
    raise(eventFd) {
      const struct = new Int32Array(RfuseEventfd.size >> 2);
      struct[RfuseEventfd.at.fd >> 2] = eventFd;
      for (const channel of channels) {
        struct[RfuseEventfd.at.channel >> 2] = channel;
        const result = ioctl(fd, RFUSE_IOC.EVENTFD, addressOf(struct));
        if (result < 0) return result;
      }
      return 0;
    },
  };
}
