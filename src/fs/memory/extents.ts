// Owns: the data of one regular file, sparse: a list of chunks sorted by index, holes are what is missing.
// Invariant: whatever lies at or past the file's size is zero (`truncate` is called when the size shrinks).
// Must not: know the file's size, times or limits other than the page budget. Offsets are exact integers.

import type { Budget } from "./budget.ts";
import {
  CHUNK_BYTES,
  type Chunk,
  countPages,
  createChunk,
  findPage,
  growChunk,
  pageMask,
  trimChunk,
  zeroChunk,
} from "./chunk.ts";
import { PAGE_BYTES } from "./options.ts";

/** Sparse file data. All pages that it has in use are taken from its budget. */
export class Extents {
  /** Pages in use. */
  pages = 0;
  private readonly budget: Budget;
  private chunks: Chunk[] = [];

  constructor(budget: Budget) {
    this.budget = budget;
  }

  /** Copies `length` bytes at `offset` into `target` at `at`; holes are zeros. Hot. */
  read(target: Uint8Array, at: number, offset: number, length: number): void {
    const end = offset + length;
    let position = offset;
    let slot = this.slotOf(Math.floor(offset / CHUNK_BYTES));
    while (position < end) {
      const index = Math.floor(position / CHUNK_BYTES);
      const start = position - index * CHUNK_BYTES;
      const stop = Math.min(CHUNK_BYTES, end - index * CHUNK_BYTES);
      const chunk = this.chunks[slot];
      const to = at + (position - offset);
      const copied = chunk?.index === index ? copyOut(chunk, target, to, start, stop) : 0;
      if (copied < stop - start) target.fill(0, to + copied, to + stop - start);
      if (chunk?.index === index) slot++;
      position += stop - start;
    }
  }

  /** Takes `length` bytes of `source` from `from` on to `offset`. Result: bytes taken, fewer when space ran out. Hot. */
  write(source: Buffer, from: number, offset: number, length: number): number {
    const end = offset + length;
    let position = offset;
    while (position < end) {
      const index = Math.floor(position / CHUNK_BYTES);
      const start = position - index * CHUNK_BYTES;
      const wanted = Math.min(CHUNK_BYTES, end - index * CHUNK_BYTES);
      const stop = this.claim(index, start, wanted);
      if (stop > start) {
        const chunk = this.chunks[this.slotOf(index)] as Chunk;
        growChunk(chunk, stop);
        source.copy(chunk.bytes, start, from + (position - offset), from + (position - offset) + stop - start);
        position += stop - start;
      }
      if (stop < wanted) break;
    }
    return position - offset;
  }

  /** Puts pages in use for the whole range, zero where they were not; false (and no change) without space for all. */
  allocate(offset: number, length: number): boolean {
    const end = offset + length;
    const touched = Math.ceil(end / PAGE_BYTES) - Math.floor(offset / PAGE_BYTES);
    if (touched - this.pagesIn(offset, end) > this.budget.free) return false;
    for (let index = Math.floor(offset / CHUNK_BYTES); index * CHUNK_BYTES < end; index++) {
      const base = index * CHUNK_BYTES;
      this.claim(index, Math.max(0, offset - base), Math.min(CHUNK_BYTES, end - base));
    }
    return true;
  }

  /** Makes a range read as zeros; whole pages in it become a hole when `free`, else they stay in use. */
  clear(offset: number, end: number, free: boolean): void {
    const first = this.slotOf(Math.floor(offset / CHUNK_BYTES));
    let slot = first;
    for (; slot < this.chunks.length; slot++) {
      const chunk = this.chunks[slot] as Chunk;
      const base = chunk.index * CHUNK_BYTES;
      if (base >= end) break;
      const start = Math.max(0, offset - base);
      const stop = Math.min(CHUNK_BYTES, end - base);
      zeroChunk(chunk, start, stop);
      if (free) this.release(chunk, Math.ceil(start / PAGE_BYTES), Math.floor(stop / PAGE_BYTES) - 1);
    }
    if (free) this.dropEmpty(first, slot);
  }

  /** Drops what lies at and past `size`. */
  truncate(size: number): void {
    this.clear(size, Infinity, true);
  }

  /**
   * Takes `[offset, offset + length)` out (`by` negative) or puts a hole in (`by` positive): everything from `from`
   * on moves by `by` bytes. Both are whole pages.
   */
  shift(from: number, by: number): void {
    if (by < 0) this.clear(from + by, from, true);
    const moved = this.chunks;
    const { pages } = this;
    this.chunks = [];
    this.pages = 0;
    this.budget.give(pages);
    for (const chunk of moved) {
      for (let page = findPage(chunk.used, 0, 1); page < 32; page = findPage(chunk.used, page + 1, 1)) {
        const at = chunk.index * CHUNK_BYTES + page * PAGE_BYTES;
        this.place(at < from ? at : at + by, chunk.bytes, page * PAGE_BYTES);
      }
    }
  }

