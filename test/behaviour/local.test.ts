// The suite agrees with the kernel's own filesystems, so that a failure elsewhere is the target's: all of it on tmpfs,
// its ENOSPC part on a tmpfs that a test can fill, and its "that is not there" branches on ramfs, which has little.
// The two mounts need root; without it those tests show as skipped. Everything mounted here is unmounted here.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { behaviour, type Features } from "./suite.ts";
import { TMPFS } from "./tmpfs.ts";

const isRoot = process.getuid?.() === 0;

/** Has little: no attributes, no fallocate, no whiteouts, no room that counts. */
const RAMFS: Features = {
  ...TMPFS,
  xattr: "EOPNOTSUPP",
  acl: "EOPNOTSUPP",
  fallocate: [],
  holes: false,
  sparse: false,
  renameWhiteout: "EINVAL",
  birthTime: false,
};

// Without times: on ramfs truncate(2) moves none, which no target of ours may copy.
const BARE = [
  "names",
  "files",
  "directories",
  "links",
  "rename",
  "xattrs",
  "acls",
  "locks",
  "space",
  "special",
] as const;

const parent = mkdtempSync(join("/dev/shm", "rfuse-behaviour-"));
chmodSync(parent, 0o755);
afterAll(() => rmSync(parent, { recursive: true, force: true }));

behaviour({ name: "tmpfs", dir: () => parent, asRoot: isRoot, features: TMPFS });

function mounted(type: string, options: string): () => string {
  let dir = "";
  beforeAll(() => {
    dir = mkdtempSync(join("/tmp", `rfuse-${type}-`));
    execFileSync("mount", ["-t", type, "-o", options, "none", dir]);
    chmodSync(dir, 0o755);
  });
  afterAll(() => {
    execFileSync("umount", [dir]);
    rmSync(dir, { recursive: true });
  });
  return () => dir;
}

describe.skipIf(!isRoot)("full", () => {
  const features = { ...TMPFS, capacity: 16 * 1024 * 1024 };
  behaviour({ name: "tmpfs of 16 MiB", dir: mounted("tmpfs", "size=16m"), asRoot: true, features }, ["space"]);
});

describe.skipIf(!isRoot)("bare", () => {
  behaviour({ name: "ramfs", dir: mounted("ramfs", "mode=755"), asRoot: true, features: RAMFS }, BARE);
});
