// Owns: what a system call through bun:ffi costs, with and without looking at errno.

import { openSync } from "node:fs";
import { close, pread, read } from "../../ffi/file.ts";
import { addressOf, createArena } from "../../ffi/memory.ts";
import { geteuid } from "../../ffi/thread.ts";
import { type MicroTask, repeat } from "./task.ts";

export function ffiTasks(): MicroTask[] {
  const arena = createArena(4096);
  const view = new Uint8Array(16);
  const zero = openSync("/dev/zero", "r");
  return [
    repeat("ffi: geteuid()", 1000, () => void geteuid()),
    repeat("ffi: pread of 4 KiB of /dev/zero", 100, () => void pread(zero, arena.address, 4096, 0)),
    repeat("ffi: close(-1) fails with EBADF, errno read", 1000, () => void close(-1)),
    repeat("ffi: read(-1) fails with EBADF, errno read", 1000, () => void read(-1, arena.address, 1)),
    repeat("ffi: address of a view", 1000, () => void addressOf(view)),
  ];
}
