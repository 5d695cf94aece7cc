// Owns: GETLK, SETLK, SETLKW and the end of locks at FLUSH: record locks as locks of open file descriptions on the
// source, flock on the handle's own descriptor. Both hold against programs that use the source itself.
// Waiting is trying again: nothing blocks a worker in the kernel.

import { ERRNO } from "../../../ffi/errno.ts";
import { F, fcntl, flock } from "../../../ffi/file.ts";
import { Flock } from "../../../ffi/kernel-structs.ts";
import { LK_FLAGS } from "../../abi/fuse-constants.ts";
import { FuseFlushIn, FuseLkIn, FuseReleaseIn } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import {
  dropOwner,
  endOwner,
  endOwnersBy,
  enterOwner,
  findOwner,
  type Owner,
  pidOf,
  retireOwner,
  someOwner,
} from "./lock-owners.ts";
import { flush, release } from "./open-files.ts";
import type { State } from "./state.ts";

type LockView = RequestView<"GETLK"> | RequestView<"SETLK"> | RequestView<"SETLKW">;

const IN = FuseLkIn.at;
const LK = FuseLkIn.spec.lk.at;
const TYPE = { read: 0, write: 1, unlock: 2 } as const;
/** flock(2) operations by lock type, and LOCK_NB. */
const FLOCK = [1, 2, 8] as const;
const LOCK_NB = 4;
const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn;
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 50;

function ownerOf(request: Request, at: number): Owner {
  return {
    nodeid: request.nodeid,
    low: request.words[(request.opIn + at) >> 2] as number,
    high: request.words[(request.opIn + at + 4) >> 2] as number,
  };
}

const handleOf = (request: Request): number => request.u64(request.opIn + IN.fh);

interface Range {
  readonly type: number;
  readonly start: bigint;
  /** 0: to the end of the file. */
  readonly length: bigint;
}

// The range of a request, or -errno for one that struct flock cannot say.
function rangeOf(request: Request): Range | number {
  const { view } = request.arena;
  const start = view.getBigUint64(request.opIn + IN.lk + LK.start, true);
  const end = view.getBigUint64(request.opIn + IN.lk + LK.end, true);
  if (start > OFFSET_MAX || end > OFFSET_MAX) return -ERRNO.EOVERFLOW;
  if (end < start) return -ERRNO.EINVAL;
  const type = request.u32(request.opIn + IN.lk + LK.type);
  if (type > TYPE.unlock) return -ERRNO.EINVAL;
  return { type, start, length: end === OFFSET_MAX ? 0n : end - start + 1n };
}

// Puts struct flock into the scratch memory, makes the call, and leaves its answer there.
function record(state: State, fd: number, operation: number, range: Range): number {
  const { view } = state.scratch.arena;
  const at = state.scratch.flockAt;
  view.setInt16(at + Flock.at.l_type, range.type, true);
  view.setInt16(at + Flock.at.l_whence, 0, true);
  view.setBigInt64(at + Flock.at.l_start, range.start, true);
  view.setBigInt64(at + Flock.at.l_len, range.length, true);
  view.setInt32(at + Flock.at.l_pid, 0, true);
  return fcntl(fd, operation, state.scratch.flock);
}

function found(state: State): Range & { readonly pid: number } {
  const { view } = state.scratch.arena;
  const at = state.scratch.flockAt;
  return {
    type: view.getInt16(at + Flock.at.l_type, true),
    start: view.getBigInt64(at + Flock.at.l_start, true),
    length: view.getBigInt64(at + Flock.at.l_len, true),
    pid: view.getInt32(at + Flock.at.l_pid, true),
  };
}

/** GETLK: a lock in the way, with the process that holds it where it is an owner of this mount. */
export function getlk(state: State, req: RequestView<"GETLK">): number {
  const { request } = req;
  const range = rangeOf(request);
  if (typeof range === "number") return range;
  const id = enterOwner(state, ownerOf(request, IN.owner), req.lk.pid, handleOf(request));
  if (id < 0) return id;
  const result = record(state, state.tables.locks.fdOf(id), F.OFD_GETLK, range);
  const conflict = found(state);
  const { pid } = conflict;
  const holder =
    result < 0 || conflict.type === TYPE.unlock || pid > 0 ? pid : holderOf(state, request.nodeid, id, conflict);
  dropOwner(state, id, 1);
  if (result < 0) return result;
  const out = request.opOut;
  request.setU32(out + LK.type, conflict.type);
  if (conflict.type === TYPE.unlock) return 0;
  const { view } = request.arena;
  view.setBigUint64(out + LK.start, conflict.start, true);
  view.setBigUint64(out + LK.end, conflict.length === 0n ? OFFSET_MAX : conflict.start + conflict.length - 1n, true);
  request.setU32(out + LK.pid, holder > 0 ? holder : 0);
  return 0;
}

