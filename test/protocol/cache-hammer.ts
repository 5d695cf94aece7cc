// Owns: one thread of the hammer on a metadata cache: it changes one file's size, or asks for it, as a worker's dispatch
// and a caller would, and checks each answer of the program against what was acknowledged before it asked.
// Must not: outlive its message; it answers with what it saw, or the first answer that was outdated.

import { testRun } from "../../ffi/bpf.ts";
import { createArena } from "../../ffi/memory.ts";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import { FuseAttrOut, FuseInHeader } from "../../src/abi/fuse-structs.ts";
import { RFUSE_BPF, RfuseBpfContext } from "../../src/abi/ring.ts";
import { type CacheSettings, MetadataCache } from "../../src/bpf/cache/metadata-cache.ts";
import { Request } from "../../src/codec/request.ts";

/** What a thread is told. `words` are [the size that the file has, the largest that was acknowledged]. */
export interface HammerOrder {
  readonly settings: CacheSettings;
  readonly program: number;
  readonly words: Int32Array;
  readonly rounds: number;
  readonly seed: number;
}

/** What it saw. */
export interface HammerReport {
  readonly answered: number;
  readonly asked: number;
  readonly fault: string | undefined;
}

const NODEID = 5;
const SIZE = FuseAttrOut.at.attr + FuseAttrOut.spec.attr.at.size;
const MODE = FuseAttrOut.at.attr + FuseAttrOut.spec.attr.at.mode;
const OUT = 2048;
const CONTEXT = RfuseBpfContext.at;

function hammer({ settings, program, words, rounds, seed }: HammerOrder): HammerReport {
  const cache = new MetadataCache(settings);
  const arena = createArena(4096);
  const request = new Request(0, arena, {
    inHeader: 0,
    outHeader: OUT - 16,
    opOut: OUT,
    dataOut: OUT,
    dataCapacity: 1024,
  });
  const context = new Uint8Array(RfuseBpfContext.size);
  const view = new DataView(context.buffer);
  let [state, answered, asked] = [seed, 0, 0];
  request.opIn = FuseInHeader.size;

  function serve(opcode: number, handle: () => number): number {
    request.setU32(FuseInHeader.at.opcode, opcode);
    request.setU64(FuseInHeader.at.nodeid, NODEID);
    cache.begin(request);
    const size = handle();
    request.setU64(OUT + SIZE, size);
    request.setU32(OUT + MODE, 0o100644);
    cache.end(request, 0, FuseAttrOut.size);
    return size;
  }
  const change = () => serve(OPCODES.SETATTR.code, () => Atomics.add(words, 0, 1) + 1);
  const ask = () => serve(OPCODES.GETATTR.code, () => Atomics.load(words, 0));

  function acknowledge(size: number): void {
    for (let known = Atomics.load(words, 1); known < size; known = Atomics.load(words, 1)) {
      Atomics.compareExchange(words, 1, known, size);
    }
  }

  /** The size that the program answers, -1: it passes. */
  function look(): number {
    context.fill(0);
    view.setBigUint64(CONTEXT.nodeid, BigInt(NODEID), true);
    const { result, value } = testRun(program, context);
    if (result < 0 || value !== RFUSE_BPF.REPLY) return -1;
    return Number(view.getBigUint64(CONTEXT.out + SIZE, true));
  }

  for (let round = 0; round < rounds; round++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    if (state >>> 28 === 0) acknowledge(change());
    const acknowledged = Atomics.load(words, 1);
    const size = look();
    if (size >= 0) answered++;
    else {
      asked++;
      ask();
    }
    if (size >= 0 && (size < acknowledged || size > Atomics.load(words, 0))) {
      return { answered, asked, fault: `round ${round}: ${size} after ${acknowledged} was acknowledged` };
    }
  }
  return { answered, asked, fault: undefined };
}

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<HammerOrder>) => void) | null;
  postMessage(report: HammerReport): void;
};
scope.onmessage = ({ data }) => scope.postMessage(hammer(data));
