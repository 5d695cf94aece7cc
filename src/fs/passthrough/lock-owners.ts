// Owns: a descriptor of the source per inode and lock owner, in a table that all workers share. The source's kernel
// keeps such a descriptor's record locks (F_OFD_*) apart from those of every other one: each is one owner.
// An entry has one reference of its own, until the owner's last lock is gone, and one per call under way.
// An owner is a process, whose locks on a file end with its first close(2) of it (FLUSH names it); or an open file
// description, whose locks end with that, and no request says so but the RELEASE of its handle. So an entry keeps the handle
// that it came by; what a process owned is gone by then, since it has closed all its descriptors of that handle.

import { ERRNO } from "../../../ffi/errno.ts";
import { close, O } from "../../../ffi/file.ts";
import { reopen } from "./open-files.ts";
import { nodeFd, type State } from "./state.ts";

/** Who asks: an inode, and the kernel's opaque name of the owner in two words. */
export interface Owner {
  readonly nodeid: number;
  readonly low: number;
  readonly high: number;
}

/** The owner's entry with a reference taken, or 0 when it has none. */
export function findOwner(state: State, owner: Owner): number {
  return state.tables.locks.find(owner.nodeid | 0, owner.low, owner.high);
}

/** The owner's entry with a reference taken, made if there is none by handle `fh`. Result: its id or -errno. */
export function enterOwner(state: State, owner: Owner, pid: number, fh: number): number {
  const known = findOwner(state, owner);
  if (known !== 0) return known;
  const fd = openForLocks(state, owner.nodeid);
  if (fd < 0) return fd;
  const { locks } = state.tables;
  const id = locks.insert(owner.nodeid | 0, owner.low, owner.high, fd);
  if (id === 0 || locks.fdOf(id) !== fd) {
    close(fd); // no room, or another worker made the entry: the reference is ours all the same
    return id === 0 ? -ERRNO.ENOLCK : id;
  }
  locks.hold(id); // `insert` took the entry's own reference
  locks.swapNote(id, pid + 1);
  Atomics.store(state.tables.lockHandles, id, fh + 1);
  state.tables.handles.setLocked(fh);
  return id;
}

// Write locks want a descriptor that may write; directories, running programs and read-only sources have none.
function openForLocks(state: State, nodeid: number): number {
  const node = nodeFd(state, nodeid);
  if (node < 0) return node;
  const fd = state.options.readOnly ? -ERRNO.EROFS : reopen(state, node, O.RDWR | O.NONBLOCK);
  return fd >= 0 || fd === -ERRNO.ENFILE ? fd : reopen(state, node, O.RDONLY | O.NONBLOCK);
}

/** Gives back references of an entry; the last one closes its descriptor, and with it goes every lock. */
export function dropOwner(state: State, id: number, references: number): void {
  const fd = state.tables.locks.drop(id, references);
  if (fd >= 0) close(fd);
}

/** Gives back a reference and, once for all workers, the entry's own. */
export function retireOwner(state: State, id: number): void {
  dropOwner(state, id, state.tables.locks.swapNote(id, 0) === 0 ? 1 : 2);
}

/** The process of an entry's owner; 0 when it is not known. */
export function pidOf(state: State, id: number): number {
  return Math.max(0, state.tables.locks.noteOf(id) - 1);
}

/** Ends an owner's locks on an inode. True when it had an entry. */
export function endOwner(state: State, owner: Owner): boolean {
  const id = findOwner(state, owner);
  if (id === 0) return false;
  retireOwner(state, id);
  return true;
}

/** Ends the locks of every owner on an inode that came by handle `fh`, which is about to be closed. */
export function endOwnersBy(state: State, nodeid: number, fh: number): void {
  if (!state.tables.handles.isLocked(fh)) return;
  someOwner(state, nodeid, (id) => {
    const mine = Atomics.load(state.tables.lockHandles, id) === fh + 1;
    if (mine && state.tables.locks.swapNote(id, 0) !== 0) dropOwner(state, id, 1); // `someOwner` holds another
    return false;
  });
}

/** Calls `each` with the entries of an inode until it says true. */
export function someOwner(state: State, nodeid: number, each: (id: number, fd: number) => boolean): boolean {
  const { locks } = state.tables;
  for (let id = 1; id <= locks.highestId; id++) {
    if (locks.fdOf(id) < 0 || locks.key0Of(id) !== (nodeid | 0) || !locks.hold(id)) continue;
    const found = locks.key0Of(id) === (nodeid | 0) && each(id, locks.fdOf(id));
    dropOwner(state, id, 1);
    if (found) return true;
  }
  return false;
}
