// Owns: the slots of nodes as the daemon writes them. A slot is written while its `seq` is odd and its bucket locked;
// making it odd ends every answer from it, and after that its count of unseen lookups can be taken.
// Order of locks: a bucket, then the table of debts. Must not: know requests' names or opcodes.

import { FuseAttrOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { Coherence } from "./coherence.ts";
import { hashNode } from "./hash.ts";
import { ACCESS_MASKS, ACCESS_UNKNOWN, Control, NODE, NodeSlot, WAYS } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";
import type { NodeCounts } from "./node-counts.ts";

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
const ATTRIBUTES = Control.at.attributes >> 2;

/** Where a struct of a reply holds what a node's slot keeps; byte offsets from its start; `generation` -1: none. */
export interface NodeSource {
  readonly attrValid: number;
  readonly attrValidNsec: number;
  readonly attr: number;
  readonly generation: number;
}

export class Nodes {
  /** Whether the node of the last `forget` was, for all that is known, a directory. */
  forgotDirectory = false;
  private readonly words: Int32Array;
  private readonly mask: number;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    private readonly control: Int32Array,
    private readonly coherence: Coherence,
    private readonly lifetime: Lifetime,
    private readonly debts: NodeCounts,
  ) {
    this.words = new Int32Array(memory, 0, buckets * WAYS * WORDS);
    this.mask = buckets - 1;
  }

  /** A change of the node begins: nothing is answered about it until `leave`. Result: the change's stamp. Hot. */
  enter(nodeid: number): number {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    const stamp = this.coherence.enter(bucket);
    const slot = this.find(bucket, nodeid);
    if (slot >= 0) this.endSlot(slot);
    this.coherence.unlock(bucket);
    return stamp;
  }

  // hot
  leave(nodeid: number): void {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    this.coherence.leave(bucket);
    this.coherence.unlock(bucket);
  }

  /** A change that is over: what is known about the node is outdated, and so is what requests are finding out. */
  touch(nodeid: number): void {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    this.coherence.touch(bucket);
    const slot = this.find(bucket, nodeid);
    if (slot >= 0) this.endSlot(slot);
    this.coherence.unlock(bucket);
  }

  /** Every slot is outdated at once. */
  emptyAll(): void {
    Atomics.add(this.control, ATTRIBUTES, 1);
  }

  /**
   * Keeps what a reply (a struct at byte `from`) says about a node, if the request may, which began at `began` or is the
   * change `own` (0: none). `changed`: what others are finding out is older. Result: the slot, -1 when it was not kept. Hot.
   */
  fill(
    nodeid: number,
    request: Request,
    from: number,
    source: NodeSource,
    began: number,
    own: number,
    changed = false,
  ): number {
    const { coherence } = this;
    const bucket = this.bucketOf(nodeid);
    const epoch = Atomics.load(this.control, ATTRIBUTES); // before the look at what goes on
    let slot = -1;
    coherence.lock(bucket);
    const may = own === 0 ? coherence.mayKeep(bucket, began) : coherence.isAlone(bucket, own);
    if (may && coherence.mayKeepAny(began)) {
      slot = this.find(bucket, nodeid);
      if (slot < 0) slot = this.take(bucket, nodeid);
      if (slot >= 0) this.write(slot, request.words, from, source, epoch);
      if (changed) coherence.touch(bucket);
    }
    coherence.unlock(bucket);
    coherence.count(slot >= 0);
    return slot;
  }

  /** Whether what a request found out about the node, that began at `began`, may be kept: runs `keep` while it may. */
  whileCurrent(nodeid: number, began: number, keep: () => void): void {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    const mayKeep = this.coherence.mayKeep(bucket, began) && this.coherence.mayKeepAny(began);
    if (mayKeep) keep();
    this.coherence.unlock(bucket);
    this.coherence.count(mayKeep);
  }

  /** Keeps an answer to ACCESS in the node's slot, if that can be answered from. */
  fillAccess(nodeid: number, mask: number, result: number, began: number): void {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    const mayKeep = this.coherence.mayKeep(bucket, began) && this.coherence.mayKeepAny(began);
    const slot = mayKeep && mask < ACCESS_MASKS ? this.find(bucket, nodeid) : -1;
    if (slot >= 0 && ((this.words[slot * WORDS] as number) & 1) === 0) {
      Atomics.store(this.words, slot * WORDS + ACCESS + mask, result);
    }
    this.coherence.unlock(bucket);
  }

  /** The incarnation of a slot that `fill` gave; names that lead to it name it. Hot. */
  incarnationOf(slot: number): number {
    return this.words[slot * WORDS + INCARNATION] as number;
  }

  /**
   * The kernel forgets `nlookup` lookups of a node: its slot is freed. Result: how many of them the filesystem has
   * given, the others were answered by a program and are nobody else's to forget. Hot.
   */
  forget(nodeid: number, nlookup: number): number {
    const { words } = this;
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    // The nodeid may come again: what a request of a killed caller still finds out is of the node that was.
    this.coherence.touch(bucket);
    const slot = this.find(bucket, nodeid);
    this.forgotDirectory = slot < 0 || ((words[slot * WORDS + MODE] as number) & 0o170000) === 0o040000;
    let left = nlookup - this.debts.reduce(nodeid, nlookup);
    if (slot >= 0) left -= this.settle(slot, nodeid, left);
    this.coherence.unlock(bucket);
    return left;
  }

  // Ends a slot of which up to `forgotten` unseen lookups are over, and frees it. Those beyond came later, and stay owed:
  // in the slot, should there be no other place. Result: how many are over. Hot.
  private settle(slot: number, nodeid: number, forgotten: number): number {
    const { words } = this;
    const base = slot * WORDS;
    this.endSlot(slot);
    const unseen = Atomics.exchange(words, base + UNSEEN, 0) >>> 0;
    const over = unseen < forgotten ? unseen : forgotten;
    if (unseen === over || this.debts.add(nodeid, unseen - over)) {
      words[base + NODEID] = 0;
      words[base + NODEID + 1] = 0;
    } else Atomics.store(words, base + UNSEEN, (unseen - over) | 0);
    return over;
  }

  private bucketOf(nodeid: number): number {
    return hashNode(nodeid) & this.mask;
  }

  // hot
  private find(bucket: number, nodeid: number): number {
    const { words } = this;
    for (let slot = bucket * WAYS; slot < (bucket + 1) * WAYS; slot++) {
      const at = slot * WORDS + NODEID;
      if (words[at] === (nodeid | 0) && (words[at + 1] as number) >>> 0 === Math.floor(nodeid / 2 ** 32)) return slot;
    }
    return -1;
  }

  // hot; programs commit by comparing seq, so from here on none does
  private endSlot(slot: number): void {
    if (((this.words[slot * WORDS] as number) & 1) === 0) Atomics.add(this.words, slot * WORDS + SEQ, 1);
  }

  // Gives a node the slot of the bucket that is free or was used longest ago. -1: what its owner owes has no place.
  private take(bucket: number, nodeid: number): number {
    const { words } = this;
    const slot = this.lifetime.oldest(words, bucket * WAYS * WORDS, WORDS, NODEID, USED) / WORDS;
    const base = slot * WORDS;
    this.endSlot(slot);
    const owner = (words[base + NODEID + 1] as number) * 2 ** 32 + ((words[base + NODEID] as number) >>> 0);
    const unseen = Atomics.exchange(words, base + UNSEEN, 0) >>> 0;
    if (owner !== 0 && unseen > 0 && !this.debts.add(owner, unseen)) {
      Atomics.store(words, base + UNSEEN, unseen | 0);
      return -1;
    }
    words[base + NODEID] = nodeid;
    words[base + NODEID + 1] = Math.floor(nodeid / 2 ** 32);
    words[base + FLAGS] = 0;
    words[base + INCARNATION] = this.coherence.nextIncarnation();
    return slot;
  }

  // hot
  private write(slot: number, reply: Int32Array, from: number, source: NodeSource, epoch: number): void {
    const { words } = this;
    const base = slot * WORDS;
    this.endSlot(slot);
    if (source.generation >= 0) this.setGeneration(base, reply, (from + source.generation) >> 2);
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

  // Another generation is another file: names that led to the slot lead nowhere.
  private setGeneration(base: number, reply: Int32Array, at: number): void {
    const { words } = this;
    const low = reply[at] as number;
    const high = reply[at + 1] as number;
    const known = ((words[base + FLAGS] as number) & NODE.HAS_GENERATION) !== 0;
    if (known && words[base + GENERATION] === low && words[base + GENERATION + 1] === high) return;
    if (known) words[base + INCARNATION] = this.coherence.nextIncarnation();
    words[base + GENERATION] = low;
    words[base + GENERATION + 1] = high;
    words[base + FLAGS] = NODE.HAS_GENERATION;
  }
}
