// Owns: how an eBPF instruction is encoded: classes, sizes, operations as tables, and the 8 bytes of each.
// Must not: know labels, maps by name, or programs as a whole. Source: the kernel's Documentation/bpf/instruction-set.

/** A register: r0 is a result, r1 to r5 are arguments that a call destroys, r6 to r9 survive calls, r10 is the stack's end. */
export interface Register {
  readonly register: number;
}

const register = (number: number): Register => Object.freeze({ register: number });

export const r0 = register(0);
export const r1 = register(1);
export const r2 = register(2);
export const r3 = register(3);
export const r4 = register(4);
export const r5 = register(5);
export const r6 = register(6);
export const r7 = register(7);
export const r8 = register(8);
export const r9 = register(9);
export const r10 = register(10);

/** Bytes of stack below r10. */
export const STACK_BYTES = 512;
export const INSTRUCTION_BYTES = 8;

export const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, JMP32: 6, ALU64: 7 } as const;
/** Bit of ALU and jumps: the second operand is a register. */
export const BY_REGISTER = 8;
const MODE_MEM = 0x60;
const MODE_ATOMIC = 0xc0;
/** First half of a load of 64 bits; the second half is all zero but its immediate. */
export const LOAD_64 = 0x18;

/** Bytes of a memory access, by the kernel's names. */
export const SIZES = { u8: 0x10, u16: 0x08, u32: 0x00, u64: 0x18 } as const;
export type Size = keyof typeof SIZES;

export const ALU = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
} as const;
export type AluOperation = keyof typeof ALU;
export const NEG = 0x80;
export const SWAP = 0xd0;

/** Conditions: unsigned `gt ge lt le`, signed `sgt sge slt sle`, `set` when a common bit is. */
export const JUMP = {
  eq: 0x10,
  gt: 0x20,
  ge: 0x30,
  set: 0x40,
  ne: 0x50,
  sgt: 0x60,
  sge: 0x70,
  lt: 0xa0,
  le: 0xb0,
  slt: 0xc0,
  sle: 0xd0,
} as const;
export type Condition = keyof typeof JUMP;
export const CALL = 0x80;
export const EXIT = 0x90;

/** Atomic operations; those with `fetch` leave the old value in the source register, `cmpxchg` (with r0) in r0. */
export const ATOMIC = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  xor: 0xa0,
  "fetch-add": 0x01,
  "fetch-or": 0x41,
  "fetch-and": 0x51,
  "fetch-xor": 0xa1,
  xchg: 0xe1,
  cmpxchg: 0xf1,
} as const;
export type AtomicOperation = keyof typeof ATOMIC;

/** Meanings of the source register in a load of 64 bits: a map's descriptor, or the memory of an array's values. */
export const PSEUDO = { MAP_FD: 1, MAP_VALUE: 2 } as const;

export const memoryCode = (instructionClass: number, size: Size): number => MODE_MEM | SIZES[size] | instructionClass;
export const atomicCode = (size: "u32" | "u64"): number => MODE_ATOMIC | SIZES[size] | CLASS.STX;

/** One instruction, or half of a load of 64 bits. */
export interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
}

/** Writes an instruction at a byte offset. */
export function encode(view: DataView, at: number, { code, dst, src, offset, imm }: Instruction): void {
  view.setUint8(at, code);
  view.setUint8(at + 1, dst | (src << 4));
  view.setInt16(at + 2, offset, true);
  view.setInt32(at + 4, imm, true);
}
