// Owns: what the operations of one worker's copy share: options, tables, scratch memory, credentials, descriptors of
// its own; and what every operation needs first: the descriptor of a node, and an answer when descriptors run out.

import { realpathSync } from "node:fs";
import { ERRNO } from "../../../ffi/errno.ts";
import { close, dup } from "../../../ffi/file.ts";
import { ROOT_ID } from "../../abi/fuse-constants.ts";
import type { Backing } from "../filesystem.ts";
import type { Notifier } from "../notifier.ts";
import { Credentials } from "./credentials.ts";
import { DirectoryBuffers } from "./directory-buffers.ts";
import type { ResolvedOptions } from "./options.ts";
import { Scratch } from "./scratch.ts";
import { countShort, type SharedTables } from "./shared-tables.ts";

/** State of one worker. */
export interface State {
  readonly options: ResolvedOptions;
  /** The source without symbolic links. */
  readonly realSource: string;
  readonly tables: SharedTables;
  readonly scratch: Scratch;
  readonly credentials: Credentials;
  readonly buffers: DirectoryBuffers;
  /** Device of the mount where that lies inside the source, else ELSEWHERE. */
  ownDevice: number;
  /** Called when a lock may have become free. */
  readonly waiters: Set<() => void>;
  /** The directory of this process's descriptors; -1 while closed. */
  procFd: number;
  /** No other worker serves this mount. */
  alone: boolean;
  /** close(2) of the source's filesystem may report errors of its own. */
  flushes: boolean;
  notify: Notifier | undefined;
  backing: Backing | undefined;
  /** Opens are passed through where they can be; INIT agreed on it; files are still worth registering. */
  readonly passes: boolean;
  agreed: boolean;
  /** Files open with DIRECT_IO can be mapped shared. */
  mapsDirect: boolean;
  registers: boolean;
  /** Gives back the backing file of a node that is nobody's any more. */
  readonly dying: (nodeid: number) => void;
  /** Where the next search for inodes to give back starts, and when (ms, monotonic) the last one was. */
  pruneFrom: number;
  prunedAt: number;
  /** Highest descriptor that this worker was given. */
  highestFd: number;
}

/** Device number of a mount that does not lie inside the source. */
export const ELSEWHERE = -1;

const PRUNE_AT_ONCE = 256;
const PRUNE_EVERY_MS = 100;

/** A worker's state, still closed. */
export function createState(options: ResolvedOptions, tables: SharedTables): State {
  const state: State = {
    options,
    realSource: realpathSync(options.source),
    ownDevice: ELSEWHERE,
    tables,
    buffers: new DirectoryBuffers(),
    scratch: new Scratch(),
    credentials: new Credentials(),
    waiters: new Set(),
    procFd: -1,
    alone: true,
    flushes: false,
    notify: undefined,
    backing: undefined,
    passes: options.passthrough !== "off",
    agreed: false,
    mapsDirect: false,
    registers: true,
    pruneFrom: 0,
    prunedAt: Number.NEGATIVE_INFINITY,
    highestFd: 0,
    dying(nodeid) {
      const id = tables.backing.forget(nodeid);
      if (id !== 0) state.backing?.close(id);
    },
  };
  return state;
}

/** Descriptor of a node, or -ESTALE. Hot. */
export function nodeFd(state: State, nodeid: number): number {
  const fd = state.tables.nodes.fdOf(nodeid);
  return fd < 0 ? -ERRNO.ESTALE : fd;
}

/**
 * What to answer for a call that gives a descriptor: `result`, but where only the daemon's own are left -ENFILE, counted,
 * and the kernel is asked to give inodes back.
 */
export function orShort(state: State, result: number): number {
  const reserved = result >= state.tables.descriptors;
  if (result > state.highestFd) state.highestFd = result;
  if (!reserved && result !== -ERRNO.EMFILE && result !== -ERRNO.ENFILE) return result;
  if (reserved) close(result);
  countShort(state.tables);
  prune(state);
  return -ERRNO.ENFILE;
}

/** Whether a descriptor is to be had: 0 or -ENFILE. Asked before a name is made, which would stay if it got none. */
export function roomForNode(state: State): number {
  if (state.highestFd < state.tables.descriptors / 2) return 0; // the kernel gives the lowest free one: half are free
  const spare = orShort(state, dup(state.procFd));
  return spare < 0 ? spare : close(spare);
}

function prune(state: State): void {
  if (state.notify === undefined) return;
  const now = performance.now();
  if (now - state.prunedAt < PRUNE_EVERY_MS) return;
  state.prunedAt = now;
  const { nodes } = state.tables;
  const highest = nodes.highestId;
  const nodeids: number[] = [];
  for (let looked = 0; looked < highest && nodeids.length < PRUNE_AT_ONCE; looked++) {
    state.pruneFrom = (state.pruneFrom % highest) + 1;
    if (state.pruneFrom !== ROOT_ID && nodes.fdOf(state.pruneFrom) >= 0) nodeids.push(state.pruneFrom);
  }
  if (nodeids.length > 0) void state.notify.prune(nodeids);
}
