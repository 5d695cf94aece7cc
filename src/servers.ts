// Owns: the one face of the two ways to serve a session's queues: worker threads that load a filesystem module
// (worker-server.ts), or the calling thread's event loop with a filesystem object (`createLocalServer`).

import { close } from "../ffi/file.ts";
import { shown } from "./codec/shown.ts";
import type { InitWishes } from "./fs/connection.ts";
import type { Filesystem } from "./fs/filesystem.ts";
import type { StartDoorbell } from "./server/doorbell.ts";
import { methodNames } from "./server/methods.ts";
import type { Notifications } from "./server/notifications.ts";
import { type OpeningEvents, openQueue, type QueueEvents, type QueueSettings } from "./server/open-queue.ts";
import { startDoorbell } from "./start-thread.ts";
import { within } from "./within.ts";

/** Time for the queue to see the end of the connection and for its handlers to settle, when the mounting is given up. */
const END_MS = 5000;
/** Time for the thread to begin that tells the event loop of requests. */
const DOORBELL_MS = 30_000;

/** What a server tells the session besides the queues' events. */
export interface ServerEvents extends QueueEvents {
  /** A worker has died, and gets a successor. */
  replacing(index: number, error: Error): void;
  /** A queue can serve no more: the session fails. */
  crashed(index: number, error: Error): void;
}

/** Serves every queue of one session. */
export interface Server {
  readonly queues: number;
  /** Makes the filesystem. Errors: whatever the module or its factory throws. */
  load(): Promise<{ readonly methods: ReadonlySet<string>; readonly wishes: InitWishes }>;
  /** Starts to serve; resolves when every queue does. `notifications` are the calling thread's. */
  serve(settings: readonly QueueSettings[], notifications: Notifications): Promise<void>;
  /** Resolves when every queue has ended. */
  readonly ended: Promise<void>;
  /** Ends what was loaded, when the mounting was given up. Whoever serves already has ended when it resolves. */
  discard(): Promise<void>;
}

/** Serves a filesystem object on the calling thread, whose event loop stays alive. */
export function createLocalServer(filesystem: Filesystem, events: ServerEvents): Server {
  const ended = Promise.withResolvers<void>();
  let discarded = false;
  let opened: readonly number[] = [];
  let serving = false;
  return {
    queues: 1,
    async load() {
      return { methods: methodNames(filesystem), wishes: filesystem.wishes ?? {} };
    },
    async serve([settings], notifications) {
      const opening: OpeningEvents = {
        ...events,
        opened(fds) {
          opened = fds;
        },
      };
      const doorbell = Promise.withResolvers<void>();
      const start: StartDoorbell = (fd, board, index) => startDoorbell(fd, board, index, doorbell.resolve);
      const queue = await openQueue(filesystem, settings as QueueSettings, opening, start, notifications);
      if (discarded) {
        // Given up during `init`: the session's descriptor is closed, and its number may be another's.
        for (const fd of opened) close(fd);
        return;
      }
      serving = true;
      queue
        .serveEvents()
        .then(() => filesystem.destroy?.())
        .catch((thrown: unknown) => events.crashed(0, thrown instanceof Error ? thrown : new Error(shown(thrown))))
        .finally(() => ended.resolve());
      // Bun starts a thread by a pool that the caller's own reads of the mount may fill, which wait for this thread.
      await within(Promise.race([doorbell.promise, ended.promise]), DOORBELL_MS, "its doorbell did not begin");
    },
    ended: ended.promise,
    async discard() {
      discarded = true;
      if (serving) await within(ended.promise, END_MS, "the queue did not end").catch(() => {});
      ended.resolve();
    },
  };
}
