// Owns: the program that answers LOOKUP, from a name's slot and the slot of the node that it leads to.
// What it answers is counted in the node's slot by the same compare-and-exchange that proves the slot unchanged, so that
// the daemon, once it has ended the slot, knows of every lookup that the kernel will forget.

import { ERRNO } from "../../../ffi/errno.ts";
import { FuseAttrOut, FuseEntryOut } from "../../abi/fuse-structs.ts";
import { BpfAssembler } from "../assembler.ts";
import { CONTEXT } from "../context.ts";
import { r0, r1, r2, r3, r5, r6, r7, r8, r9, r10 } from "../instructions.ts";
import { type CacheMaps, copy, element, end, fence, findKeyed, STACK, sameControl, verdicts } from "./emit.ts";
import { Control, type Geometry, KIND, NAME_SHAPE, NameSlot, NodeSlot, TICK_SHIFT, WAYS } from "./layout.ts";

const NODE_AT = NodeSlot.at;
const NAME_AT = NameSlot.at;
const ENTRY = FuseEntryOut.at;
const ATTR = FuseAttrOut.at;
/** How often it counts itself anew when other callers' LOOKUPs overtook it. */
const COMMITS = 4;

/** r7 = the slot of the context's node and name. */
function findName(program: BpfAssembler, maps: CacheMaps, { nameBuckets, epochs }: Geometry): void {
  program.load("u32", r1, r6, CONTEXT.name_len).jump("eq", r1, 0, "upcall");
  findKeyed(program, maps, NAME_SHAPE, { map: maps.names, buckets: nameBuckets, epochs });
}

/** How long the kernel may keep the answer. */
function copyValidity(program: BpfAssembler): void {
  program.load("u64", r1, r7, NAME_AT.entry_valid).store("u64", r6, CONTEXT.out + ENTRY.entry_valid, r1);
  program.load("u32", r1, r7, NAME_AT.entry_valid_nsec).store("u32", r6, CONTEXT.out + ENTRY.entry_valid_nsec, r1);
}

/** r7 = the slot of the node that the name in r7 leads to, still of the same incarnation; r8 its seq. */
function followName(program: BpfAssembler, maps: CacheMaps, { nodeBuckets }: Geometry): void {
  program.store("u64", r10, STACK.slot, r7).store("u64", r10, STACK.nameSeq, r8);
  program.load("u32", r1, r7, NAME_AT.incarnation).store("u64", r10, STACK.hash, r1);
  program.load("u32", r3, r7, NAME_AT.node).mov(r1, r3).alu("rsh", r1, Math.log2(WAYS));
  program
    .jump("ge", r1, nodeBuckets, "upcall")
    .alu("and", r3, WAYS - 1)
    .alu("mul", r3, NodeSlot.size)
    .mov(r8, r3);
  element(program, maps.nodes, r1);
  program.mov(r7, r0).alu("add", r7, r8).load("u32", r8, r7, NODE_AT.seq).jump("set", r8, 1, "upcall");
  fence(program);
  program.load("u32", r1, r7, NODE_AT.incarnation).load("u64", r2, r10, STACK.hash).jump("ne", r1, r2, "upcall");
  program.load("u64", r1, r7, NODE_AT.nodeid).load("u64", r2, r6, CONTEXT.out + ENTRY.nodeid);
  program.jump("ne", r1, r2, "upcall").load("u64", r1, r7, NODE_AT.expires).jump("gt", r9, r1, "upcall");
  sameControl(program, maps, Control.at.attributes, NODE_AT.epoch);
}

function copyAttributes(program: BpfAssembler): void {
  const from = NODE_AT.attr_out;
  program.load("u64", r1, r7, from + ATTR.attr_valid).store("u64", r6, CONTEXT.out + ENTRY.attr_valid, r1);
  program.load("u32", r1, r7, from + ATTR.attr_valid_nsec).store("u32", r6, CONTEXT.out + ENTRY.attr_valid_nsec, r1);
  copy(program, from + ATTR.attr, CONTEXT.out + ENTRY.attr, FuseAttrOut.size - ATTR.attr);
}

/** The name, too, is still the one that was read; it was used now. */
function endName(program: BpfAssembler): void {
  fence(program);
  program.load("u64", r1, r10, STACK.slot).load("u64", r2, r10, STACK.nameSeq).load("u32", r3, r1, NAME_AT.seq);
  program.jump("ne", r2, r3, "upcall").alu("rsh", r9, TICK_SHIFT).store("u32", r1, NAME_AT.used, r9);
}

/** Counts one lookup in the node's slot (r7, seq in r8), which proves that it was not ended since. */
function commit(program: BpfAssembler): void {
  program.load64(r5, 1n << 32n);
  for (let attempt = 0; attempt < COMMITS; attempt++) {
    const next = `commit ${attempt}`;
    program.load("u64", r0, r7, NODE_AT.seq).mov(r3, r0);
    program.jump32("ne", r3, r8, "upcall").jump("slt", r3, 0, "upcall"); // ended; or 2^31 are counted
    program.mov(r2, r3).alu("add", r2, r5).atomic("cmpxchg", "u64", r7, NODE_AT.seq, r2);
    program.jump("ne", r0, r3, next).goto("counted").label(next);
  }
  program.goto("upcall").label("counted");
}

export function lookupProgram(maps: CacheMaps, geometry: Geometry): BpfAssembler {
  const program = new BpfAssembler().mov(r6, r1);
  findName(program, maps, geometry);
  program.load("u32", r1, r7, NAME_AT.kind).jump("eq", r1, KIND.NODE, "node").jump("eq", r1, KIND.NEGATIVE, "negative");
  program
    .jump("ne", r1, KIND.NO_ENTRY, "upcall")
    .mov(r1, -ERRNO.ENOENT)
    .store("u32", r6, CONTEXT.error, r1)
    .goto("absent");
  copyValidity(program.label("negative"));
  end(program.label("absent"), NAME_AT.seq, NAME_AT.used);
  copyValidity(program.goto("reply").label("node"));
  program.load("u64", r1, r7, NAME_AT.nodeid).store("u64", r6, CONTEXT.out + ENTRY.nodeid, r1);
  program.load("u64", r1, r7, NAME_AT.generation).store("u64", r6, CONTEXT.out + ENTRY.generation, r1);
  followName(program, maps, geometry);
  copyAttributes(program);
  endName(program);
  commit(program);
  program.store("u32", r7, NODE_AT.used, r9);
  return verdicts(program.goto("reply"));
}
