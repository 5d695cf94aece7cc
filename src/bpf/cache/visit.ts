// Owns: what the cache remembers of one request between its beginning and its reply, one object per tag; and the tables
// that it works on. Must not: know opcodes.

import type { CacheCounters, Coherence } from "./coherence.ts";
import { NameVisit } from "./name-visit.ts";
import type { Names } from "./names.ts";
import type { NodeCounts } from "./node-counts.ts";
import type { Nodes } from "./nodes.ts";
import { type Values, ValueVisit } from "./values.ts";

/** Which answers the cache gives. */
export interface CacheChoice {
  readonly negative: boolean;
  readonly attr: boolean;
  readonly xattr: boolean;
}

/** The cache as one worker sees it. */
export interface Tables {
  readonly choice: CacheChoice;
  readonly coherence: Coherence;
  readonly nodes: Nodes;
  readonly names: Names;
  readonly values: Values;
  /** Files open by passthrough, whose attributes change without a request. */
  readonly opens: NodeCounts;
}

export type { CacheCounters };

/** Nodes that one request changes at most: two directories, what their two names lead to, and one more. */
const NODES = 6;

export class Visit {
  /** The stamp before the handler ran. */
  began = 0;
  readonly first = new NameVisit();
  readonly second = new NameVisit();
  readonly value = new ValueVisit();
  private readonly nodeids = new Float64Array(NODES);
  private readonly stamps = new Int32Array(NODES);
  private count = 0;
  private all = false;

  /** A change of the node begins with this request. Hot. */
  enterNode({ nodes }: Tables, nodeid: number): void {
    if (this.stampOf(nodeid) !== 0) return;
    this.nodeids[this.count] = nodeid;
    this.stamps[this.count] = nodes.enter(nodeid) || 1;
    this.count++;
  }

  /** A change of nodes that nobody can name begins. */
  enterAll({ coherence, nodes }: Tables): void {
    if (this.all) return;
    this.all = true;
    coherence.enterAll();
    nodes.emptyAll();
  }

  /** The stamp of this request's change of the node, 0: it changes another. Hot. */
  stampOf(nodeid: number): number {
    for (let index = 0; index < this.count; index++) {
      if (this.nodeids[index] === nodeid) return this.stamps[index] as number;
    }
    return 0;
  }

  /** Every change of this request has ended. Hot. */
  leave({ coherence, nodes }: Tables): void {
    for (let index = 0; index < this.count; index++) nodes.leave(this.nodeids[index] as number);
    this.count = 0;
    if (this.all) coherence.leaveAll();
    this.all = false;
  }
}
