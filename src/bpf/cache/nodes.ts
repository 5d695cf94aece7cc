// Owns: what is known about nodes, under the locks of their buckets: which change ends it, and which reply may be kept.
// Order of locks: a bucket, then the table of debts. Must not: know requests' names or opcodes.

import type { Request } from "../../codec/request.ts";
import type { Coherence } from "./coherence.ts";
import { hashNode } from "./hash.ts";
import { Control } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";
import type { NodeCounts } from "./node-counts.ts";
import { NodeSlots } from "./node-slots.ts";
import type { NodeSource } from "./node-source.ts";

const ATTRIBUTES = Control.at.attributes >> 2;

export class Nodes {
  /** Whether the node of the last `forget` was, for all that is known, a directory. */
  forgotDirectory = false;
  private readonly slots: NodeSlots;
  private readonly mask: number;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    private readonly control: Int32Array,
    private readonly coherence: Coherence,
    lifetime: Lifetime,
    private readonly debts: NodeCounts,
  ) {
    this.slots = new NodeSlots(memory, buckets, coherence, lifetime, debts);
    this.mask = buckets - 1;
    coherence.repairs((bucket) => this.slots.clear(bucket));
  }

  /** A change of the node begins: nothing is answered about it until `leave`. Result: the change's stamp. Hot. */
  enter(nodeid: number): number {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    const stamp = this.coherence.enter(bucket);
    const slot = this.slots.find(bucket, nodeid);
    if (slot >= 0) this.slots.end(slot);
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
    const slot = this.slots.find(bucket, nodeid);
    if (slot >= 0) this.slots.end(slot);
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
    const mayKeep = may && coherence.mayKeepAny(began);
    if (mayKeep) {
      slot = this.slots.slotFor(bucket, nodeid, request.words, from, source);
      if (slot >= 0) this.slots.write(slot, request.words, from, source, epoch);
      if (changed) coherence.touch(bucket);
    }
    coherence.unlock(bucket);
    if (slot >= 0 || !mayKeep) coherence.count(mayKeep);
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
    const slot = mayKeep ? this.slots.find(bucket, nodeid) : -1;
    if (slot >= 0) this.slots.writeAccess(slot, mask, result);
    this.coherence.unlock(bucket);
  }

  /** The incarnation of a slot that `fill` gave; names that lead to it name it. Hot. */
  incarnationOf(slot: number): number {
    return this.slots.incarnationOf(slot);
  }

  /**
   * The kernel forgets `nlookup` lookups of a node: its slot is freed. Result: how many of them the filesystem has
   * given, the others were answered by a program and are nobody else's to forget. Hot.
   */
  forget(nodeid: number, nlookup: number): number {
    const bucket = this.bucketOf(nodeid);
    this.coherence.lock(bucket);
    // The nodeid may come again: what a request of a killed caller still finds out is of the node that was.
    this.coherence.touch(bucket);
    const slot = this.slots.find(bucket, nodeid);
    this.forgotDirectory = slot < 0 || this.slots.isDirectory(slot);
    let left = nlookup - this.debts.reduce(nodeid, nlookup);
    if (slot >= 0) left -= this.slots.settle(slot, nodeid, left);
    this.coherence.unlock(bucket);
    return left;
  }

  private bucketOf(nodeid: number): number {
    return hashNode(nodeid) & this.mask;
  }
}
