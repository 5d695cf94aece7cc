// Owns: the one rule that keeps outdated answers out of the cache: when a request began and when keys were last changed,
// in one order. `stamp` counts up with every beginning and end of a change. What a request found out may be kept under a
// key if no change of that key is going on and none has ended or begun since the request began.
// State by bucket of keys (lock, changes going on, stamp of the last one); the daemon's alone, for all its workers.
// A change whose worker ended before `leave` goes on for ever: what it concerns is not kept any more, which is safe.

import { lock, type Repair, unlock } from "../../fs/spin-lock.ts";

const HEADER_WORDS = 16;
const H = { stamp: 0, lock: 1, allBusy: 2, allStamp: 3, incarnation: 4, filled: 5, overtaken: 6, emptied: 7 } as const;
const BUCKET_WORDS = 4; // the fourth is free
const BUCKET = { lock: 0, busy: 1, stamp: 2 } as const;

/** What went on: answers kept, answers that a change overtook, and how often all attributes were dropped. */
export type CacheCounters = Readonly<Record<"filled" | "overtaken" | "emptied", number>>;

/** Stamps wrap: `a` is later than `b` when it is less than half of the numbers ahead. */
const later = (a: number, b: number): boolean => ((a - b) | 0) > 0;

/** A view of the state of one kind of keys, whose buckets begin at bucket `first`. Zeroed memory is the start. */
export class Coherence {
  private readonly words: Int32Array;
  private readonly first: number;
  private clear: (bucket: number) => void = () => {};
  private readonly repairBucket: Repair = (at) => {
    const bucket = (at - this.first - BUCKET.lock) / BUCKET_WORDS;
    this.note(bucket, 0);
    this.clear(bucket);
  };
  private readonly repairAll: Repair = () => this.stampAll();

  /** Bytes for all kinds of keys together. */
  static byteLength(buckets: number): number {
    return (HEADER_WORDS + buckets * BUCKET_WORDS) * 4;
  }

  constructor(buffer: SharedArrayBuffer, first: number) {
    this.words = new Int32Array(buffer);
    this.first = HEADER_WORDS + first * BUCKET_WORDS;
  }

  /** The stamp of now; a request takes it before its handler runs. Hot. */
  now(): number {
    return Atomics.load(this.words, H.stamp);
  }

  /** `clear` is told of a bucket that a worker left locked when it ended: what it was writing there is whole no more. */
  repairs(clear: (bucket: number) => void): void {
    this.clear = clear;
  }

  /** Locks a bucket; nothing between here and `unlock` throws or waits. Hot. */
  lock(bucket: number): void {
    lock(this.words, this.first + bucket * BUCKET_WORDS + BUCKET.lock, this.repairBucket);
  }
  unlock(bucket: number): void {
    unlock(this.words, this.first + bucket * BUCKET_WORDS + BUCKET.lock);
  }

  /** A change of a key in the locked bucket begins. Result: its stamp. Hot. */
  enter(bucket: number): number {
    return this.note(bucket, 1);
  }

  /** It has ended; its reply leaves afterwards. Hot. */
  leave(bucket: number): void {
    this.note(bucket, -1);
  }

  /** A change that is over already, such as one from outside. */
  touch(bucket: number): void {
    this.note(bucket, 0);
  }

  /** Whether what a request found out that began at `began` may be kept in the locked bucket. Hot. */
  mayKeep(bucket: number, began: number): boolean {
    const at = this.first + bucket * BUCKET_WORDS;
    return this.words[at + BUCKET.busy] === 0 && !later(this.words[at + BUCKET.stamp] as number, began);
  }

  /** Whether the change `own` is the only one of the locked bucket since it began. Hot. */
  isAlone(bucket: number, own: number): boolean {
    const at = this.first + bucket * BUCKET_WORDS;
    return this.words[at + BUCKET.busy] === 1 && this.words[at + BUCKET.stamp] === own;
  }

  /** The same for every key: a change of something unknown. Its caller empties the cache after `enterAll`. */
  enterAll(): void {
    this.noteAll(1);
    Atomics.add(this.words, H.emptied, 1);
  }
  leaveAll(): void {
    this.noteAll(-1);
  }
  /** Whether no such change stands against what began at `began`. Hot. */
  mayKeepAny(began: number): boolean {
    return Atomics.load(this.words, H.allBusy) === 0 && !later(Atomics.load(this.words, H.allStamp), began);
  }

  /** A number that no slot has had, until 2^32 have been given. Hot. */
  nextIncarnation(): number {
    return Atomics.add(this.words, H.incarnation, 1) + 1;
  }

  /** Counts an answer that was kept, or was not. Hot. */
  count(kept: boolean): void {
    Atomics.add(this.words, kept ? H.filled : H.overtaken, 1);
  }

  counters(): CacheCounters {
    const read = (at: number): number => Atomics.load(this.words, at) >>> 0;
    return { filled: read(H.filled), overtaken: read(H.overtaken), emptied: read(H.emptied) };
  }

  // hot
  private note(bucket: number, change: number): number {
    const { words } = this;
    const at = this.first + bucket * BUCKET_WORDS;
    const stamp = (Atomics.add(words, H.stamp, 1) + 1) | 0;
    words[at + BUCKET.busy] = (words[at + BUCKET.busy] as number) + change;
    words[at + BUCKET.stamp] = stamp;
    return stamp;
  }

  // Whoever sees no change going on must see its last stamp: so that comes first at the end, and last at the beginning.
  private noteAll(change: 1 | -1): void {
    const { words } = this;
    lock(words, H.lock, this.repairAll);
    if (change > 0) Atomics.add(words, H.allBusy, 1);
    this.stampAll();
    if (change < 0) Atomics.sub(words, H.allBusy, 1);
    unlock(words, H.lock);
  }

  private stampAll(): void {
    Atomics.store(this.words, H.allStamp, (Atomics.add(this.words, H.stamp, 1) + 1) | 0);
  }
}
