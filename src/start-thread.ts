// Owns: starting a thread of ours; the one place that knows its file.

import { ERRNO } from "../ffi/errno.ts";
import { close, dup } from "../ffi/file.ts";
import type { StartDoorbell } from "./server/doorbell.ts";
import type { StartNotifier } from "./server/notify-queue.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

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

/**
 * Starts a thread that sends notifications. It has a descriptor of its own, which it closes as it ends: the number of the
 * session's may be another's by the time that a message goes out.
 */
export const startNotifier: StartNotifier = (sessionFd, done) => {
  const fd = dup(sessionFd);
  if (fd < 0) return { send: () => queueMicrotask(() => done(fd)), end: () => {} };
  const worker = startThread({ type: "notifier", fd });
  let failed = false;
  let sent = 0;
  function fail(): void {
    if (!failed) {
      failed = true;
      worker.terminate();
      close(fd);
    }
    for (; sent > 0; sent--) done(-ERRNO.EIO);
  }
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (data.type === "failed") fail();
    if (data.type !== "notified") return;
    sent--;
    done(data.result);
  };
  worker.onerror = fail;
  return {
    send(message) {
      sent++;
      if (failed) queueMicrotask(fail);
      else worker.postMessage({ type: "notify", message } satisfies ToWorker);
    },
    end: () => worker.postMessage({ type: "leave" } satisfies ToWorker),
  };
};
