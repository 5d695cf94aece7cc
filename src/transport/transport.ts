// Owns: the contract between a queue's loop and whatever carries its requests. No code. Used by one thread; nothing
// here allocates per request. Life of a request: `next` gives a tag with a whole request in it; dispatch has it
// answered by `reply` (never, for opcodes without one) and gives the tag back by `release`. In between the tag's memory
// belongs to the handler, also after a `reply` that came early: a lane whose replies hand it back sends at `release`.
// A request that is truncated or lies about its length has a negative `payloadLength`, and unique 0 when that could
// not be read; dispatch refuses it.

import type { Request } from "../codec/request.ts";

/** Kinds of transport. Every session starts on `dev`; the others are fast lanes added to it. */
export type Lane = "dev" | "io_uring" | "ring";

/** Results of `next` besides tags (which are >= 0). */
export const NEXT = { EMPTY: -1, ENDED: -2, FULL: -3 } as const;

export interface Transport {
  readonly lane: Lane;
  /** Descriptor that polls readable when `next` has something. */
  readonly watched: number;
  /** Descriptors that `close` closes; whoever outlives a thread that died closes them instead. None: undefined. */
  readonly opened?: readonly number[];
  /** The cursor of a tag. */
  request(tag: number): Request;
  /**
   * Tag of the next request, or EMPTY (nothing now), ENDED (unmounted or aborted), FULL (as many requests as may be are
   * with handlers, and the next one waits for one of them). Throws `SyscallError` when the device fails in another way.
   */
  next(): number;
  /** A cheap look: whether `next` may have something. Only after `flush`. */
  ready(): boolean;
  /** Sends what `release` has left to be sent. */
  flush(): void;
  /** Sleeps in the kernel until `next` may have something; flushes. Only while blocking. */
  sleep(): void;
  /** Sends `length` bytes after the out header when `error` is 0, else -errno `error` alone. Result 0 or -errno. */
  reply(request: Request, error: number, length: number): number;
  /** Gives the tag back. */
  release(request: Request): void;
  /**
   * Blocking: the thread waits in `sleep`, or in `next` itself where that saves a system call. Not blocking: neither is
   * called to wait, and `watched` polls readable when there is something.
   */
  setBlocking(blocking: boolean): void;
  /** Frees what the transport opened; not the session's descriptor. */
  close(): void;
}
