// Owns: 32 pages of file data. Invariants: bytes of a page that is not in use are zero; pages at and past the end of
// `bytes` are zero without memory, whether in use (preallocated) or not.
// Must not: account pages; whoever sets or clears bits of `used` settles with the budget.

import { PAGE_BYTES } from "./options.ts";

/** Bytes that one chunk stands for: 32 pages, one bit each. */
export const CHUNK_BYTES = 32 * PAGE_BYTES;

const NOTHING = Buffer.alloc(0);

// Memory that the machine has not given out yet costs a page fault per page, far more than zeroing: so buffers of
// whole chunks are kept for the next file, at most this many (32 MiB). They are all zero, since no page of them is in use.
const SPARE_CHUNKS = 256;
const spare: Buffer[] = [];

/** A stretch of `CHUNK_BYTES` of one file. */
export interface Chunk {
  /** Number of the chunk in the file: its offset / CHUNK_BYTES. */
  index: number;
  /** One bit per page in use. */
  used: number;
  bytes: Buffer;
}

export function createChunk(index: number): Chunk {
  return { index, used: 0, bytes: NOTHING };
}

/** Bits of pages `first` to `last`, inclusive. Hot. */
export function pageMask(first: number, last: number): number {
  return (-1 >>> (31 - last)) & (-1 << first);
}

/** Pages in a mask. Hot. */
export function countPages(mask: number): number {
  let bits = mask - ((mask >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** Makes room for bytes up to `end`, doubling, so that appending page by page copies each byte about once. Hot. */
export function growChunk(chunk: Chunk, end: number): void {
  if (chunk.bytes.length >= end) return;
  let length = PAGE_BYTES;
  while (length < end) length *= 2;
  const grown = (length === CHUNK_BYTES ? spare.pop() : undefined) ?? Buffer.alloc(length);
  chunk.bytes.copy(grown);
  chunk.bytes = grown;
}

/** Zeroes bytes `start` to `end`. Hot. */
export function zeroChunk(chunk: Chunk, start: number, end: number): void {
  const stop = Math.min(end, chunk.bytes.length);
  if (start < stop) chunk.bytes.fill(0, start, stop);
}

/** Lowest page of `from`..31 whose bit in `used` is `wanted`, or 32. */
export function findPage(used: number, from: number, wanted: 0 | 1): number {
  for (let page = from; page < 32; page++) if (((used >>> page) & 1) === wanted) return page;
  return 32;
}

/** Gives memory back when at most a quarter of it lies below the last page in use. */
export function trimChunk(chunk: Chunk): void {
  if (chunk.used === 0) {
    if (chunk.bytes.length === CHUNK_BYTES && spare.length < SPARE_CHUNKS) spare.push(chunk.bytes);
    chunk.bytes = NOTHING;
    return;
  }
  const needed = (32 - Math.clz32(chunk.used)) * PAGE_BYTES;
  if (needed * 4 <= chunk.bytes.length) chunk.bytes = Buffer.from(chunk.bytes.subarray(0, needed));
}
