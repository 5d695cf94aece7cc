// Owns: the slots of names as the daemon writes them. A slot is written while its `seq` is odd and its bucket locked.
// What an odd slot says is no answer, but still known: a change of a name needs to know which node the name led to.
// Must not: know opcodes.

import { FuseEntryOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { Coherence } from "./coherence.ts";
import { KeyedSlots } from "./keyed-slots.ts";
import { Control, KIND, NAME_BYTES, NAME_SHAPE, NameSlot } from "./layout.ts";
import type { Lifetime } from "./lifetime.ts";
import { type NameVisit, UNKNOWN } from "./name-visit.ts";
import type { NodeEpochs } from "./node-epochs.ts";

const AT = NameSlot.at;
const EPOCH = AT.epoch >> 2;
const ALL = AT.all >> 2;
const KIND_AT = AT.kind >> 2;
const NODE = AT.node >> 2;
const INCARNATION = AT.incarnation >> 2;
const VALID_NSEC = AT.entry_valid_nsec >> 2;
const VALID = AT.entry_valid >> 2;
const NODEID = AT.nodeid >> 2;
const GENERATION = AT.generation >> 2;
const USED = AT.used >> 2;
const EXPIRES = AT.expires >> 2;
const CONTROL_NAMES = Control.at.names >> 2;
const ENTRY = FuseEntryOut.at;
const WORD = 0x1_0000_0000;

export class Names {
  private readonly slots: KeyedSlots;
  private readonly words: Int32Array;

  constructor(
    memory: SharedArrayBuffer,
    buckets: number,
    private readonly control: Int32Array,
    private readonly epochs: NodeEpochs,
    private readonly coherence: Coherence,
    private readonly lifetime: Lifetime,
  ) {
    this.slots = new KeyedSlots(memory, buckets, NAME_SHAPE, lifetime);
    this.words = this.slots.words;
    coherence.repairs((bucket) => this.slots.clear(bucket));
  }

  /** Says which name it is, before the request's handler runs. Hot. */
  see(visit: NameVisit, parent: number, bytes: Uint8Array, at: number, length: number): void {
    this.slots.identify(visit, parent, bytes, at, length);
    visit.epoch = this.epochs.read(parent, "names");
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
    const slot = this.slots.find(visit);
    const fits = visit.length < NAME_BYTES;
    if (kind !== UNKNOWN && fits && coherence.isAlone(visit.bucket, visit.own)) {
      const mine = slot < 0 ? this.slots.take(visit) : slot;
      this.know(mine, visit, kind, nodeid);
      if (by.kind !== UNKNOWN) {
        this.words[mine + EXPIRES] = by.expiresLow;
        this.words[mine + EXPIRES + 1] = by.expiresHigh;
      }
    } else if (slot >= 0) this.slots.drop(slot);
    coherence.leave(visit.bucket);
    coherence.unlock(visit.bucket);
  }

  /** Ends the change: `fill` has said what the name leads to. Hot. */
  leaveAsIs(visit: NameVisit): void {
    this.coherence.lock(visit.bucket);
    const slot = this.coherence.isAlone(visit.bucket, visit.own) ? -1 : this.slots.find(visit);
    if (slot >= 0) this.slots.drop(slot);
    this.coherence.leave(visit.bucket);
    this.coherence.unlock(visit.bucket);
  }

  /** A change from outside: whatever is known of the name is outdated. The visit says what it was. */
  touch(visit: NameVisit): void {
    this.coherence.lock(visit.bucket);
    this.coherence.touch(visit.bucket);
    this.recall(visit);
    const slot = this.slots.find(visit);
    if (slot >= 0) this.slots.drop(slot);
    this.coherence.unlock(visit.bucket);
  }

  /** Every name is outdated at once. */
  emptyAll(): void {
    Atomics.add(this.control, CONTROL_NAMES, 1);
  }

  /** Names in a directory that the kernel forgets lead nowhere, should its nodeid come again. Hot. */
  forgetDirectory(nodeid: number): void {
    this.epochs.advance(nodeid, "names");
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
      const found = this.slots.find(visit);
      const base = found < 0 ? this.slots.take(visit) : found;
      this.know(base, visit, kind, from < 0 ? 0 : request.u64(from + ENTRY.nodeid));
      words[base + NODE] = node;
      words[base + INCARNATION] = incarnation;
      this.copy(base + GENERATION, request.words, from, ENTRY.generation, 2);
      this.copy(base + VALID, request.words, from, ENTRY.entry_valid, 2);
      this.copy(base + VALID_NSEC, request.words, from, ENTRY.entry_valid_nsec, 1);
      if (!silent) this.slots.open(base);
    }
    coherence.unlock(bucket);
  }

  private copy(to: number, reply: Int32Array, from: number, field: number, count: number): void {
    const at = (from + field) >> 2;
    for (let word = 0; word < count; word++) this.words[to + word] = from < 0 ? 0 : (reply[at + word] as number);
  }

  // What is known of the name; it is not answered any more.
  private recall(visit: NameVisit): void {
    const { words } = this;
    const base = this.slots.find(visit);
    visit.kind = UNKNOWN;
    if (base < 0) return;
    this.slots.end(base);
    const valid = words[base + EPOCH] === visit.epoch && words[base + ALL] === visit.all;
    if (!valid || words[base + KIND_AT] === KIND.EMPTY || this.lifetime.isOver(words, base + EXPIRES)) return;
    visit.kind = words[base + KIND_AT] as number;
    visit.nodeid = (words[base + NODEID + 1] as number) * WORD + ((words[base + NODEID] as number) >>> 0);
    visit.expiresLow = words[base + EXPIRES] as number;
    visit.expiresHigh = words[base + EXPIRES + 1] as number;
  }

  // hot; the slot stays odd
  private know(base: number, { epoch, all }: NameVisit, kind: number, nodeid: number): void {
    const { words } = this;
    this.slots.end(base);
    this.lifetime.stamp(words, base + EXPIRES, base + USED);
    words[base + EPOCH] = epoch;
    words[base + ALL] = all;
    words[base + KIND_AT] = kind;
    words[base + NODEID] = nodeid;
    words[base + NODEID + 1] = Math.floor(nodeid / WORD);
  }
}
