// Owns: finding out, before anything is mounted, whether a mountpoint will do; every refusal says why.

import { accessSync, constants, opendirSync, realpathSync, statSync } from "node:fs";
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

function isEmpty(path: string): boolean {
  const directory = opendirSync(path);
  try {
    return directory.readSync() === null;
  } finally {
    directory.closeSync();
  }
}

/**
 * The real path of a usable mountpoint. Errors: `MountError` MOUNTPOINT_*; a directory with content, or one that a FUSE
 * filesystem is mounted on already, is refused unless `allowNonEmpty`.
 */
export function checkMountpoint(mountpoint: string, allowNonEmpty: boolean): string {
  if (typeof mountpoint !== "string" || mountpoint === "" || mountpoint.includes("\0")) {
    throw new MountError("MOUNTPOINT_MISSING", `mountpoint ${JSON.stringify(mountpoint)} is no path`);
  }
  let real: string;
  try {
    real = realpathSync(mountpoint);
    if (!statSync(real).isDirectory()) {
      throw new MountError("MOUNTPOINT_NOT_DIRECTORY", `mountpoint ${JSON.stringify(mountpoint)} is not a directory`);
    }
    accessSync(real, constants.X_OK);
  } catch (thrown) {
    throw thrown instanceof MountError ? thrown : explained(mountpoint, thrown);
  }
  if (!allowNonEmpty) refuseUsed(real);
  return real;
}

function refuseUsed(real: string): void {
  const there = topMountAt(real);
  if (there?.type.startsWith("fuse")) {
    throw new MountError(
      "MOUNTPOINT_BUSY",
      `mountpoint ${JSON.stringify(real)} already holds a ${there.type} mount of ${there.source}; unmount it first`,
    );
  }
  let empty: boolean;
  try {
    empty = isEmpty(real);
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
