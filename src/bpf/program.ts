// Owns: a loaded program: its descriptor, its number in the kernel, and runs for tests.
// Must not: outlive `close`; a mount that the program was attached to keeps it in the kernel without us.

import { loadProgram, objectId, testRun } from "../../ffi/bpf.ts";
import { BPF_PROG_FLAG, BPF_PROG_TYPE } from "../../ffi/bpf-structs.ts";
import { close } from "../../ffi/file.ts";
import type { BpfAssembler } from "./assembler.ts";
import { bpfResult } from "./errors.ts";

/** What there is to load besides the instructions. */
export interface ProgramOptions {
  /** Shown by the kernel, at most 15 characters. */
  readonly name?: string;
  /** Default "GPL"; some helpers are for programs under the GPL alone. */
  readonly license?: string;
}

const MEANINGS = {
  EPERM: "it needs CAP_BPF, and CAP_PERFMON for helpers that read memory",
  EACCES: "the verifier refused an access",
  EINVAL: "the verifier refused it",
  E2BIG: "it is too long, or too branched to be verified",
};

export class BpfProgram implements Disposable {
  readonly fd: number;
  readonly name: string;
  private open = true;

  private constructor(fd: number, name: string) {
    this.fd = fd;
    this.name = name;
  }

  /**
   * Loads a program of type SYSCALL, the one that mounts take. Maps that it names must be open.
   * Errors: `BpfError` with the verifier's `log`; `BpfAssemblyError`.
   */
  static load(code: BpfAssembler | Uint8Array, options: ProgramOptions = {}): BpfProgram {
    const { name = "rfuse", license = "GPL" } = options;
    const instructions = code instanceof Uint8Array ? code : code.assemble();
    const kind = { type: BPF_PROG_TYPE.SYSCALL, flags: BPF_PROG_FLAG.SLEEPABLE };
    const { result, log } = loadProgram({ ...kind, instructions, license, name });
    return new BpfProgram(bpfResult(result, `program "${name}"`, MEANINGS, log), name);
  }

  /** The number by which `bpftool` and the counters of a mount know it. */
  get id(): number {
    return bpfResult(objectId(this.fd), `program "${this.name}"`);
  }

  /** Runs it once over `context`, which it may change in place. Result: what it returned. Errors: `BpfError`. */
  run(context: Uint8Array): number {
    const { result, value } = testRun(this.fd, context);
    bpfResult(result, `run of program "${this.name}"`, { EINVAL: "the context is shorter than what it reads" });
    return value;
  }

  close(): void {
    if (this.open) close(this.fd);
    this.open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
