// Owns: maps with typed keys and values: each is one descriptor, closed once by whoever made the map.
// Must not: outlive `close`; programs that were loaded with a map keep it in the kernel without us.

import {
  createMap,
  deleteBatch,
  deleteElement,
  lookupBatch,
  lookupElement,
  type MapShape,
  nextKey,
  updateBatch,
  updateElement,
} from "../../ffi/bpf.ts";
import { BPF_MAP_TYPE, BPF_UPDATE } from "../../ffi/bpf-structs.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { close } from "../../ffi/file.ts";
import type { Codec } from "./codecs.ts";
import { BpfError, bpfResult } from "./errors.ts";

/** Kinds of maps by name. */
export const MAP_KINDS = {
  hash: BPF_MAP_TYPE.HASH,
  "lru-hash": BPF_MAP_TYPE.LRU_HASH,
  array: BPF_MAP_TYPE.ARRAY,
} as const;
export type MapKind = keyof typeof MAP_KINDS;

/** How a map is made. */
export interface MapOptions<Key, Value> {
  readonly kind: MapKind;
  readonly key: Codec<Key>;
  readonly value: Codec<Value>;
  /** Entries at most: a full hash refuses new ones, a full lru-hash drops the one used least recently. */
  readonly maxEntries: number;
  /** Shown by the kernel, at most 15 characters. */
  readonly name?: string;
  /** BPF_MAP_FLAG. */
  readonly flags?: number;
}

const MEANINGS = {
  EPERM: "it needs CAP_BPF",
  E2BIG: "the map is full, or larger than the kernel allows",
  EEXIST: "the key is there already",
};
/** Entries that one system call carries. */
const BATCH = 1024;

/** Makes a map by its numbers, without a codec. Result: the descriptor, the caller's to close. Errors: `BpfError`. */
export const openMap = (shape: MapShape): number => bpfResult(createMap(shape), `map "${shape.name}"`, MEANINGS);

export class BpfMap<Key, Value> implements Disposable {
  readonly fd: number;
  readonly name: string;
  private readonly key: Codec<Key>;
  private readonly value: Codec<Value>;
  private readonly borrowed: boolean;
  private open = true;

  /** Over a descriptor whose sizes are those of the codecs; `close` closes it, unless it is `borrowed`. */
  constructor(fd: number, name: string, key: Codec<Key>, value: Codec<Value>, borrowed = false) {
    this.fd = fd;
    this.name = name;
    this.key = key;
    this.value = value;
    this.borrowed = borrowed;
  }

  /** Errors: `BpfError`: EPERM, E2BIG, EINVAL (sizes or flags that the kind does not take), ENOMEM. */
  static create<Key, Value>(options: MapOptions<Key, Value>): BpfMap<Key, Value> {
    const { kind, key, value, maxEntries, name = kind, flags = 0 } = options;
    const sizes = { keySize: key.bytes, valueSize: value.bytes, maxEntries };
    return new BpfMap(openMap({ type: MAP_KINDS[kind], ...sizes, flags, name }), name, key, value);
  }

  /** The key's value, undefined when it has none. Errors: `BpfError`. */
  get(key: Key): Value | undefined {
    const value = new Uint8Array(this.value.bytes);
    const result = lookupElement(this.fd, this.encode(this.key, key), value);
    if (result === -ERRNO.ENOENT) return undefined;
    this.check(result, "look-up");
    return this.decode(this.value, value, 0);
  }

  /** Sets the key's value; "new" and "known" only then. Errors: `BpfError`: E2BIG (full), EEXIST, ENOENT. */
  set(key: Key, value: Value, only?: "new" | "known"): this {
    const flags = only === undefined ? BPF_UPDATE.ANY : only === "new" ? BPF_UPDATE.NOEXIST : BPF_UPDATE.EXIST;
    this.check(updateElement(this.fd, this.encode(this.key, key), this.encode(this.value, value), flags), "update");
    return this;
  }

  /** Takes the key away; false when it was not there. Errors: `BpfError`: EINVAL for an array. */
  delete(key: Key): boolean {
    const result = deleteElement(this.fd, this.encode(this.key, key));
    if (result === -ERRNO.ENOENT) return false;
    this.check(result, "delete");
    return true;
  }

  /** Every key; one that is taken away meanwhile makes the walk begin anew. */
  *keys(): Generator<Key> {
    let at: Uint8Array | undefined;
    for (;;) {
      const next = new Uint8Array(this.key.bytes);
      const result = nextKey(this.fd, at, next);
      if (result === -ERRNO.ENOENT) return;
      this.check(result, "next key");
      yield this.decode(this.key, next, 0);
      at = next;
    }
  }

  /** Sets many entries by few system calls. Errors: `BpfError`; those before the failing one are set. */
  setMany(entries: Iterable<readonly [Key, Value]>): void {
    const all = [...entries];
    for (let from = 0; from < all.length; from += BATCH) {
      const part = all.slice(from, from + BATCH);
      const keys = this.pack(
        this.key,
        part.map(([key]) => key),
      );
      const values = this.pack(
        this.value,
        part.map(([, value]) => value),
      );
      const { result, count } = updateBatch(this.fd, { keys, values }, part.length);
      this.check(result, `update of entry ${from + count}`);
    }
  }

  /** Takes many keys away; those that are not there are passed over. Errors: `BpfError`. */
  deleteMany(keys: Iterable<Key>): void {
    let left = [...keys];
    while (left.length > 0) {
      const part = left.slice(0, BATCH);
      const { result, count } = deleteBatch(this.fd, { keys: this.pack(this.key, part) }, part.length);
      if (result !== -ERRNO.ENOENT) this.check(result, "delete");
      left = left.slice(result < 0 ? count + 1 : part.length);
    }
  }

  /** All entries at this time, by few system calls; what changes meanwhile may be missed. Errors: `BpfError`. */
  entries(): [Key, Value][] {
    const all: [Key, Value][] = [];
    const keys = new Uint8Array(BATCH * this.key.bytes);
    const values = new Uint8Array(BATCH * this.value.bytes);
    let from: Uint8Array | undefined;
    for (;;) {
      const next = new Uint8Array(Math.max(8, this.key.bytes));
      const { result, count } = lookupBatch(this.fd, { keys, values, from, next }, BATCH);
      if (result !== -ERRNO.ENOENT) this.check(result, "look-up");
      for (let at = 0; at < count; at++)
        all.push([this.decode(this.key, keys, at), this.decode(this.value, values, at)]);
      if (result < 0) return all;
      from = next;
    }
  }

  close(): void {
    if (this.open && !this.borrowed) close(this.fd);
    this.open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private check(result: number, what: string): void {
    if (!this.open) throw new BpfError(`map "${this.name}": ${what} after close`, "EBADF");
    bpfResult(result, `map "${this.name}": ${what}`, MEANINGS);
  }

  private encode<Part>(codec: Codec<Part>, value: Part): Uint8Array {
    return this.pack(codec, [value]);
  }

  private pack<Part>(codec: Codec<Part>, values: readonly Part[]): Uint8Array {
    if (!this.open) throw new BpfError(`map "${this.name}" is closed`, "EBADF");
    const packed = new Uint8Array(values.length * codec.bytes);
    const view = new DataView(packed.buffer);
    values.forEach((value, index) => {
      codec.write(view, index * codec.bytes, value);
    });
    return packed;
  }

  private decode<Part>(codec: Codec<Part>, from: Uint8Array, index: number): Part {
    return codec.read(new DataView(from.buffer, from.byteOffset), index * codec.bytes);
  }
}
