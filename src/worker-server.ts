// Owns: worker threads that serve a session's queues, each with its own copy of a module's filesystem, and their
// replacement: a worker that dies while the connection lives gets a successor with the same place, descriptor and
// shared state, unless its filesystem's state died with it, its lane cannot be taken over, or workers keep dying.
// Threads end because the connection ends; `terminate` is only for threads that do not serve.

import { close } from "../ffi/file.ts";
import { MountError } from "./mounting/errors.ts";
import { abandonOrphans, abortOrphans, hasEnded, resendOrphans } from "./orphans.ts";
import { takeBackAll } from "./server/notifier-fds.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import { count as addTo, COUNT, statisticsRow } from "./server/statistics.ts";
import type { Server, ServerEvents } from "./servers.ts";
import { startWorker, type Thread } from "./worker-thread.ts";

/** Most replacements of workers within `WINDOW_MS`, over all of a session's workers. */
const RESTARTS = 3;
const WINDOW_MS = 60_000;
/** Time for a dead worker's threads to end, and for a module to load again. */
const END_MS = 5000;
const LOAD_MS = 30_000;
/** Time for a worker to begin after another could not, when the mounting is given up. */
const BEGIN_MS = 1000;

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

async function within<Value>(promise: Promise<Value>, ms: number, what: string): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How many worker threads there shall be; not `exactly`: only if the filesystem can have so many, else one. */
export interface WantedWorkers {
  readonly count: number;
  readonly exactly: boolean;
}

/** A thread that was told to serve: it does, and it has ended. */
interface Run {
  readonly serving: Promise<void>;
  readonly end: Promise<unknown>;
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
  const deaths: number[] = [];
  /** Descriptors of each queue that its thread cannot close when it dies. */
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
    const serving = thread.expect("serving").then((said) => {
      opened[index] = said.opened;
    });
    const end = thread.expect("ended");
    end.catch(() => {}); // a thread that fails before it serves is told by `serving`
    thread.post({ type: "serve", settings: { ...(settings[index] as QueueSettings), successor } });
    const run = { serving, end };
    runs[index] = run;
    return run;
  }

  /** Why a dead worker gets no successor; undefined when it does. */
  function refusal(own: QueueSettings): string | undefined {
    const now = performance.now();
    deaths.push(now);
    while ((deaths[0] as number) < now - WINDOW_MS) deaths.shift();
    if (hasEnded(own.fd)) return "the connection has ended";
    if (own.lane !== "dev") return `lane ${own.lane} ends with its thread`;
    if (!keepsNothing) return "its filesystem's state has died with it";
    if (deaths.length > RESTARTS) return `it is death number ${deaths.length} within ${WINDOW_MS / 1000} s`;
    return undefined;
  }

  // What a worker died of may be among its requests: they get a second chance once, and not again soon.
  function freeOrphans(own: QueueSettings): void {
    const result = deaths.length === 1 ? resendOrphans(own) : -1;
    if (result < 0 && abortOrphans(own) < 0 && resendOrphans(own) < 0) {
      throw new Error("its requests cannot be taken over: /dev/fuse cannot be opened again");
    }
  }

  // A thread that sees the connection end closes its descriptors, and then their numbers may be others'.
  async function untilGone(index: number): Promise<void> {
    const mine = hasEnded((settings[index] as QueueSettings).fd) ? [] : (opened[index] ?? []);
    const thread = threads[index] as Thread;
    thread.end();
    await within(thread.gone, END_MS, "its thread did not end");
    for (const fd of mine) close(fd);
    takeBackAll((settings[index] as QueueSettings).notifierFds, index + 1);
  }

  // One that serves, or is about to, sees the connection end and closes what it opened; `init` may never return.
  async function leave(thread: Thread, run: Run | undefined): Promise<void> {
    const what = "it did not see the connection end";
    const left = run && within(run.serving, BEGIN_MS, what).then(() => within(run.end, END_MS, what));
    await left?.catch(() => {});
    thread.end();
  }

  /** Starts a dead worker's successor; resolves, when that serves, with its end to come. */
  async function replace(index: number): Promise<{ readonly end: Promise<unknown> }> {
    const own = settings[index] as QueueSettings;
    await untilGone(index);
    freeOrphans(own);
    await within(load(index), LOAD_MS, "the filesystem was not made again");
    const { serving, end } = serve(index, true);
    await within(serving, LOAD_MS, "the filesystem's init did not return");
    addTo(statisticsRow(own.statistics, index), COUNT.workerRestarts, 1);
    return { end };
  }

  /** The session fails; whoever waits for this worker is told, also where the connection may not be aborted. */
  async function giveUp(index: number, error: Error): Promise<void> {
    const gone = untilGone(index).catch(() => {});
    events.crashed(index, error);
    await gone;
    abandonOrphans(settings[index] as QueueSettings);
  }

  /** Serves queue `index` to its end, by as many workers as it takes. */
  async function keepServing(index: number, first: Promise<unknown>): Promise<void> {
    for (let end = first; ; ) {
      try {
        await end;
        threads[index]?.end(); // it serves nothing any more; only its idle event loop is left
        return;
      } catch (thrown) {
        const error = toError(thrown);
        const why = refusal(settings[index] as QueueSettings);
        if (why !== undefined) {
          return giveUp(index, new Error(`${error.message} (not replaced: ${why})`, { cause: error }));
        }
        events.replacing(index, error);
      }
      try {
        ({ end } = await replace(index));
      } catch (thrown) {
        return giveUp(index, toError(thrown));
      }
    }
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
