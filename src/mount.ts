// Owns: `mount`, the composition root of the calling thread: options, mountpoint, server, device, INIT, guardian, and
// the way back. Whatever fails on the way in is undone before the error is thrown; whatever ends the connection
// (unmount from here or outside, abort, a crash) ends in the same `finish`.

import { messageOf, shown } from "./codec/shown.ts";
import type { InitWishes } from "./fs/connection.ts";
import { type Filesystem, isFilesystem } from "./fs/filesystem.ts";
import { type Held, letGo } from "./held.ts";
import { MountHandle } from "./mount-handle.ts";
import type { Mount } from "./mount-interface.ts";
import { MountPrograms } from "./mount-programs.ts";
import { type Attached, attach, chooseVia } from "./mounting/attach.ts";
import { detach } from "./mounting/detach.ts";
import { MountError, type MountErrorCode } from "./mounting/errors.ts";
import { type Guardian, startGuardian } from "./mounting/guardian.ts";
import { topMountAt } from "./mounting/mount-table.ts";
import { claimMountpoint } from "./mounting/mountpoint.ts";
import { type MountOptions, type ResolvedOptions, refuseForObject, resolveOptions } from "./mounting/options.ts";
import { inTurn } from "./mounting/turns.ts";
import { hasEnded } from "./orphans.ts";
import {
  agreedPlan,
  chooseLane,
  type LaneChoice,
  planPlaces,
  queueSettings,
  ringOf,
  workerCount,
} from "./queue-settings.ts";
import { handshake } from "./server/handshake.ts";
import { LANE_FAILED, type QueueSettings } from "./server/open-queue.ts";
import { createLocalServer, type Server } from "./servers.ts";
import type { Ring } from "./transport/ring-setup.ts";
import type { Lane } from "./transport/transport.ts";
import { unmountOnThread } from "./unmount-thread.ts";
import { createWorkerServer, type WantedWorkers } from "./worker-server.ts";

/**
 * Mounts a filesystem on a directory.
 *
 * `filesystem` is the URL of a module whose default export makes the filesystem inside worker threads (the normal way:
 * it can never deadlock on its own mount), or a filesystem object that is served on the calling thread, between its
 * other events. The promise resolves when the mount answers.
 *
 * Errors: `MountError` with a stable `code`; nothing is left behind.
 */
export async function mount(
  mountpoint: string,
  filesystem: URL | Filesystem,
  options: MountOptions = {},
): Promise<Mount> {
  const resolved = resolveOptions(options);
  resolved.signal?.throwIfAborted();
  if (!isFilesystem(filesystem)) {
    throw new MountError(
      "FILESYSTEM_FAILED",
      `the filesystem must be the URL of a module or a filesystem object, not ${shown(filesystem)}`,
    );
  }
  if (!(filesystem instanceof URL)) refuseForObject(resolved);
  using claim = await claimMountpoint(mountpoint, resolved.allowNonEmpty);
  const failed = new Map<Lane, string>();
  for (;;) {
    const choice = chooseLane(resolved, failed);
    try {
      return await mountOn(choice, claim.real, filesystem, resolved);
    } catch (thrown) {
      const laneFailed = thrown instanceof MountError && thrown.code === "LANE_UNAVAILABLE";
      if (!laneFailed || resolved.lane !== "auto" || choice.lane === "dev") throw thrown;
      failed.set(choice.lane, thrown.message.replace(/^lane /, ""));
    }
  }
}

async function mountOn(
  choice: LaneChoice,
  mountpoint: string,
  filesystem: URL | Filesystem,
  options: ResolvedOptions,
): Promise<Mount> {
  const handle = new MountHandle(mountpoint, options.debug);
  const server =
    filesystem instanceof URL
      ? createWorkerServer(filesystem, options.filesystemOptions, wantedWorkers(options, choice), handle.serverEvents)
      : createLocalServer(filesystem, handle.serverEvents);
  try {
    const loading = explain("FILESYSTEM_FAILED", "the filesystem could not be made", () => server.load());
    const loaded = await unlessAborted(options.signal, loading);
    return await start(mountpoint, server, handle, options, choice, loaded);
  } catch (thrown) {
    await server.discard();
    throw thrown;
  }
}

