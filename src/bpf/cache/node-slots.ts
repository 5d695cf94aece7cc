// Owns: the slots of nodes: who has which, and writing them. A slot is written while its `seq` is odd and its bucket locked
// by the caller; making it odd ends every answer from it, and after that its count of unseen lookups can be taken.
// Must not: lock, or decide what may be kept.

import { FuseAttrOut } from "../../abi/fuse-structs.ts";
import type { Coherence } from "./coherence.ts";
import { ACCESS_MASKS, ACCESS_UNKNOWN, NODE, NodeSlot, WAYS } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";
import type { NodeCounts } from "./node-counts.ts";
import { isLegal, modeIn, type NodeSource, typeOf } from "./node-source.ts";

const WORDS = NodeSlot.size >> 2;
const AT = NodeSlot.at;
const SEQ = AT.seq >> 2;
const UNSEEN = AT.unseen >> 2;
const NODEID = AT.nodeid >> 2;
const GENERATION = AT.generation >> 2;
const INCARNATION = AT.incarnation >> 2;
const FLAGS = AT.flags >> 2;
const EXPIRES = AT.expires >> 2;
const USED = AT.used >> 2;
const EPOCH = AT.epoch >> 2;
const ACCESS = AT.access >> 2;
const ATTR_OUT = AT.attr_out >> 2;
const ATTR_WORDS = FuseAttrOut.size >> 2;
const MODE = ATTR_OUT + ((FuseAttrOut.at.attr + FuseAttrOut.spec.attr.at.mode) >> 2);
const DIRECTORY = 4;
const WORD = 0x1_0000_0000;

