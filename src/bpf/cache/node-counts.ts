// Owns: numbers by nodeid in shared memory, for what must outlive a node's slot: lookups that the daemon never saw, files
// open by passthrough. A hash table with open addressing under one lock; a nodeid whose number is 0 takes no place.
// Must not: hold the lock over anything but its own words.

import { lock, type Repair, unlock } from "../../fs/spin-lock.ts";
import { hashNode } from "./hash.ts";

const HEADER_BYTES = 16;
const H = { lock: 0, used: 1 } as const;

export class NodeCounts {
  private readonly header: Int32Array;
  /** Nodeid and number by turns; nodeid 0 is free. */
  private readonly cells: Float64Array;
  private readonly mask: number;
  /** Whoever held the lock has ended in the middle of a removal, say: a node may stand in two cells, or out of its run. */
  private readonly repair: Repair = () => {
    const numbers = new Map<number, number>();
    for (let cell = 0; cell < this.cells.length; cell += 2) {
      if (this.cells[cell] !== 0) numbers.set(this.cells[cell] as number, this.cells[cell + 1] as number);
    }
    this.cells.fill(0);
    this.header[H.used] = numbers.size;
    for (const [nodeid, number] of numbers) this.cells.set([nodeid, number], this.place(nodeid));
  };

  /** Bytes of a table of `capacity` (a power of two) places. */
  static byteLength(capacity: number): number {
    return HEADER_BYTES + capacity * 16;
  }

  /** A view of the table at `byteOffset`, a multiple of 8; zeroed memory is an empty one. */
  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    this.header = new Int32Array(buffer, byteOffset, HEADER_BYTES / 4);
    this.cells = new Float64Array(buffer, byteOffset + HEADER_BYTES, capacity * 2);
    this.mask = capacity - 1;
  }

  /** Adds to a number; false when it is not there and there is no room for it. */
  add(nodeid: number, by: number): boolean {
    const { header, cells, mask } = this;
    lock(header, H.lock, this.repair);
    const cell = this.place(nodeid);
    const isNew = cells[cell] === 0;
    // A quarter stays free, so that searches end soon.
    const fits = !isNew || (header[H.used] as number) < mask - (mask >> 2);
    if (fits && by !== 0) {
      if (isNew) header[H.used] = (header[H.used] as number) + 1;
      cells[cell + 1] = (isNew ? 0 : (cells[cell + 1] as number)) + by;
      cells[cell] = nodeid; // once it has its number
      if (cells[cell + 1] === 0) this.remove(cell);
    }
    unlock(header, H.lock);
    return fits;
  }

  /** Subtracts up to `by` from a number. Result: how much it was. Hot. */
  reduce(nodeid: number, by: number): number {
    const { header, cells } = this;
    if (Atomics.load(header, H.used) === 0) return 0;
    lock(header, H.lock, this.repair);
    const cell = this.place(nodeid);
    const number = cells[cell] === 0 ? 0 : (cells[cell + 1] as number);
    const less = number < by ? number : by;
    if (number > less) cells[cell + 1] = number - less;
    else if (number > 0) this.remove(cell);
    unlock(header, H.lock);
    return less;
  }

  /** Nodes that have a number. */
  get used(): number {
    return Atomics.load(this.header, H.used);
  }

  // The node's cell, or the free one where it would be.
  private place(nodeid: number): number {
    const { cells, mask } = this;
    let at = hashNode(nodeid) & mask;
    while (cells[at * 2] !== 0 && cells[at * 2] !== nodeid) at = (at + 1) & mask;
    return at * 2;
  }

  // What follows in the same run moves up, so that no search ends at the hole.
  private remove(cell: number): void {
    const { cells, mask, header } = this;
    let hole = cell >> 1;
    for (let at = (hole + 1) & mask; cells[at * 2] !== 0; at = (at + 1) & mask) {
      const home = hashNode(cells[at * 2] as number) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      cells[hole * 2] = cells[at * 2] as number;
      cells[hole * 2 + 1] = cells[at * 2 + 1] as number;
      hole = at;
    }
    cells[hole * 2] = 0;
    header[H.used] = (header[H.used] as number) - 1;
  }
}
