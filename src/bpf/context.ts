// Owns: the programs' side of `struct rfuse_bpf_context`: offsets from r1 by name, verdicts, and the reply structs' fields.
// Must not: state numbers of its own; all come from src/abi.

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