  /** Copies a range of another file's data; its holes become zeros here. Result: bytes, fewer when space ran out. */
  copyFrom(source: Extents, from: number, to: number, length: number): number {
    let done = 0;
    while (done < length) {
      const data = source.nextData(from + done, from + length);
      this.clear(to + done, to + data - from, false);
      done = data - from;
      if (done >= length) break;
      const chunk = source.chunks[source.slotOf(Math.floor(data / CHUNK_BYTES))] as Chunk;
      const start = data - chunk.index * CHUNK_BYTES;
      const hole = findPage(chunk.used, Math.floor(start / PAGE_BYTES), 0) * PAGE_BYTES;
      const count = Math.min(hole - start, length - done);
      growChunk(chunk, start + count);
      const written = this.write(chunk.bytes, start, to + done, count);
      done += written;
      if (written < count) break;
    }
    return done;
  }

  /** First byte of data in `offset..end`, or `end`. */
  nextData(offset: number, end: number): number {
    for (let slot = this.slotOf(Math.floor(offset / CHUNK_BYTES)); slot < this.chunks.length; slot++) {
      const chunk = this.chunks[slot] as Chunk;
      const base = chunk.index * CHUNK_BYTES;
      if (base >= end) break;
      const page = findPage(chunk.used, Math.max(0, Math.floor((offset - base) / PAGE_BYTES)), 1);
      if (page < 32) return Math.min(end, Math.max(offset, base + page * PAGE_BYTES));
    }
    return end;
  }

  /** First byte of a hole in `offset..end`, or `end`. */
  nextHole(offset: number, end: number): number {
    let position = offset;
    for (let slot = this.slotOf(Math.floor(offset / CHUNK_BYTES)); position < end; slot++) {
      const chunk = this.chunks[slot];
      const base = Math.floor(position / CHUNK_BYTES) * CHUNK_BYTES;
      if (chunk === undefined || chunk.index * CHUNK_BYTES !== base) return position;
      const page = findPage(chunk.used, Math.floor((position - base) / PAGE_BYTES), 0);
      if (page < 32) return Math.min(end, Math.max(position, base + page * PAGE_BYTES));
      position = base + CHUNK_BYTES;
    }
    return end;
  }

  // hot: position of the first chunk whose index is at least `index`; files are mostly appended to and read in order
  private slotOf(index: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.chunks[middle] as Chunk).index < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // hot: puts the pages of `start..end` of a chunk in use, in order while there is space; result: where that ended
  private claim(index: number, start: number, end: number): number {
    const slot = this.slotOf(index);
    const known = this.chunks[slot];
    const chunk = known?.index === index ? known : createChunk(index);
    const first = Math.floor(start / PAGE_BYTES);
    const last = Math.floor((end - 1) / PAGE_BYTES);
    const missing = pageMask(first, last) & ~chunk.used;
    let stop = end;
    let taken = missing;
    if (missing !== 0 && !this.budget.take(countPages(missing))) {
      [taken, stop] = this.takeSome(missing, first, end);
      stop = Math.max(stop, start);
    }
    if (taken === 0) return stop;
    chunk.used |= taken;
    this.pages += countPages(taken);
    if (chunk !== known) this.chunks.splice(slot, 0, chunk);
    return stop;
  }

  // Space for some pages only: result [their bits, offset in the chunk of the first page that got none].
  private takeSome(missing: number, first: number, end: number): [taken: number, stop: number] {
    let taken = 0;
    for (let page = first; page < 32; page++) {
      const bit = 1 << page;
      if ((missing & bit) === 0) continue;
      if (!this.budget.take(1)) return [taken, Math.min(end, page * PAGE_BYTES)];
      taken |= bit;
    }
    return [taken, end];
  }

  private release(chunk: Chunk, first: number, last: number): void {
    if (first > last) return;
    const freed = chunk.used & pageMask(first, last);
    chunk.used &= ~freed;
    this.pages -= countPages(freed);
    this.budget.give(countPages(freed));
    trimChunk(chunk);
  }

  private dropEmpty(first: number, end: number): void {
    const kept = this.chunks.slice(first, end).filter((chunk) => chunk.used !== 0);
    if (kept.length < end - first) this.chunks = this.chunks.slice(0, first).concat(kept, this.chunks.slice(end));
  }

  // Puts one page in place, with the bytes that `bytes` has for it. Only `shift` calls it: the budget has room.
  private place(offset: number, bytes: Buffer, from: number): void {
    if (from < bytes.length) this.write(bytes, from, offset, PAGE_BYTES);
    else this.allocate(offset, PAGE_BYTES);
  }

  private pagesIn(offset: number, end: number): number {
    let pages = 0;
    for (let slot = this.slotOf(Math.floor(offset / CHUNK_BYTES)); slot < this.chunks.length; slot++) {
      const chunk = this.chunks[slot] as Chunk;
      const base = chunk.index * CHUNK_BYTES;
      if (base >= end) break;
      const first = Math.max(0, Math.floor((offset - base) / PAGE_BYTES));
      const last = Math.min(31, Math.ceil((end - base) / PAGE_BYTES) - 1);
      pages += countPages(chunk.used & pageMask(first, last));
    }
    return pages;
  }
}

// hot: bytes that the chunk has memory for; the rest of the range is zeros
function copyOut(chunk: Chunk, target: Uint8Array, at: number, start: number, stop: number): number {
  return start < chunk.bytes.length ? chunk.bytes.copy(target, at, start, Math.min(stop, chunk.bytes.length)) : 0;
}
