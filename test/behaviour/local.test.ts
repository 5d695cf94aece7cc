// The suite agrees with the kernel's own filesystem: it runs on tmpfs, so that a failure elsewhere is the target's.
// RFUSE_BEHAVIOUR_DIR names another parent directory, on ext4 say, to see what differs there.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import { behaviour, type Features } from "./suite.ts";

const isRoot = process.getuid?.() === 0;

const TMPFS: Features = {
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
  fileSizeMax: 2n ** 63n - 1n,
  directoryOffsets: true,
  capacity: undefined,
};

const dir = mkdtempSync(join("/dev/shm", "rfuse-behaviour-"));
chmodSync(dir, 0o755);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

behaviour({ name: "tmpfs", dir: () => dir, asRoot: isRoot, features: TMPFS });
