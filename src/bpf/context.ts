// Owns: the programs' side of `struct rfuse_bpf_context`: offsets from r1 by name, verdicts, and the reply structs' fields.
// Must not: state numbers of its own; all come from src/abi.

import type { Struct } from "../../ffi/struct.ts";
import { OPCODES, type OpcodeName } from "../abi/fuse-opcodes.ts";
import { RFUSE_BPF, RfuseBpfContext } from "../abi/ring.ts";

/** Byte offsets in the context. The verifier wants them as constants from r1, or from a register that holds r1. */
export const CONTEXT = RfuseBpfContext.at;
export const CONTEXT_BYTES: number = RfuseBpfContext.size;
/** What a program returns. */
export const VERDICT = RFUSE_BPF;

type Row<Name extends OpcodeName> = (typeof OPCODES)[Name];
type InFields<Name extends OpcodeName> = Row<Name>["in"] extends { at: infer At } ? keyof At & string : never;

/** Offset of a field of the request's op struct, as `argAt("GETXATTR", "size")`. */
export function argAt<Name extends OpcodeName>(opcode: Name, field: InFields<Name>): number {
  const at: Readonly<Record<string, number>> = OPCODES[opcode].in?.at ?? {};
  const offset = at[field];
  if (offset === undefined) throw new RangeError(`${opcode} has no field ${field}`);
  return CONTEXT.arg + offset;
}

/**
 * Offset of a field of the reply's fixed structs, as `outAt("LOOKUP", "entry_valid")`; fields of `attr` by a dot:
 * `outAt("GETATTR", "attr.mode")`. Errors: `RangeError` naming the field.
 */
export function outAt(opcode: OpcodeName, field: string): number {
  let start = CONTEXT.out;
  const [outer = "", inner] = field.split(".");
  for (const { at, spec, size } of OPCODES[opcode].out as readonly Struct[]) {
    const offset = at[outer];
    const nested = spec[outer];
    if (offset !== undefined && inner === undefined) return start + offset;
    if (offset !== undefined && typeof nested === "object" && "at" in nested) {
      const within = nested.at[inner as string];
      if (within !== undefined) return start + offset + within;
    }
    start += size;
  }
  throw new RangeError(`the reply of ${opcode} has no field ${field}`);
}
