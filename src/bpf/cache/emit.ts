// Owns: the pieces that the cache's programs share: finding a slot in its bucket, the look at `seq` before and after,
// comparing names, copying. r6 context, r7 slot, r8 its seq, r9 time; a label "upcall" ends in vain.
// Must not: know what a slot means.

import type { BpfAssembler, MapReference } from "../assembler.ts";
import { CONTEXT, VERDICT } from "../context.ts";
import { type Register, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 } from "../instructions.ts";
import { emitHashName, emitHashNode } from "./hash.ts";
import { type KeyedShape, TICK_SHIFT, WAYS } from "./layout.ts";

/** The cache's maps. */
export interface CacheMaps {
  readonly control: MapReference;
  readonly epochs: MapReference;
  readonly nodes: MapReference;
  readonly names: MapReference;
  readonly values: MapReference;
}

/** Stack: hash of the key, the name's slot and its seq, the key of a look-up, and a word for fences. */
export const STACK = { hash: -8, slot: -16, nameSeq: -24, key: -28, fence: -40 } as const;

/** Words that were read before are not read later. x86_64 keeps that order by itself. */
export function fence(program: BpfAssembler): void {
  if (process.arch !== "arm64") return;
  program.store("u64", r10, STACK.fence, 0).mov(r1, 0).atomic("fetch-add", "u64", r10, STACK.fence, r1);
}

/** r0 = element `index` (a register) of an array, or UPCALL. */
export function element(program: BpfAssembler, map: MapReference, index: Register): void {
  program.store("u32", r10, STACK.key, index).loadMap(r1, map).mov(r2, r10).alu("add", r2, STACK.key);
  program.call("map_lookup_elem").jump("eq", r0, 0, "upcall");
}

/** r7 = the slot of a bucket (r0) that `matches`, which jumps to `miss` where it does not; none: UPCALL. */
export function findWay(program: BpfAssembler, bytes: number, matches: (miss: string) => void): void {
  for (let way = 0; way < WAYS; way++) {
    program.mov(r7, r0).alu("add", r7, way * bytes);
    matches(`way ${way}`);
    program.goto("found").label(`way ${way}`);
  }
  program.goto("upcall").label("found");
}

/** r8 = the slot's seq, even; r9 = now, not beyond `expires`. */
export function begin(program: BpfAssembler, seq: number, expires: number): void {
  program.load("u32", r8, r7, seq).jump("set", r8, 1, "upcall");
  fence(program);
  program.call("ktime_get_ns").mov(r9, r0);
  program.load("u64", r1, r7, expires).jump("gt", r9, r1, "upcall");
}

/** The slot is still the one that was read; it was used now. */
export function end(program: BpfAssembler, seq: number, used: number): void {
  fence(program);
  program.load("u32", r1, r7, seq).jump("ne", r1, r8, "upcall");
  program.alu("rsh", r9, TICK_SHIFT).store("u32", r7, used, r9);
}

/** The control word is the one that the slot was filled under. */
export function sameControl(program: BpfAssembler, { control }: CacheMaps, word: number, field: number): void {
  program.loadMapValue(r1, control).load("u32", r1, r1, word).load("u32", r2, r7, field);
  program.jump("ne", r1, r2, "upcall");
}

/** r0 = the epochs of the context's node, of which the map has `count`; `field` of them is what `own` of the slot says. */
function sameEpoch(
  program: BpfAssembler,
  maps: CacheMaps,
  { count, field, own }: { readonly count: number; readonly field: number; readonly own: number },
): void {
  emitHashNode(program);
  program.alu32("and", r1, count - 1);
  element(program, maps.epochs, r1);
  program.load("u32", r1, r0, field).load("u32", r2, r7, own).jump("ne", r1, r2, "upcall");
}

/** The context's name, of at most `most` bytes, is the slot's; else UPCALL. */
function sameName(program: BpfAssembler, length: number, name: number, most: number): void {
  program.load("u32", r3, r6, CONTEXT.name_len).load("u32", r1, r7, length).jump("ne", r1, r3, "upcall");
  for (let index = 0; index < most; index += 8) {
    program.jump("le", r3, index, "named");
    program
      .load("u64", r1, r6, CONTEXT.name + index)
      .load("u64", r2, r7, name + index)
      .jump("ne", r1, r2, "upcall");
  }
  program.label("named");
}

/**
 * r7 = the slot of the context's node and name in `map`, which holds `buckets`, as it is now; r8 its seq, r9 the time, r0
 * the node's epochs, of which there are `epochs`; else UPCALL.
 */
export function findKeyed(
  program: BpfAssembler,
  maps: CacheMaps,
  shape: KeyedShape,
  { map, buckets, epochs }: { readonly map: MapReference; readonly buckets: number; readonly epochs: number },
): void {
  emitHashName(program, shape.nameBytes);
  program.store("u64", r10, STACK.hash, r1).alu32("and", r1, buckets - 1);
  element(program, map, r1);
  program.load("u64", r4, r6, CONTEXT.nodeid).load("u64", r5, r10, STACK.hash);
  findWay(program, shape.size, (miss) => {
    program.load("u32", r1, r7, shape.hash).jump("ne", r1, r5, miss);
    program.load("u64", r1, r7, shape.node).jump("ne", r1, r4, miss);
  });
  sameName(program, shape.length, shape.name, shape.nameBytes);
  begin(program, shape.seq, shape.expires);
  sameControl(program, maps, shape.allOf, shape.all);
  sameEpoch(program, maps, { count: epochs, field: shape.epochOf, own: shape.epoch });
}

/** Copies whole words of 8 bytes from the slot to the context. */
export function copy(program: BpfAssembler, from: number, to: number, bytes: number): void {
  for (let index = 0; index < bytes; index += 8) {
    program.load("u64", r1, r7, from + index).store("u64", r6, to + index, r1);
  }
}

/** Ends a program: "upcall", and "reply". */
export const verdicts = (program: BpfAssembler): BpfAssembler =>
  program.label("upcall").exit(VERDICT.UPCALL).label("reply").exit(VERDICT.REPLY);
