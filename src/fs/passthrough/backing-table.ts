// Owns: per node, in memory that all workers share, the id of its backing file and how its open files are served.
// Invariant, the kernel's: while an inode is open through its page cache (ordinary) no open of it may be passed through,
// and the other way round; all that are passed through at one time name one id. Whoever is told an id closes it.
// Must not: make system calls; a lock is held over a few words only.

import { lock, unlock } from "../spin-lock.ts";

const LIVE = 0;
const HEADER_WORDS = 16;
// `passed` counts the mapped ones too.
const NODE = { lock: 0, id: 1, passed: 2, ordinary: 3, mapped: 4 } as const;
const NODE_WORDS = 5;

/** Results of `enter` besides ids (which are > 0). */
export const ENTERED = { ordinary: -1, unknown: 0 } as const;

/** A view of the table; nodes are 1..capacity. */
export class BackingTable {
  private readonly words: Int32Array;
  private readonly capacity: number;

  /** Bytes for nodes 1..`capacity`. */
  static byteLength(capacity: number): number {
    return (HEADER_WORDS + capacity * NODE_WORDS) * 4;
  }

  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    this.words = new Int32Array(buffer, byteOffset, HEADER_WORDS + capacity * NODE_WORDS);
    this.capacity = capacity;
  }

  /** Ids that nodes hold. */
  get live(): number {
    return Atomics.load(this.words, LIVE);
  }

  /**
   * Counts an open in. Result: the id to pass it through with; `ordinary` when the inode is open that way; `unknown` when
   * it has no id yet: register its file, then `settle`. Hot.
   */
  enter(nodeid: number): number {
    const { words } = this;
    const at = this.at(nodeid);
    if (at < 0) return ENTERED.ordinary;
    lock(words, at);
    const ordinary = (words[at + NODE.ordinary] as number) > 0;
    const field = at + (ordinary ? NODE.ordinary : NODE.passed);
    words[field] = (words[field] as number) + 1;
    const id = words[at + NODE.id] as number;
    unlock(words, at);
    return ordinary ? ENTERED.ordinary : id;
  }

  /** Counts in an open that cannot be passed through; false when the inode is open that way, and then it is not. */
  enterOrdinary(nodeid: number): boolean {
    const { words } = this;
    const at = this.at(nodeid);
    if (at < 0) return true;
    lock(words, at);
    const free = (words[at + NODE.passed] as number) === 0;
    if (free) words[at + NODE.ordinary] = (words[at + NODE.ordinary] as number) + 1;
    unlock(words, at);
    return free;
  }

  /**
   * Ends what `enter` began with `unknown`: `made` is the id of the file just registered, or what it was refused with.
   * Result: the id to use (another than `made` when a worker was faster: close `made`), or -1: the open is ordinary now.
   */
  settle(nodeid: number, made: number): number {
    const { words } = this;
    const at = this.at(nodeid);
    lock(words, at);
    let id = words[at + NODE.id] as number;
    if (id === 0 && made > 0 && words[at + NODE.ordinary] === 0) {
      id = made;
      words[at + NODE.id] = made;
      Atomics.add(words, LIVE, 1);
    } else if (id === 0) {
      words[at + NODE.passed] = (words[at + NODE.passed] as number) - 1;
      words[at + NODE.ordinary] = (words[at + NODE.ordinary] as number) + 1;
      id = ENTERED.ordinary;
    }
    unlock(words, at);
    return id;
  }

  /** Counts an open out. Result: an id to close when it was the last one passed through and `keep` is false, else 0. Hot. */
  leave(nodeid: number, passed: boolean, mapped: boolean, keep: boolean): number {
    const { words } = this;
    const at = this.at(nodeid);
    if (at < 0) return 0;
    lock(words, at);
    const field = at + (passed ? NODE.passed : NODE.ordinary);
    words[field] = Math.max(0, (words[field] as number) - 1);
    if (mapped) words[at + NODE.mapped] = Math.max(0, (words[at + NODE.mapped] as number) - 1);
    const id = passed && !keep && words[field] === 0 ? this.clear(at) : 0;
    unlock(words, at);
    return id;
  }

  /** Notes that an open passed through may be mapped for writing. True when it is the inode's first such open. Hot. */
  addMapped(nodeid: number): boolean {
    const at = this.at(nodeid);
    return at >= 0 && Atomics.add(this.words, at + NODE.mapped, 1) === 0;
  }

  /** Whether the inode is open so that it may change by a mapping, which the mount's kernel does not see. Hot. */
  isMapped(nodeid: number): boolean {
    const at = this.at(nodeid);
    return at >= 0 && Atomics.load(this.words, at + NODE.mapped) > 0;
  }

  /** Forgets a node that is nobody's any more. Result: the id to close, or 0. */
  forget(nodeid: number): number {
    const at = this.at(nodeid);
    if (at < 0) return 0;
    const id = this.clear(at);
    this.words.fill(0, at + NODE.passed, at + NODE_WORDS);
    return id;
  }

  /** Empties the table. Nobody else may use it meanwhile. */
  reset(): void {
    this.words.fill(0);
  }

  private clear(at: number): number {
    const id = Atomics.exchange(this.words, at + NODE.id, 0);
    if (id !== 0) Atomics.sub(this.words, LIVE, 1);
    return id;
  }

  private at(nodeid: number): number {
    return nodeid >= 1 && nodeid <= this.capacity ? HEADER_WORDS + (nodeid - 1) * NODE_WORDS : -1;
  }
}
