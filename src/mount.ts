// Owns: `mount`, the composition root of the calling thread: options, mountpoint, server, device, INIT, guardian, and
// the way back. Whatever fails on the way in is undone before the error is thrown; whatever ends the connection
// (unmount from here or outside, abort, a crash) ends in the same `finish`.

import { close, ioctl } from "../ffi/file.ts";
import { addressOf } from "../ffi/memory.ts";
import { DEV_IOC } from "./abi/fuse-constants.ts";
import type { Connection, InitWishes } from "./fs/connection.ts";
import type { Filesystem } from "./fs/filesystem.ts";
import { MountHandle } from "./mount-handle.ts";
import type { Mount } from "./mount-interface.ts";
import { type Attached, attach, openDevice } from "./mounting/attach.ts";
import { detach } from "./mounting/detach.ts";
import { MountError, type MountErrorCode } from "./mounting/errors.ts";
import { type Guardian, startGuardian } from "./mounting/guardian.ts";
import { topMountAt } from "./mounting/mount-table.ts";
import { checkMountpoint } from "./mounting/mountpoint.ts";
import { type MountOptions, type ResolvedOptions, resolveOptions } from "./mounting/options.ts";
import { createBoard } from "./server/board.ts";
import { handshake } from "./server/handshake.ts";
import type { QueueSettings } from "./server/open-queue.ts";
import { createStatistics } from "./server/statistics.ts";
import { createLocalServer, createWorkerServer, type Server } from "./servers.ts";
import { unmountOnThread } from "./unmount-thread.ts";

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
  if (typeof filesystem !== "object" || filesystem === null) {
    throw new MountError("FILESYSTEM_FAILED", "the filesystem must be the URL of a module or a filesystem object");
  }
  const real = checkMountpoint(mountpoint, resolved.allowNonEmpty);
  const handle = new MountHandle(real, resolved.debug);
  const server =
    filesystem instanceof URL
      ? createWorkerServer(filesystem, resolved.filesystemOptions, resolved.workers, handle.serverEvents)
      : createLocalServer(filesystem, handle.serverEvents);
  try {
    const loading = explain("FILESYSTEM_FAILED", "the filesystem could not be made", () => server.load());
    const loaded = await unlessAborted(resolved.signal, loading);
    return await start(real, server, handle, resolved, loaded);
  } catch (thrown) {
    server.discard();
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
    throw new MountError(code, `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      cause: thrown,
    });
  }
}

async function start(
  mountpoint: string,
  server: Server,
  handle: MountHandle,
  options: ResolvedOptions,
  loaded: { readonly methods: ReadonlySet<string>; readonly wishes: InitWishes },
): Promise<Mount> {
  const opened: number[] = [];
  let attached: Attached | undefined;
  let guardian: Guardian | undefined;
  try {
    attached = await attach(mountpoint, options);
    const { fd, via } = attached;
    opened.push(fd);
    const device = topMountAt(mountpoint)?.device ?? "";
    if (options.guardian) guardian = startGuardian(mountpoint, via, device);
    const connection = await explain("INIT_FAILED", "INIT", () =>
      handshake(fd, { ...loaded.wishes, ...options.wishes }, loaded.methods),
    );
    const settings = queueSettings(server, fd, connection, options, opened);
    const statistics = settings[0]?.statistics as SharedArrayBuffer;
    handle.attach({ fd, via, device, connection, statistics, server, guardian, opened, signal: options.signal });
    const starting = explain("FILESYSTEM_FAILED", "the filesystem's init failed", () => server.serve(settings));
    await unlessAborted(options.signal, starting);
    handle.serving();
    return handle;
  } catch (thrown) {
    await undo(mountpoint, attached, opened);
    guardian?.dismiss();
    throw thrown;
  }
}

async function undo(mountpoint: string, attached: Attached | undefined, opened: readonly number[]): Promise<void> {
  const device = topMountAt(mountpoint)?.device;
  if (attached !== undefined && device !== undefined) {
    await detach({ mountpoint, device, via: attached.via }, { force: true }, unmountOnThread).catch(() => {});
  }
  for (const fd of opened) close(fd);
}

// One descriptor per queue, cloned from the mounted one; -1 where /dev/fuse may not be opened again, as in a process
// that only fusermount3 could help: then a single queue uses the mounted one.
function cloneDevice(fd: number): number {
  const clone = openDevice();
  if (clone < 0) return -1;
  if (ioctl(clone, DEV_IOC.CLONE, addressOf(new Uint32Array([fd]))) >= 0) return clone;
  close(clone);
  return -1;
}

function queueSettings(
  server: Server,
  fd: number,
  connection: Connection,
  options: ResolvedOptions,
  opened: number[],
): QueueSettings[] {
  const common = {
    connection,
    count: server.queues,
    board: createBoard(server.queues).buffer,
    statistics: createStatistics(server.queues),
    maxInFlight: options.maxInFlight,
    timeoutMs: options.requestTimeoutMs,
    slowMs: options.slowMs,
    trace: options.debug !== false,
  };
  return Array.from({ length: server.queues }, (_, index) => {
    const clone = cloneDevice(fd);
    if (clone >= 0) opened.push(clone);
    else if (server.queues > 1) {
      throw new MountError(
        "NO_DEVICE",
        `${server.queues} workers need /dev/fuse once each, and it cannot be opened again`,
      );
    }
    return { ...common, index, fd: clone >= 0 ? clone : fd };
  });
}
