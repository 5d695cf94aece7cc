// Owns: the memory that all workers of one mount share, and its layout: node table, table of lock owners and of the
// handles they came by, handles, device numbers, backing files, counters. One SharedArrayBuffer; whoever gets it makes views of his own.
// Ownership: descriptors in the tables belong to the mount; the worker that leaves last closes them.

import { close } from "../../../ffi/file.ts";
import { raiseOpenFileLimit } from "../../../ffi/thread.ts";
import { NodeTable, type NodeTableCounters } from "../node-table.ts";
import { BackingTable } from "./backing-table.ts";
import { DeviceTable } from "./device-table.ts";
import { HandleTable } from "./handle-table.ts";

const HEADER_WORDS = 16;
const H = {
  magic: 0,
  nodes: 1,
  locks: 2,
  handles: 3,
  devices: 4,
  descriptors: 5,
  attached: 6,
  short: 7,
  backing: 8,
  capacity: 9,
  lockHandles: 10,
} as const;
const MAGIC = 0x72667073;
/** Descriptors asked for, and the most that the tables are made for. */
const WANTED = 2 ** 20;
const MOST = 2 ** 22;
/** Descriptors left to the daemon, which ends, or cannot unmount, without any: at most this many, and this share. */
const RESERVE = 64;
const RESERVE_SHARE = 1 / 4;
const LOCK_OWNERS = 2 ** 14;
const LOCK_HANDLE_BYTES = (LOCK_OWNERS + 1) * 4;

/** What went on in a mount. */
export interface PassthroughCounters {
  readonly nodes: NodeTableCounters;
  readonly lockOwners: NodeTableCounters;
  /** Handles that are open. */
  readonly handles: number;
  /** Files registered with the kernel for FUSE passthrough. */
  readonly backingFiles: number;
  /** Requests refused because no descriptor was to be had. */
  readonly descriptorsShort: number;
}

/** Views of one thread over the memory of one mount. */
export interface SharedTables {
  readonly buffer: SharedArrayBuffer;
  readonly nodes: NodeTable;
  readonly locks: NodeTable;
  /** By a lock owner's id: the handle that it first came by, + 1. */
  readonly lockHandles: Int32Array;
  readonly handles: HandleTable;
  readonly devices: DeviceTable;
  readonly backing: BackingTable;
  readonly words: Int32Array;
  /** Descriptors from this number on are the daemon's own. */
  readonly descriptors: number;
}

/** Makes the memory of one mount, for as many descriptors as the process may open; raises that limit. */
export function createSharedTables(maxNodes: number | undefined): SharedArrayBuffer {
  const limit = Math.max(64, Math.min(MOST, raiseOpenFileLimit(WANTED)));
  const descriptors = limit - Math.min(RESERVE, Math.floor(limit * RESERVE_SHARE));
  const capacity = Math.min(maxNodes ?? descriptors, descriptors);
  const align = (bytes: number) => Math.ceil(bytes / 64) * 64;
  const nodes = HEADER_WORDS * 4;
  const locks = nodes + align(NodeTable.byteLength(capacity));
  const handles = locks + align(NodeTable.byteLength(LOCK_OWNERS));
  const devices = handles + align(HandleTable.byteLength(descriptors));
  const backing = devices + align(DeviceTable.byteLength);
  const lockHandles = backing + align(BackingTable.byteLength(capacity));
  const buffer = new SharedArrayBuffer(lockHandles + align(LOCK_HANDLE_BYTES));
  const words = new Int32Array(buffer, 0, HEADER_WORDS);
  words.set([MAGIC, nodes, locks, handles, devices, descriptors]);
  words[H.backing] = backing;
  words[H.capacity] = capacity;
  words[H.lockHandles] = lockHandles;
  NodeTable.format(buffer, nodes, capacity);
  NodeTable.format(buffer, locks, LOCK_OWNERS);
  return buffer;
}

/** Views of the memory. Errors: `TypeError` when it is not from `createSharedTables`. */
export function openSharedTables(buffer: SharedArrayBuffer): SharedTables {
  const words = buffer instanceof SharedArrayBuffer ? new Int32Array(buffer, 0, HEADER_WORDS) : new Int32Array(8);
  const [magic = 0, nodes = 0, locks = 0, handles = 0, devices = 0, descriptors = 0] = words;
  if (magic !== MAGIC) throw new TypeError("`shared` is not from PassthroughFilesystem.createShared");
  return {
    buffer,
    nodes: new NodeTable(buffer, nodes),
    locks: new NodeTable(buffer, locks),
    lockHandles: new Int32Array(buffer, words[H.lockHandles], LOCK_HANDLE_BYTES / 4),
    handles: new HandleTable(buffer, handles, descriptors),
    devices: new DeviceTable(buffer, devices),
    backing: new BackingTable(buffer, words[H.backing] as number, words[H.capacity] as number),
    words,
    descriptors,
  };
}

/** Counts a worker in. */
export function attach(tables: SharedTables): void {
  Atomics.add(tables.words, H.attached, 1);
}

/** Counts a worker out; the last one closes every descriptor that is left. */
export function detach(tables: SharedTables): void {
  if (Atomics.sub(tables.words, H.attached, 1) === 1) closeAll(tables);
}

function closeAll(tables: SharedTables): void {
  tables.handles.drain(close);
  tables.locks.drain(close);
  tables.nodes.drain(close);
  tables.backing.reset(); // the connection has ended, and its ids with it
}

/** Closes what workers that ended without a goodbye have left. To be called when no worker runs any more. */
export function disposeShared(shared: SharedArrayBuffer): void {
  const tables = openSharedTables(shared);
  Atomics.store(tables.words, H.attached, 0);
  closeAll(tables);
}

/** Counts a request that found no descriptor. */
export function countShort(tables: SharedTables): void {
  Atomics.add(tables.words, H.short, 1);
}

/** What went on so far. */
export function countersOf(tables: SharedTables): PassthroughCounters {
  return {
    nodes: tables.nodes.counters(),
    lockOwners: tables.locks.counters(),
    handles: tables.handles.open,
    backingFiles: tables.backing.live,
    descriptorsShort: Atomics.load(tables.words, H.short),
  };
}
