// Owns: the hashes of nodes and names, twice: as numbers here and as instructions, which must agree.
// Names are hashed by words of four bytes, zeros after the last. 32-bit multiplications, so that both sides can.

import type { BpfAssembler } from "../assembler.ts";
import { CONTEXT } from "../context.ts";
import { r1, r2, r3, r6 } from "../instructions.ts";

const BY_NODE = 0x9e37_79b1;
const BY_HIGH = 0x85eb_ca6b;
const MIX = 15;

const mix = (hash: number): number => (hash ^ (hash >>> MIX)) >>> 0;

/** Hash of a nodeid, below 2^53. Hot. */
export function hashNode(nodeid: number): number {
  const high = Math.floor(nodeid / 0x1_0000_0000);
  return mix(Math.imul(nodeid ^ Math.imul(high, BY_HIGH), BY_NODE));
}

/** Hash of a node and `length` bytes from `at`. Hot. */
export function hashName(nodeid: number, bytes: Uint8Array, at: number, length: number): number {
  let hash = hashNode(nodeid);
  for (let index = 0; index < length; index += 4) {
    let word = bytes[at + index] as number;
    if (index + 1 < length) word |= (bytes[at + index + 1] as number) << 8;
    if (index + 2 < length) word |= (bytes[at + index + 2] as number) << 16;
    if (index + 3 < length) word |= (bytes[at + index + 3] as number) << 24;
    hash = mix(Math.imul(hash ^ word, BY_NODE));
  }
  return hash;
}

const emitMix = (program: BpfAssembler): BpfAssembler => program.mov(r2, r1).alu32("rsh", r2, MIX).alu32("xor", r1, r2);

/** r1 = hash of the context's nodeid; r6 is the context. Destroys r2. */
export function emitHashNode(program: BpfAssembler): void {
  program.load("u32", r1, r6, CONTEXT.nodeid).load("u32", r2, r6, CONTEXT.nodeid + 4);
  program.alu32("mul", r2, BY_HIGH).alu32("xor", r1, r2).alu32("mul", r1, BY_NODE);
  emitMix(program);
}

/** r1 = hash of nodeid and name, which has at most `most` bytes. Destroys r2 and r3. */
export function emitHashName(program: BpfAssembler, most: number): void {
  emitHashNode(program);
  program.load("u32", r3, r6, CONTEXT.name_len);
  for (let index = 0; index < most; index += 4) {
    program.jump("le", r3, index, "hashed").load("u32", r2, r6, CONTEXT.name + index);
    program.alu32("xor", r1, r2).alu32("mul", r1, BY_NODE);
    emitMix(program);
  }
  program.label("hashed");
}
