// Owns: what dispatch tells its owner and its tracer. Types only.

import type { Opcode } from "../abi/fuse-opcodes.ts";
import type { Request } from "../codec/request.ts";

/** A fault of a handler or of the protocol, for the `error` event. */
export interface RequestFault {
  readonly opcode: string;
  readonly nodeid: number;
  readonly unique: bigint;
  readonly error: unknown;
}

/** A request whose handler runs for long. */
export interface SlowRequest {
  readonly opcode: string;
  readonly nodeid: number;
  readonly unique: bigint;
  readonly elapsedMs: number;
}

/** What dispatch tells its owner. */
export interface DispatchEvents {
  error(fault: RequestFault): void;
  slow(request: SlowRequest): void;
  /** INTERRUPT for a request that is not in flight here. */
  foreignInterrupt(uniqueLow: number, uniqueHigh: number): void;
  /** The kernel's answer to a RETRIEVE; `data` is the listener's to keep. */
  retrieved(unique: bigint, offset: number, data: Uint8Array): void;
  /** A tag that was held by a promise is free again. */
  released(): void;
}

/** Watches requests and replies, for `debug`. */
export interface Tracer {
  request(opcode: Opcode | undefined, request: Request): void;
  reply(opcode: Opcode | undefined, request: Request, error: number, length: number): void;
}
