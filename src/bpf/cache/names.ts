// Owns: the slots of names as the daemon writes them. A slot is written while its `seq` is odd and its bucket locked.
// What an odd slot says is no answer, but still known: a change of a name needs to know which node the name led to.
// Must not: know opcodes.

import { FuseEntryOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { Coherence } from "./coherence.ts";
import { hashName, hashNode } from "./hash.ts";
import { Control, Epochs, KIND, NAME_BYTES, NameSlot, WAYS } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";
import { type NameVisit, UNKNOWN } from "./name-visit.ts";

const WORDS = NameSlot.size >> 2;
const AT = NameSlot.at;
const SEQ = AT.seq >> 2;
const USED = AT.used >> 2;
const PARENT = AT.parent >> 2;
const HASH = AT.hash >> 2;
const LENGTH = AT.length >> 2;
const EPOCH = AT.epoch >> 2;
const ALL = AT.all >> 2;
const KIND_AT = AT.kind >> 2;
const NODE = AT.node >> 2;
const INCARNATION = AT.incarnation >> 2;
const VALID_NSEC = AT.entry_valid_nsec >> 2;
const VALID = AT.entry_valid >> 2;
const NODEID = AT.nodeid >> 2;
const GENERATION = AT.generation >> 2;
const EXPIRES = AT.expires >> 2;
const CONTROL_NAMES = Control.at.names >> 2;
const EPOCH_WORDS = Epochs.size >> 2;
const ENTRY = FuseEntryOut.at;
const WORD = 0x1_0000_0000;

export class Names {
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

  /** Says which name it is, before the request's handler runs. Hot. */
  see(visit: NameVisit, parent: number, bytes: Uint8Array, at: number, length: number): void {
    visit.parent = parent;
    visit.bytes = bytes;
    visit.at = at;
    visit.length = length;
    visit.hash = hashName(parent, bytes, at, length);
    visit.bucket = visit.hash & this.mask;
    visit.epoch = Atomics.load(this.epochs, this.epochOf(parent));
    visit.all = Atomics.load(this.control, CONTROL_NAMES);
    visit.own = 0;
  }

  /** A change of the name begins: it is not answered until `leave`; the visit then says what was known of it. Hot. */
  enter(visit: NameVisit): void {
    const { bucket } = visit;
    this.coherence.lock(bucket);
    visit.own = this.coherence.enter(bucket);
    this.recall(visit);
    this.coherence.unlock(bucket);
  }

  /**
   * Ends the change. What the name leads to from now on: `kind` and `nodeid`; UNKNOWN: nobody can say. Known for as long as
   * what was known of the name `by`. Hot.
   */
  leave(visit: NameVisit, kind: number, nodeid: number, by: NameVisit): void {
    const { coherence } = this;
    coherence.lock(visit.bucket);
    const slot = this.find(visit);
    const fits = visit.length < NAME_BYTES;
    if (kind !== UNKNOWN && fits && coherence.isAlone(visit.bucket, visit.own)) {
      const mine = slot < 0 ? this.take(visit) : slot;
      this.know(mine, visit, kind, nodeid);
      if (by.kind !== UNKNOWN) {
        this.words[mine * WORDS + EXPIRES] = by.expiresLow;
        this.words[mine * WORDS + EXPIRES + 1] = by.expiresHigh;
      }
    } else if (slot >= 0) this.drop(slot);
    coherence.leave(visit.bucket);
    coherence.unlock(visit.bucket);
  }

  /** Ends the change: `fill` has said what the name leads to. Hot. */
  leaveAsIs(visit: NameVisit): void {
    this.coherence.lock(visit.bucket);
    const slot = this.coherence.isAlone(visit.bucket, visit.own) ? -1 : this.find(visit);
    if (slot >= 0) this.drop(slot);
    this.coherence.leave(visit.bucket);
    this.coherence.unlock(visit.bucket);
  }

  /** A change from outside: whatever is known of the name is outdated. The visit says what it was. */
  touch(visit: NameVisit): void {
    this.coherence.lock(visit.bucket);
    this.coherence.touch(visit.bucket);
    this.recall(visit);
    const slot = this.find(visit);
    if (slot >= 0) this.drop(slot);
    this.coherence.unlock(visit.bucket);
  }

  /** Every name is outdated at once. */
  emptyAll(): void {
    Atomics.add(this.control, CONTROL_NAMES, 1);
  }

  /** Names in a directory that the kernel forgets lead nowhere, should its nodeid come again. Hot. */
  forgetDirectory(nodeid: number): void {
    Atomics.add(this.epochs, this.epochOf(nodeid), 1);
  }

  /**
   * Keeps what a reply (a fuse_entry_out at byte `from`, -1: none) says of the name, if the request may, which began at
   * `began` or is the name's own change. `node` and `incarnation` are those of the slot of the node that it leads to;
   * `silent`: it is known, but not answered. Hot.
   */
  fill(
    visit: NameVisit,
    kind: number,
    request: Request,
    from: number,
    began: number,
    node: number,
    incarnation: number,
    silent: boolean,
  ): void {
    const { coherence, words } = this;
    const { bucket, own } = visit;
    if (visit.length >= NAME_BYTES) return;
    coherence.lock(bucket);
    const mayKeep = own === 0 ? coherence.mayKeep(bucket, began) : coherence.isAlone(bucket, own);
    if (mayKeep && coherence.mayKeepAny(began)) {
      const found = this.find(visit);
      const slot = found < 0 ? this.take(visit) : found;
      const base = slot * WORDS;
      this.know(slot, visit, kind, from < 0 ? 0 : request.u64(from + ENTRY.nodeid));
      words[base + NODE] = node;
      words[base + INCARNATION] = incarnation;
      this.copy(base + GENERATION, request.words, from, ENTRY.generation, 2);
      this.copy(base + VALID, request.words, from, ENTRY.entry_valid, 2);
      this.copy(base + VALID_NSEC, request.words, from, ENTRY.entry_valid_nsec, 1);
      if (!silent) Atomics.add(words, base + SEQ, 1);
    }
    coherence.unlock(bucket);
  }

  private copy(to: number, reply: Int32Array, from: number, field: number, count: number): void {
    const at = (from + field) >> 2;
    for (let word = 0; word < count; word++) this.words[to + word] = from < 0 ? 0 : (reply[at + word] as number);
  }

  private epochOf(nodeid: number): number {
    const mask = this.epochs.length / EPOCH_WORDS - 1;
    return (hashNode(nodeid) & mask) * EPOCH_WORDS + (Epochs.at.names >> 2);
  }

  // What is known of the name; it is not answered any more.
  private recall(visit: NameVisit): void {
    const { words } = this;
    const slot = this.find(visit);
    visit.kind = UNKNOWN;
    if (slot < 0) return;
    const base = slot * WORDS;
    this.endSlot(slot);
    const valid = words[base + EPOCH] === visit.epoch && words[base + ALL] === visit.all;
    if (!valid || words[base + KIND_AT] === KIND.EMPTY || this.lifetime.isOver(words, base + EXPIRES)) return;
    visit.kind = words[base + KIND_AT] as number;
    visit.nodeid = (words[base + NODEID + 1] as number) * WORD + ((words[base + NODEID] as number) >>> 0);
    visit.expiresLow = words[base + EXPIRES] as number;
    visit.expiresHigh = words[base + EXPIRES + 1] as number;
  }

  // hot
  private find({ bucket, hash, parent, length, bytes, at }: NameVisit): number {
    const { words } = this;
    for (let slot = bucket * WAYS; slot < (bucket + 1) * WAYS; slot++) {
      const base = slot * WORDS;
      if (words[base + HASH] !== (hash | 0) || words[base + LENGTH] !== length) continue;
      if (words[base + PARENT] !== (parent | 0) || words[base + PARENT + 1] !== Math.floor(parent / WORD)) continue;
      if (this.sameBytes(base * 4 + AT.name, bytes, at, length)) return slot;
    }
    return -1;
  }

  // hot
  private sameBytes(mine: number, bytes: Uint8Array, at: number, length: number): boolean {
    for (let index = 0; index < length; index++) {
      if (this.bytes[mine + index] !== bytes[at + index]) return false;
    }
    return true;
  }

  // hot
  private endSlot(slot: number): void {
    if (((this.words[slot * WORDS] as number) & 1) === 0) Atomics.add(this.words, slot * WORDS + SEQ, 1);
  }

  private drop(slot: number): void {
    this.endSlot(slot);
    this.words.fill(0, slot * WORDS + PARENT, slot * WORDS + PARENT + 2);
  }

  // Gives the name the slot of its bucket that is free or was used longest ago.
  private take({ bucket, hash, parent, length, bytes, at }: NameVisit): number {
    const { words } = this;
    const base = this.lifetime.oldest(words, bucket * WAYS * WORDS, WORDS, PARENT, USED);
    this.endSlot(base / WORDS);
    words[base + PARENT] = parent;
    words[base + PARENT + 1] = Math.floor(parent / WORD);
    words[base + HASH] = hash;
    words[base + LENGTH] = length;
    const name = base * 4 + AT.name;
    for (let index = 0; index < length; index++) this.bytes[name + index] = bytes[at + index] as number;
    this.bytes.fill(0, name + length, name + NAME_BYTES);
    return base / WORDS;
  }

  // hot; the slot stays odd
  private know(slot: number, { epoch, all }: NameVisit, kind: number, nodeid: number): void {
    const { words } = this;
    const base = slot * WORDS;
    this.endSlot(slot);
    this.lifetime.stamp(words, base + EXPIRES, base + USED);
    words[base + EPOCH] = epoch;
    words[base + ALL] = all;
    words[base + KIND_AT] = kind;
    words[base + NODEID] = nodeid;
    words[base + NODEID + 1] = Math.floor(nodeid / WORD);
  }
}
