// Owns: composition root of every thread: a queue's worker (module form), a doorbell, a notifier, or a helper that
// unmounts, or gives up what workers shared.
// A queue's worker answers no message while it serves: it sleeps in the kernel. It ends with the connection.

import { umount } from "../ffi/mount.ts";
import { unshareFs } from "../ffi/thread.ts";
import { shown } from "./codec/shown.ts";
import { type Filesystem, isFilesystem } from "./fs/filesystem.ts";
import type { Board } from "./server/board.ts";
import { runDoorbell } from "./server/doorbell.ts";
import { methodNames } from "./server/methods.ts";
import { createNotifications } from "./server/notifications.ts";
import { sendBy, takeBack } from "./server/notifier-fds.ts";
import { openQueue, type QueueSettings } from "./server/open-queue.ts";
import { startDoorbell, startNotifier } from "./start-thread.ts";
import { type FilesystemContext, type FromWorker, type ToWorker, toPlain } from "./worker-messages.ts";

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
};
let filesystem: Filesystem | undefined;
let notifier: Extract<ToWorker, { type: "notifier" }> | undefined;

const say = (message: FromWorker): void => scope.postMessage(message);

/** The exports that make a module a filesystem module. */
interface FilesystemModule {
  default?: unknown;
  createShared?: (options: unknown) => unknown;
  disposeShared?: (shared: unknown) => unknown;
}

async function load(url: string, context: FilesystemContext, share: boolean): Promise<void> {
  unshareFs(); // a umask of its own; without the right to it, workers share the process's
  const module: FilesystemModule = await import(url);
  const shared = share ? await module.createShared?.(context.options) : context.shared;
  const made: unknown =
    typeof module.default === "function" ? await module.default({ ...context, shared }) : module.default;
  if (!isFilesystem(made)) {
    const got = typeof module.default === "function" ? `it returned ${shown(made)}` : `it is ${shown(made)}`;
    throw new TypeError(`${url}: the default export must be a filesystem or a function that makes one; ${got}`);
  }
  filesystem = made;
  const { wishes = {}, parallel = false } = filesystem;
  const sharing = module.createShared !== undefined;
  const disposing = module.disposeShared !== undefined;
  say({ type: "loaded", methods: [...methodNames(filesystem)], wishes, parallel, shared, sharing, disposing });
}

async function dispose(url: string, shared: unknown): Promise<void> {
  const module: FilesystemModule = await import(url);
  await module.disposeShared?.(shared);
  say({ type: "disposed" });
}

async function serve(settings: QueueSettings): Promise<void> {
  if (filesystem === undefined) throw new Error("serve before load");
  const queue = await openQueue(
    filesystem,
    settings,
    {
      error: ({ error, ...fault }) => say({ type: "fault", fault, error: toPlain(error) }),
      slow: (request) => say({ type: "slow", request }),
      trace: (line) => say({ type: "trace", line }),
      opened: (fds) => say({ type: "opened", fds }),
    },
    startDoorbell,
    createNotifications({
      fd: settings.sessionFd,
      session: settings.session,
      asker: settings.index + 1,
      connection: settings.connection,
      fds: settings.notifierFds,
      cache: settings.cache,
      startNotifier,
    }),
  );
  say({ type: "serving" });
  await (filesystem.background === true ? queue.serveEvents() : queue.serveBlocking());
  await filesystem.destroy?.();
  say({ type: "ended" });
}

async function obey(message: ToWorker): Promise<void> {
  switch (message.type) {
    case "load":
      return load(message.url, message.context, message.share);
    case "serve":
      return serve(message.settings);
    case "doorbell":
      say({ type: "watching" });
      runDoorbell(message.fd, new Int32Array(message.board) as Board, message.queue);
      return process.exit(0);
    case "notifier":
      notifier = message;
      return;
    case "notify":
      if (notifier === undefined) throw new Error("notify before notifier");
      return say({ type: "notified", result: sendBy(notifier.fds, notifier.word, message.message) });
    case "leave":
      if (notifier !== undefined) takeBack(notifier.fds, notifier.word);
      return process.exit(0);
    case "unmount":
      say({ type: "unmounted", result: umount(message.path, message.flags) });
      return process.exit(0);
    case "dispose":
      return dispose(message.url, message.shared);
  }
}

scope.onmessage = (event) => {
  obey(event.data).catch((thrown: unknown) => say({ type: "failed", error: toPlain(thrown) }));
};
