// Owns: putting one queue together: transport, dispatch and loop over one descriptor, and the filesystem's context.

import { traceReply, traceRequest } from "../codec/trace.ts";
import type { Connection } from "../fs/connection.ts";
import type { Filesystem, SessionContext } from "../fs/filesystem.ts";
import { openDevTransport } from "../transport/dev.ts";
import type { Board } from "./board.ts";
import type { DispatchEvents } from "./dispatch.ts";
import type { StartDoorbell } from "./doorbell.ts";
import { inputSizes } from "./init.ts";
import { createNotifier } from "./notify.ts";
import { createQueue, type Queue } from "./queue.ts";
import { statisticsRow } from "./statistics.ts";

/** What every queue of a session is told; plain data, so that it can be posted to a worker. */
export interface QueueSettings {
  readonly fd: number;
  readonly index: number;
  readonly count: number;
  readonly connection: Connection;
  readonly board: SharedArrayBuffer;
  readonly statistics: SharedArrayBuffer;
  readonly maxInFlight: number;
  readonly timeoutMs: number;
  readonly slowMs: number;
  readonly trace: boolean;
}

/** What a queue tells the session. */
export interface QueueEvents extends Pick<DispatchEvents, "error" | "slow" | "retrieved"> {
  trace(line: string): void;
}

/** Opens a queue on the `dev` lane; the filesystem has been initialised when this returns. */
export async function openQueue(
  filesystem: Filesystem,
  settings: QueueSettings,
  events: QueueEvents,
  startDoorbell: StartDoorbell,
): Promise<Queue> {
  const { fd, index, count, connection, maxInFlight, trace } = settings;
  const transport = openDevTransport({
    fd,
    maxPayload: Math.max(connection.maxWrite, connection.maxPages * 4096),
    maxInFlight,
    inSizes: inputSizes(connection),
  });
  const context: SessionContext = { connection, notify: createNotifier(fd), worker: { index, count } };
  await filesystem.init?.(context);
  return createQueue({
    filesystem,
    connection,
    transport,
    fd,
    index,
    startDoorbell,
    events,
    board: new Int32Array(settings.board) as Board,
    statistics: statisticsRow(settings.statistics, index),
    timeoutMs: settings.timeoutMs,
    slowMs: settings.slowMs,
    tracer: trace
      ? {
          request: (opcode, request) => events.trace(traceRequest(opcode, request)),
          reply: (opcode, request, error, length) => events.trace(traceReply(opcode, request, error, length)),
        }
      : undefined,
  });
}
