// Owns: the memory of the io_uring lane's tags: where headers, reply structs and payloads lie, and how the kernel is
// told. Must not: know the ring.

import { createArena, PAGE_SIZE } from "../../ffi/memory.ts";
import { MIN_READ_BUFFER } from "../abi/fuse-constants.ts";
import { OPCODE_BY_CODE } from "../abi/fuse-opcodes.ts";
import { FuseInHeader, FuseNotifyRetrieveIn, FuseUringEntInOut, FuseUringReqHeader } from "../abi/fuse-structs.ts";
import { Request } from "../codec/request.ts";

const HEADER = FuseUringReqHeader.at;
const PAYLOAD_OFFSET = HEADER.ring_ent_in_out + FuseUringEntInOut.at.offset;
/** Reply structs are built behind the header, on their own cache lines. */
const SCRATCH = 512;

const FIXED = OPCODE_BY_CODE.map((row) =>
  row === undefined ? 0 : row.either ? -1 : row.out.reduce((sum, table) => sum + table.size, 0),
);

/**
 * Makes the tags; a page of headers each, then a payload of at least `maxPayload` bytes each. The payloads of tags in a row
 * follow one another.
 */
export function createTags(count: number, maxPayload: number): Request[] {
  const room = Math.ceil(Math.max(maxPayload, MIN_READ_BUFFER) / PAGE_SIZE) * PAGE_SIZE;
  const arena = createArena(count * (PAGE_SIZE + room));
  return Array.from({ length: count }, (_, tag) => {
    const header = tag * PAGE_SIZE;
    const payload = count * PAGE_SIZE + tag * room;
    const request = new Request(tag, arena, {
      inHeader: header,
      outHeader: header,
      opOut: header + SCRATCH,
      dataOut: payload,
      dataCapacity: room,
    });
    request.opIn = header + HEADER.op_in;
    request.payload = payload;
    return request;
  });
}

/** {header, payload} of every tag as pairs of iovecs; the kernel reads them at REGISTER only. Of a pool no payload. */
export function describeTags(requests: readonly Request[], pooled: boolean): BigUint64Array {
  return BigUint64Array.from(
    requests.flatMap((request) => [
      BigInt(request.address(request.inHeader)),
      BigInt(FuseUringReqHeader.size),
      pooled ? 0n : BigInt(request.address(request.payload)),
      pooled ? 0n : BigInt(request.dataCapacity),
    ]),
  );
}

/**
 * Puts a request on the payload that the kernel has chosen for it from its CPU's pool, which begins at `pool`. A request
 * without any is put on the first, where its handler has nothing to read or write. Hot.
 */
export function placePayload(request: Request, pool: number): void {
  const payload = pool + request.u32(request.inHeader + PAYLOAD_OFFSET);
  request.payload = payload;
  request.dataOut = payload;
}

/** Bytes of an opcode's fixed reply structs; -1 where a reply has the struct or bytes, never both. Hot. */
export function replyStructBytes(opcode: number): number {
  return FIXED[opcode] ?? 0;
}

/**
 * Puts the parts of a NOTIFY_REPLY where those of other requests are. Linux 6.18 leaves its op struct at the beginning of
 * the payload, and in the entry's own place what an earlier request left there.
 */
export function separateNotifyReply(request: Request): void {
  const { bytes } = request.arena;
  if (request.payloadLength !== request.length - FuseInHeader.size) return;
  const data = request.payload + FuseNotifyRetrieveIn.size;
  bytes.copyWithin(request.opIn, request.payload, data);
  bytes.copyWithin(request.payload, data, request.payload + request.payloadLength);
  request.payloadLength -= FuseNotifyRetrieveIn.size;
}
