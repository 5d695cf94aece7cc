// Owns: programs written in TypeScript: instructions in the order of the calls, jumps to labels, maps by object. What
// cannot be encoded (an offset or value out of range, an unknown label) is refused with the instruction's number.
// Must not: load anything, or judge what a program means: the kernel's verifier does.

import { HELPERS, type Helper } from "./helper-numbers.ts";
import {
  ALU,
  type AluOperation,
  ATOMIC,
  type AtomicOperation,
  atomicCode,
  BY_REGISTER,
  CALL,
  CLASS,
  type Condition,
  EXIT,
  encode,
  INSTRUCTION_BYTES,
  type Instruction,
  JUMP,
  LOAD_64,
  memoryCode,
  NEG,
  PSEUDO,
  type Register,
  type Size,
  SWAP,
} from "./instructions.ts";

/** What an instruction names a map by: its descriptor, open until the program is loaded. */
export interface MapReference {
  readonly fd: number;
}

/** Something that cannot be encoded; the message names the instruction, the value and the limit. */
export class BpfAssemblyError extends Error {
  override readonly name = "BpfAssemblyError";
  readonly instruction: number;

  constructor(instruction: number, what: string) {
    super(`instruction ${instruction}: ${what}`);
    this.instruction = instruction;
  }
}

const INT16_MAX = 2 ** 15 - 1;
const isRegister = (operand: Register | number): operand is Register => typeof operand === "object";

/** One program in the making. Every method adds to its end and gives the assembler back. */
export class BpfAssembler {
  private readonly instructions: Instruction[] = [];
  private readonly labels = new Map<string, number>();
  private readonly jumps: { readonly at: number; readonly label: string }[] = [];

  /** Instructions so far. */
  get length(): number {
    return this.instructions.length;
  }

  /** `dst = src`, all 64 bits; a number is extended by its sign. */
  mov(dst: Register, src: Register | number): this {
    return this.alu("mov", dst, src);
  }

  /** `dst = dst operation src` on 64 bits. */
  alu(operation: AluOperation, dst: Register, src: Register | number): this {
    return this.arithmetic(CLASS.ALU64, operation, dst, src);
  }

  /** The same on the low 32 bits; the upper ones become 0. */
  alu32(operation: AluOperation, dst: Register, src: Register | number): this {
    return this.arithmetic(CLASS.ALU, operation, dst, src);
  }

  /** `dst = -dst`. */
  neg(dst: Register): this {
    return this.add(CLASS.ALU64 | NEG, dst, undefined, 0, 0);
  }

  /** The low 16, 32 or 64 bits of `dst` between big endian and the host's order; the others become 0. */
  bigEndian(dst: Register, bits: 16 | 32 | 64): this {
    return this.add(CLASS.ALU | SWAP | BY_REGISTER, dst, undefined, 0, bits);
  }

  /** `dst = *(size *)(base + offset)`, extended by zeros. */
  load(size: Size, dst: Register, base: Register, offset: number): this {
    return this.add(memoryCode(CLASS.LDX, size), dst, base, this.offset(offset), 0);
  }

  /** `*(size *)(base + offset) = value`. Into the context a number may be stored since Linux 6.5; a register always. */
  store(size: Size, base: Register, offset: number, value: Register | number): this {
    const at = this.offset(offset);
    return isRegister(value)
      ? this.add(memoryCode(CLASS.STX, size), base, value, at, 0)
      : this.add(memoryCode(CLASS.ST, size), base, undefined, at, this.immediate(value));
  }

  /** An atomic operation on memory; see ATOMIC for where the old value goes. */
  atomic(operation: AtomicOperation, size: "u32" | "u64", base: Register, offset: number, src: Register): this {
    return this.add(atomicCode(size), base, src, this.offset(offset), ATOMIC[operation]);
  }

