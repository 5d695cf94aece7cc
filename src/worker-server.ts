// Owns: worker threads that serve a session's queues, each with its own copy of a module's filesystem: that they are
// started, told to serve, and gone when the mounting was given up. What follows a death is succession.ts's.
// Threads end because the connection ends; `terminate` is only for threads that do not serve.

import { close } from "../ffi/file.ts";
import { shown } from "./codec/shown.ts";
import { disposeOnThread } from "./dispose-thread.ts";
import { MountError } from "./mounting/errors.ts";
import { reclaimAll } from "./server/notifier-fds.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import type { Server, ServerEvents } from "./servers.ts";
import { createSuccession, type Run, type Workers } from "./succession.ts";
import { within } from "./within.ts";
import type { FilesystemContext } from "./worker-messages.ts";
import { startWorker, type Thread } from "./worker-thread.ts";

/** Time for a worker to see the end of the connection, and for its thread to end when it has not begun to serve. */
const END_MS = 5000;
const GONE_MS = 1000;
const OPEN_MS = 1000;
/** Time for the module to give up what was shared. */
const DISPOSE_MS = 30_000;

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
  /** By index of the worker; the last one of each. */
  const runs: Run[] = [];
  let settings: readonly QueueSettings[] = [];
  let shared: unknown;
  let keepsNothing = false;
  /** The module gives up what was shared, and a worker has ended without its filesystem's `destroy`. */
  let disposes = false;
  let unclean = false;

  function startCopying(context: FilesystemContext, share: boolean): Thread {
    try {
      return startWorker(url.href, context, share, events);
    } catch (thrown) {
      if ((thrown as Error).name !== "DataCloneError") throw thrown;
      const what = `option filesystemOptions is ${shown(options)}; it must be something that can be copied to a worker`;
      throw new MountError("INVALID_OPTION", what, { cause: thrown });
    }
  }

  async function load(index: number, share = false) {
    const context = { options, shared, worker: { index, count } };
    const thread = startCopying(context, share);
    threads[index] = thread;
    return thread.expect("loaded");
  }

  // Its end is expected from the start: the connection may end while a thread still begins to serve.
  function serve(index: number, successor: boolean): Run {
    const thread = threads[index] as Thread;
    const own = settings[index] as QueueSettings;
    const run = { serving: thread.expect("serving"), end: thread.expect("ended"), state: "beginning" as Run["state"] };
    const reached = (state: Run["state"]) => () => {
      run.state = state;
    };
    run.serving.then(reached("serving"), () => {}); // a failure is told to whoever waits for it
    run.end.then(reached("ended"), () => {
      unclean = true;
    });
    void thread.gone.then(() => reclaimAll(own.notifierFds, index + 1));
    thread.post({ type: "serve", settings: { ...own, successor } });
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
    load,
    serve,
  };
  const keepServing = createSuccession(workers, events);

  // One that serves sees the connection end and closes what it opened. One in `init`, which may never return, is ended,
  // but not while it opens its lane: nobody would know of a descriptor that it has and has not told of.
  async function leave(thread: Thread, run: Run | undefined): Promise<void> {
    if (run?.state === "beginning") {
      await within(thread.toldOpened, OPEN_MS, "it did not open its lane").catch(() => {});
    }
    if (run?.state === "serving") await within(run.end, END_MS, "it did not see the connection end").catch(() => {});
    thread.end();
    if (run === undefined || run.state === "ended") return;
    unclean = true;
    const gone = await within(thread.gone, GONE_MS, "it did not end").then(
      () => true,
      () => false,
    );
    if (gone) for (const fd of thread.takeOpened()) close(fd);
  }

  async function dispose(): Promise<void> {
    if (!disposes || !unclean) return;
    disposes = false;
    try {
      await within(Promise.all(threads.map(({ gone }) => gone)), END_MS, "the workers' threads did not end");
      await within(disposeOnThread(url.href, shared), DISPOSE_MS, "disposeShared did not return");
    } catch (thrown) {
      events.crashed(0, thrown instanceof Error ? thrown : new Error(String(thrown)));
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
      disposes = first.disposing;
      await Promise.all(Array.from({ length: count - 1 }, (_, index) => load(index + 1)));
      return { methods: new Set(first.methods), wishes: first.wishes };
    },
    async serve(all) {
      settings = all;
      const begun = all.map((_, index) => serve(index, false));
      await Promise.all(begun.map(({ serving }) => serving));
      Promise.all(begun.map(({ end }, index) => keepServing(index, end)))
        .then(dispose)
        .then(() => ended.resolve());
    },
    ended: ended.promise,
    async discard() {
      const left = runs.splice(0); // once
      await Promise.all(threads.map((thread, index) => leave(thread, left[index])));
      await dispose();
      ended.resolve();
    },
  };
}
