// Owns: the `dev` lane: one descriptor of /dev/fuse, read and written by one thread, and the memory of its tags.
// Memory of a tag: room for a request with its payload, then room for a reply. WRITE payload and READ data begin on
// a page, so that O_DIRECT works on them by pointer. Tags are made in chunks when they are first needed, and reused
// last in, first out, so that idle ones never cost memory.

import { ERRNO, SyscallError } from "../../ffi/errno.ts";
import { F, fcntl, O, POLL, poll, read, write } from "../../ffi/file.ts";
import { Pollfd } from "../../ffi/kernel-structs.ts";
import { addressOf, createArena, PAGE_SIZE } from "../../ffi/memory.ts";
import { MIN_READ_BUFFER } from "../abi/fuse-constants.ts";
import { OPCODE_BY_CODE } from "../abi/fuse-opcodes.ts";
import { FuseInHeader, FuseOutHeader, FuseWriteIn } from "../abi/fuse-structs.ts";
import { Request } from "../codec/request.ts";
import { NEXT, type Transport } from "./transport.ts";

const CHUNK = 16;
/** Bytes before a WRITE's payload. */
const WRITE_HEADERS = FuseInHeader.size + FuseWriteIn.size;
/** Longest value of an extended attribute, however small `maxPayload` is; XATTR_SIZE_MAX in <linux/limits.h>. */
const XATTR_SIZE_MAX = 65_536;
const UNIQUE_END = FuseInHeader.at.unique + 8;
const OUT = FuseOutHeader.at;

export interface DevTransportOptions {
  readonly fd: number;
  /** Most bytes of WRITE payload or READ data. */
  readonly maxPayload: number;
  /** Most requests with handlers; one more is read and parked, and then the queue is FULL. */
  readonly maxInFlight: number;
  /** Bytes of the op struct by opcode, as negotiated; where the payload begins. */
  readonly inSizes: Uint16Array;
  /** Whether the queue looks for requests before it sleeps: then `next` never waits by itself. Default false. */
  readonly spins?: boolean;
  /** Number of the first tag, where another lane has the ones before. Default 0. */
  readonly firstTag?: number;
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
const roomFor = (maxPayload: number): number => pages(Math.max(maxPayload, MIN_READ_BUFFER, XATTR_SIZE_MAX));

function createTags(first: number, maxPayload: number): Request[] {
  const room = roomFor(maxPayload);
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

const pollfd = new Int32Array(Pollfd.size / 4);

// Whether the descriptor has one of the events, or the connection has ended. Hot.
function has(fd: number, events: number, timeoutMs: number): boolean {
  pollfd[0] = fd;
  pollfd[1] = events;
  return poll(addressOf(pollfd), 1, timeoutMs) > 0;
}

/** Opens the `dev` lane over a descriptor of /dev/fuse, which stays the caller's to close. */
export function openDevTransport(options: DevTransportOptions): Transport {
  const { fd, maxPayload, maxInFlight, inSizes, firstTag = 0, spins = false } = options;
  const requests: Request[] = [];
  const free: number[] = [];
  const readSize = roomFor(maxPayload) + PAGE_SIZE + WRITE_HEADERS;
  // A request beyond maxInFlight: it keeps its tag and waits here until another is released. Messages without reply
  // (FORGET, INTERRUPT) never park, so they get through while handlers hold maxInFlight tags.
  let parked: Request | null = null;

  function grow(): void {
    const made = createTags(firstTag + requests.length, maxPayload);
    requests.push(...made);
    for (let index = made.length - 1; index >= 0; index--) free.push((made[index] as Request).tag);
  }

  // hot
  function next(): number {
    if (parked !== null) return unpark(parked);
    if (free.length === 0) grow();
    const tag = free[free.length - 1] as number;
    const request = requests[tag - firstTag] as Request;
    for (;;) {
      const size = read(fd, request.address(request.inHeader), readSize);
      if (size > 0) {
        free.length--;
        place(request, size);
        return requests.length - free.length > maxInFlight && expectsReply(request) ? park(request) : tag;
      }
      if (size === -ERRNO.EAGAIN) return NEXT.EMPTY;
      // 0: end of file, of a socket in the device's place; the device itself never says so.
      if (size === 0 || size === -ERRNO.ENODEV || size === -ERRNO.ECONNABORTED) return NEXT.ENDED;
      // EINTR: a signal. ENOENT: the request was taken back before it was read.
      if (size !== -ERRNO.EINTR && size !== -ERRNO.ENOENT) throw new SyscallError("read", -size, "/dev/fuse");
    }
  }

  const expectsReply = (request: Request): boolean => OPCODE_BY_CODE[request.opcode]?.reply !== false;

  function park(request: Request): number {
    parked = request;
    return NEXT.FULL;
  }

  function unpark(request: Request): number {
    if (requests.length - free.length > maxInFlight) return has(fd, 0, 0) ? NEXT.ENDED : NEXT.FULL;
    parked = null;
    return request.tag;
  }

  // hot
  function place(request: Request, size: number): void {
    if (size < FuseInHeader.size) clearHeader(request, size);
    const inSize = inSizes[request.opcode] ?? 0;
    request.opIn = request.inHeader + FuseInHeader.size;
    request.payload = request.opIn + inSize;
    request.payloadLength = request.length === size ? size - FuseInHeader.size - inSize : -1; // negative: malformed
  }

  // What was not read is left from an earlier request; half a unique is none.
  function clearHeader(request: Request, size: number): void {
    const known = size < UNIQUE_END ? Math.min(size, FuseInHeader.at.unique) : size;
    request.arena.bytes.fill(0, request.inHeader + known, request.inHeader + FuseInHeader.size);
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
    watched: fd,
    request: (tag) => requests[tag - firstTag] as Request,
    next,
    ready: () => has(fd, POLL.IN, 0),
    flush() {},
    sleep() {
      has(fd, POLL.IN, -1);
    },
    reply,
    release: (request) => {
      free.push(request.tag);
    },
    setBlocking(blocking) {
      fcntl(fd, F.SETFL, O.RDWR | (blocking && !spins ? 0 : O.NONBLOCK));
    },
    close() {},
  };
}