// The kernel does not say who holds such a lock. Its holder is the one in whose way it is not.
function holderOf(state: State, nodeid: number, asker: number, conflict: Range): number {
  let last = 0;
  const probe = { ...conflict, type: TYPE.write };
  someOwner(state, nodeid, (id, fd) => {
    if (id === asker) return false;
    last = pidOf(state, id);
    if (record(state, fd, F.OFD_GETLK, probe) < 0) return false;
    const other = found(state);
    return other.type === TYPE.unlock || other.start !== conflict.start || other.length !== conflict.length;
  });
  return last;
}

/** SETLK: takes or gives up a lock at once; EAGAIN when another one is in the way. */
export function setlk(state: State, req: LockView): number {
  const { request } = req;
  const isFlock = (request.u32(request.opIn + IN.lk_flags) & LK_FLAGS.FLOCK) !== 0;
  const result = isFlock ? setFlock(state, request) : setRecord(state, req, request);
  if (result === 0 && request.u32(request.opIn + IN.lk + LK.type) !== TYPE.write) wake(state);
  return result;
}

function setFlock(state: State, request: Request): number {
  const fh = handleOf(request);
  if (!state.tables.handles.isOpen(fh)) return -ERRNO.EBADF;
  const operation = FLOCK[request.u32(request.opIn + IN.lk + LK.type)];
  return operation === undefined ? -ERRNO.EINVAL : flock(fh, operation | LOCK_NB);
}

function setRecord(state: State, req: LockView, request: Request): number {
  const range = rangeOf(request);
  if (typeof range === "number") return range;
  const owner = ownerOf(request, IN.owner);
  const unlocks = range.type === TYPE.unlock;
  const id = unlocks ? findOwner(state, owner) : enterOwner(state, owner, req.lk.pid, handleOf(request));
  if (id === 0) return 0; // there is nothing to unlock
  if (id < 0) return id;
  const result = record(state, state.tables.locks.fdOf(id), F.OFD_SETLK, range);
  const all = unlocks && range.start === 0n && range.length === 0n && result === 0;
  if (all) retireOwner(state, id);
  else dropOwner(state, id, 1);
  return result === -ERRNO.EACCES ? -ERRNO.EAGAIN : result;
}

/** SETLKW: as SETLK, but tries again until the lock is there or the caller is interrupted. */
export function setlkw(state: State, req: RequestView<"SETLKW">): number | Promise<number> {
  const result = setlk(state, req);
  return result === -ERRNO.EAGAIN ? waitForLock(state, req) : result;
}

async function waitForLock(state: State, req: RequestView<"SETLKW">): Promise<number> {
  const { signal } = req;
  let pauseMs = FIRST_WAIT_MS;
  for (;;) {
    if (signal.aborted) return -ERRNO.EINTR;
    await pause(state, signal, pauseMs);
    if (signal.aborted) return -ERRNO.EINTR;
    if (state.procFd < 0) return -ERRNO.ENODEV;
    const result = setlk(state, req);
    if (result !== -ERRNO.EAGAIN) return result;
    pauseMs = Math.min(LONGEST_WAIT_MS, pauseMs * 2);
  }
}

// Until the time is over, an unlock passes through this worker, or the caller is interrupted.
async function pause(state: State, signal: AbortSignal, pauseMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, pauseMs);
  state.waiters.add(resolve);
  const abort = () => resolve();
  signal.addEventListener("abort", abort);
  await promise;
  signal.removeEventListener("abort", abort);
  clearTimeout(timer);
  state.waiters.delete(resolve);
}

function wake({ waiters }: State): void {
  for (const waiter of waiters) waiter();
}

/** FLUSH with locks on the source: close(2) of any descriptor ends a process's record locks on the file. */
export function flushAndUnlock(state: State, req: RequestView<"FLUSH">): number {
  const { request } = req;
  if (endOwner(state, ownerOf(request, FuseFlushIn.at.lock_owner))) wake(state);
  return flush(state, request.u64(request.opIn + FuseFlushIn.at.fh));
}

/** RELEASE: a flock ends with its descriptor, and so do the record locks of an open file description. */
export function releaseAndWake(state: State, req: RequestView<"RELEASE">): number {
  const { request } = req;
  endOwnersBy(state, request.nodeid, request.u64(request.opIn + FuseReleaseIn.at.fh));
  const result = release(state, req);
  if (state.waiters.size > 0) wake(state);
  return result;
}
