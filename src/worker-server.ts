// Owns: worker threads that serve a session's queues, each with its own copy of a module's filesystem: that they are
// started, told to serve, and gone when the mounting was given up. What follows a death is succession.ts's.
// Threads end because the connection ends; `terminate` is only for threads that do not serve.

import { MountError } from "./mounting/errors.ts";
import { reclaimAll } from "./server/notifier-fds.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import type { Server, ServerEvents } from "./servers.ts";
import { createSuccession, type Run, type Workers } from "./succession.ts";
import { within } from "./within.ts";
import { startWorker, type Thread } from "./worker-thread.ts";

/** Time for a worker to begin, and to end, when the mounting is given up. */
const BEGIN_MS = 1000;
const END_MS = 5000;

/** How many worker threads there shall be; not `exactly`: only if the filesystem can have so many, else one. */
export interface WantedWorkers {
  readonly count: number;
  readonly exactly: boolean;
}

/** Serves from worker threads. */
export function createWorkerServer(
  url: URL,
  options: unknown,
  { count: wanted, exactly }: WantedWorkers,
  events: ServerEvents,
): Server {
  let count = wanted;
  const threads: Thread[] = [];
  const ended = Promise.withResolvers<void>();
  const opened: (readonly number[])[] = [];
  /** By index of the worker; the last one of each. */
  const runs: Run[] = [];
  let settings: readonly QueueSettings[] = [];
  let shared: unknown;
  let keepsNothing = false;

  async function load(index: number, share = false) {
    const context = { options, shared, worker: { index, count } };
    const thread = startWorker(url.href, context, share, events);
    threads[index] = thread;
    return thread.expect("loaded");
  }

  // Its end is expected from the start: the connection may end while a thread still begins to serve.
  function serve(index: number, successor: boolean): Run {
    const thread = threads[index] as Thread;
    const own = settings[index] as QueueSettings;
    const serving = thread.expect("serving").then((said) => {
      opened[index] = said.opened;
    });
    const end = thread.expect("ended");
    end.catch(() => {}); // a thread that fails before it serves is told by `serving`
    void thread.gone.then(() => reclaimAll(own.notifierFds, index + 1));
    thread.post({ type: "serve", settings: { ...own, successor } });
    const run = { serving, end };
    runs[index] = run;
    return run;
  }

  const workers: Workers = {
    get settings() {
      return settings;
    },
    get keepsNothing() {
      return keepsNothing;
    },
    threads,
    opened,
    load,
    serve,
  };
  const keepServing = createSuccession(workers, events);

  // One that serves, or is about to, sees the connection end and closes what it opened; `init` may never return.
  async function leave(thread: Thread, run: Run | undefined): Promise<void> {
    const what = "it did not see the connection end";
    const left = run && within(run.serving, BEGIN_MS, what).then(() => within(run.end, END_MS, what));
    await left?.catch(() => {});
    thread.end();
  }

  return {
    get queues() {
      return count;
    },
    async load() {
      const first = await load(0, true);
      if (!exactly && !first.parallel) count = 1;
      if (count > 1 && !first.parallel) {
        throw new MountError(
          "INVALID_OPTION",
          `option workers is ${count}; this filesystem is not parallel, it takes 1`,
        );
      }
      shared = first.shared;
      keepsNothing = first.parallel || first.sharing;
      await Promise.all(Array.from({ length: count - 1 }, (_, index) => load(index + 1)));
      return { methods: new Set(first.methods), wishes: first.wishes };
    },
    async serve(all) {
      settings = all;
      const begun = all.map((_, index) => serve(index, false));
      await Promise.all(begun.map(({ serving }) => serving));
      Promise.all(begun.map(({ end }, index) => keepServing(index, end))).then(() => ended.resolve());
    },
    ended: ended.promise,
    async discard() {
      const left = runs.splice(0); // once
      await Promise.all(threads.map((thread, index) => leave(thread, left[index])));
      ended.resolve();
    },
  };
}
