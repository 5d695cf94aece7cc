// Owns: slots that are found by a node and some bytes: a directory and a name in it, a node and one of its attributes. A
// slot is written while its `seq` is odd and its bucket locked by the caller. A place in a table is the word where its slot
// begins. Must not: know what a slot says.

import { hashName } from "./hash.ts";
import { type KeyedShape, WAYS } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";

const WORD = 0x1_0000_0000;

/** One key of one request; used again by the next. */
export class Key {
  node = 0;
  /** Bytes of the name, in the request's arena. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  length = 0;
  hash = 0;
  bucket = 0;
}

export class KeyedSlots {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  private readonly mask: number;
  private readonly size: number;
  private readonly node: number;
  private readonly hash: number;
  private readonly length: number;
  private readonly used: number;
  private readonly name: number;
  private readonly nameBytes: number;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    shape: KeyedShape,
    private readonly lifetime: Lifetime,
  ) {
    this.words = new Int32Array(memory, 0, (buckets * WAYS * shape.size) >> 2);
    this.bytes = new Uint8Array(memory);
    this.mask = buckets - 1;
    this.size = shape.size >> 2;
    this.node = shape.node >> 2;
    this.hash = shape.hash >> 2;
    this.length = shape.length >> 2;
    this.used = shape.used >> 2;
    this.name = shape.name;
    this.nameBytes = shape.nameBytes;
  }

  /** Says which key it is: `length` bytes from `at`. Hot. */
  identify(key: Key, node: number, bytes: Uint8Array, at: number, length: number): void {
    key.node = node;
    key.bytes = bytes;
    key.at = at;
    key.length = length;
    key.hash = hashName(node, bytes, at, length);
    key.bucket = key.hash & this.mask;
  }

  /** The key's place, -1: it has none. Hot. */
  find({ bucket, hash, node, length, bytes, at }: Key): number {
    const { words, size } = this;
    const first = bucket * WAYS * size;
    for (let place = first; place < first + WAYS * size; place += size) {
      if (words[place + this.hash] !== (hash | 0) || words[place + this.length] !== length) continue;
      if (words[place + this.node] !== (node | 0) || words[place + this.node + 1] !== Math.floor(node / WORD)) continue;
      if (this.sameBytes(place * 4 + this.name, bytes, at, length)) return place;
    }
    return -1;
  }

  /** Gives the key the place of its bucket that is free or was used longest ago. What that said is ended, not gone. */
  take({ bucket, hash, node, length, bytes, at }: Key): number {
    const { words, size } = this;
    const place = this.lifetime.oldest(words, bucket * WAYS * size, size, this.node, this.used);
    this.end(place);
    words[place + this.node] = node;
    words[place + this.node + 1] = Math.floor(node / WORD);
    words[place + this.hash] = hash;
    words[place + this.length] = length;
    const name = place * 4 + this.name;
    for (let index = 0; index < length; index++) this.bytes[name + index] = bytes[at + index] as number;
    this.bytes.fill(0, name + length, name + this.nameBytes);
    return place;
  }

  /** Nothing is answered from the slot any more. Hot. */
  end(place: number): void {
    if (((this.words[place] as number) & 1) === 0) Atomics.add(this.words, place, 1);
  }

  /** An ended slot is answered from now on. Hot. */
  open(place: number): void {
    Atomics.add(this.words, place, 1);
  }

  /** The place is free. */
  drop(place: number): void {
    this.end(place);
    this.words.fill(0, place + this.node, place + this.node + 2);
  }

  /** Whoever wrote to the bucket has ended in the middle of it: nothing of it can be trusted. */
  clear(bucket: number): void {
    for (let way = 0; way < WAYS; way++) this.drop((bucket * WAYS + way) * this.size);
  }

  // hot
  private sameBytes(mine: number, bytes: Uint8Array, at: number, length: number): boolean {
    for (let index = 0; index < length; index++) {
      if (this.bytes[mine + index] !== bytes[at + index]) return false;
    }
    return true;
  }
}