// Settles with `promise`, or rejects with the signal's reason when that aborts first; a filesystem may load for ever.
async function unlessAborted<Value>(signal: AbortSignal | undefined, promise: Promise<Value>): Promise<Value> {
  if (signal === undefined) return promise;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function explain<Value>(code: MountErrorCode, what: string, run: () => Promise<Value> | Value): Promise<Value> {
  try {
    return await run();
  } catch (thrown) {
    if (thrown instanceof MountError) throw thrown;
    if ((thrown as { code?: unknown } | null)?.code === LANE_FAILED) {
      throw new MountError("LANE_UNAVAILABLE", `lane ${(thrown as Error).message}`, { cause: thrown });
    }
    throw new MountError(code, `${what}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

const wantedWorkers = (options: ResolvedOptions, choice: LaneChoice): WantedWorkers => ({
  count: workerCount(options, choice),
  exactly: options.workers !== "auto",
});

async function start(
  mountpoint: string,
  server: Server,
  handle: MountHandle,
  options: ResolvedOptions,
  choice: LaneChoice,
  loaded: { readonly methods: ReadonlySet<string>; readonly wishes: InitWishes },
): Promise<Mount> {
  const held: Held = { fds: [], memory: [] };
  let attached: Attached | undefined;
  let guardian: Guardian | undefined;
  let ring: Ring | undefined;
  let programs: MountPrograms | undefined;
  let device = "";
  try {
    const planned = planPlaces(choice, options, server.queues);
    if (options.guardian) guardian = await startGuardian(mountpoint, `fuse.${options.subtype}`, chooseVia(options));
    const { fd, via } = await inTurn(mountpoint, async () => {
      const made = await attach(mountpoint, options);
      attached = made;
      held.fds.push(made.fd);
      device = topMountAt(mountpoint)?.device ?? "";
      return made;
    });
    if (device !== "") guardian?.watch(device);
    const connection = await explain("INIT_FAILED", "INIT", () =>
      handshake(
        fd,
        { ...loaded.wishes, ...options.wishes },
        { methods: loaded.methods, overIoUring: planned.lane === "io_uring", overRing: planned.lane === "ring" },
      ),
    );
    const plan = agreedPlan(planned, connection);
    ring = await explain("LANE_UNAVAILABLE", "lane ring", () => ringOf(plan, fd, options));
    programs = new MountPrograms(ring, plan, options, { flags: connection.flags, methods: loaded.methods });
    const settings = queueSettings(mountpoint, plan, fd, connection, options, ring, programs.cache?.settings, held);
    const first = settings[0] as QueueSettings;
    const { statistics } = first;
    const { signal } = options;
    handle.attach({
      ...{ settings: first, fd, via, plan, device, connection, statistics, server, guardian },
      ...{ ring, programs, held, signal },
    });
    const starting = explain("FILESYSTEM_FAILED", "the filesystem's init failed", () =>
      server.serve(settings, handle.notifications.thread),
    );
    await unlessAborted(options.signal, starting);
    handle.serving();
    return handle;
  } catch (thrown) {
    handle.notifications.end();
    const gone = await undo(mountpoint, device, attached, server, held);
    programs?.end();
    ring?.close();
    if (gone) guardian?.dismiss();
    else guardian?.leave();
    throw thrown;
  }
}

// Undoes what was mounted, known by its device: whatever else is or was mounted on the path is not ours to take away.
// False when it is mounted still.
async function undo(
  mountpoint: string,
  device: string,
  attached: Attached | undefined,
  server: Server,
  held: Held,
): Promise<boolean> {
  const unmount = async ({ via }: Attached, lives: () => boolean): Promise<boolean> => {
    const gone = detach({ mountpoint, device, via, lives }, { force: true }, unmountOnThread);
    return gone.then(
      () => device !== "",
      () => false,
    );
  };
  let gone = attached === undefined || (await unmount(attached, () => !hasEnded(attached.fd)));
  await server.discard(); // a worker that still reads must not find another's descriptor under its number
  letGo(held);
  if (attached !== undefined && !gone) gone = await unmount(attached, () => false); // it may have lacked descriptors
  return gone;
}
