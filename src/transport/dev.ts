// Owns: the `dev` lane: one descriptor of /dev/fuse, read and written by one thread, and the memory of its tags.
// Memory of a tag: room for a request with its payload, then room for a reply. WRITE payload and READ data begin on
// a page, so that O_DIRECT works on them by pointer. Tags are made in chunks when they are first needed, and reused
// last in, first out, so that idle ones never cost memory.

import { ERRNO, SyscallError } from "../../ffi/errno.ts";
import { F, fcntl, O, read, write } from "../../ffi/file.ts";
import { createArena, PAGE_SIZE } from "../../ffi/memory.ts";
import { MIN_READ_BUFFER } from "../abi/fuse-constants.ts";
import { FuseInHeader, FuseOutHeader, FuseWriteIn } from "../abi/fuse-structs.ts";
import { Request } from "../codec/request.ts";
import { NEXT, type Transport } from "./transport.ts";

const CHUNK = 16;
/** Bytes before a WRITE's payload. */
const WRITE_HEADERS = FuseInHeader.size + FuseWriteIn.size;
const IN = FuseInHeader.at;
const OUT = FuseOutHeader.at;

export interface DevTransportOptions {
  readonly fd: number;
  /** Most bytes of WRITE payload or READ data. */
  readonly maxPayload: number;
  /** Most tags; a queue with more requests in flight is FULL. */
  readonly maxInFlight: number;
  /** Bytes of the op struct by opcode, as negotiated; where the payload begins. */
  readonly inSizes: Uint16Array;
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;

function createTags(first: number, maxPayload: number): Request[] {
  const room = pages(Math.max(maxPayload, MIN_READ_BUFFER));
  const inBytes = PAGE_SIZE + room + PAGE_SIZE; // headers end on a page; other opcodes' longer headers and names
  const outBytes = PAGE_SIZE + room;
  const arena = createArena(CHUNK * (inBytes + outBytes));
  return Array.from({ length: CHUNK }, (_, index) => {
    const start = index * (inBytes + outBytes);
    const dataOut = start + inBytes + PAGE_SIZE;
    return new Request(first + index, arena, {
      inHeader: start + PAGE_SIZE - WRITE_HEADERS,
      outHeader: dataOut - FuseOutHeader.size,
      opOut: dataOut,
      dataOut,
      dataCapacity: room,
    });
  });
}

/** Opens the `dev` lane over a descriptor of /dev/fuse, which stays the caller's to close. */
export function openDevTransport(options: DevTransportOptions): Transport {
  const { fd, maxPayload, maxInFlight, inSizes } = options;
  const requests: Request[] = [];
  const free: number[] = [];
  const readSize = pages(Math.max(maxPayload, MIN_READ_BUFFER)) + PAGE_SIZE + WRITE_HEADERS;

  function grow(): boolean {
    if (requests.length >= maxInFlight) return false;
    const made = createTags(requests.length, maxPayload);
    requests.push(...made);
    for (let index = made.length - 1; index >= 0; index--) free.push((made[index] as Request).tag);
    return true;
  }

  // hot
  function next(): number {
    if (free.length === 0 && !grow()) return NEXT.FULL;
    const tag = free[free.length - 1] as number;
    const request = requests[tag] as Request;
    for (;;) {
      const size = read(fd, request.address(request.inHeader), readSize);
      if (size >= 0) {
        free.length--;
        return place(request, size) ? tag : malformed(request);
      }
      if (size === -ERRNO.EAGAIN) return NEXT.EMPTY;
      if (size === -ERRNO.ENODEV || size === -ERRNO.ECONNABORTED) return NEXT.ENDED;
      // EINTR: a signal. ENOENT: the request was taken back before it was read.
      if (size !== -ERRNO.EINTR && size !== -ERRNO.ENOENT) throw new SyscallError("read", -size, "/dev/fuse");
    }
  }

  // hot
  function place(request: Request, size: number): boolean {
    if (size < FuseInHeader.size || request.u32(request.inHeader + IN.len) !== size) return false;
    const inSize = inSizes[request.opcode] ?? 0;
    request.opIn = request.inHeader + FuseInHeader.size;
    request.payload = request.opIn + inSize;
    request.payloadLength = size - FuseInHeader.size - inSize; // negative when truncated: dispatch refuses it
    return true;
  }

  function malformed(request: Request): never {
    const stated = request.u32(request.inHeader + IN.len);
    free.push(request.tag);
    throw new SyscallError("read", ERRNO.EPROTO, "/dev/fuse", `request header states ${stated} bytes, not what was read`);
  }

  // hot
  function reply(request: Request, error: number, length: number): number {
    const header = request.outHeader;
    const total = FuseOutHeader.size + length;
    request.setU32(header + OUT.len, total);
    request.setU32(header + OUT.error, error);
    request.setU32(header + OUT.unique, request.uniqueLow);
    request.setU32(header + OUT.unique + 4, request.uniqueHigh);
    const written = write(fd, request.address(header), total);
    return written < 0 ? written : 0;
  }

  return {
    lane: "dev",
    request: (tag) => requests[tag] as Request,
    next,
    reply,
    release: (request) => {
      free.push(request.tag);
    },
    setBlocking(blocking) {
      fcntl(fd, F.SETFL, O.RDWR | (blocking ? 0 : O.NONBLOCK));
    },
    close() {},
  };
}
