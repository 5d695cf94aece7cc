// Owns: the two ways to serve a session's queues behind one face: worker threads that load a filesystem module
// (`createWorkerServer`), or the calling thread's event loop with a filesystem object (`createLocalServer`).
// Threads end because the connection ends; `terminate` is only for threads that never served.

import type { InitWishes } from "./fs/connection.ts";
import type { Filesystem } from "./fs/filesystem.ts";
import { MountError } from "./mounting/errors.ts";
import { methodNames } from "./server/methods.ts";
import { openQueue, type QueueEvents, type QueueSettings } from "./server/open-queue.ts";
import { startDoorbell, startThread } from "./start-thread.ts";
import { type FromWorker, fromPlain } from "./worker-messages.ts";

/** What a server tells the session besides the queues' events. */
export interface ServerEvents extends QueueEvents {
  /** A queue can serve no more, although the connection lives. */
  crashed(index: number, error: Error): void;
}

/** Serves every queue of one session. */
export interface Server {
  readonly queues: number;
  /** Makes the filesystem. Errors: whatever the module or its factory throws. */
  load(): Promise<{ readonly methods: ReadonlySet<string>; readonly wishes: InitWishes }>;
  /** Starts to serve; resolves when every queue does. */
  serve(settings: readonly QueueSettings[]): Promise<void>;
  /** Resolves when every queue has ended. */
  readonly ended: Promise<void>;
  /** Ends what was loaded but never served. */
  discard(): void;
}

interface Thread {
  readonly worker: Worker;
  /** Ends the thread, which is needed no more. */
  end(): void;
  /** Resolves with the next message of one of these types; rejects when the thread fails. */
  expect<Type extends FromWorker["type"]>(type: Type): Promise<Extract<FromWorker, { type: Type }>>;
}

function watchThread(worker: Worker, index: number, events: ServerEvents): Thread {
  const waiting = new Map<FromWorker["type"], PromiseWithResolvers<FromWorker>>();
  let failure: Error | undefined;
  let needed = true;

  function fail(error: Error): void {
    if (failure !== undefined) return; // a thread that failed closes as well
    failure = error;
    const waiters = [...waiting.values()];
    waiting.clear();
    for (const waiter of waiters) waiter.reject(error);
    if (waiters.length === 0) events.crashed(index, error);
  }
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    const waiter = waiting.get(data.type);
    waiting.delete(data.type);
    if (waiter !== undefined) return waiter.resolve(data);
    if (data.type === "fault") return events.error({ ...data.fault, error: fromPlain(data.error) });
    if (data.type === "slow") return events.slow(data.request);
    if (data.type === "retrieved") return events.retrieved(data.unique, data.offset, data.data);
    if (data.type === "trace") return events.trace(data.line);
    if (data.type === "failed") return fail(fromPlain(data.error));
  };
  worker.addEventListener("close", () => {
    if (needed) fail(new Error("the thread ended while it was needed: something in it called process.exit"));
  });
  worker.onerror = (event) => fail(event.error instanceof Error ? event.error : new Error(event.message));

  return {
    worker,
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

/** Serves from `count` worker threads, each with its own copy of the module's filesystem. */
export function createWorkerServer(url: URL, options: unknown, count: number, events: ServerEvents): Server {
  const threads: Thread[] = [];
  const ended = Promise.withResolvers<void>();

  async function start(index: number, shared: unknown) {
    const context = { options, shared, worker: { index, count } };
    const thread = watchThread(startThread({ type: "load", url: url.href, context }), index, events);
    threads.push(thread);
    return thread.expect("loaded");
  }

  async function untilEnded(end: Promise<unknown>, index: number): Promise<void> {
    try {
      await end;
    } catch (thrown) {
      events.crashed(index, thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
    threads[index]?.end(); // it serves nothing any more; only its idle event loop is left
  }

  return {
    queues: count,
    async load() {
      const first = await start(0, undefined);
      if (count > 1 && !first.parallel) {
        throw new MountError(
          "INVALID_OPTION",
          `option workers is ${count}; this filesystem is not parallel, it takes 1`,
        );
      }
      await Promise.all(Array.from({ length: count - 1 }, (_, index) => start(index + 1, first.shared)));
      return { methods: new Set(first.methods), wishes: first.wishes };
    },
    async serve(settings) {
      // Expected from the start: the connection may end while other threads still begin to serve.
      const ends = threads.map((thread) => thread.expect("ended"));
      for (const end of ends) end.catch(() => {}); // a thread that fails before it serves is told by `serving`
      await Promise.all(
        settings.map(async (own, index) => {
          const thread = threads[index] as Thread;
          const serving = thread.expect("serving");
          thread.worker.postMessage({ type: "serve", settings: own });
          await serving;
        }),
      );
      Promise.all(ends.map(untilEnded)).then(() => ended.resolve());
    },
    ended: ended.promise,
    discard() {
      for (const thread of threads) thread.end();
      ended.resolve();
    },
  };
}

/** Serves a filesystem object on the calling thread, whose event loop stays alive. */
export function createLocalServer(filesystem: Filesystem, events: ServerEvents): Server {
  const ended = Promise.withResolvers<void>();
  let discarded = false;
  return {
    queues: 1,
    async load() {
      return { methods: methodNames(filesystem), wishes: filesystem.wishes ?? {} };
    },
    async serve([settings]) {
      const queue = await openQueue(filesystem, settings as QueueSettings, events, startDoorbell);
      if (discarded) return; // given up during `init`: the descriptor is closed, and its number may be another's
      queue
        .serveEvents()
        .then(() => filesystem.destroy?.())
        .catch((thrown: unknown) => events.crashed(0, thrown instanceof Error ? thrown : new Error(String(thrown))))
        .finally(() => ended.resolve());
    },
    ended: ended.promise,
    discard() {
      discarded = true;
      ended.resolve();
    },
  };
}
