// Owns: which CPUs exist, which of them the calling thread may use, and where it shall run.

import { readFileSync } from "node:fs";
import { checked } from "./errno.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";

const MASK_BYTES = 1024; // 8192 CPUs

/** CPUs of a kernel list such as "0-3,8". */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(",")
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** Every CPU that could ever be online; at least CPU 0. */
export function possibleCpus(): number[] {
  try {
    return parseCpuList(readFileSync("/sys/devices/system/cpu/possible", "utf8"));
  } catch {
    return [0];
  }
}

/** CPUs that the calling thread may run on (cpusets and affinity masks included). */
export function allowedCpus(): number[] {
  const mask = new Uint8Array(MASK_BYTES);
  // The C library's call says 0, not how many bytes it wrote; it zeroes the rest.
  checked(libc.sched_getaffinity(0, mask.length, addressOf(mask)));
  const cpus: number[] = [];
  for (let cpu = 0; cpu < mask.length * 8; cpu++) if (((mask[cpu >> 3] as number) >> (cpu & 7)) & 1) cpus.push(cpu);
  return cpus.length > 0 ? cpus : [0];
}

function maskOf(cpus: readonly number[]): Uint8Array {
  const mask = new Uint8Array(MASK_BYTES);
  for (const cpu of cpus) mask[cpu >> 3] = (mask[cpu >> 3] ?? 0) | (1 << (cpu & 7));
  return mask;
}

/** A thread's place on some CPUs. Only that thread may use it. */
export interface ThreadPlace {
  /** Whether it may run on exactly these CPUs. Hot. */
  isKept(): boolean;
  /** Lets it run on these only. Result 0 or -errno (EINVAL: none of them is online and allowed). */
  take(): number;
}

/** The calling thread's place on these CPUs, which it does not take yet. */
export function placeOn(cpus: readonly number[]): ThreadPlace {
  const wanted = maskOf(cpus);
  const seen = new Uint8Array(MASK_BYTES);
  return {
    isKept() {
      if (checked(libc.sched_getaffinity(0, seen.length, addressOf(seen))) < 0) return true; // nothing can be told
      for (let at = 0; at < MASK_BYTES; at++) if (seen[at] !== wanted[at]) return false;
      return true;
    },
    take: () => checked(libc.sched_setaffinity(0, wanted.length, addressOf(wanted))),
  };
}
