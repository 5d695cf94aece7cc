// Owns: the beginning and the end of one worker's copy: its own descriptors, the root, its place among the workers.
// Opened before the first request, closed after the last. Errors are thrown, and leave nothing open.

import { ERRNO, orThrow, SyscallError } from "../../../ffi/errno.ts";
import { AT, AT_FDCWD, close, fstatfs, O, openat, STATX, statx } from "../../../ffi/file.ts";
import { addressOf, cString } from "../../../ffi/memory.ts";
import { unshareFs } from "../../../ffi/thread.ts";
import { ROOT_ID } from "../../abi/fuse-constants.ts";
import type { SessionContext } from "../filesystem.ts";
import { deviceOf, inoHighOf, inoLowOf } from "./attributes.ts";
import { deviceInside } from "./nesting.ts";
import { attach, detach } from "./shared-tables.ts";
import type { State } from "./state.ts";

/** Magic numbers of filesystems whose close(2) has nothing to report: ext, xfs, btrfs, tmpfs, ramfs, overlay, f2fs. */
const LOCAL_FILESYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0x794c7630, 0xf2f52010,
]);
/** Opens a path for good. Errors: `SyscallError` with the path. */
function openPath(path: string, flags: number): number {
  const text = cString(path);
  return orThrow(openat(AT_FDCWD, addressOf(text), flags, 0), "open", path);
}

/** Opens the source and makes it the root. Errors: `SyscallError`; nothing stays open. */
export function openState(state: State, context: SessionContext): void {
  state.mapsDirect = context.connection.flags.includes("DIRECT_IO_ALLOW_MMAP");
  state.agreed = context.connection.flags.includes("PASSTHROUGH");
  if (state.options.passthrough === "on" && !state.agreed) {
    throw new SyscallError("FUSE passthrough", ERRNO.EOPNOTSUPP, state.options.source);
  }
  state.ownDevice = deviceInside(state, context.mountpoint);
  unshareFs(); // the thread's mask is its own from now on
  const root = openPath(state.options.source, O.PATH | O.DIRECTORY);
  try {
    state.procFd = openPath("/proc/self/fd", O.PATH | O.DIRECTORY);
  } catch (thrown) {
    close(root);
    throw thrown;
  }
  attach(state.tables);
  state.notify = context.notify;
  state.backing = context.backing;
  state.alone = context.worker.count === 1;
  try {
    adoptRoot(state, root);
  } catch (thrown) {
    closeState(state);
    throw thrown;
  }
}

// The first worker's descriptor stays; its entry's one reference is never dropped.
function adoptRoot(state: State, root: number): void {
  const { scratch, tables } = state;
  const looked = statx(root, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  if (looked < 0) close(root);
  orThrow(looked, "statx", state.options.source);
  const device = deviceOf(scratch);
  tables.devices.mixOf(device);
  const nodeid = tables.nodes.insert(device, inoLowOf(scratch), inoHighOf(scratch), root);
  if (tables.nodes.fdOf(nodeid) !== root) close(root);
  if (nodeid !== ROOT_ID) throw new Error(`the root got nodeid ${nodeid}`);
  fstatfs(tables.nodes.fdOf(ROOT_ID), scratch.statvfs);
  state.flushes = !LOCAL_FILESYSTEMS.has((scratch.words[scratch.statvfsWord] as number) >>> 0);
}

/** Closes what this worker opened; the last worker also what all shared. */
export function closeState(state: State): void {
  if (state.procFd < 0) return;
  close(state.procFd);
  state.procFd = -1;
  state.buffers.clear();
  state.notify = undefined;
  state.backing = undefined;
  detach(state.tables);
}
