// Owns: further descriptors of a mounted connection, each with requests of its own.

import { close, ioctl } from "../ffi/file.ts";
import { addressOf } from "../ffi/memory.ts";
import { DEV_IOC } from "./abi/fuse-constants.ts";
import { openDevice } from "./mounting/attach.ts";

/**
 * A clone of the mounted descriptor `fd`. Result: descriptor or -errno: /dev/fuse may not be opened again, as in a process
 * that only fusermount3 could help.
 */
export function cloneDevice(fd: number): number {
  const clone = openDevice();
  if (clone < 0) return clone;
  const cloned = ioctl(clone, DEV_IOC.CLONE, addressOf(new Uint32Array([fd])));
  if (cloned >= 0) return clone;
  close(clone);
  return cloned;
}
