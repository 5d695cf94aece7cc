// Owns: what the kernel's tmpfs can do, which is also what a passthrough of one can.

import { release } from "node:os";
import type { Features } from "./target.ts";

const [major = 0, minor = 0] = release().split(".").map(Number);
const isRoot = process.getuid?.() === 0;

export const TMPFS: Features = {
  xattr: major > 6 || (major === 6 && minor >= 6) ? true : "EOPNOTSUPP", // in user.
  xattrValueMax: 65_536,
  acl: true,
  locks: true,
  fallocate: ["allocate", "keep-size", "punch-hole"],
  holes: true,
  sparse: true,
  copyFileRange: true,
  hardLinks: true,
  symlinks: true,
  tmpfile: true,
  renameNoReplace: true,
  renameExchange: true,
  renameWhiteout: true,
  mknodDevices: isRoot ? true : "EPERM",
  mknodPipes: true,
  birthTime: true,
  directoryNlink: true,
  accessTime: true,
  timeRange: [-(2n ** 33n), 2n ** 33n],
  sharedMmap: true,
  execute: true,
  fileSizeMax: 2n ** 63n - 1n,
  directoryOffsets: true,
  capacity: undefined,
};
