// Owns: the limit on how long an idle CPU may take to wake (PM QoS). A halted virtual CPU takes tens of microseconds,
// one that polls less than one. A limit holds while its descriptor is open, costs power on every CPU of the machine, and
// is root's to set. Must not: decide when.

import { AT_FDCWD, O, openat, write } from "./file.ts";
import { addressOf, cString } from "./memory.ts";

/** PM_QOS_CPU_LATENCY_DEFAULT_VALUE in the kernel's pm_qos.h: no limit. */
export const NO_LIMIT_US = 2_000_000_000;

/** A descriptor for limits, without one yet. Result: descriptor or -errno (EACCES: root may; ENOENT: not in this kernel). */
export function openCpuLatency(): number {
  const path = cString("/dev/cpu_dma_latency");
  return openat(AT_FDCWD, addressOf(path), O.RDWR, 0);
}

/** Sets the limit in microseconds; 0: idle CPUs poll. Result 0 or -errno. */
export function limitCpuLatency(fd: number, us: number): number {
  const value = new Int32Array([us]);
  const written = write(fd, addressOf(value), value.byteLength);
  return written < 0 ? written : 0;
}
