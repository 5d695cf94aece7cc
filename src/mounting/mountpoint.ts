// Owns: finding out, before anything is mounted, whether a mountpoint will do; every refusal says why.
// Invariant: the calling thread never waits for the mountpoint: another mount that it serves itself may be there, or one
// whose filesystem is still starting. The mount table, which no filesystem can delay, is asked first.

import { constants } from "node:fs";
import { access, opendir, realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { shown } from "../codec/shown.ts";
import { MountError, type MountErrorCode } from "./errors.ts";
import { topMountAt } from "./mount-table.ts";

const STAT_ERRORS: Readonly<Record<string, readonly [MountErrorCode, string]>> = {
  ENOENT: ["MOUNTPOINT_MISSING", "does not exist; make it with mkdir"],
  ENOTDIR: ["MOUNTPOINT_MISSING", "has a part that is not a directory"],
  EACCES: ["MOUNTPOINT_UNREADABLE", "cannot be reached with your permissions"],
  ELOOP: ["MOUNTPOINT_UNREADABLE", "has too many symbolic links"],
  ENAMETOOLONG: ["MOUNTPOINT_MISSING", "is too long a path"],
  ENOTCONN: ["MOUNTPOINT_STALE", "holds a FUSE mount whose daemon died; remove it with umount -l"],
};

function explained(path: string, thrown: unknown): MountError {
  const code = (thrown as { code?: string }).code ?? "";
  const [ours, text] = STAT_ERRORS[code] ?? ["MOUNTPOINT_UNREADABLE", `cannot be examined (${code})`];
  return new MountError(ours, `mountpoint ${JSON.stringify(path)} ${text}`, { cause: thrown });
}

async function isEmpty(path: string): Promise<boolean> {
  const directory = await opendir(path);
  try {
    return (await directory.read()) === null;
  } finally {
    await directory.close();
  }
}

/** Paths that this thread has begun to mount on: until their mounts are in the mount table, nothing else tells. */
const claimed = new Set<string>();

/** A mountpoint for one mount: while it is held, another claim to it is refused. */
export interface Claim extends Disposable {
  /** Its real path. */
  readonly real: string;
}

/**
 * Claims a usable mountpoint. Errors: `MountError` MOUNTPOINT_*; a directory with content, or one that a FUSE filesystem
 * is mounted on already or just now, is refused unless `allowNonEmpty`.
 */
export async function claimMountpoint(mountpoint: string, allowNonEmpty: boolean): Promise<Claim> {
  if (typeof mountpoint !== "string" || mountpoint === "" || mountpoint.includes("\0")) {
    throw new MountError("MOUNTPOINT_MISSING", `mountpoint ${shown(mountpoint)} is no path`);
  }
  const own: string[] = [];
  const release = () => {
    for (const path of own) claimed.delete(path);
  };
  try {
    take(resolve(mountpoint), allowNonEmpty, own);
    const real = await checkMountpoint(mountpoint, allowNonEmpty);
    if (!own.includes(real)) take(real, allowNonEmpty, own);
    return { real, [Symbol.dispose]: release };
  } catch (thrown) {
    release();
    throw thrown;
  }
}

function take(path: string, allowNonEmpty: boolean, own: string[]): void {
  if (!claimed.has(path)) {
    claimed.add(path);
    own.push(path);
  } else if (!allowNonEmpty) {
    throw new MountError("MOUNTPOINT_BUSY", `mountpoint ${JSON.stringify(path)} is being mounted on by another call`);
  }
}

async function checkMountpoint(mountpoint: string, allowNonEmpty: boolean): Promise<string> {
  if (!allowNonEmpty) await refuseMounted(resolve(mountpoint));
  let real: string;
  try {
    real = await realpath(mountpoint);
    if (!(await stat(real)).isDirectory()) {
      throw new MountError("MOUNTPOINT_NOT_DIRECTORY", `mountpoint ${JSON.stringify(mountpoint)} is not a directory`);
    }
    await access(real, constants.X_OK);
  } catch (thrown) {
    throw thrown instanceof MountError ? thrown : explained(mountpoint, thrown);
  }
  if (!allowNonEmpty) await refuseUsed(real);
  return real;
}

/** How long a mount that is there already may take to say that its daemon died; one that takes longer is alive. */
const STALE_MS = 1000;

// Its ENOTCONN, if its daemon died.
async function staleness(path: string): Promise<unknown> {
  const asked = stat(path).then(
    () => undefined,
    (thrown) => (thrown.code === "ENOTCONN" ? thrown : undefined),
  );
  const late = new Promise<undefined>((decide) => {
    setTimeout(decide, STALE_MS).unref();
  });
  return Promise.race([asked, late]);
}

async function refuseMounted(real: string): Promise<void> {
  const there = topMountAt(real);
  if (there?.type.startsWith("fuse")) {
    const stale = await staleness(real);
    if (stale !== undefined) throw explained(real, stale);
    throw new MountError(
      "MOUNTPOINT_BUSY",
      `mountpoint ${JSON.stringify(real)} already holds a ${there.type} mount of ${there.source}; unmount it first`,
    );
  }
}

async function refuseUsed(real: string): Promise<void> {
  await refuseMounted(real);
  let empty: boolean;
  try {
    empty = await isEmpty(real);
  } catch (thrown) {
    throw explained(real, thrown);
  }
  if (!empty) {
    throw new MountError(
      "MOUNTPOINT_NOT_EMPTY",
      `mountpoint ${JSON.stringify(real)} has content, which the mount would hide; set allowNonEmpty to mount anyway`,
    );
  }
}
