// Owns: the counters by the hash of a node: what was filled under another number than now is outdated.
// Must not: know what is filled.

import { hashNode } from "./hash.ts";
import { Epochs } from "./layout.ts";

const WORDS = Epochs.size >> 2;

/** Which of a node's counters. */
export type Epoch = "names" | "values" | "present";

export class NodeEpochs {
  private readonly mask: number;

  /** A view of counters of a power of two of nodes. */
  constructor(private readonly words: Int32Array) {
    this.mask = words.length / WORDS - 1;
  }

  /** Hot. */
  read(nodeid: number, which: Epoch): number {
    return Atomics.load(this.words, this.at(nodeid, which));
  }

  /** What was filled so far is outdated. Hot. */
  advance(nodeid: number, which: Epoch): void {
    Atomics.add(this.words, this.at(nodeid, which), 1);
  }

  private at(nodeid: number, which: Epoch): number {
    return (hashNode(nodeid) & this.mask) * WORDS + (Epochs.at[which] >> 2);
  }
}
