// Owns: `Request`, the cursor that every transport hands out: integer offsets over one arena, one object per tag.
// Ownership: the transport places it (offsets), dispatch reads it, the handler owns its reply area until commit.
// Must not: allocate after construction; objects made on demand (abort controller) belong to asynchronous handlers.

import type { Arena } from "../../ffi/memory.ts";
import { FuseInHeader } from "../abi/fuse-structs.ts";

const AT = FuseInHeader.at;

/** Where a tag's memory lies in the arena, in bytes. */
export interface Placement {
  readonly inHeader: number;
  readonly outHeader: number;
  /** Fixed reply structs are written here, in order. */
  readonly opOut: number;
  /** Variable reply data is written here; it may overlap `opOut` (a reply has one, or data after the structs). */
  readonly dataOut: number;
  /** Bytes that fit at `dataOut`. */
  readonly dataCapacity: number;
}

/** One request in flight. Offsets are bytes from the arena's start; `payload` follows the operation's in-struct. */
export class Request {
  readonly tag: number;
  readonly arena: Arena;
  readonly words: Int32Array;
  readonly inHeader: number;
  readonly outHeader: number;
  readonly opOut: number;

  /** Constant for the life of the tag, or set by the transport for each request (ring). */
  dataOut: number;
  dataCapacity: number;

  /** Set by the transport for each request. */
  opIn = 0;
  payload = 0;
  payloadLength = 0;

  /** Set by dispatch for requests with names: bytes without the NUL, and where a second name begins. */
  nameLength = 0;
  secondName = 0;
  secondNameLength = 0;

  /** Bytes of directory entries in the reply so far. */
  dataLength = 0;

  /** Monotonic time of arrival in nanoseconds; 0: not timed. */
  startedNs = 0;

  /**
   * Set while a handler still runs whose request was answered without it (a time-out, a killed caller): the kernel takes
   * neither references nor handles from its result.
   */
  answered = false;

  /** Made when a handler first asks for its signal. */
  abort: AbortController | null = null;

  constructor(tag: number, arena: Arena, placement: Placement) {
    this.tag = tag;
    this.arena = arena;
    this.words = arena.words;
    this.inHeader = placement.inHeader;
    this.outHeader = placement.outHeader;
    this.opOut = placement.opOut;
    this.dataOut = placement.dataOut;
    this.dataCapacity = placement.dataCapacity;
  }

  /** Address of a byte of the arena, for system calls. */
  address(offset: number): number {
    return this.arena.address + offset;
  }

  get length(): number {
    return this.u32(this.inHeader + AT.len);
  }
  get opcode(): number {
    return this.u32(this.inHeader + AT.opcode);
  }
  get uniqueLow(): number {
    return this.u32(this.inHeader + AT.unique);
  }
  get uniqueHigh(): number {
    return this.u32(this.inHeader + AT.unique + 4);
  }
  get unique(): bigint {
    return (BigInt(this.uniqueHigh) << 32n) | BigInt(this.uniqueLow);
  }
  get nodeid(): number {
    return this.u64(this.inHeader + AT.nodeid);
  }
  get uid(): number {
    return this.u32(this.inHeader + AT.uid);
  }
  get gid(): number {
    return this.u32(this.inHeader + AT.gid);
  }
  get pid(): number {
    return this.u32(this.inHeader + AT.pid);
  }

  /** Aborted on INTERRUPT, time-out and unmount. */
  get signal(): AbortSignal {
    this.abort ??= new AbortController();
    return this.abort.signal;
  }

  /** Unsigned 32-bit word at a 4-byte aligned offset. Hot. */
  u32(offset: number): number {
    return (this.words[offset >> 2] as number) >>> 0;
  }
  /** Unsigned 64-bit value as a number; exact below 2^53, which dispatch has checked for bounded fields. Hot. */
  u64(offset: number): number {
    const index = offset >> 2;
    return ((this.words[index + 1] as number) >>> 0) * 0x1_0000_0000 + ((this.words[index] as number) >>> 0);
  }
  /** Stores the low 32 bits of an integer. Hot. */
  setU32(offset: number, value: number): void {
    this.words[offset >> 2] = value;
  }
  /** Stores an integer of magnitude below 2^53 as 64 bits, two's complement. Hot. */
  setU64(offset: number, value: number): void {
    const index = offset >> 2;
    this.words[index] = value;
    this.words[index + 1] = Math.floor(value / 0x1_0000_0000);
  }
}
