// Owns: `PassthroughFilesystem`, the face of the passthrough: one line per operation, each in a file of its own.
// One object serves one worker; the copies of one mount share their tables through `shared`.

import { statfsSync, statSync } from "node:fs";
import { ERRNO, SyscallError } from "../../../ffi/errno.ts";
import { AT } from "../../../ffi/file.ts";
import { CAP, hasCapability } from "../../../ffi/thread.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { InitWishes } from "../connection.ts";
import type { Filesystem, Result, SessionContext } from "../filesystem.ts";
import * as data from "./data.ts";
import * as directories from "./directories.ts";
import { closeState, openState } from "./lifecycle.ts";
import * as locks from "./locks.ts";
import * as metadata from "./metadata.ts";
import * as names from "./names.ts";
import * as nodes from "./nodes.ts";
import * as files from "./open-files.ts";
import { type PassthroughOptions, type ResolvedOptions, resolvePassthroughOptions } from "./options.ts";
import { countersOf, createSharedTables, openSharedTables, type PassthroughCounters } from "./shared-tables.ts";
import { createState, type State } from "./state.ts";
import * as xattrs from "./xattrs.ts";

const EROFS = -ERRNO.EROFS;

/** Magic numbers of filesystems that may lie on another: overlayfs, ecryptfs, FUSE with passthrough. */
const STACKED: ReadonlySet<number> = new Set([0x794c7630, 0xf15f, 0x65735546]);

function depthOf({ passthrough, source }: ResolvedOptions): 0 | 1 | 2 {
  const mayRegister = hasCapability(CAP.SYS_ADMIN);
  if (passthrough === "on" && !mayRegister) throw new SyscallError("FUSE passthrough", ERRNO.EPERM, source);
  if (passthrough === "off" || !mayRegister) return 0;
  return STACKED.has(statfsSync(source).type) ? 2 : 1;
}

function wishesOf(options: ResolvedOptions, privileged: boolean): InitWishes {
  return {
    maxStackDepth: depthOf(options),
    readdirplus: "auto",
    writebackCache: options.writebackCache,
    posixAcl: privileged,
    handleKillpriv: true,
    dontMask: true,
    atomicOTrunc: true,
    exportSupport: true,
    posixLocks: options.locks === "source",
    flockLocks: options.locks === "source",
  };
}

/**
 * Passes a directory through, by descriptors: inodes are held open, so that renames and unlinks on either side do not
 * lose them. Run as root it acts for each caller, mounted with `defaultPermissions` (the default of `mount`).
 */
export class PassthroughFilesystem implements Filesystem {
  readonly wishes: InitWishes;
  readonly parallel = true;
  private readonly state: State;
  private readonly readOnly: boolean;

  /** Memory for the copies of one mount; made once, before the workers. Errors: `TypeError` for options that are none. */
  static createShared(options: PassthroughOptions): SharedArrayBuffer {
    return createSharedTables(resolvePassthroughOptions(options).maxNodes);
  }

  /**
   * `shared` is what `createShared` returned; a filesystem that is alone may leave it out.
   * Errors: `TypeError` for options that are none, an error with `code` for a source that is no directory.
   */
  constructor(options: PassthroughOptions, shared?: SharedArrayBuffer) {
    const resolved = resolvePassthroughOptions(options);
    if (!statSync(resolved.source).isDirectory()) throw new SyscallError("open", ERRNO.ENOTDIR, resolved.source);
    const tables = openSharedTables(shared ?? createSharedTables(resolved.maxNodes));
    this.state = createState(resolved, tables);
    this.readOnly = resolved.readOnly;
    this.wishes = wishesOf(resolved, this.state.credentials.privileged);
  }

  /** Opens the source. Errors: `SyscallError`. */
  init(context: SessionContext): void {
    openState(this.state, context);
  }
  destroy(): void {
    closeState(this.state);
  }

  /** What went on in all workers so far. */
  counters(): PassthroughCounters {
    return countersOf(this.state.tables);
  }

