// Owns: which threads of a daemon are pinned, and where, as the kernel says. Must not: pin anything.

import { readdirSync, readFileSync } from "node:fs";
import type { Daemon } from "./harness.ts";

/** A thread that may run on one CPU alone. */
export interface Pin {
  readonly tid: number;
  readonly cpu: number;
}

function cpusOf(pid: number, tid: string): string {
  try {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, "utf8");
    return /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "";
  } catch {
    return ""; // it has ended
  }
}

/** The daemon's pinned threads by CPU. */
export const pinsOf = ({ pid }: Daemon): readonly Pin[] =>
  readdirSync(`/proc/${pid}/task`)
    .map((tid) => ({ tid: Number(tid), list: cpusOf(pid, tid) }))
    .filter(({ list }) => /^\d+$/.test(list))
    .map(({ tid, list }) => ({ tid, cpu: Number(list) }))
    .sort((one, other) => one.cpu - other.cpu || one.tid - other.tid);
