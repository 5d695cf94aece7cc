// Owns: one worker thread as its session sees it: what it says, that it failed, and that it is gone. A thread fails
// once: by an uncaught exception, by process.exit inside it, or by saying so.
// Must not: decide what follows from a failure.

import type { QueueEvents } from "./server/open-queue.ts";
import { startThread } from "./start-thread.ts";
import { type FilesystemContext, type FromWorker, fromPlain, type ToWorker } from "./worker-messages.ts";

export interface Thread {
  /** Resolves when the thread has ended, with every thread that it started. */
  readonly gone: Promise<void>;
  /** Resolves when it has told what it opened to serve, or will not. */
  readonly toldOpened: Promise<void>;
  /** Gives out, once, the descriptors that it has left open: to be closed when it is gone, and has said all it had to. */
  takeOpened(): readonly number[];
  post(message: ToWorker): void;
  /** Ends the thread, which is needed no more; it must not sleep in the kernel. */
  end(): void;
  /** Resolves with the next message of one of these types; rejects when the thread fails. */
  expect<Type extends FromWorker["type"]>(type: Type): Promise<Extract<FromWorker, { type: Type }>>;
}

// Of an exception that nobody caught in a thread Bun gives no object, but what it would print: lines of source with their
// numbers, then name and message, then the stack.
function uncaught(printed: string): Error {
  const [, name = "error", message = printed] = /^(error|\w*(?:Error|Exception)): (.*)$/m.exec(printed) ?? [];
  const error = new Error(message);
  if (name !== "error") error.name = name;
  error.stack = printed;
  return error;
}

/** Starts a thread that loads a filesystem module. */
export function startWorker(url: string, context: FilesystemContext, share: boolean, events: QueueEvents): Thread {
  const worker = startThread({ type: "load", url, context, share });
  const waiting = new Map<FromWorker["type"], PromiseWithResolvers<FromWorker>>();
  const gone = Promise.withResolvers<void>();
  const toldOpened = Promise.withResolvers<void>();
  let failure: Error | undefined;
  let needed = true;
  let opened: number[] = [];

  function fail(error: Error): void {
    if (failure !== undefined) return; // a thread that failed closes as well
    failure = error;
    const waiters = [...waiting.values()];
    waiting.clear();
    toldOpened.resolve();
    for (const waiter of waiters) waiter.reject(error);
  }

  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    const waiter = waiting.get(data.type);
    waiting.delete(data.type);
    if (waiter !== undefined) return waiter.resolve(data);
    if (data.type === "fault") return events.error({ ...data.fault, error: fromPlain(data.error) });
    if (data.type === "slow") return events.slow(data.request);
    if (data.type === "trace") return events.trace(data.line);
    if (data.type === "opened") {
      opened = [...data.fds];
      toldOpened.resolve();
    }
    if (data.type === "failed") return fail(fromPlain(data.error));
  };
  worker.addEventListener("close", () => {
    if (needed) fail(new Error("the thread ended while it was needed: something in it called process.exit"));
    toldOpened.resolve();
    gone.resolve();
  });
  worker.onerror = (event) => fail(event.error instanceof Error ? event.error : uncaught(event.message));

  return {
    gone: gone.promise,
    toldOpened: toldOpened.promise,
    takeOpened: () => opened.splice(0),
    post: (message) => worker.postMessage(message),
    end() {
      needed = false;
      worker.terminate();
    },
    expect<Type extends FromWorker["type"]>(type: Type) {
      const waiter = Promise.withResolvers<FromWorker>();
      if (failure !== undefined) waiter.reject(failure);
      else waiting.set(type, waiter);
      return waiter.promise as Promise<Extract<FromWorker, { type: Type }>>;
    },
  };
}
