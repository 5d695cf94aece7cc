// Owns: requests without a kernel: an arena with one tag, and a transport that hands the same request out for ever.

import { createArena } from "../../ffi/memory.ts";
import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import { FuseInHeader } from "../../src/abi/fuse-structs.ts";
import { Request } from "../../src/codec/request.ts";
import type { Connection } from "../../src/fs/connection.ts";
import type { Transport } from "../../src/transport/transport.ts";

/** What INIT agreed on, as today's kernels do. */
export const CONNECTION: Connection = {
  minor: 45,
  kernelMinor: 45,
  flags: [],
  maxWrite: 131_072,
  maxPages: 32,
  maxReadahead: 0,
  maxBackground: 64,
  timeGranularityNs: 1,
  maxStackDepth: 0,
};

const IN_HEADER = 4096;
const DATA_OUT = 16 * 4096;

/** A request of `opcode` with `fields` (32-bit words of the op struct by offset) and a tail. */
export function fakeRequest(opcode: OpcodeName, nodeid: number, fields: Record<number, number>, tail = ""): Request {
  const arena = createArena(64 * 4096);
  const request = new Request(0, arena, {
    inHeader: IN_HEADER,
    outHeader: DATA_OUT - 16,
    opOut: DATA_OUT,
    dataOut: DATA_OUT,
    dataCapacity: 32 * 4096,
  });
  const row = OPCODES[opcode];
  const inSize = row.in?.size ?? 0;
  const bytes = Buffer.from(tail);
  request.opIn = IN_HEADER + FuseInHeader.size;
  request.payload = request.opIn + inSize;
  request.payloadLength = bytes.length;
  request.setU32(IN_HEADER + FuseInHeader.at.len, FuseInHeader.size + inSize + bytes.length);
  request.setU32(IN_HEADER + FuseInHeader.at.opcode, row.code);
  request.setU64(IN_HEADER + FuseInHeader.at.nodeid, nodeid);
  for (const [offset, value] of Object.entries(fields)) request.setU32(request.opIn + Number(offset), value);
  arena.bytes.set(bytes, request.payload);
  return request;
}

/** A transport that takes every reply. */
export function fakeTransport(request: Request): Transport {
  return {
    lane: "dev",
    watched: -1,
    request: () => request,
    next: () => 0,
    reply: () => 0,
    release() {},
    ready: () => true,
    flush() {},
    sleep() {},
    setBlocking() {},
    close() {},
  };
}
