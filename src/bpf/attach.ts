// Owns: placing programs on a mount: which opcode a program is asked for, and what became of its answers.
// Must not: keep programs; the module holds its own reference of each.

import { ERRNO } from "../../ffi/errno.ts";
import { ioctl } from "../../ffi/file.ts";
import { addressOf } from "../../ffi/memory.ts";
import { OPCODES, type OpcodeName } from "../abi/fuse-opcodes.ts";
import { RFUSE_IOC, RfuseBpf, RfuseBpfCounters } from "../abi/ring.ts";
import { bpfResult } from "./errors.ts";

/** Whose ring has no more programs than none: the mount's lane. */
export interface ProgramPlace {
  readonly fd: number;
}

/** What became of the requests of one opcode since the mount. */
export interface ProgramCounters {
  /** The kernel's number of the program in force, 0: none. */
  readonly program: number;
  /** Answered in the kernel. */
  readonly replies: number;
  /** Opens whose file the kernel reads and writes by itself. */
  readonly passthroughs: number;
  /** Given to the daemon, as the program said. */
  readonly upcalls: number;
  /** Given to the daemon because the program's answer was none that a daemon may give. */
  readonly refused: number;
  /** Given to the daemon because the request did not fit the context. */
  readonly skipped: number;
}

const MEANINGS = {
  EINVAL:
    "the opcode takes no program, or it is not of type SYSCALL, or it looks beyond the context, or BTF describes its functions",
  EPERM: "it needs CAP_SYS_ADMIN, or CAP_BPF on a mount without allowOther",
  EOPNOTSUPP: "this kernel module has no eBPF",
  ENOTCONN: "the mount has ended",
  ETIMEDOUT: "it is done, but the program before still runs after 10 s",
};

/** The program of descriptor `program` answers `opcode` from now on, instead of any other; -1: none does. Errors: `BpfError`. */
export function placeProgram(ring: ProgramPlace, opcode: OpcodeName, program: number): void {
  const argument = new DataView(new ArrayBuffer(RfuseBpf.size));
  argument.setUint32(RfuseBpf.at.opcode, OPCODES[opcode].code, true);
  argument.setInt32(RfuseBpf.at.fd, program, true);
  bpfResult(ioctl(ring.fd, RFUSE_IOC.BPF, addressOf(argument)), `eBPF program for ${opcode}`, MEANINGS);
}

/** Counters of an opcode; undefined where it can have no program. Errors: `BpfError`. */
export function programCounters(ring: ProgramPlace, opcode: OpcodeName): ProgramCounters | undefined {
  const argument = new DataView(new ArrayBuffer(RfuseBpfCounters.size));
  const { at } = RfuseBpfCounters;
  argument.setUint32(at.opcode, OPCODES[opcode].code, true);
  const result = ioctl(ring.fd, RFUSE_IOC.BPF_COUNTERS, addressOf(argument));
  if (result === -ERRNO.EINVAL) return undefined;
  bpfResult(result, `counters of ${opcode}`, MEANINGS);
  const count = (offset: number): number => Number(argument.getBigUint64(offset, true));
  return {
    program: argument.getUint32(at.program, true),
    replies: count(at.replies),
    passthroughs: count(at.passthroughs),
    upcalls: count(at.upcalls),
    refused: count(at.refused),
    skipped: count(at.skipped),
  };
}
