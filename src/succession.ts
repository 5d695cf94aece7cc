// Owns: what follows a worker's death while the connection lives: a successor with the same place, descriptor and shared
// state, unless its filesystem's state died with it, its lane cannot be taken over, or workers keep dying; then the
// session ends. Must not: start threads but through `Workers`.

import { close } from "../ffi/file.ts";
import { abandonOrphans, abortOrphans, hasEnded, resendOrphans } from "./orphans.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import { count as addTo, COUNT, statisticsRow } from "./server/statistics.ts";
import type { ServerEvents } from "./servers.ts";
import { within } from "./within.ts";
import type { Thread } from "./worker-thread.ts";

/** Most replacements of workers within `WINDOW_MS`, over all of a session's workers. */
const RESTARTS = 3;
const WINDOW_MS = 60_000;
/** Time for a dead worker's threads to end, and for a module to load again. */
const END_MS = 5000;
const LOAD_MS = 30_000;

/** A thread that was told to serve: it does, and it has ended. */
export interface Run {
  readonly serving: Promise<unknown>;
  readonly end: Promise<unknown>;
  /** How far it has come. */
  readonly state: "beginning" | "serving" | "ended";
}

/** A session's workers by their index; each time the last one of it. */
export interface Workers {
  readonly settings: readonly QueueSettings[];
  readonly threads: readonly Thread[];
  /** Their filesystem keeps nothing in its heap. */
  readonly keepsNothing: boolean;
  /** Starts another thread and loads the filesystem in it. */
  load(index: number): Promise<unknown>;
  /** Lets it serve, as the first or as a `successor`. */
  serve(index: number, successor: boolean): Run;
}

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** Gives a function that serves queue `index` to its end, by as many workers as it takes; `first` is the first's end. */
export function createSuccession(workers: Workers, events: ServerEvents) {
  const deaths: number[] = [];
  const settingsOf = (index: number): QueueSettings => workers.settings[index] as QueueSettings;
  const threadOf = (index: number): Thread => workers.threads[index] as Thread;

  /** Why a dead worker gets no successor; undefined when it does. */
  function refusal(own: QueueSettings): string | undefined {
    const now = performance.now();
    deaths.push(now);
    while ((deaths[0] as number) < now - WINDOW_MS) deaths.shift();
    if (hasEnded(own.fd)) return "the connection has ended";
    if (own.lane !== "dev") return `lane ${own.lane} ends with its thread`;
    if (!workers.keepsNothing) return "its filesystem's state has died with it";
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

  async function untilGone(index: number): Promise<void> {
    const thread = threadOf(index);
    thread.end();
    await within(thread.gone, END_MS, "its thread did not end");
    for (const fd of thread.takeOpened()) close(fd);
  }

  /** Starts a dead worker's successor; resolves, when that serves, with its end to come. */
  async function replace(index: number): Promise<{ readonly end: Promise<unknown> }> {
    const own = settingsOf(index);
    await untilGone(index);
    freeOrphans(own);
    await within(workers.load(index), LOAD_MS, "the filesystem was not made again");
    const { serving, end } = workers.serve(index, true);
    await within(serving, LOAD_MS, "the filesystem's init did not return");
    addTo(statisticsRow(own.statistics, index), COUNT.workerRestarts, 1);
    return { end };
  }

  /** The session fails; whoever waits for this worker is told, also where the connection may not be aborted. */
  async function giveUp(index: number, error: Error): Promise<void> {
    const gone = untilGone(index).catch(() => {});
    events.crashed(index, error);
    await gone;
    abandonOrphans(settingsOf(index));
  }

  return async function keepServing(index: number, first: Promise<unknown>): Promise<void> {
    for (let end = first; ; ) {
      try {
        await end;
        threadOf(index).end(); // it serves nothing any more; only its idle event loop is left
        return;
      } catch (thrown) {
        const error = toError(thrown);
        const why = refusal(settingsOf(index));
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
  };
}