  /** `dst` = a 64-bit value. */
  load64(dst: Register, value: bigint): this {
    if (value < -(2n ** 63n) || value >= 2n ** 64n) this.refuse(`${value} does not fit 64 bits`);
    return this.wide(dst, 0, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** `dst` = a map, as helpers take it. */
  loadMap(dst: Register, map: MapReference): this {
    return this.wide(dst, PSEUDO.MAP_FD, map.fd, 0);
  }

  /** `dst` = the address of byte `offset` of the value of an array with one entry: no look-up, never 0. */
  loadMapValue(dst: Register, map: MapReference, offset = 0): this {
    return this.wide(dst, PSEUDO.MAP_VALUE, map.fd, offset);
  }

  /** Goes to `label` when the condition holds, all 64 bits compared. */
  jump(condition: Condition, left: Register, right: Register | number, label: string): this {
    return this.branch(CLASS.JMP, condition, left, right, label);
  }

  /** The same, the low 32 bits compared. */
  jump32(condition: Condition, left: Register, right: Register | number, label: string): this {
    return this.branch(CLASS.JMP32, condition, left, right, label);
  }

  goto(label: string): this {
    this.jumps.push({ at: this.length, label });
    return this.add(CLASS.JMP, undefined, undefined, 0, 0);
  }

  /** Names the next instruction. Errors: `BpfAssemblyError` for a name that is taken. */
  label(name: string): this {
    if (this.labels.has(name)) this.refuse(`label "${name}" is there already`);
    this.labels.set(name, this.length);
    return this;
  }

  /** Calls a helper of the kernel. */
  call(helper: Helper): this {
    return this.add(CLASS.JMP | CALL, undefined, undefined, 0, HELPERS[helper]);
  }

  /** Ends the program; the result is r0, here `value` if one is given. */
  exit(value?: number): this {
    if (value !== undefined) this.mov({ register: 0 }, value);
    return this.add(CLASS.JMP | EXIT, undefined, undefined, 0, 0);
  }

  /** The program. Errors: `BpfAssemblyError` for a label that is nowhere or too far away. */
  assemble(): Uint8Array {
    const bytes = new Uint8Array(this.length * INSTRUCTION_BYTES);
    const view = new DataView(bytes.buffer);
    this.instructions.forEach((instruction, index) => {
      encode(view, index * INSTRUCTION_BYTES, instruction);
    });
    for (const { at, label } of this.jumps) {
      const target = this.labels.get(label);
      if (target === undefined) throw new BpfAssemblyError(at, `there is no label "${label}"`);
      const distance = target - at - 1;
      if (Math.abs(distance) > INT16_MAX) throw new BpfAssemblyError(at, `"${label}" is ${distance} away`);
      view.setInt16(at * INSTRUCTION_BYTES + 2, distance, true);
    }
    return bytes;
  }

  private arithmetic(group: number, operation: AluOperation, dst: Register, src: Register | number): this {
    return isRegister(src)
      ? this.add(group | ALU[operation] | BY_REGISTER, dst, src, 0, 0)
      : this.add(group | ALU[operation], dst, undefined, 0, this.immediate(src));
  }

  private branch(group: number, condition: Condition, left: Register, right: Register | number, label: string): this {
    this.jumps.push({ at: this.length, label });
    return isRegister(right)
      ? this.add(group | JUMP[condition] | BY_REGISTER, left, right, 0, 0)
      : this.add(group | JUMP[condition], left, undefined, 0, this.immediate(right));
  }

  private wide(dst: Register, src: number, low: number, high: number): this {
    this.add(LOAD_64, dst, { register: src }, 0, low);
    return this.add(0, undefined, undefined, 0, high);
  }

  private add(code: number, dst: Register | undefined, src: Register | undefined, offset: number, imm: number): this {
    this.instructions.push({ code, dst: dst?.register ?? 0, src: src?.register ?? 0, offset, imm });
    return this;
  }

  // As in C: a u32 may be written as what it is.
  private immediate(value: number): number {
    if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 32) {
      this.refuse(`immediate ${value} is not an integer of 32 bits; load64 takes 64`);
    }
    return value | 0;
  }

  private offset(value: number): number {
    if (!Number.isInteger(value) || value < -(2 ** 15) || value > INT16_MAX) {
      this.refuse(`offset ${value} is not in -32768..32767`);
    }
    return value;
  }

  private refuse(what: string): never {
    throw new BpfAssemblyError(this.length, what);
  }
}
