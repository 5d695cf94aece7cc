// Owns: the slots of extended attributes and link targets as the daemon writes them, and the epochs that outdate them.
// A slot is written while its `seq` is odd and its bucket locked. Whether it may be kept is decided by its node's bucket,
// which is locked before. Must not: know opcodes.

import type { Coherence } from "./coherence.ts";
import { hashName, hashNode } from "./hash.ts";
import { Control, Epochs, VALUE_MAX, VALUE_NAME_MAX, ValueSlot, WAYS } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";

const WORDS = ValueSlot.size >> 2;
const AT = ValueSlot.at;
const SEQ = AT.seq >> 2;
const USED = AT.used >> 2;
const NODEID = AT.nodeid >> 2;
const HASH = AT.hash >> 2;
const LENGTH = AT.length >> 2;
const EPOCH = AT.epoch >> 2;
const PRESENT = AT.present >> 2;
const ERROR = AT.error >> 2;
const SIZE = AT.size >> 2;
const EXPIRES = AT.expires >> 2;
const ALL = AT.all >> 2;
const CONTROL_VALUES = Control.at.values >> 2;
const EPOCH_WORDS = Epochs.size >> 2;
const WORD = 0x1_0000_0000;

/** One attribute of one request: what was in force when it began, and where its name is. */
export class ValueVisit {
  nodeid = 0;
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  length = 0;
  epoch = 0;
  present = 0;
  all = 0;
}

export class Values {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly mask: number;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    private readonly control: Int32Array,
    private readonly epochs: Int32Array,
    private readonly coherence: Coherence,
    private readonly lifetime: Lifetime,
  ) {
    this.words = new Int32Array(memory, 0, buckets * WAYS * WORDS);
    this.bytes = new Uint8Array(memory);
    this.mask = buckets - 1;
  }

  /** Says which one it is, before the request's handler runs; without a name: the target of a link. */
  see(visit: ValueVisit, nodeid: number, bytes: Uint8Array, at: number, length: number): void {
    const epochs = this.epochOf(nodeid);
    visit.nodeid = nodeid;
    visit.bytes = bytes;
    visit.at = at;
    visit.length = length;
    visit.epoch = Atomics.load(this.epochs, epochs + (Epochs.at.values >> 2));
    visit.present = Atomics.load(this.epochs, epochs + (Epochs.at.present >> 2));
    visit.all = Atomics.load(this.control, CONTROL_VALUES);
  }

  /** Everything of the node is outdated. */
  touch(nodeid: number): void {
    Atomics.add(this.epochs, this.epochOf(nodeid) + (Epochs.at.values >> 2), 1);
  }

  /** Values of the node are outdated; what it does not have, it still has not. Hot. */
  touchPresent(nodeid: number): void {
    Atomics.add(this.epochs, this.epochOf(nodeid) + (Epochs.at.present >> 2), 1);
  }

  /** Everything is outdated at once. */
  emptyAll(): void {
    Atomics.add(this.control, CONTROL_VALUES, 1);
  }

  /** Whether a name and a value are short enough to be kept. */
  fits(visit: ValueVisit, size: number): boolean {
    return visit.length <= VALUE_NAME_MAX && size <= VALUE_MAX;
  }

  /** Keeps -errno `error`, or the `size` bytes from `data`. The node's bucket is locked, and allows it. */
  fill(visit: ValueVisit, error: number, arena: Uint8Array, data: number, size: number): void {
    const { words, bytes } = this;
    const { nodeid, length } = visit;
    const hash = hashName(nodeid, visit.bytes, visit.at, length);
    const bucket = hash & this.mask;
    this.coherence.lock(bucket);
    const base = this.find(bucket, hash, visit);
    if (((words[base] as number) & 1) === 0) Atomics.add(words, base + SEQ, 1);
    words[base + NODEID] = nodeid;
    words[base + NODEID + 1] = Math.floor(nodeid / WORD);
    words[base + HASH] = hash;
    words[base + LENGTH] = length;
    words[base + EPOCH] = visit.epoch;
    words[base + PRESENT] = visit.present;
    words[base + ALL] = visit.all;
    words[base + ERROR] = error;
    words[base + SIZE] = size;
    this.lifetime.stamp(words, base + EXPIRES, base + USED);
    bytes.fill(0, base * 4 + AT.name, base * 4 + AT.name + VALUE_NAME_MAX + 1);
    for (let index = 0; index < length; index++) {
      bytes[base * 4 + AT.name + index] = visit.bytes[visit.at + index] as number;
    }
    for (let index = 0; index < size; index++) bytes[base * 4 + AT.value + index] = arena[data + index] as number;
    Atomics.add(words, base + SEQ, 1);
    this.coherence.unlock(bucket);
  }

  private epochOf(nodeid: number): number {
    return (hashNode(nodeid) & (this.epochs.length / EPOCH_WORDS - 1)) * EPOCH_WORDS;
  }

  // The word of the slot that has this key, else of the one that it gets.
  private find(bucket: number, hash: number, { nodeid, bytes, at, length }: ValueVisit): number {
    const { words } = this;
    const first = bucket * WAYS * WORDS;
    for (let base = first; base < first + WAYS * WORDS; base += WORDS) {
      if (words[base + HASH] !== (hash | 0) || words[base + LENGTH] !== length) continue;
      if (words[base + NODEID] !== (nodeid | 0) || words[base + NODEID + 1] !== Math.floor(nodeid / WORD)) continue;
      let same = 0;
      while (same < length && this.bytes[base * 4 + AT.name + same] === bytes[at + same]) same++;
      if (same === length) return base;
    }
    return this.lifetime.oldest(words, first, WORDS, NODEID, USED);
  }
}
