// Owns: which descriptors were handed to the kernel as file handles: one word of shared memory per descriptor number.
// A handle is the descriptor itself; whatever number comes back that is not in here is EBADF.
// A word is (serial << 6) | locked | how | kind; the serial tells apart successive owners of one number.

import { lock, unlock } from "../spin-lock.ts";

/** What a handle is. */
export const KIND = { none: 0, file: 1, directory: 2, direct: 3 } as const;

/**
 * How an open file is served where FUSE passthrough may be used: passed through, and then perhaps mapped for writing, or
 * ordinary.
 */
export const HOW = { passed: 4, mapped: 8, ordinary: 16 } as const;

/** Record locks were asked for through the handle. */
const LOCKED = 32;

const KIND_MASK = 3;
const MASK = 63;
const SERIAL = 64;
const OPEN = 0;
const LOCKS = 1;
const LOCK_COUNT = 31;
const WORDS = LOCKS + LOCK_COUNT;

/** A view of the handles. `KIND.direct` is a file open with O_DIRECT on the source. */
export class HandleTable {
  private readonly words: Int32Array;
  private readonly capacity: number;

  /** Bytes for descriptors 0..`capacity`-1. */
  static byteLength(capacity: number): number {
    return (WORDS + capacity) * 4;
  }

  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    this.words = new Int32Array(buffer, byteOffset, WORDS + capacity);
    this.capacity = capacity;
  }

  /** Handles that are open. */
  get open(): number {
    return Atomics.load(this.words, OPEN);
  }

  /** Makes a descriptor a handle of a kind, with the bits of HOW; false when its number is too large for the table. Hot. */
  add(fd: number, kind: number): boolean {
    if (fd >= this.capacity) return false;
    const at = WORDS + fd;
    Atomics.store(this.words, at, (((this.words[at] as number) & ~MASK) + SERIAL) | kind);
    Atomics.add(this.words, OPEN, 1);
    return true;
  }

  /** Takes a handle away. Result: its kind, HOW bits and more; 0 when it was none, so that it is closed once. Hot. */
  remove(fh: number): number {
    const word = this.wordOf(fh);
    if ((word & KIND_MASK) === KIND.none) return 0;
    const at = WORDS + fh;
    if (Atomics.compareExchange(this.words, at, word, word & ~MASK) !== word) return 0;
    Atomics.sub(this.words, OPEN, 1);
    return word & MASK;
  }

  /** Whether `fh` is an open file. Hot. */
  isFile(fh: number): boolean {
    return (this.wordOf(fh) & 1) !== 0;
  }

  /** Whether `fh` is an open directory. Hot. */
  isDirectory(fh: number): boolean {
    return (this.wordOf(fh) & KIND_MASK) === KIND.directory;
  }

  isOpen(fh: number): boolean {
    return (this.wordOf(fh) & KIND_MASK) !== KIND.none;
  }

  /** Whether `fh` is an open file with O_DIRECT. */
  isDirect(fh: number): boolean {
    return (this.wordOf(fh) & KIND_MASK) === KIND.direct;
  }

  /** Takes note that O_DIRECT is off. */
  setBuffered(fh: number): void {
    const word = this.wordOf(fh);
    Atomics.compareExchange(this.words, WORDS + fh, word, (word & ~KIND_MASK) | KIND.file);
  }

  /** Takes note that record locks were asked for through `fh`, which stays open meanwhile. */
  setLocked(fh: number): void {
    if (this.isOpen(fh)) Atomics.or(this.words, WORDS + fh, LOCKED);
  }

  /** Whether record locks were asked for through `fh`. Hot. */
  isLocked(fh: number): boolean {
    return (this.wordOf(fh) & LOCKED) !== 0;
  }

  /** Gives an open handle a new serial, so that nobody takes for current what was read from it before. */
  renew(fh: number): void {
    const word = this.wordOf(fh);
    if ((word & KIND_MASK) !== KIND.none) Atomics.compareExchange(this.words, WORDS + fh, word, (word + SERIAL) | 0);
  }

  /** Kind, HOW and serial of a handle in one word: equal words are the same open file. 0 beyond the table. Hot. */
  wordOf(fh: number): number {
    return fh >= 0 && fh < this.capacity ? Atomics.load(this.words, WORDS + fh) : 0;
  }

  /** Keeps other workers from a handle's file position. Some handles share a lock. */
  lock(fh: number): void {
    lock(this.words, LOCKS + (fh % LOCK_COUNT));
  }
  unlock(fh: number): void {
    unlock(this.words, LOCKS + (fh % LOCK_COUNT));
  }

  /** Takes every handle away and hands it over. */
  drain(each: (fh: number) => void): void {
    for (let fh = 0; fh < this.capacity && this.open > 0; fh++) if (this.remove(fh) !== 0) each(fh);
  }
}