export class NodeSlots {
  private readonly words: Int32Array;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    private readonly coherence: Coherence,
    private readonly lifetime: Lifetime,
    private readonly debts: NodeCounts,
  ) {
    this.words = new Int32Array(memory, 0, buckets * WAYS * WORDS);
  }

  /** The node's slot, -1: it has none. Hot. */
  find(bucket: number, nodeid: number): number {
    const { words } = this;
    for (let slot = bucket * WAYS; slot < (bucket + 1) * WAYS; slot++) {
      const at = slot * WORDS + NODEID;
      if (words[at] === (nodeid | 0) && (words[at + 1] as number) >>> 0 === Math.floor(nodeid / WORD)) return slot;
    }
    return -1;
  }

  /**
   * The slot to keep a reply about the node in; -1 where none is to be: no program may answer what it says, or it is about
   * another file than the slot. The kernel has that one yet, and refuses a program's answer about this one as long.
   */
  slotFor(bucket: number, nodeid: number, reply: Int32Array, from: number, source: NodeSource): number {
    const slot = this.find(bucket, nodeid);
    const legal = isLegal(reply, from, source);
    if (slot < 0) return legal ? this.take(bucket, nodeid) : -1;
    if (legal && this.isSame(slot * WORDS, reply, from, source)) return slot;
    this.settle(slot, nodeid, 0);
    return -1;
  }

  /** Nothing is answered from the slot any more: programs commit by comparing `seq`. Hot. */
  end(slot: number): void {
    if (((this.words[slot * WORDS] as number) & 1) === 0) Atomics.add(this.words, slot * WORDS + SEQ, 1);
  }

  /**
   * Ends a slot of which up to `forgotten` unseen lookups are over, and frees it. Those beyond came later, and stay owed: in
   * the slot, should there be no other place. Result: how many are over. Hot.
   */
  settle(slot: number, nodeid: number, forgotten: number): number {
    const { words } = this;
    const base = slot * WORDS;
    this.end(slot);
    const unseen = Atomics.exchange(words, base + UNSEEN, 0) >>> 0;
    const over = unseen < forgotten ? unseen : forgotten;
    if (unseen === over || this.debts.add(nodeid, unseen - over)) {
      words[base + NODEID] = 0;
      words[base + NODEID + 1] = 0;
    } else Atomics.store(words, base + UNSEEN, (unseen - over) | 0);
    return over;
  }

  /** Writes what a reply says, from the struct at byte `from`, and lets programs answer it. Hot. */
  write(slot: number, reply: Int32Array, from: number, source: NodeSource, epoch: number): void {
    const { words } = this;
    const base = slot * WORDS;
    this.end(slot);
    if (source.generation >= 0) {
      words[base + GENERATION] = reply[(from + source.generation) >> 2] as number;
      words[base + GENERATION + 1] = reply[(from + source.generation + 4) >> 2] as number;
      words[base + FLAGS] = NODE.HAS_GENERATION;
    }
    this.lifetime.stamp(words, base + EXPIRES, base + USED);
    words[base + EPOCH] = epoch;
    words.fill(ACCESS_UNKNOWN, base + ACCESS, base + ACCESS + ACCESS_MASKS);
    const valid = (from + source.attrValid) >> 2;
    words[base + ATTR_OUT] = reply[valid] as number;
    words[base + ATTR_OUT + 1] = reply[valid + 1] as number;
    words[base + ATTR_OUT + 2] = reply[(from + source.attrValidNsec) >> 2] as number;
    words[base + ATTR_OUT + 3] = 0;
    for (let word = 4, at = (from + source.attr) >> 2; word < ATTR_WORDS; word++, at++) {
      words[base + ATTR_OUT + word] = reply[at] as number;
    }
    Atomics.add(words, base + SEQ, 1);
  }

  /** Adds an answer to ACCESS to a slot that is answered from. */
  writeAccess(slot: number, mask: number, result: number): void {
    if (mask >= ACCESS_MASKS || ((this.words[slot * WORDS] as number) & 1) !== 0) return;
    Atomics.store(this.words, slot * WORDS + ACCESS + mask, result);
  }

  /** Names that lead to the slot name it. Hot. */
  incarnationOf(slot: number): number {
    return this.words[slot * WORDS + INCARNATION] as number;
  }

  /** Hot. */
  isDirectory(slot: number): boolean {
    return typeOf(this.words[slot * WORDS + MODE] as number) === DIRECTORY;
  }

  /** Whoever wrote to the bucket has ended in the middle of it: what can be read of its slots is nothing. */
  clear(bucket: number): void {
    for (let slot = bucket * WAYS; slot < (bucket + 1) * WAYS; slot++) this.settle(slot, this.ownerOf(slot), 0);
  }

  // hot
  private ownerOf(slot: number): number {
    const at = slot * WORDS + NODEID;
    return (this.words[at + 1] as number) * WORD + ((this.words[at] as number) >>> 0);
  }

  // hot
  private isSame(base: number, reply: Int32Array, from: number, source: NodeSource): boolean {
    const { words } = this;
    const type = typeOf(words[base + MODE] as number);
    if (type !== 0 && type !== typeOf(modeIn(reply, from, source))) return false;
    if (source.generation < 0 || ((words[base + FLAGS] as number) & NODE.HAS_GENERATION) === 0) return true;
    const at = (from + source.generation) >> 2;
    return words[base + GENERATION] === reply[at] && words[base + GENERATION + 1] === reply[at + 1];
  }

  // Gives a node the slot of the bucket that is free or was used longest ago. -1: what its owner owes has no place.
  private take(bucket: number, nodeid: number): number {
    const { words } = this;
    const slot = this.lifetime.oldest(words, bucket * WAYS * WORDS, WORDS, NODEID, USED) / WORDS;
    const base = slot * WORDS;
    const owner = this.ownerOf(slot);
    this.settle(slot, owner, 0);
    if (this.ownerOf(slot) !== 0) return -1;
    words[base + NODEID + 1] = Math.floor(nodeid / WORD);
    words[base + NODEID] = nodeid;
    words[base + FLAGS] = 0;
    words[base + MODE] = 0;
    words[base + INCARNATION] = this.coherence.nextIncarnation();
    return slot;
  }
}
