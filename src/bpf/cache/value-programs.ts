// Owns: the programs that answer from the table of values, GETXATTR and READLINK.
// An answer is given only if the slot's `seq` is even and still the same after all was copied.

import { ERRNO } from "../../../ffi/errno.ts";
import { FuseGetxattrOut } from "../../abi/fuse-structs.ts";
import { BpfAssembler } from "../assembler.ts";
import { argAt, CONTEXT } from "../context.ts";
import { r0, r1, r2, r3, r4, r5, r6, r7 } from "../instructions.ts";
import { type CacheMaps, end, findKeyed, verdicts } from "./emit.ts";
import { Epochs, type Geometry, VALUE_MAX, VALUE_NAME_MAX, VALUE_SHAPE, ValueSlot } from "./layout.ts";

const VALUE_AT = ValueSlot.at;

/** r7 = the slot of the context's node and name, as it is now; r5 the value's size. "absent" with r4 = -errno if so. */
function findValue(program: BpfAssembler, maps: CacheMaps, { valueBuckets, epochs }: Geometry): void {
  program.load("u32", r1, r6, CONTEXT.name_len).jump("gt", r1, VALUE_NAME_MAX, "upcall");
  findKeyed(program, maps, VALUE_SHAPE, { map: maps.values, buckets: valueBuckets, epochs });
  program.load("u32", r4, r7, VALUE_AT.error).load("u32", r5, r7, VALUE_AT.size).jump32("slt", r4, 0, "absent");
  program.load("u32", r1, r0, Epochs.at.present).load("u32", r2, r7, VALUE_AT.present).jump("ne", r1, r2, "upcall");
}

/** The value, r5 bytes, goes to the context's data. */
function copyValue(program: BpfAssembler): void {
  program.load("u32", r1, r6, CONTEXT.data_max).jump("gt", r5, r1, "upcall").jump("gt", r5, VALUE_MAX, "upcall");
  for (let index = 0; index < VALUE_MAX; index += 8) {
    program.jump("le", r5, index, "copied");
    program.load("u64", r1, r7, VALUE_AT.value + index).store("u64", r6, CONTEXT.data + index, r1);
  }
  program.label("copied").store("u32", r6, CONTEXT.data_size, r5);
}

export function getxattrProgram(maps: CacheMaps, geometry: Geometry): BpfAssembler {
  const program = new BpfAssembler().mov(r6, r1);
  program.load("u32", r1, r6, CONTEXT.name_len).jump("eq", r1, 0, "upcall");
  findValue(program, maps, geometry);
  program.load("u32", r3, r6, argAt("GETXATTR", "size")).jump("ne", r3, 0, "sized");
  program
    .store("u32", r6, CONTEXT.out + FuseGetxattrOut.at.size, r5)
    .goto("done")
    .label("sized");
  program
    .jump("ge", r3, r5, "room")
    .mov(r1, -ERRNO.ERANGE)
    .store("u32", r6, CONTEXT.error, r1)
    .goto("done")
    .label("room");
  copyValue(program);
  program.goto("done").label("absent").store("u32", r6, CONTEXT.error, r4).label("done");
  end(program, VALUE_AT.seq, VALUE_AT.used);
  return verdicts(program.goto("reply"));
}

export function readlinkProgram(maps: CacheMaps, geometry: Geometry): BpfAssembler {
  const program = new BpfAssembler().mov(r6, r1);
  findValue(program, maps, geometry);
  copyValue(program);
  end(program, VALUE_AT.seq, VALUE_AT.used);
  return verdicts(program.goto("reply").label("absent").goto("upcall"));
}
