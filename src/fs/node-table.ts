// Owns: the table of inodes that the kernel holds, shared by all workers of a mount: a key of three words (for a node:
// device and inode number) leads to a slot with a descriptor, a count of references and a generation.
// Layout: header, buckets {lock, first id}, slots; ids are slot indexes + 1, so that zeroed memory is an empty table.
// Order of locks: a bucket, then the free list. Nothing in a critical section throws, waits or makes a system call.
// Must not: open or close descriptors; whoever is told, once, that an id is dead closes what it held.

import { lock, unlock } from "./spin-lock.ts";

const HEADER_WORDS = 32;
const H = { capacity: 0, mask: 1, freeLock: 2, free: 3, used: 4, live: 5, full: 6, unknown: 7, excess: 8 } as const;
const BUCKET_WORDS = 2;
// `fd` is stored + 1: 0 is a slot that holds nothing. `count` is a whole number below 2^53 in two words.
const SLOT = { next: 0, fd: 1, key0: 2, key1: 3, key2: 4, generation: 5, low: 6, high: 7, note: 8 } as const;
const SLOT_WORDS = 9;

const WORD = 2 ** 32;

const bucketCount = (capacity: number): number => 2 ** Math.ceil(Math.log2(Math.max(2, capacity)));

/** What went on in a table. `unknown`: references dropped of ids that hold nothing; `excess`: more than there were. */
export type NodeTableCounters = Readonly<Record<"live" | "capacity" | "full" | "unknown" | "excess", number>>;

/** A view of one table; every thread makes its own over the same buffer. */
export class NodeTable {
  private readonly words: Int32Array;
  private readonly mask: number;
  private readonly slots: number;
  private readonly capacity: number;

  /** Bytes of a table of `capacity` slots. */
  static byteLength(capacity: number): number {
    return (HEADER_WORDS + bucketCount(capacity) * BUCKET_WORDS + capacity * SLOT_WORDS) * 4;
  }

  /** Makes an empty table in zeroed memory. */
  static format(buffer: SharedArrayBuffer, byteOffset: number, capacity: number): void {
    const words = new Int32Array(buffer, byteOffset, NodeTable.byteLength(capacity) / 4);
    words[H.capacity] = capacity;
    words[H.mask] = bucketCount(capacity) - 1;
  }

  /** Errors: `RangeError` when no table was formatted there. */
  constructor(buffer: SharedArrayBuffer, byteOffset = 0) {
    const [capacity = 0, mask = 0] = new Int32Array(buffer, byteOffset, HEADER_WORDS);
    if (capacity <= 0) throw new RangeError(`no node table at byte ${byteOffset}`);
    this.words = new Int32Array(buffer, byteOffset, NodeTable.byteLength(capacity) / 4);
    this.capacity = capacity;
    this.mask = mask;
    this.slots = HEADER_WORDS + (mask + 1) * BUCKET_WORDS;
  }

  /** The descriptor of an id, or -1. The caller holds a reference, else the answer may be of yesterday. Hot. */
  fdOf(id: number): number {
    return id >= 1 && id <= this.capacity ? Atomics.load(this.words, this.slotOf(id) + SLOT.fd) - 1 : -1;
  }

  /** How often a slot was taken before: 0 for its first owner. Hot. */
  generationOf(id: number): number {
    return (this.field(id, SLOT.generation) >>> 0) - 1;
  }

  /** A word of the caller's, 0 in a new entry. */
  noteOf(id: number): number {
    return Atomics.load(this.words, this.slotOf(id) + SLOT.note);
  }
  /** Changes that word; the result is what it was. */
  swapNote(id: number, note: number): number {
    return Atomics.exchange(this.words, this.slotOf(id) + SLOT.note, note);
  }

  /** Finds a key and takes a reference; 0 when it is not there. Hot. */
  find(key0: number, key1: number, key2: number): number {
    const bucket = this.bucketOf(key0, key1, key2);
    lock(this.words, bucket);
    const id = this.search(bucket, key0, key1, key2);
    if (id !== 0) this.add(id, 1);
    unlock(this.words, bucket);
    return id;
  }

  /**
   * Finds a key or gives it a slot that owns `fd`; either way takes a reference. One of several callers wins: whoever
   * then sees another descriptor in `fdOf` closes its own. 0 when the table is full (counted).
   */
  insert(key0: number, key1: number, key2: number, fd: number): number {
    const { words } = this;
    const bucket = this.bucketOf(key0, key1, key2);
    lock(words, bucket);
    const known = this.search(bucket, key0, key1, key2);
    const id = known === 0 ? this.take() : known;
    if (known !== 0) this.add(id, 1);
    else if (id !== 0) this.fill(id, bucket, key0, key1, key2, fd);
    unlock(words, bucket);
    return id;
  }

  /** Takes a reference of an id that is alive; false when it is not. */
  hold(id: number): boolean {
    const bucket = this.lockBucketOf(id);
    if (bucket < 0) return false;
    this.add(id, 1);
    unlock(this.words, bucket);
    return true;
  }

