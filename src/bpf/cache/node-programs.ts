// Owns: the programs that answer from a node's slot alone, GETATTR and ACCESS, and the way to a node's slot.
// An answer is given only if the slot's `seq` is even and still the same after all was copied.

import { FuseAttrOut } from "../../abi/fuse-structs.ts";
import { RFUSE_BPF_HAS } from "../../abi/ring.ts";
import { BpfAssembler } from "../assembler.ts";
import { argAt, CONTEXT } from "../context.ts";
import { r1, r2, r3, r6, r7 } from "../instructions.ts";
import { begin, type CacheMaps, copy, element, end, findWay, sameControl, verdicts } from "./emit.ts";
import { emitHashNode } from "./hash.ts";
import { ACCESS_MASKS, Control, type Geometry, NODE, NodeSlot } from "./layout.ts";

const NODE_AT = NodeSlot.at;

/** r7 = the slot of the context's node, whose seq is in r8; the generations agree where both are known. */
function findNode(program: BpfAssembler, maps: CacheMaps, { nodeBuckets }: Geometry): void {
  emitHashNode(program);
  program.alu32("and", r1, nodeBuckets - 1);
  element(program, maps.nodes, r1);
  program.load("u64", r3, r6, CONTEXT.nodeid);
  findWay(program, NodeSlot.size, (miss) => program.load("u64", r1, r7, NODE_AT.nodeid).jump("ne", r1, r3, miss));
  begin(program, NODE_AT.seq, NODE_AT.expires);
  sameControl(program, maps, Control.at.attributes, NODE_AT.epoch);
  program.load("u32", r1, r6, CONTEXT.flags).jump("set", r1, RFUSE_BPF_HAS.GENERATION, "asked").goto("fits");
  program.label("asked").load("u32", r1, r7, NODE_AT.flags).jump("set", r1, NODE.HAS_GENERATION, "both").goto("fits");
  program.label("both").load("u32", r1, r6, CONTEXT.generation).load("u32", r2, r7, NODE_AT.generation);
  program.jump("ne", r1, r2, "upcall").label("fits");
}

export function getattrProgram(maps: CacheMaps, geometry: Geometry): BpfAssembler {
  const program = new BpfAssembler().mov(r6, r1);
  findNode(program, maps, geometry);
  copy(program, NODE_AT.attr_out, CONTEXT.out, FuseAttrOut.size);
  end(program, NODE_AT.seq, NODE_AT.used);
  return verdicts(program.goto("reply"));
}

export function accessProgram(maps: CacheMaps, geometry: Geometry): BpfAssembler {
  const program = new BpfAssembler().mov(r6, r1);
  findNode(program, maps, geometry);
  program.load("u32", r1, r6, argAt("ACCESS", "mask")).jump("ge", r1, ACCESS_MASKS, "upcall");
  program.alu("lsh", r1, 2).mov(r2, r7).alu("add", r2, r1).load("u32", r3, r2, NODE_AT.access);
  program.jump32("sgt", r3, 0, "upcall").store("u32", r6, CONTEXT.error, r3);
  end(program, NODE_AT.seq, NODE_AT.used);
  return verdicts(program.goto("reply"));
}
