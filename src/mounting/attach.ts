// Owns: getting a mounted /dev/fuse descriptor: by mount(2) for whoever may, by fusermount3 for everybody else.
// The mountpoint is opened once and mounted by descriptor, so that it cannot be exchanged in between.

import { type FileHandle, open } from "node:fs/promises";
import { errnoName } from "../../ffi/errno.ts";
import { AT_FDCWD, close, O, openat } from "../../ffi/file.ts";
import { addressOf, cString } from "../../ffi/memory.ts";
import { MS, mount, receiveDescriptor, socketPair } from "../../ffi/mount.ts";
import { CAP, getegid, geteuid, hasCapability } from "../../ffi/thread.ts";
import { MountError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";

/** A descriptor of /dev/fuse that is mounted, and how it can be unmounted again. */
export interface Attached {
  readonly fd: number;
  readonly via: "mount" | "fusermount";
}

/** Opens /dev/fuse; result is a descriptor or -errno. */
export function openDevice(): number {
  const path = cString("/dev/fuse");
  return openat(AT_FDCWD, addressOf(path), O.RDWR, 0);
}

const DEVICE_HINTS: Readonly<Record<string, string>> = {
  ENOENT:
    "the device is missing; load the module with `modprobe fuse`, or pass it into the container with --device /dev/fuse",
  ENODEV: "the kernel has no FUSE; load the module with `modprobe fuse`",
  EACCES: "you may not open it; an administrator can widen it with `chmod 0666 /dev/fuse`",
  EPERM: "the container's device rules forbid it; pass --device /dev/fuse",
};

function deviceError(errno: number): MountError {
  const code = errnoName(errno);
  const kind = code === "EACCES" || code === "EPERM" ? "NO_PERMISSION" : "NO_DEVICE";
  return new MountError(kind, `/dev/fuse: ${code}: ${DEVICE_HINTS[code] ?? "it cannot be opened"}`);
}

/** Mount options of the FUSE filesystem itself, common to both ways. */
function fuseOptions(options: ResolvedOptions): string[] {
  const words: string[] = [];
  if (options.defaultPermissions) words.push("default_permissions");
  if (options.allowOther) words.push("allow_other");
  return words;
}

function refused(mountpoint: string, code: string, data: readonly string[]): MountError {
  const kind = code === "EPERM" || code === "EACCES" ? "NO_PERMISSION" : "MOUNT_REFUSED";
  return new MountError(kind, `mount(2) on ${JSON.stringify(mountpoint)}: ${code} (options ${data.join(",")})`);
}

function mountOn(directory: FileHandle, mountpoint: string, options: ResolvedOptions, data: readonly string[]): number {
  const fd = openDevice();
  if (fd < 0) throw deviceError(fd);
  const flags =
    (options.allowSuid ? 0 : MS.NOSUID) |
    (options.allowDevices ? 0 : MS.NODEV) |
    (options.noExec ? MS.NOEXEC : 0) |
    (options.readOnly ? MS.RDONLY : 0);
  const target = `/proc/self/fd/${directory.fd}`;
  const result = mount(options.name, target, `fuse.${options.subtype}`, flags, [`fd=${fd}`, ...data].join(","));
  if (result >= 0) return fd;
  close(fd);
  throw refused(mountpoint, errnoName(result), data);
}

// The way to the mountpoint may lead through a filesystem that the calling thread serves: it must not wait for it.
async function mountDirectly(mountpoint: string, options: ResolvedOptions): Promise<Attached> {
  const data = ["rootmode=40000", `user_id=${geteuid()}`, `group_id=${getegid()}`, ...fuseOptions(options)];
  let directory: FileHandle;
  try {
    directory = await open(mountpoint, O.PATH | O.DIRECTORY | O.NOFOLLOW);
  } catch (thrown) {
    throw refused(mountpoint, (thrown as { code?: string }).code ?? String(thrown), data);
  }
  try {
    return { fd: mountOn(directory, mountpoint, options, data), via: "mount" };
  } finally {
    await directory.close();
  }
}

function fusermountOptions(options: ResolvedOptions): string {
  const words = [`fsname=${options.name}`, `subtype=${options.subtype}`, ...fuseOptions(options)];
  if (options.readOnly) words.push("ro");
  if (options.noExec) words.push("noexec");
  if (options.allowSuid) words.push("suid");
  if (options.allowDevices) words.push("dev");
  return words.join(",");
}

/** Path of fusermount3. Errors: `MountError` NO_FUSERMOUNT. */
export function findFusermount(): string {
  const found = Bun.which("fusermount3");
  if (found !== null) return found;
  throw new MountError(
    "NO_FUSERMOUNT",
    "fusermount3 is needed to mount without privilege; install it: apt-get install fuse3",
  );
}

async function mountByHelper(mountpoint: string, options: ResolvedOptions): Promise<Attached> {
  const helper = findFusermount();
  const pair = socketPair();
  if (typeof pair === "number") throw new MountError("MOUNT_REFUSED", `socketpair: ${errnoName(pair)}`);
  const [ours, theirs] = pair;
  try {
    const child = Bun.spawn([helper, "-o", fusermountOptions(options), "--", mountpoint], {
      env: { ...process.env, _FUSE_COMMFD: "3" },
      stdio: ["ignore", "ignore", "pipe", theirs],
    });
    const [said, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    const fd = receiveDescriptor(ours);
    if (fd >= 0) return { fd, via: "fusermount" };
    const text = said.trim() || `exit status ${status}`;
    const kind = /permission|not permitted|not allowed|user_allow_other/i.test(text)
      ? "NO_PERMISSION"
      : "MOUNT_REFUSED";
    throw new MountError(kind, `fusermount3 on ${JSON.stringify(mountpoint)}: ${text}`);
  } finally {
    close(ours);
    close(theirs);
  }
}

/** Which way `attach` takes: mount(2) with CAP_SYS_ADMIN, unless told otherwise. */
export function chooseVia({ via }: ResolvedOptions): Attached["via"] {
  if (via !== "auto") return via;
  return hasCapability(CAP.SYS_ADMIN) ? "mount" : "fusermount";
}

/** Mounts. `mountpoint` is a real path. Errors: `MountError`; nothing is left behind. */
export async function attach(mountpoint: string, options: ResolvedOptions): Promise<Attached> {
  return chooseVia(options) === "mount" ? mountDirectly(mountpoint, options) : mountByHelper(mountpoint, options);
}
