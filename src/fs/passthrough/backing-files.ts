// Owns: how an open of the mount is served: passed through (the kernel reads and writes the source by itself), passed
// through with the daemon reading and writing (DIRECT_IO), or ordinary (through the mount's page cache).
// A node's id is registered at its first open and kept until the kernel forgets the node, or, beyond MOST_IDLE ids, until
// its last open ends. It is made from the node's O_PATH descriptor, which holds no right to write: a program on the
// source can be run, and the source be remounted read-only, while ids are kept.

import { ERRNO } from "../../../ffi/errno.ts";
import { AT, close, fstatfs, O, openat, S, STATX, statx } from "../../../ffi/file.ts";
import { FOPEN } from "../../abi/fuse-constants.ts";
import { FuseOpenOut } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import { modeOf } from "./attributes.ts";
import { ENTERED } from "./backing-table.ts";
import { HOW } from "./handle-table.ts";
import { nodeFd, type State } from "./state.ts";

/** Ids kept although no file is open by them; each costs the kernel some hundred bytes. */
const MOST_IDLE = 2 ** 16;

/**
 * Writes the flags of an ordinary open. A `direct` one gets DIRECT_IO: the kernel asks for attributes before each read of
 * an inode that it caches, also with O_DIRECT. Hot.
 */
function ordinary(state: State, request: Request, offset: number, direct: boolean): void {
  const { options } = state;
  let flags = request.u32(offset + FuseOpenOut.at.open_flags);
  if (options.caching) flags |= FOPEN.KEEP_CACHE;
  if (options.directIo || (direct && state.mapsDirect)) flags |= FOPEN.DIRECT_IO | FOPEN.PARALLEL_DIRECT_WRITES;
  request.setU32(offset + FuseOpenOut.at.open_flags, flags);
}

/**
 * Decides for an open of `nodeid` with the caller's `flags`, and writes open_flags and backing_id of the reply at
 * `offset`. `fd` is the descriptor for it; `direct` says that it bypasses the source's page cache as the caller asked.
 * Result: HOW bits of the handle, or -errno. Hot.
 */
export function chooseHow(
  state: State,
  request: Request,
  offset: number,
  nodeid: number,
  fd: number,
  flags: number,
  direct: boolean,
): number {
  const { backing } = state.tables;
  if (!state.passes) {
    ordinary(state, request, offset, direct);
    return 0;
  }
  // The kernel would open the source with O_DIRECT itself, in vain.
  if ((flags & O.DIRECT) !== 0 && !direct) {
    if (!backing.enterOrdinary(nodeid)) return -ERRNO.EINVAL;
    ordinary(state, request, offset, false);
    return HOW.ordinary;
  }
  let id = backing.enter(nodeid);
  if (id === ENTERED.unknown) id = register(state, nodeid, fd);
  if (id === ENTERED.ordinary) {
    ordinary(state, request, offset, direct);
    return HOW.ordinary;
  }
  const access = flags & O.ACCMODE;
  let open = request.u32(offset + FuseOpenOut.at.open_flags) | FOPEN.PASSTHROUGH;
  if (access !== O.RDONLY && isDaemons(state, fd, flags)) open |= FOPEN.DIRECT_IO;
  request.setU32(offset + FuseOpenOut.at.open_flags, open);
  request.setU32(offset + FuseOpenOut.at.backing_id, id);
  if (access !== O.RDWR) return HOW.passed;
  const first = backing.addMapped(nodeid);
  if (first && state.options.caching && nodeid === request.nodeid) void state.notify?.invalidateInode(nodeid, -1, 0);
  return HOW.passed | HOW.mapped;
}

/** Ends what `chooseHow` began; `how` is what the handle was opened with. Hot. */
export function endHow(state: State, nodeid: number, how: number): void {
  if ((how & (HOW.passed | HOW.ordinary)) === 0) return;
  const { backing } = state.tables;
  const id = backing.leave(nodeid, (how & HOW.passed) !== 0, (how & HOW.mapped) !== 0, backing.live <= MOST_IDLE);
  if (id !== 0) state.backing?.close(id);
}

// Whether the daemon must write, and read, for an open that may write. The kernel opens the source with the caller's
// flags and does not follow fcntl(F_SETFL): without O_APPEND writes would go to the end still, without O_DIRECT ones that
// are not aligned would fail, where alignment counts.
function isDaemons(state: State, fd: number, flags: number): boolean {
  if (hasSetId(state, fd)) return true;
  if (state.options.passthrough === "on") return false;
  return (flags & O.APPEND) !== 0 || ((flags & O.DIRECT) !== 0 && isAligned(state, fd));
}

const TMPFS_MAGIC = 0x01021994;

// Whether the source's filesystem wants O_DIRECT aligned: all but tmpfs.
function isAligned({ scratch }: State, fd: number): boolean {
  return fstatfs(fd, scratch.statvfs) < 0 || scratch.words[scratch.statvfsWord] !== TMPFS_MAGIC;
}

// Who may keep set-id bits is known with each WRITE that comes to the daemon; what the kernel writes by itself clears
// them always, since the file was registered without CAP_FSETID. So the daemon writes programs that have such bits now.
function hasSetId({ scratch }: State, fd: number): boolean {
  const result = statx(fd, scratch.empty, AT.EMPTY_PATH, STATX.BASIC_STATS, scratch.statx);
  return result >= 0 && (modeOf(scratch) & (S.ISUID | S.ISGID)) !== 0;
}

// Registers a node's file for an open under way. Result: its id or `ordinary`.
function register(state: State, nodeid: number, fd: number): number {
  const { backing } = state.tables;
  const made = state.registers ? registerFile(state, nodeid, fd) : -1;
  if (made === -ERRNO.EPERM || (made === -ERRNO.EOPNOTSUPP && !state.agreed)) state.registers = false; // for good
  const id = backing.settle(nodeid, made);
  if (made > 0 && id !== made) state.backing?.close(made);
  return id;
}

function registerFile(state: State, nodeid: number, fd: number): number {
  if (state.backing === undefined) return -ERRNO.EOPNOTSUPP;
  state.credentials.enterBacking();
  let made = state.backing.open(nodeFd(state, nodeid));
  if (made === -ERRNO.EBADF) made = registerOpened(state, state.backing, fd);
  state.credentials.settle();
  return made;
}

// Before Linux 6.16 O_PATH is not enough.
function registerOpened(state: State, backing: NonNullable<State["backing"]>, fd: number): number {
  const readable = openat(state.procFd, state.scratch.fdName(fd), O.RDONLY | O.NONBLOCK | O.NOCTTY, 0);
  if (readable < 0) return backing.open(fd);
  const made = backing.open(readable);
  close(readable);
  return made;
}
