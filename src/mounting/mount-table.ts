// Owns: reading /proc/self/mountinfo. Paths there escape space, tab, newline and backslash as octal.

import { readFileSync } from "node:fs";

/** One line of mountinfo. */
export interface MountEntry {
  readonly id: number;
  /** "major:minor" of the filesystem; unique among the mounted ones. */
  readonly device: string;
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
}

const unescaped = (text: string): string =>
  Buffer.from(
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    "latin1",
  ).toString();

/** A path as the mountpoint field of mountinfo shows it. */
export function escapeMountpoint(path: string): string {
  return path.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

function parse(line: string): MountEntry {
  const [before = "", after = ""] = line.split(" - ");
  const [id = "", , device = "", , mountpoint = ""] = before.split(" ");
  const [type = "", source = ""] = after.split(" ");
  return { id: Number(id), device, mountpoint: unescaped(mountpoint), type, source: unescaped(source) };
}

/** All mounts that this process sees, in mount order. */
export function readMountTable(): MountEntry[] {
  // latin1 keeps bytes apart; `unescaped` decodes them as UTF-8.
  return readFileSync("/proc/self/mountinfo", "latin1").trimEnd().split("\n").map(parse);
}

/** The mount that a path leads to: the last one made on exactly that path. */
export function topMountAt(path: string): MountEntry | undefined {
  return readMountTable().findLast((entry) => entry.mountpoint === path);
}

/**
 * Whether a filesystem is still mounted where it was. Both are asked: the kernel gives a device number away again as
 * soon as its filesystem is gone.
 */
export function isMounted(device: string, mountpoint: string): boolean {
  return readMountTable().some((entry) => entry.device === device && entry.mountpoint === mountpoint);
}

/** Where a device is mounted, each path once, in mount order. */
export function mountpointsOf(device: string): string[] {
  const entries = readMountTable().filter((entry) => entry.device === device);
  return [...new Set(entries.map(({ mountpoint }) => mountpoint))];
}
