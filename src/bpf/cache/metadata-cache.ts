// Owns: the cache as one worker uses it: what to do at the beginning and the end of each request, at FORGET, and at
// changes from outside. Its memory is shared by all workers of the mount and read by the programs.
// Must not: open maps or load programs; that is done once, by the thread that mounts.

import { OPCODES } from "../../abi/fuse-opcodes.ts";
import type { Request } from "../../codec/request.ts";
import { CHANGES } from "./changes.ts";
import { type CacheCounters, Coherence } from "./coherence.ts";
import { type CacheMemory, Epochs, type Geometry, KIND, WAYS } from "./layout.ts";
import { Lifetime } from "./lifetime.ts";
import { NameVisit, UNKNOWN } from "./name-visit.ts";
import { Names } from "./names.ts";
import { NodeCounts } from "./node-counts.ts";
import { NodeEpochs } from "./node-epochs.ts";
import { Nodes } from "./nodes.ts";
import { type Plan, READS } from "./reads.ts";
import { Values } from "./values.ts";
import { type CacheChoice, type Tables, Visit } from "./visit.ts";

/** What a worker is told; plain data, so that it can be posted. */
export interface CacheSettings {
  readonly memory: CacheMemory;
  readonly geometry: Geometry;
  readonly choice: CacheChoice;
  readonly ttlMs: number;
}

/** Nodes that may owe lookups at once, for each bucket; and those open by passthrough, three quarters of so many. */
const DEBTS_PER_BUCKET = 16;
const OPENS_AT_LEAST = 4096;

interface StatePlaces {
  readonly debts: number;
  readonly debtCapacity: number;
  readonly opens: number;
  readonly openCapacity: number;
  readonly bytes: number;
}

function placesOf({ nodeBuckets, nameBuckets, valueBuckets }: Geometry): StatePlaces {
  const debts = Math.ceil(Coherence.byteLength(nodeBuckets + nameBuckets + valueBuckets) / 8) * 8;
  const debtCapacity = nodeBuckets * DEBTS_PER_BUCKET;
  const opens = debts + NodeCounts.byteLength(debtCapacity);
  const openCapacity = Math.max(OPENS_AT_LEAST, nodeBuckets * WAYS);
  return { debts, debtCapacity, opens, openCapacity, bytes: opens + NodeCounts.byteLength(openCapacity) };
}

/** Memory of the daemon's own for a cache. */
export const createCacheState = (geometry: Geometry): SharedArrayBuffer =>
  new SharedArrayBuffer(placesOf(geometry).bytes);

const PLANS: readonly (Plan | undefined)[] = Object.values(OPCODES).reduce<(Plan | undefined)[]>(
  (plans, { name, code }) => {
    plans[code] = CHANGES[name] ?? READS[name];
    return plans;
  },
  [],
);

const encoder = new TextEncoder();

export class MetadataCache {
  private readonly tables: Tables;
  /** By tag. */
  private readonly visits: Visit[] = [];
  private readonly begun: (Plan | undefined)[] = [];

  constructor({ memory, geometry, choice, ttlMs }: CacheSettings) {
    const { nodeBuckets, nameBuckets, valueBuckets } = geometry;
    const { debts, debtCapacity, opens, openCapacity } = placesOf(geometry);
    const control = new Int32Array(memory.control, 0, 4);
    const epochs = new NodeEpochs(new Int32Array(memory.epochs, 0, geometry.epochs * (Epochs.size >> 2)));
    const lifetime = new Lifetime(ttlMs);
    const [ofNodes, ofNames, ofValues] = [0, nodeBuckets, nodeBuckets + nameBuckets].map(
      (first) => new Coherence(memory.state, first),
    ) as [Coherence, Coherence, Coherence];
    const owed = new NodeCounts(memory.state, debts, debtCapacity);
    this.tables = {
      choice,
      coherence: ofNodes,
      nodes: new Nodes(memory.nodes, nodeBuckets, control, ofNodes, lifetime, owed),
      names: new Names(memory.names, nameBuckets, control, epochs, ofNames, lifetime),
      values: new Values(memory.values, valueBuckets, control, epochs, ofValues, lifetime),
      opens: new NodeCounts(memory.state, opens, openCapacity),
    };
  }

  /** A request, checked, is about to be given to its handler. Hot. */
  begin(request: Request): void {
    const plan = PLANS[request.opcode];
    if (plan === undefined) return;
    const { tag } = request;
    let visit = this.visits[tag];
    if (visit === undefined) {
      visit = new Visit();
      this.visits[tag] = visit;
    }
    this.begun[tag] = plan;
    visit.began = this.tables.coherence.now();
    plan.begin(this.tables, visit, request);
  }

  /** It is served, and its reply (`length` bytes, or `error`) leaves next. Nothing when it had not begun. Hot. */
  end(request: Request, error: number, length: number): void {
    const plan = this.begun[request.tag];
    if (plan === undefined) return;
    this.begun[request.tag] = undefined;
    plan.end(this.tables, this.visits[request.tag] as Visit, request, error, length);
  }

  /** The kernel forgets lookups of a node. Result: how many of them the filesystem has to forget. Hot. */
  forget(nodeid: number, nlookup: number): number {
    const { nodes, names, values } = this.tables;
    values.touch(nodeid);
    const left = nodes.forget(nodeid, nlookup);
    if (nodes.forgotDirectory) names.forgetDirectory(nodeid);
    return left;
  }

  /** A node has changed without a request. */
  changedNode(nodeid: number): void {
    this.tables.values.touch(nodeid);
    this.tables.nodes.touch(nodeid);
  }

  /**
   * A name has changed without a request, and with it its directory and what it led to, which has a link less or more:
   * `led`, or what is remembered of the name; where nothing is, the attributes of every node.
   */
  changedName(parent: number, name: string | Uint8Array, led?: number): void {
    const { names, nodes } = this.tables;
    const bytes = typeof name === "string" ? encoder.encode(name) : name;
    const visit = new NameVisit();
    names.see(visit, parent, bytes, 0, bytes.length);
    names.touch(visit);
    nodes.touch(parent);
    if (led !== undefined) this.changedNode(led);
    if (visit.kind === KIND.NODE) this.changedNode(visit.nodeid);
    else if (visit.kind === UNKNOWN && led === undefined) this.changedAny(() => nodes.emptyAll());
  }

  /** Anything may have changed without a request. */
  changedAll(): void {
    const { nodes, names, values } = this.tables;
    this.changedAny(() => {
      nodes.emptyAll();
      names.emptyAll();
      values.emptyAll();
    });
  }

  // What requests are finding out meanwhile is outdated, too.
  private changedAny(empty: () => void): void {
    const { coherence } = this.tables;
    coherence.enterAll();
    empty();
    coherence.leaveAll();
  }

  counters(): CacheCounters {
    return this.tables.coherence.counters();
  }
}
