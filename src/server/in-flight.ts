// Owns: requests whose handler returned a promise: their time-outs, interrupts and the one reply each of them gets.
// State of a tag here: free (no record), pending (no reply yet), answered (the reply went out early; the handler still
// runs and still owns the tag's memory). A tag is released when its promise settles, never before.
// This is the slow path: it may allocate.

import { ERRNO } from "../../ffi/errno.ts";
import { OPCODES } from "../abi/fuse-opcodes.ts";
import type { Request } from "../codec/request.ts";
import { isDying } from "./caller.ts";
import type { HeldRequests } from "./notify-queue.ts";

/** How a request leaves; given by dispatch. */
export interface Completion {
  settle(request: Request, result: number | undefined): void;
  fail(request: Request, thrown: unknown): void;
  answer(request: Request, error: number): void;
  release(request: Request): void;
}

export interface InFlightOptions {
  /** 0: no time-out. */
  readonly timeoutMs: number;
  /** Called after `slowMs` (0: never) while the handler still runs. */
  readonly slowMs: number;
  readonly onSlow: (request: Request) => void;
  readonly onTimeout: (request: Request) => void;
  /** Called when the last one has gone, or a tag came back. */
  readonly onRelease: () => void;
}

interface Pending {
  readonly request: Request;
  answered: boolean;
  interrupted: boolean;
  reportedSlow: boolean;
}

export interface InFlight extends HeldRequests {
  /** Promises that have not settled: those of requests, and other work of this thread. */
  readonly size: number;
  add(request: Request, promise: PromiseLike<number | undefined>): void;
  /** Aborts the signal of the request `unique`; false when it is not here. */
  interrupt(uniqueLow: number, uniqueHigh: number): boolean;
  /** The connection is gone: aborts every signal; nothing is answered any more. */
  end(reason: Error): void;
}

/** The abort reason of a request that ran into its time-out. */
function timeoutReason(timeoutMs: number): Error {
  return new DOMException(`no reply within ${timeoutMs} ms`, "TimeoutError");
}

/** Time between looks at the waiting requests: an eighth of the shortest limit, 5 to 250 ms; 250 ms without limits. */
function sweepPeriodMs(options: InFlightOptions): number {
  const limits = [options.timeoutMs, options.slowMs].filter((ms) => ms > 0);
  return Math.min(250, Math.max(5, Math.min(...limits) / 8));
}

// Operations on two inodes begin with the nodeid of the second: the other directory, or what is linked.
const ON_TWO: ReadonlySet<number> = new Set([OPCODES.RENAME.code, OPCODES.RENAME2.code, OPCODES.LINK.code]);

const isAbout = (request: Request, nodeids: readonly number[]): boolean =>
  nodeids.includes(request.nodeid) || (ON_TWO.has(request.opcode) && nodeids.includes(request.u64(request.opIn)));

export function createInFlight(completion: Completion, options: InFlightOptions): InFlight {
  const pending = new Map<Request, Pending>();
  const periodMs = sweepPeriodMs(options);
  let timer: ReturnType<typeof setInterval> | undefined;
  let ended = false;
  let others = 0;

  function sweep(): void {
    if (pending.size === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    const now = Bun.nanoseconds();
    for (const record of pending.values()) if (!record.answered) check(record, (now - record.request.startedNs) / 1e6);
  }

  function check(record: Pending, elapsedMs: number): void {
    const { request } = record;
    if (options.slowMs > 0 && elapsedMs >= options.slowMs && !record.reportedSlow) {
      record.reportedSlow = true;
      options.onSlow(request);
    }
    // The kernel lets a killed caller die only when its request is answered, and interrupts it only once.
    if (record.interrupted && isDying(request.pid)) {
      answerEarly(record, -ERRNO.EINTR);
      return;
    }
    if (options.timeoutMs === 0 || elapsedMs < options.timeoutMs) return;
    options.onTimeout(request);
    answerEarly(record, -ERRNO.ETIMEDOUT);
    abort(request, timeoutReason(options.timeoutMs));
  }

  // The handler still runs, and keeps the tag until it settles.
  function answerEarly(record: Pending, error: number): void {
    record.answered = true;
    record.request.answered = true;
    completion.answer(record.request, error);
  }

  // Makes the controller when there is none, so that a signal asked for later is already aborted.
  function abort(request: Request, reason?: Error): void {
    request.abort ??= new AbortController();
    request.abort.abort(reason);
  }

  function leave(record: Pending, finish: (request: Request) => void): void {
    const { request } = record;
    pending.delete(request);
    request.abort = null;
    request.answered = false;
    if (record.answered || ended) completion.release(request);
    else finish(request);
    options.onRelease();
  }

  return {
    get size() {
      return pending.size + others;
    },
    get requests() {
      return pending.size;
    },
    holds: (nodeids) => pending.keys().some((request) => isAbout(request, nodeids)),
    also(work) {
      others++;
      const settled = () => {
        others--;
        options.onRelease();
      };
      work.then(settled, settled);
    },
    add(request, promise) {
      const record: Pending = { request, answered: false, interrupted: false, reportedSlow: false };
      if (request.startedNs === 0) request.startedNs = Bun.nanoseconds();
      pending.set(request, record);
      timer ??= setInterval(sweep, periodMs);
      // Promise.resolve: a foreign thenable may throw, call back twice or call back at once.
      Promise.resolve(promise).then(
        (result) => leave(record, () => completion.settle(request, result)),
        (thrown) => leave(record, () => completion.fail(request, thrown)),
      );
    },
    interrupt(uniqueLow, uniqueHigh) {
      for (const record of pending.values()) {
        const { request } = record;
        if (request.uniqueLow !== uniqueLow || request.uniqueHigh !== uniqueHigh) continue;
        record.interrupted = true;
        abort(request);
        return true;
      }
      return false;
    },
    end(reason) {
      ended = true;
      clearInterval(timer);
      for (const { request } of pending.values()) abort(request, reason);
    },
  };
}
