// Owns: what one worker has read ahead of open directories: records of getdents64, and where in them it stands.
// A buffer is a cache: its handle's word and the cookie asked for must fit, else it is filled anew. The oldest goes
// when there are too many.

import { type Arena, createArena } from "../../../ffi/memory.ts";

const BUFFER_BYTES = 32_768;
const MOST = 64;

/** Read-ahead of one open directory. Cookies are opaque and kept as two words. */
export interface DirectoryBuffer {
  readonly arena: Arena;
  /** Kind and serial of the handle that it was read from. */
  word: number;
  /** Bytes of records, and the offset of the next one. */
  used: number;
  at: number;
  /** Cookie of the first record's predecessor. */
  startLow: number;
  startHigh: number;
  /** Cookie of the next record's predecessor. */
  nextLow: number;
  nextHigh: number;
  /** The descriptor stands where the records end. */
  follows: boolean;
  /** What inode numbers of this directory are mixed with; undefined until somebody asked. */
  mix: number | undefined;
}

function empty(arena: Arena, word: number): DirectoryBuffer {
  return {
    arena,
    word,
    used: 0,
    at: 0,
    startLow: 0,
    startHigh: 0,
    nextLow: 0,
    nextHigh: 0,
    follows: false,
    mix: undefined,
  };
}

/** The buffers of one worker, by handle. */
export class DirectoryBuffers {
  private readonly byHandle = new Map<number, DirectoryBuffer>();
  private readonly spare: Arena[] = [];

  /** The buffer of a handle; an empty one unless it was read from the same opening of the directory. */
  of(fh: number, word: number): DirectoryBuffer {
    const known = this.byHandle.get(fh);
    if (known !== undefined && known.word === word) return known;
    if (known !== undefined) this.drop(fh);
    if (this.byHandle.size >= MOST) this.dropOldest();
    const made = empty(this.spare.pop() ?? createArena(BUFFER_BYTES), word);
    this.byHandle.set(fh, made);
    return made;
  }

  /** Lets go of a handle's buffer, if there is one. */
  drop(fh: number): void {
    const known = this.byHandle.get(fh);
    if (known === undefined) return;
    this.byHandle.delete(fh);
    if (this.spare.length < 4) this.spare.push(known.arena);
  }

  clear(): void {
    this.byHandle.clear();
    this.spare.length = 0;
  }

  private dropOldest(): void {
    for (const fh of this.byHandle.keys()) {
      this.drop(fh);
      return;
    }
  }
}
