// Owns: how a mounted connection gets its ring: ATTACH, SETUP, and the mappings of all channels. The thread that calls
// it keeps the mappings for the session; workers are given their buffers, so a worker that dies takes no memory along.
// Must not: serve.

import { ERRNO, errnoName } from "../../ffi/errno.ts";
import { AT_FDCWD, close, ioctl, O, openat } from "../../ffi/file.ts";
import { addressOf, cString, type Mapping, mapDescriptor } from "../../ffi/memory.ts";
import { RFUSE_FEATURE, RFUSE_IOC, RFUSE_SPIN_DEFAULT, RFUSE_VERSION, RfuseSetup } from "../abi/ring.ts";
import { type RingLayout, readLayout } from "./ring-layout.ts";

export const RING_DEVICE = "/dev/rfuse";

/** What the lane can handle; the answer says what is in force. */
const FEATURES =
  RFUSE_FEATURE.FORGET_RING |
  RFUSE_FEATURE.INTERRUPT_RING |
  RFUSE_FEATURE.BACKGROUND |
  RFUSE_FEATURE.ABANDON |
  RFUSE_FEATURE.EVENTFD |
  RFUSE_FEATURE.BPF |
  RFUSE_FEATURE.BPF_PASSTHROUGH |
  RFUSE_FEATURE.WAIT_DEVICE;

/** Wishes for SETUP; undefined: the module's default. */
export interface RingWishes {
  /** Requests in flight per channel. */
  readonly depth: number | undefined;
  /** Bytes of payload per channel. */
  readonly payloadPool: number | undefined;
  /** Microseconds that a caller polls for its reply. */
  readonly spinUs: number | undefined;
}

/** Why a connection got no ring; the message names the step that failed and what that means. */
export class RingSetupError extends Error {
  override readonly name = "RingSetupError";
  readonly code: string;

  constructor(step: keyof typeof MEANINGS, result: number) {
    const meaning = MEANINGS[step][-result];
    super(`${step}: ${errnoName(result)}${meaning === undefined ? "" : ` (${meaning})`}`);
    this.code = errnoName(result);
  }
}

/** One session's ring. */
export interface Ring {
  readonly fd: number;
  readonly layout: RingLayout;
  /** Memory of each channel, by its number. */
  readonly channels: readonly SharedArrayBuffer[];
  /** Takes the mappings away and closes the descriptor: the connection ends, if it has not. */
  close(): void;
}

type Meanings = { readonly [Errno in number]?: string };

const MEANINGS: Readonly<Record<"open" | "ATTACH" | "SETUP", Meanings>> = {
  open: { [ERRNO.ENOENT]: "the module is not loaded", [ERRNO.EACCES]: "no permission" },
  ATTACH: {
    [ERRNO.EINVAL]: "not a FUSE connection of this user namespace",
    [ERRNO.ENOTCONN]: "the connection has ended",
    [ERRNO.EAGAIN]: "INIT is not answered",
    [ERRNO.EBUSY]: "the connection has a daemon attached, or uses FUSE-over-io_uring",
  },
  SETUP: {
    [ERRNO.EINVAL]: "a wish above its limit",
    [ERRNO.EPROTONOSUPPORT]: `the module does not speak version ${RFUSE_VERSION}`,
    [ERRNO.ENOMEM]: "above RLIMIT_MEMLOCK or the module's max_mib, or no memory",
  },
};

function check(step: keyof typeof MEANINGS, result: number): number {
  if (result < 0) throw new RingSetupError(step, result);
  return result;
}

function setupArgument(wishes: RingWishes): DataView {
  const setup = new DataView(new ArrayBuffer(RfuseSetup.size));
  const { at } = RfuseSetup;
  setup.setUint32(at.version, RFUSE_VERSION, true);
  setup.setUint32(at.features, FEATURES, true);
  setup.setUint32(at.depth, wishes.depth ?? 0, true);
  setup.setUint32(at.payload_pool, wishes.payloadPool ?? 0, true);
  setup.setUint32(at.spin_us, wishes.spinUs ?? RFUSE_SPIN_DEFAULT, true);
  return setup;
}

/**
 * Gives the connection of `fuseFd`, whose INIT was answered, a ring; until its channels are served, callers wait.
 * Errors: `RingSetupError`, `RingLayoutError`, `SyscallError` of mmap. From ATTACH on they end the connection.
 */
export function openRing(fuseFd: number, wishes: RingWishes): Ring {
  const path = cString(RING_DEVICE);
  const fd = check("open", openat(AT_FDCWD, addressOf(path), O.RDWR, 0));
  const mappings: Mapping[] = [];
  const closeRing = () => {
    for (const mapping of mappings) mapping.unmap();
    close(fd);
  };
  try {
    check("ATTACH", ioctl(fd, RFUSE_IOC.ATTACH, fuseFd));
    const setup = setupArgument(wishes);
    check("SETUP", ioctl(fd, RFUSE_IOC.SETUP, addressOf(setup)));
    const layout = readLayout(setup);
    for (let channel = 0; channel < layout.channels; channel++) {
      mappings.push(mapDescriptor(fd, layout.channel_size, channel * layout.channel_stride));
    }
    return { fd, layout, channels: mappings.map(({ buffer }) => buffer), close: closeRing };
  } catch (thrown) {
    closeRing();
    throw thrown;
  }
}
