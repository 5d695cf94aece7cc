// Owns: what the filesystems that ship can do, for the behaviour suite; a passthrough can do what its source can.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Features } from "../behaviour/suite.ts";

const isRoot = process.getuid?.() === 0;

/** A directory on tmpfs to pass through; removed after the tests of the block that made it. */
export function makeSource(): string {
  const source = mkdtempSync(join("/dev/shm", "rfuse-source-"));
  chmodSync(source, 0o777);
  afterAll(() => rmSync(source, { recursive: true, force: true }));
  return source;
}

/** A passthrough of tmpfs. */
export const PASSTHROUGH: Features = {
  xattr: true,
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
  fileSizeMax: 2n ** 53n - 1n,
  fileSizeBeyond: "EOVERFLOW",
  directoryOffsets: true,
  capacity: undefined,
};

const { fileSizeBeyond: _, ...common } = PASSTHROUGH;

/** Collapsing and inserting ranges is refused by the kernel for every FUSE mount. */
export const MEMORY: Features = {
  ...common,
  fallocate: ["allocate", "keep-size", "punch-hole", "zero-range"],
  fileSizeMax: 2n ** 52n,
};
