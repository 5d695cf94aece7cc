// Owns: starting a thread of ours; the one place that knows its file.

import type { StartDoorbell } from "./server/doorbell.ts";
import type { ToWorker } from "./worker-messages.ts";

/** A new thread that was given its first message. */
export function startThread(message: ToWorker): Worker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
  worker.postMessage(message);
  return worker;
}

/** Starts the doorbell thread of a queue. */
export const startDoorbell: StartDoorbell = (fd, board, queue) => {
  startThread({ type: "doorbell", fd, board: board.buffer, queue });
};
