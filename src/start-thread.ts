// Owns: starting a thread of ours; the one place that knows its file.

import { ERRNO } from "../ffi/errno.ts";
import type { Board } from "./server/board.ts";
import type { StartNotifier } from "./server/notifications.ts";
import { lendFd, reclaim } from "./server/notifier-fds.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** A new thread that was given its first message. Errors: `DataCloneError` for a message that cannot be; no thread then. */
export function startThread(message: ToWorker): Worker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
  try {
    worker.postMessage(message);
  } catch (thrown) {
    worker.terminate();
    throw thrown;
  }
  return worker;
}

/** Starts the doorbell thread of a queue; `begun` is called when it watches. */
export function startDoorbell(fd: number, board: Board, queue: number, begun?: () => void): void {
  const worker = startThread({ type: "doorbell", fd, board: board.buffer, queue });
  if (begun === undefined) return;
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (data.type === "watching") begun();
  };
}

/** Starts a thread that sends notifications. */
export const startNotifier: StartNotifier = ({ fd, fds, asker }, done) => {
  const word = lendFd(fds, asker, fd);
  if (word < 0) return { failed: true, send: () => queueMicrotask(() => done(word)), end: () => {} };
  const worker = startThread({ type: "notifier", fds, word });
  let failed = false;
  let sent = 0;
  function fail(): void {
    if (!failed) {
      failed = true;
      worker.terminate();
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
  worker.addEventListener("close", () => {
    reclaim(fds, word);
    fail(); // what it was given and never said a word of
  });
  return {
    get failed() {
      return failed;
    },
    send(message) {
      sent++;
      if (failed) queueMicrotask(fail);
      else worker.postMessage({ type: "notify", message } satisfies ToWorker);
    },
    end: () => worker.postMessage({ type: "leave" } satisfies ToWorker),
  };
};
