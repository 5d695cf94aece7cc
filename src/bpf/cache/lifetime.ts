// Owns: time in the cache: how long what is kept may be answered, and which slot of a bucket was used longest ago.
// Must not: lock.

import { monotonicNs } from "../../../ffi/clock.ts";
import { TICK_SHIFT, WAYS } from "./layout.ts";

const WORD = 0x1_0000_0000;
const TICK = 2 ** TICK_SHIFT;

export class Lifetime {
  private readonly ns: number;

  /** `ttlMs` may be Infinity: until it is changed. */
  constructor(ttlMs: number) {
    this.ns = ttlMs * 1e6;
  }

  /** Writes when a slot expires (two words at `expires`) and that it was used now. Hot. */
  stamp(words: Int32Array, expires: number, used: number): void {
    const now = monotonicNs();
    const end = now + this.ns;
    words[expires] = end < Number.POSITIVE_INFINITY ? end : -1;
    words[expires + 1] = end < Number.POSITIVE_INFINITY ? Math.floor(end / WORD) : 0x7fff_ffff;
    words[used] = Math.floor(now / TICK);
  }

  /** Whether a slot, whose expiry is at `expires`, has expired. */
  isOver(words: Int32Array, expires: number): boolean {
    const end = ((words[expires + 1] as number) >>> 0) * WORD + ((words[expires] as number) >>> 0);
    return monotonicNs() > end;
  }

  /**
   * The word of a bucket's slot that is free (the word `owner` and the next are 0), else of the one used longest ago.
   * `first` is the word of the first slot, `size` words of each. Hot.
   */
  oldest(words: Int32Array, first: number, size: number, owner: number, used: number): number {
    const now = Math.floor(monotonicNs() / TICK);
    let best = first;
    let bestAge = -1;
    for (let at = first; at < first + WAYS * size; at += size) {
      if (words[at + owner] === 0 && words[at + owner + 1] === 0) return at;
      const age = (now - (words[at + used] as number)) >>> 0;
      if (age > bestAge) {
        best = at;
        bestAge = age;
      }
    }
    return best;
  }
}
