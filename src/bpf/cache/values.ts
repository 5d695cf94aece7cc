// Owns: the slots of extended attributes and link targets as the daemon writes them, and the epochs that outdate them.
// A slot is written while its `seq` is odd and its bucket locked. Whether it may be kept is decided by its node's bucket,
// which is locked before. Must not: know opcodes.

import type { Coherence } from "./coherence.ts";
import { Key, KeyedSlots } from "./keyed-slots.ts";
import { Control, VALUE_MAX, VALUE_NAME_MAX, VALUE_SHAPE, ValueSlot } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";
import type { NodeEpochs } from "./node-epochs.ts";

const AT = ValueSlot.at;
const EPOCH = AT.epoch >> 2;
const PRESENT = AT.present >> 2;
const ERROR = AT.error >> 2;
const SIZE = AT.size >> 2;
const USED = AT.used >> 2;
const EXPIRES = AT.expires >> 2;
const ALL = AT.all >> 2;
const CONTROL_VALUES = Control.at.values >> 2;

/** One attribute of one request, and what was in force when it began. */
export class ValueVisit extends Key {
  epoch = 0;
  present = 0;
  all = 0;
}

export class Values {
  private readonly slots: KeyedSlots;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    private readonly control: Int32Array,
    private readonly epochs: NodeEpochs,
    private readonly coherence: Coherence,
    private readonly lifetime: Lifetime,
  ) {
    this.slots = new KeyedSlots(memory, buckets, VALUE_SHAPE, lifetime);
    coherence.repairs((bucket) => this.slots.clear(bucket));
  }

  /** Says which one it is, before the request's handler runs; without a name: the target of a link. */
  see(visit: ValueVisit, nodeid: number, bytes: Uint8Array, at: number, length: number): void {
    this.slots.identify(visit, nodeid, bytes, at, length);
    visit.epoch = this.epochs.read(nodeid, "values");
    visit.present = this.epochs.read(nodeid, "present");
    visit.all = Atomics.load(this.control, CONTROL_VALUES);
  }

  /** Everything of the node is outdated. */
  touch(nodeid: number): void {
    this.epochs.advance(nodeid, "values");
  }

  /** Values of the node are outdated; what it does not have, it still has not. Hot. */
  touchPresent(nodeid: number): void {
    this.epochs.advance(nodeid, "present");
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
    const { words, bytes } = this.slots;
    this.coherence.lock(visit.bucket);
    const found = this.slots.find(visit);
    const base = found < 0 ? this.slots.take(visit) : found;
    this.slots.end(base);
    words[base + EPOCH] = visit.epoch;
    words[base + PRESENT] = visit.present;
    words[base + ALL] = visit.all;
    words[base + ERROR] = error;
    words[base + SIZE] = size;
    this.lifetime.stamp(words, base + EXPIRES, base + USED);
    for (let index = 0; index < size; index++) bytes[base * 4 + AT.value + index] = arena[data + index] as number;
    this.slots.open(base);
    this.coherence.unlock(visit.bucket);
  }
}