  lookup(req: RequestView<"LOOKUP">): number {
    return nodes.lookup(this.state, req);
  }
  forget(nodeid: number, nlookup: number): void {
    nodes.forget(this.state, nodeid, nlookup);
  }
  getattr(req: RequestView<"GETATTR">): number {
    return metadata.getattr(this.state, req);
  }
  setattr(req: RequestView<"SETATTR">): number {
    return this.readOnly ? EROFS : metadata.setattr(this.state, req);
  }
  statx(req: RequestView<"STATX">): number {
    return metadata.statxOperation(this.state, req);
  }
  statfs(req: RequestView<"STATFS">): number {
    return metadata.statfs(this.state, req);
  }
  readlink(req: RequestView<"READLINK">): number {
    return metadata.readlink(this.state, req);
  }
  mknod(req: RequestView<"MKNOD">): number {
    return this.readOnly ? EROFS : names.mknod(this.state, req);
  }
  mkdir(req: RequestView<"MKDIR">): number {
    return this.readOnly ? EROFS : names.mkdir(this.state, req);
  }
  symlink(req: RequestView<"SYMLINK">): number {
    return this.readOnly ? EROFS : names.symlink(this.state, req);
  }
  link(req: RequestView<"LINK">): number {
    return this.readOnly ? EROFS : names.link(this.state, req);
  }
  unlink(req: RequestView<"UNLINK">): number {
    return this.readOnly ? EROFS : names.unlink(this.state, req, 0);
  }
  rmdir(req: RequestView<"RMDIR">): number {
    return this.readOnly ? EROFS : names.unlink(this.state, req, AT.REMOVEDIR);
  }
  rename(req: RequestView<"RENAME">): number {
    return this.readOnly ? EROFS : names.rename(this.state, req, 0);
  }
  rename2(req: RequestView<"RENAME2">): number {
    return this.readOnly ? EROFS : names.rename2(this.state, req);
  }
  open(req: RequestView<"OPEN">): number {
    return files.open(this.state, req);
  }
  create(req: RequestView<"CREATE">): number {
    return this.readOnly ? EROFS : files.create(this.state, req);
  }
  tmpfile(req: RequestView<"TMPFILE">): number {
    return this.readOnly ? EROFS : files.tmpfile(this.state, req);
  }
  read(req: RequestView<"READ">): number {
    return data.read(this.state, req);
  }
  write(req: RequestView<"WRITE">): number {
    return this.readOnly ? EROFS : data.write(this.state, req);
  }
  flush(req: RequestView<"FLUSH">): number {
    return locks.flushAndUnlock(this.state, req);
  }
  release(req: RequestView<"RELEASE">): number {
    return locks.releaseAndWake(this.state, req);
  }
  fsync(req: RequestView<"FSYNC">): number {
    return files.sync(this.state, req);
  }
  syncfs(): number {
    return files.syncSource(this.state);
  }
  fallocate(req: RequestView<"FALLOCATE">): number {
    return this.readOnly ? EROFS : data.allocate(this.state, req);
  }
  lseek(req: RequestView<"LSEEK">): number {
    return data.seek(this.state, req);
  }
  copyFileRange(req: RequestView<"COPY_FILE_RANGE">): number {
    return this.readOnly ? EROFS : data.copyRange(this.state, req);
  }
  ioctl(req: RequestView<"IOCTL">): number {
    return data.control(this.state, req);
  }
  opendir(req: RequestView<"OPENDIR">): number {
    return directories.opendir(this.state, req);
  }
  readdir(req: RequestView<"READDIR">): number {
    return directories.readdir(this.state, req, false);
  }
  readdirplus(req: RequestView<"READDIRPLUS">): number {
    return directories.readdir(this.state, req, true);
  }
  releasedir(req: RequestView<"RELEASEDIR">): number {
    return directories.releasedir(this.state, req);
  }
  fsyncdir(req: RequestView<"FSYNCDIR">): number {
    return files.sync(this.state, req);
  }
  getxattr(req: RequestView<"GETXATTR">): number {
    return xattrs.get(this.state, req);
  }
  listxattr(req: RequestView<"LISTXATTR">): number {
    return xattrs.list(this.state, req);
  }
  setxattr(req: RequestView<"SETXATTR">): number {
    return this.readOnly ? EROFS : xattrs.set(this.state, req);
  }
  removexattr(req: RequestView<"REMOVEXATTR">): number {
    return this.readOnly ? EROFS : xattrs.remove(this.state, req);
  }
  getlk(req: RequestView<"GETLK">): number {
    return locks.getlk(this.state, req);
  }
  setlk(req: RequestView<"SETLK">): number {
    return locks.setlk(this.state, req);
  }
  setlkw(req: RequestView<"SETLKW">): Result {
    return locks.setlkw(this.state, req);
  }
}
