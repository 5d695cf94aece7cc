// Owns: the memory that the metadata cache's programs read and the daemon writes: slots of nodes, names and values, the
// epochs and the control words; and how large a cache of so many entries is.
// Every slot begins with `seq`: odd while nothing may be answered from it. D: the daemon writes, P: programs write.
// Must not: hold code that runs per request.

import { defineStruct } from "../../../ffi/struct.ts";
import { FuseAttrOut } from "../../abi/fuse-structs.ts";

/** Longest name of an extended attribute, and longest value or target, that is kept. */
export const VALUE_NAME_MAX = 63;
export const VALUE_MAX = 256;
/** Bytes of a file name's place. */
export const NAME_BYTES = 256;
/** `access` of a mask that is not known; results are 0 or -errno. */
export const ACCESS_UNKNOWN = 1;
export const ACCESS_MASKS = 8;

/** What is known about an inode. `seq` and `unseen` are one word of 64 bits to programs. */
export const NodeSlot = defineStruct("node_slot", 192, {
  seq: "u32", // D
  unseen: "u32", // P adds, by compare-and-exchange of both: lookups answered that the daemon has not seen; D takes
  nodeid: "u64", // D; 0: empty
  generation: "u64", // D; counts with HAS_GENERATION
  incarnation: "u32", // D: names lead here only while it is theirs
  flags: "u32", // D: NODE
  expires: "u64", // D: CLOCK_MONOTONIC in nanoseconds
  used: "u32", // P, D: when it last answered, in ticks
  epoch: "u32", // D: the control word `attributes`, when it was filled
  access: { type: "i32", count: ACCESS_MASKS }, // D: by mask
  attr_out: FuseAttrOut, // D
  reserved: "u64",
});

export const NODE = { HAS_GENERATION: 1 } as const;

/** What is known about a name in a directory: also while `seq` is odd, then for the daemon alone. */
export const NameSlot = defineStruct("name_slot", 336, {
  seq: "u32", // D
  used: "u32", // P, D
  parent: "u64", // D
  hash: "u32", // D
  length: "u32", // D
  epoch: "u32", // D: the parent's `names` epoch, when it was filled
  all: "u32", // D: the control word `names`, likewise
  kind: "u32", // D: KIND
  node: "u32", // D: number of the node's slot
  incarnation: "u32", // D: of that slot
  entry_valid_nsec: "u32", // D
  entry_valid: "u64", // D
  nodeid: "u64", // D
  generation: "u64", // D
  expires: "u64", // D
  name: { type: "u8", count: NAME_BYTES }, // D: then 0
});

/** Of a name: empty; leads to a node; is not there, answered by ENOENT, or by nodeid 0 with a time-out. */
export const KIND = { EMPTY: 0, NODE: 1, NO_ENTRY: 2, NEGATIVE: 3 } as const;

/** An extended attribute of a node, or with an empty name the target of a symbolic link. */
export const ValueSlot = defineStruct("value_slot", 376, {
  seq: "u32", // D
  used: "u32", // P, D
  nodeid: "u64", // D; 0: empty
  hash: "u32", // D
  length: "u32", // D: of the name
  epoch: "u32", // D: the node's `values` epoch, when it was filled
  present: "u32", // D: the node's `present` epoch; counts where there is a value
  error: "i32", // D: 0, or -errno
  size: "u32", // D: of the value
  expires: "u64", // D
  all: "u32", // D: the control word `values`
  reserved: "u32",
  name: { type: "u8", count: VALUE_NAME_MAX + 1 }, // D: then 0
  value: { type: "u8", count: VALUE_MAX }, // D
});

/** Counters by the hash of a node: what was filled under another one is outdated. */
export const Epochs = defineStruct("node_epochs", 16, {
  names: "u32", // names in the directory
  values: "u32", // every extended attribute and the target
  present: "u32", // extended attributes that are there; those that are not stay as they are
  reserved: "u32",
});

/** The same for all nodes at once. */
export const Control = defineStruct("cache_control", 16, {
  attributes: "u32",
  names: "u32",
  values: "u32",
  reserved: "u32",
});

/** Slots that are found by a node and some bytes, and outdated by a counter of the node and one of all. Byte offsets. */
export interface KeyedShape {
  readonly size: number;
  readonly seq: number;
  readonly used: number;
  readonly expires: number;
  /** 0 where the slot is empty. */
  readonly node: number;
  readonly hash: number;
  readonly length: number;
  readonly name: number;
  readonly nameBytes: number;
  readonly epoch: number;
  readonly all: number;
  /** What `epoch` and `all` were read from: in `Epochs` and in `Control`. */
  readonly epochOf: number;
  readonly allOf: number;
}

export const NAME_SHAPE: KeyedShape = {
  ...NameSlot.at,
  ...{ size: NameSlot.size, node: NameSlot.at.parent, nameBytes: NAME_BYTES },
  ...{ epochOf: Epochs.at.names, allOf: Control.at.names },
};

export const VALUE_SHAPE: KeyedShape = {
  ...ValueSlot.at,
  ...{ size: ValueSlot.size, node: ValueSlot.at.nodeid, nameBytes: VALUE_NAME_MAX + 1 },
  ...{ epochOf: Epochs.at.values, allOf: Control.at.values },
};

/** Slots of one bucket: where a key may be. */
export const WAYS = 4;
/** Nanoseconds of a tick, as a power of two. */
export const TICK_SHIFT = 20;

/** How many buckets each table has, powers of two. */
export interface Geometry {
  readonly nodeBuckets: number;
  readonly nameBuckets: number;
  readonly valueBuckets: number;
  readonly epochs: number;
}

const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(atLeast));

/** A cache of at least `entries` names, as many nodes, and as many values (none: two buckets). */
export function geometryOf(entries: number, values: boolean): Geometry {
  const buckets = powerOfTwo(Math.max(2, entries / WAYS));
  return {
    nodeBuckets: buckets,
    nameBuckets: buckets,
    valueBuckets: values ? buckets : 2,
    epochs: Math.max(1024, buckets * WAYS),
  };
}

/** Memory that every worker has; all but the last are values of maps. */
export interface CacheMemory {
  readonly control: SharedArrayBuffer;
  readonly epochs: SharedArrayBuffer;
  readonly nodes: SharedArrayBuffer;
  readonly names: SharedArrayBuffer;
  readonly values: SharedArrayBuffer;
  /** The daemon's alone. */
  readonly state: SharedArrayBuffer;
}

/** A map: bytes of each element and how many there are. */
export interface Extent {
  readonly bytes: number;
  readonly count: number;
}

export const extentsOf = (geometry: Geometry): Record<Exclude<keyof CacheMemory, "state">, Extent> => ({
  control: { bytes: Control.size, count: 1 },
  epochs: { bytes: Epochs.size, count: geometry.epochs },
  nodes: { bytes: NodeSlot.size * WAYS, count: geometry.nodeBuckets },
  names: { bytes: NameSlot.size * WAYS, count: geometry.nameBuckets },
  values: { bytes: ValueSlot.size * WAYS, count: geometry.valueBuckets },
});
