// Owns: memory of one worker for the arguments of its system calls: statx, paths of descriptors, small structs.
// Every call overwrites what the last one left; nothing in here outlives the handler that put it there.

import { type Arena, createArena, PAGE_SIZE } from "../../../ffi/memory.ts";

const PREFIX = "/proc/self/fd/";
const AT = { statx: 0, statvfs: 512, times: 1024, flock: 1152, iovec: 1280, offsets: 1344, ioctl: 1408, path: 2048 };
const DIGITS = AT.path + PREFIX.length;

/** Places in the scratch memory, as offsets and as addresses. */
export class Scratch {
  readonly arena: Arena = createArena(PAGE_SIZE);
  readonly words: Int32Array = this.arena.words;
  /** Index of the first word of struct statx. */
  readonly statxWord: number = AT.statx >> 2;
  readonly timesWord: number = AT.times >> 2;
  readonly iovecWord: number = AT.iovec >> 2;
  readonly statx: number = this.arena.address + AT.statx;
  readonly statvfs: number = this.arena.address + AT.statvfs;
  readonly statvfsWord: number = AT.statvfs >> 2;
  readonly times: number = this.arena.address + AT.times;
  readonly flock: number = this.arena.address + AT.flock;
  readonly flockAt: number = AT.flock;
  readonly iovec: number = this.arena.address + AT.iovec;
  /** Two u64: offsets of copy_file_range. */
  readonly offsets: number = this.arena.address + AT.offsets;
  readonly offsetsAt: number = AT.offsets;
  /** 64 bytes for the argument of an ioctl. */
  readonly ioctl: number = this.arena.address + AT.ioctl;
  readonly ioctlAt: number = AT.ioctl;
  /** The empty path, for AT_EMPTY_PATH. */
  readonly empty: number = this.arena.address + PAGE_SIZE - 8;
  /** ".", "..". */
  readonly dot: number = this.arena.address + PAGE_SIZE - 16;
  readonly dotDot: number = this.arena.address + PAGE_SIZE - 24;

  constructor() {
    const { text } = this.arena;
    text.write(PREFIX, AT.path, "latin1");
    text.write(".", PAGE_SIZE - 16, "latin1");
    text.write("..", PAGE_SIZE - 24, "latin1");
  }

  /** Address of "N" for descriptor N, to be opened relative to the directory of descriptors. Hot. */
  fdName(fd: number): number {
    const { bytes } = this.arena;
    let digits = 1;
    for (let rest = fd; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    bytes[DIGITS + digits] = 0;
    for (let at = DIGITS + digits - 1, rest = fd; at >= DIGITS; at--, rest = Math.floor(rest / 10)) {
      bytes[at] = 48 + (rest % 10);
    }
    return this.arena.address + DIGITS;
  }

  /** Address of "/proc/self/fd/N". */
  fdPath(fd: number): number {
    return this.fdName(fd) - PREFIX.length;
  }
}
