// Owns: what becomes of the requests that a dead worker had read and not answered. The kernel keeps them with the
// descriptor that they were read from, and ends them (ECONNABORTED) when that is closed; or it gives all of them out
// once more. The latter concerns every descriptor of the connection, so it is for sessions with one queue.
// Ordering: the dead thread is gone, and nothing else reads, writes or polls its descriptor.

import { AT_FDCWD, close, O, openat, poll, replaceDescriptor } from "../ffi/file.ts";
import { Pollfd } from "../ffi/kernel-structs.ts";
import { addressOf, cString } from "../ffi/memory.ts";
import { cloneDevice } from "./clone-device.ts";
import { encodeResend, sendNotification } from "./server/notify.ts";
import type { QueueSettings } from "./server/open-queue.ts";

/** Whether the connection that `fd` leads to has ended. */
export function hasEnded(fd: number): boolean {
  const pollfd = new Int32Array(Pollfd.size / 4);
  pollfd[0] = fd;
  return poll(addressOf(pollfd), 1, 0) > 0;
}

/** Gives a dead worker's requests out once more, where its queue is the only one. Result 0 or -errno. */
export function resendOrphans({ fd, count, connection }: QueueSettings): number {
  if (count > 1 || !connection.flags.includes("HAS_RESEND")) return -1;
  return sendNotification(fd, encodeResend());
}

/**
 * Ends a dead worker's requests: its descriptor becomes a new clone under the same number. Result >= 0 or -errno, and
 * then nothing has changed: the device cannot be opened again.
 */
export function abortOrphans({ fd }: QueueSettings): number {
  const clone = cloneDevice(fd);
  if (clone < 0) return clone;
  const result = replaceDescriptor(fd, clone);
  close(clone);
  return result;
}

/** Ends a dead worker's requests for good: its descriptor leads to no connection any more, but stays open. */
export function abandonOrphans({ fd }: QueueSettings): void {
  const path = cString("/dev/null");
  const nothing = openat(AT_FDCWD, addressOf(path), O.RDWR, 0);
  if (nothing < 0) return;
  replaceDescriptor(fd, nothing);
  close(nothing);
}
