// Owns: the way of one request: check, handler, result, reply. One prepared entry per opcode, made from its row and
// the filesystem at hand. A synchronous handler's request never allocates here.
// Whatever a handler does (throws, returns nonsense, never settles), its own request gets one answer and no other
// request notices.

import { ERRNO } from "../../ffi/errno.ts";
import { UNIQUE_RESEND_HIGH } from "../abi/fuse-constants.ts";
import { OPCODE_BY_CODE, type Opcode, type OpcodeName } from "../abi/fuse-opcodes.ts";
import type { MetadataCache } from "../bpf/cache/metadata-cache.ts";
import { errnoOf } from "../codec/fuse-error.ts";
import type { Request } from "../codec/request.ts";
import { createRequestView, type RequestHeader } from "../codec/request-view.ts";
import type { Connection } from "../fs/connection.ts";
import type { Filesystem, Result } from "../fs/filesystem.ts";
import type { Transport } from "../transport/transport.ts";
import { countReply } from "./count-reply.ts";
import type { DispatchEvents, Tracer } from "./dispatch-events.ts";
import { createInFlight, type InFlight } from "./in-flight.ts";
import { methodTable } from "./methods.ts";
import { checkPayload, type PayloadCheck, payloadCheck } from "./payload.ts";
import { fillDefaultStatfs, lengthOf, type ResultRule, resultRule } from "./results.ts";
import { COUNT, count, countLatency, countRequest, type StatisticsRow } from "./statistics.ts";
import { createUnanswered } from "./unanswered.ts";

export type { DispatchEvents, RequestFault, SlowRequest, Tracer } from "./dispatch-events.ts";

export interface DispatchOptions {
  readonly filesystem: Filesystem;
  readonly connection: Connection;
  readonly transport: Transport;
  readonly statistics: StatisticsRow;
  readonly events: DispatchEvents;
  readonly timeoutMs: number;
  readonly slowMs: number;
  /** Of requests that the kernel gives out once more, only repeatable ones are served; the others are ECONNABORTED. */
  readonly repeatableOnly?: boolean;
  readonly tracer?: Tracer | undefined;
  /** Told of every request before its handler and before its reply. */
  readonly cache?: Pick<MetadataCache, "begin" | "end" | "forget"> | undefined;
}

export interface Dispatch {
  readonly inFlight: InFlight;
  /** Serves one request; the transport has it back when it is answered. */
  serve(request: Request): void;
}

/** One of so many synchronous requests is timed: reading the clock twice costs as much as all else here. A power of two. */
const TIMED = 8;

interface Entry {
  readonly opcode: Opcode;
  readonly check: PayloadCheck;
  readonly rule: ResultRule;
  readonly method: ((view: RequestHeader) => Result) | null;
  readonly missing: number;
  /** Views by tag, made at the first request of this opcode on a tag. */
  readonly views: (RequestHeader | undefined)[];
}