  /** Drops `count` references. Result: the descriptor to close when those were the last, and `dying` is told; else -1. */
  drop(id: number, count: number, dying?: (id: number) => void): number {
    const { words } = this;
    const bucket = this.lockBucketOf(id);
    if (bucket < 0) {
      Atomics.add(words, H.unknown, 1);
      return -1;
    }
    const had = this.countAt(id);
    if (count > had) Atomics.add(words, H.excess, 1);
    const left = Math.max(0, had - count);
    this.setCount(id, left);
    const fd = left > 0 ? -1 : this.remove(id, bucket);
    unlock(words, bucket);
    if (fd >= 0) this.giveBack(id, dying);
    return fd;
  }

  /** References of an id. */
  countAt(id: number): number {
    return (this.field(id, SLOT.high) >>> 0) * WORD + (this.field(id, SLOT.low) >>> 0);
  }

  /** The first word of an id's key. */
  key0Of(id: number): number {
    return this.field(id, SLOT.key0);
  }

  /** Every id in use is below or equal. */
  get highestId(): number {
    return Atomics.load(this.words, H.used);
  }

  counters(): NodeTableCounters {
    const [capacity = 0, , , , , live = 0, full = 0, unknown = 0, excess = 0] = this.words.subarray(0, HEADER_WORDS);
    return { live, capacity, full, unknown, excess };
  }

  /** Empties the table, handing over each descriptor once; the next id is 1 again. Nobody else may use it meanwhile. */
  drain(each: (fd: number) => void): void {
    for (let id = this.highestId; id > 0; id--) {
      const fd = this.fdOf(id) < 0 ? -1 : this.drop(id, this.countAt(id));
      if (fd >= 0) each(fd);
    }
    this.words[H.free] = 0;
    Atomics.store(this.words, H.used, 0);
  }

  private slotOf(id: number): number {
    return this.slots + (id - 1) * SLOT_WORDS;
  }

  private bucketOf(key0: number, key1: number, key2: number): number {
    let hash = Math.imul(key0 ^ 0x9e3779b9, 0x85ebca6b) ^ key1;
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ key2;
    hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f);
    return HEADER_WORDS + ((hash ^ (hash >>> 16)) & this.mask) * BUCKET_WORDS;
  }

  // Result: the bucket, locked, of an id that is alive; -1 when it is not. The key may change until it is locked.
  private lockBucketOf(id: number): number {
    while (this.fdOf(id) >= 0) {
      const bucket = this.bucketOf(this.field(id, SLOT.key0), this.field(id, SLOT.key1), this.field(id, SLOT.key2));
      lock(this.words, bucket);
      if (this.isIn(bucket, id)) return bucket;
      unlock(this.words, bucket);
    }
    return -1;
  }

  private field(id: number, field: number): number {
    return this.words[this.slotOf(id) + field] as number;
  }

  private isIn(bucket: number, id: number): boolean {
    let at = this.words[bucket + 1] as number;
    while (at !== 0 && at !== id) at = this.words[this.slotOf(at) + SLOT.next] as number;
    return at === id;
  }

  private search(bucket: number, key0: number, key1: number, key2: number): number {
    const { words } = this;
    for (let id = words[bucket + 1] as number; id !== 0; id = this.field(id, SLOT.next)) {
      const at = this.slotOf(id) + SLOT.key0;
      if (words[at + 1] === key1 && words[at + 2] === key2 && words[at] === key0) return id;
    }
    return 0;
  }

  private setCount(id: number, count: number): void {
    const slot = this.slotOf(id);
    this.words[slot + SLOT.low] = count;
    this.words[slot + SLOT.high] = Math.floor(count / WORD);
  }

  private add(id: number, count: number): void {
    this.setCount(id, Math.min(Number.MAX_SAFE_INTEGER, this.countAt(id) + count));
  }

  private fill(id: number, bucket: number, key0: number, key1: number, key2: number, fd: number): void {
    const { words } = this;
    const slot = this.slotOf(id);
    words[slot + SLOT.key0] = key0;
    words[slot + SLOT.key1] = key1;
    words[slot + SLOT.key2] = key2;
    words[slot + SLOT.note] = 0;
    words[slot + SLOT.generation] = (words[slot + SLOT.generation] as number) + 1;
    this.setCount(id, 1);
    words[slot + SLOT.next] = words[bucket + 1] as number;
    words[bucket + 1] = id;
    Atomics.store(words, slot + SLOT.fd, fd + 1);
    Atomics.add(words, H.live, 1);
  }

  private remove(id: number, bucket: number): number {
    const { words } = this;
    let link = bucket + 1;
    while (words[link] !== id) link = this.slotOf(words[link] as number) + SLOT.next;
    words[link] = this.field(id, SLOT.next);
    return Atomics.exchange(words, this.slotOf(id) + SLOT.fd, 0) - 1;
  }

  private take(): number {
    const { words } = this;
    lock(words, H.freeLock);
    let id = words[H.free] as number;
    if (id !== 0) words[H.free] = words[this.slotOf(id) + SLOT.next] as number;
    else if ((words[H.used] as number) < this.capacity) id = words[H.used] = (words[H.used] as number) + 1;
    else Atomics.add(words, H.full, 1);
    unlock(words, H.freeLock);
    return id;
  }

  private giveBack(id: number, dying?: (id: number) => void): void {
    const { words } = this;
    dying?.(id); // nobody's yet
    lock(words, H.freeLock);
    words[this.slotOf(id) + SLOT.next] = words[H.free] as number;
    words[H.free] = id;
    Atomics.sub(words, H.live, 1);
    unlock(words, H.freeLock);
  }
}
