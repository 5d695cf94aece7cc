// Owns: unmounting: plainly, lazily or by force, through the same way that mounted, wherever the filesystem is mounted by
// now: a mount can be moved, a directory above it be renamed, and a bind mount be made of it. The system call can wait for
// the filesystem's own daemon (to write cached data), so it never runs on a thread that serves.
// Invariant: a device number is a filesystem's own while its connection lives. The kernel may give it to another one as
// soon as that has ended; then a mount of that number is ours on the path that we mounted, or if nobody serves it.

import { readdirSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { ERRNO, errnoName } from "../../ffi/errno.ts";
import { UMOUNT, umount } from "../../ffi/mount.ts";
import { type Attached, findFusermount } from "./attach.ts";
import { MountError } from "./errors.ts";
import { isMounted, mountpointsOf, topMountAt } from "./mount-table.ts";
import { boolean, type Check, checkEach } from "./option-checks.ts";

/** How to unmount. */
export interface UnmountOptions {
  /** Take the mount away at once; it is served until the last file on it is closed. */
  readonly lazy?: boolean;
  /** Abort the connection: every request fails, and the mount is taken away. Data not yet written is lost. */
  readonly force?: boolean;
}

const CHECKS: { readonly [Key in keyof UnmountOptions]-?: Check } = { lazy: boolean, force: boolean };

/** Errors: `MountError` INVALID_OPTION. */
export function checkUnmountOptions(options: UnmountOptions): void {
  checkEach(options, CHECKS, "");
}

/** A mount to be undone. */
export interface Detachable {
  readonly mountpoint: string;
  readonly device: string;
  readonly via: Attached["via"];
  /** Whether its connection has not ended. */
  readonly lives: () => boolean;
}

/** Runs umount2(2) on a thread of its own; result 0 or -errno. */
export type UnmountCall = (path: string, flags: number) => Promise<number>;

const CONNECTIONS = "/sys/fs/fuse/connections";

/** Aborts a connection through fusectl, where that is mounted; false when it is not, or not ours. */
export function abortConnection(device: string): boolean {
  const minor = device.split(":")[1];
  try {
    if (minor === undefined || !readdirSync(CONNECTIONS).includes(minor)) return false;
    writeFileSync(`${CONNECTIONS}/${minor}/abort`, "1");
    return true;
  } catch {
    return false;
  }
}

async function detachByHelper({ mountpoint }: Detachable, lazy: boolean): Promise<string> {
  const child = Bun.spawn([findFusermount(), "-u", ...(lazy ? ["-z"] : []), "--", mountpoint], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [said, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  return status === 0 ? "" : said.trim() || `fusermount3: exit status ${status}`;
}

/** Time for the thread that unmounts by force to be started. */
const START_MS = 1000;

// Starting a thread takes Bun's pool, and that may be full of this process's own file operations on the mount, which only the
// abort ends. Then it is aborted by this thread; the mount is busy with them, so that nothing else is done here.
async function detachDirectly({ mountpoint }: Detachable, flags: number, call: UnmountCall): Promise<string> {
  const abort = () => void umount(mountpoint, UMOUNT.NOFOLLOW | UMOUNT.FORCE);
  const timer = (flags & UMOUNT.FORCE) === 0 ? undefined : setTimeout(abort, START_MS);
  const result = await call(mountpoint, flags).finally(() => clearTimeout(timer));
  // EINVAL: it is no mountpoint any more.
  return result >= 0 || result === -ERRNO.EINVAL ? "" : `umount2: ${errnoName(result)}`;
}

/** Time that a live filesystem of somebody else's gets to say that it lives. */
const SAY_MS = 1000;

// The kernel asks the daemon each time, whatever it has cached.
async function isDead(mountpoint: string): Promise<boolean> {
  const asked = statfs(mountpoint).then(
    () => false,
    (thrown: { code?: string }) => thrown.code === "ENOTCONN",
  );
  return Promise.race([asked, Bun.sleep(SAY_MS).then(() => false)]);
}

// Where it is mounted: first where it was mounted, then the latest.
async function placesOf({ device, mountpoint, lives }: Detachable): Promise<string[]> {
  const all = mountpointsOf(device);
  const others = all.filter((path) => path !== mountpoint).reverse();
  const own = all.length > others.length ? [mountpoint] : [];
  if (lives()) return [...own, ...others]; // asked after the look at the table, which is right then
  const dead = await Promise.all(others.map(isDead));
  return [...own, ...others.filter((_, index) => dead[index])];
}

// One that is not mounted any more, since it went with another one, is left.
async function detachAt(mount: Detachable, lazy: boolean, force: boolean, call: UnmountCall): Promise<void> {
  const shown = JSON.stringify(mount.mountpoint);
  if (topMountAt(mount.mountpoint)?.device !== mount.device) {
    if (!isMounted(mount.device, mount.mountpoint)) return; // somebody has unmounted it since
    throw new MountError("UNMOUNT_BUSY", `another filesystem is mounted over ${shown}; unmount that first`);
  }
  const flags = UMOUNT.NOFOLLOW | (lazy ? UMOUNT.DETACH : 0) | (force ? UMOUNT.FORCE : 0);
  const problem = mount.via === "mount" ? await detachDirectly(mount, flags, call) : await detachByHelper(mount, lazy);
  if (problem === "" || !isMounted(mount.device, mount.mountpoint)) return;
  if (/busy/i.test(problem)) {
    throw new MountError("UNMOUNT_BUSY", `${shown} is in use; close its files, or unmount with { lazy: true }`);
  }
  throw new MountError("UNMOUNT_FAILED", `unmounting ${shown}: ${problem}`);
}

/**
 * Unmounts, wherever it is mounted now. Errors: `MountError` UNMOUNT_BUSY, UNMOUNT_FAILED. Does nothing when it is not
 * mounted any more.
 */
export async function detach(mount: Detachable, options: UnmountOptions, call: UnmountCall): Promise<void> {
  const places = await placesOf(mount);
  if (places.length === 0) return;
  const force = options.force ?? false;
  if (force) abortConnection(mount.device);
  for (const mountpoint of places) {
    await detachAt({ ...mount, mountpoint }, force || (options.lazy ?? false), force, call);
  }
}