/** Makes the dispatcher of one queue. */
export function createDispatch(options: DispatchOptions): Dispatch {
  const { transport, statistics, events, tracer, filesystem, connection, cache, repeatableOnly = false } = options;
  const methods = methodTable(filesystem, connection);
  const entries = OPCODE_BY_CODE.map((opcode) => (opcode === undefined ? undefined : entryOf(opcode)));
  const inFlight = createInFlight(
    { settle: complete, fail, answer: (request, error) => send(request, error, 0), release },
    {
      timeoutMs: options.timeoutMs,
      slowMs: options.slowMs,
      onSlow: reportSlow,
      onTimeout: () => count(statistics, COUNT.timedOut, 1),
      onRelease: events.released,
    },
  );

  let turn = 0;

  const unanswered = createUnanswered({ filesystem, statistics, events, cache, interrupt: inFlight.interrupt });

  function entryOf(opcode: Opcode): Entry {
    const { method, missing } = methods[opcode.name as OpcodeName];
    return {
      opcode,
      check: payloadCheck(opcode, connection.flags.includes("EXPORT_SUPPORT")),
      rule: resultRule(opcode),
      method,
      missing,
      views: [],
    };
  }

  // hot
  function serve(request: Request): void {
    turn = (turn + 1) % TIMED;
    request.startedNs = turn === 0 || tracer !== undefined ? Bun.nanoseconds() : 0;
    request.dataLength = 0;
    const code = request.opcode;
    countRequest(statistics, code);
    const entry = entries[code];
    if (tracer !== undefined) tracer.request(entry?.opcode, request);
    if (request.payloadLength < 0) refuse(request, entry, -ERRNO.EIO);
    else if (entry === undefined) finish(request, -ERRNO.ENOSYS, 0);
    else serveKnown(request, entry);
  }

  // hot
  function serveKnown(request: Request, entry: Entry): void {
    const refused = checkPayload(request, entry.check);
    if (refused !== 0) refuse(request, entry, refused);
    else if (repeatableOnly && request.uniqueHigh >= UNIQUE_RESEND_HIGH && !entry.opcode.repeatable) {
      finish(request, -ERRNO.ECONNABORTED, 0);
    } else if (entry.opcode.reply) answer(request, entry);
    else serveUnanswered(request, entry);
  }

  // hot
  function answer(request: Request, entry: Entry): void {
    const { fixed } = entry.rule;
    if (fixed > 0) request.words.fill(0, request.opOut >> 2, (request.opOut + fixed) >> 2);
    if (cache !== undefined) cache.begin(request);
    if (entry.method === null) answerMissing(request, entry);
    else run(request, entry, entry.method);
  }

  // hot
  function run(request: Request, entry: Entry, method: (view: RequestHeader) => Result): void {
    let result: Result;
    let pending = false;
    try {
      result = method(view(request, entry));
      pending = typeof result === "object" && isThenable(result);
    } catch (thrown) {
      fail(request, thrown);
      return;
    }
    if (pending) {
      count(statistics, COUNT.asynchronous, 1);
      inFlight.add(request, result as PromiseLike<number | undefined>);
    } else complete(request, result as number | undefined);
  }

  // hot
  function view(request: Request, entry: Entry): RequestHeader {
    const known = entry.views[request.tag];
    if (known !== undefined) return known;
    const made = createRequestView(entry.opcode.name as OpcodeName, request);
    entry.views[request.tag] = made;
    return made;
  }

  // hot
  function complete(request: Request, result: number | undefined): void {
    const { rule } = entries[request.opcode] as Entry;
    let length = 0;
    try {
      length = lengthOf(request, result, rule);
    } catch (thrown) {
      fault(request, thrown);
      return;
    }
    if (length < 0) finish(request, length, 0);
    else finish(request, 0, length);
  }

  // hot
  function finish(request: Request, error: number, length: number): void {
    if (cache !== undefined) cache.end(request, error, length);
    send(request, error, length);
    request.abort = null;
    transport.release(request);
  }

  // Of a request that was answered early, or whose connection is gone: what its handler did is not known.
  function release(request: Request): void {
    if (cache !== undefined) cache.end(request, -ERRNO.EIO, 0);
    transport.release(request);
  }

  // hot
  function send(request: Request, error: number, length: number): void {
    if (tracer !== undefined) tracer.reply(entries[request.opcode]?.opcode, request, error, length);
    if (request.startedNs > 0) countLatency(statistics, Bun.nanoseconds() - request.startedNs);
    count(statistics, error === 0 ? COUNT.replies : COUNT.errors, 1);
    if (error === 0) countReply(statistics, request, length);
    const sent = transport.reply(request, error, length);
    // ENOENT: the caller was killed or the connection aborted meanwhile.
    if (sent < 0 && sent !== -ERRNO.ENOENT) count(statistics, COUNT.refusedReplies, 1);
  }

  function fail(request: Request, thrown: unknown): void {
    const errno = errnoOf(thrown);
    if (errno === -ERRNO.EINTR) count(statistics, COUNT.interrupted, 1);
    if (errno === undefined) fault(request, thrown);
    else finish(request, errno, 0);
  }

  function fault(request: Request, error: unknown): void {
    count(statistics, COUNT.handlerFaults, 1);
    report(request, error);
    finish(request, -ERRNO.EIO, 0);
  }

  function report(request: Request, error: unknown): void {
    const opcode = entries[request.opcode]?.opcode.name ?? `OPCODE_${request.opcode}`;
    events.error({ opcode, nodeid: request.nodeid, unique: request.unique, error });
  }

  function reportSlow(request: Request): void {
    const opcode = entries[request.opcode]?.opcode.name ?? `OPCODE_${request.opcode}`;
    const elapsedMs = (Bun.nanoseconds() - request.startedNs) / 1e6;
    events.slow({ opcode, nodeid: request.nodeid, unique: request.unique, elapsedMs });
  }

  // unique 0 could not be read; a reply with it would be taken for a notification.
  function refuse(request: Request, entry: Entry | undefined, errno: number): void {
    count(statistics, COUNT.malformed, 1);
    if (errno === -ERRNO.EIO) report(request, new RangeError(`malformed request, it states ${request.length} bytes`));
    const readable = request.uniqueLow !== 0 || request.uniqueHigh !== 0;
    if (readable && entry?.opcode.reply !== false) finish(request, errno, 0);
    else transport.release(request);
  }

  function answerMissing(request: Request, entry: Entry): void {
    if (entry.opcode.name === "STATFS") fillDefaultStatfs(request);
    if (entry.missing < 0) finish(request, entry.missing, 0);
    else finish(request, 0, entry.rule.fixed);
  }

  // hot
  function serveUnanswered(request: Request, entry: Entry): void {
    unanswered(entry.opcode.name as OpcodeName, request);
    transport.release(request);
  }

  return { inFlight, serve };
}

const isThenable = (result: object | null): boolean =>
  typeof (result as PromiseLike<unknown> | null)?.then === "function";
