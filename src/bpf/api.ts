// Owns: the public names of eBPF, which the package exports as `bpf`.

export { BPF_MAP_FLAG as MAP_FLAG } from "../../ffi/bpf-structs.ts";
export { BpfAssembler as Assembler, BpfAssemblyError as AssemblyError, type MapReference } from "./assembler.ts";
export type { ProgramCounters } from "./attach.ts";
export { bytes, type Codec, record, text, u32, u64 } from "./codecs.ts";
export { argAt, CONTEXT, CONTEXT_BYTES, outAt, VERDICT } from "./context.ts";
export { BpfError as Failure } from "./errors.ts";
export { HELPERS, type Helper } from "./helper-numbers.ts";
export {
  type AluOperation,
  type AtomicOperation,
  type Condition,
  type Register,
  r0,
  r1,
  r2,
  r3,
  r4,
  r5,
  r6,
  r7,
  r8,
  r9,
  r10,
  type Size,
} from "./instructions.ts";
export { BpfMap as Table, type MapOptions as TableOptions } from "./map.ts";
export { BpfObject as ObjectFile, type ObjectOptions } from "./object.ts";
export { BpfProgram as Program, type ProgramOptions } from "./program.ts";
export { BpfRingBuffer as RingBuffer } from "./ring-buffer.ts";
