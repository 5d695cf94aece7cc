// Owns: the requests that get no reply: FORGET, BATCH_FORGET, INTERRUPT, NOTIFY_REPLY. Dispatch has checked them and
// releases their tag afterwards. A handler that throws or rejects is reported; the records after it are still served.

import type { OpcodeName } from "../abi/fuse-opcodes.ts";
import { FuseForgetOne, FuseNotifyRetrieveIn } from "../abi/fuse-structs.ts";
import type { MetadataCache } from "../bpf/cache/metadata-cache.ts";
import type { Request } from "../codec/request.ts";
import type { Filesystem } from "../fs/filesystem.ts";
import type { DispatchEvents } from "./dispatch-events.ts";
import { COUNT, count, type StatisticsRow } from "./statistics.ts";

export interface UnansweredOptions {
  readonly filesystem: Filesystem;
  readonly statistics: StatisticsRow;
  readonly events: Pick<DispatchEvents, "error" | "foreignInterrupt" | "retrieved">;
  /** Knows of lookups that the filesystem was never asked for. */
  readonly cache: Pick<MetadataCache, "forget"> | undefined;
  /** Aborts a request that is in flight here; false when it is not. */
  readonly interrupt: (uniqueLow: number, uniqueHigh: number) => boolean;
}

/** Serves one request of an opcode that has no reply; hot for FORGET. */
export type ServeUnanswered = (name: OpcodeName, request: Request) => void;

/** Makes the server of one queue's requests without reply. */
export function createUnanswered(options: UnansweredOptions): ServeUnanswered {
  const { filesystem, statistics, events, cache } = options;

  // hot
  function forget(request: Request, nodeid: number, nlookup: number): void {
    count(statistics, COUNT.forgets, 1);
    const own = cache === undefined ? nlookup : cache.forget(nodeid, nlookup);
    if (own === 0) return;
    try {
      const result: unknown = filesystem.forget?.(nodeid, own);
      if (result !== undefined) watch(request.unique, nodeid, result);
    } catch (thrown) {
      report(request.unique, nodeid, thrown);
    }
  }

  // `forget` has no result; but an async one may reject, which must not end the process.
  function watch(unique: bigint, nodeid: number, result: unknown): void {
    Promise.resolve(result).catch((thrown: unknown) => report(unique, nodeid, thrown));
  }

  function report(unique: bigint, nodeid: number, error: unknown): void {
    count(statistics, COUNT.handlerFaults, 1);
    events.error({ opcode: "FORGET", nodeid, unique, error });
  }

  const served: { readonly [Name in OpcodeName]?: (request: Request) => void } = {
    FORGET: (request) => forget(request, request.nodeid, request.u64(request.opIn)),
    BATCH_FORGET: (request) => {
      for (let at = request.payload; at < request.payload + request.payloadLength; at += FuseForgetOne.size) {
        forget(request, request.u64(at), request.u64(at + FuseForgetOne.at.nlookup));
      }
    },
    INTERRUPT: (request) => {
      const low = request.u32(request.opIn);
      const high = request.u32(request.opIn + 4);
      if (!options.interrupt(low, high)) events.foreignInterrupt(low, high);
    },
    NOTIFY_REPLY: (request) => {
      const { bytes } = request.arena;
      const data = new Uint8Array(bytes.slice(request.payload, request.payload + request.payloadLength));
      events.retrieved(request.unique, request.u64(request.opIn + FuseNotifyRetrieveIn.at.offset), data);
    },
  };

  return (name, request) => served[name]?.(request);
}
