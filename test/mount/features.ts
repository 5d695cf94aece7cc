// Owns: what the filesystems that ship can do, for the behaviour suite; a passthrough can do what its source can.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Features } from "../behaviour/suite.ts";
import { TMPFS } from "../behaviour/tmpfs.ts";

function kernelAtLeast(major: number, minor: number): boolean {
  const [ours = 0, its = 0] = release().split(".").map(Number);
  return ours > major || (ours === major && its >= minor);
}

/** FUSE passthrough, where the filesystem may choose it, is what serves. */
export const canPass: boolean = process.getuid?.() === 0 && kernelAtLeast(6, 9);

// A hook that a running test adds is never run, so this one is the file's.
const sources: string[] = [];
afterAll(() => {
  for (const source of sources.splice(0)) rmSync(source, { recursive: true, force: true });
});

/** A directory on tmpfs to pass through; removed after the tests of the file. */
export function makeSource(): string {
  const source = mkdtempSync(join("/dev/shm", "rfuse-source-"));
  chmodSync(source, 0o777);
  sources.push(source);
  return source;
}

/** A passthrough of tmpfs; the kernel asks a FUSE filesystem for the birth time since 6.6. */
export const PASSTHROUGH: Features = {
  ...TMPFS,
  birthTime: kernelAtLeast(6, 6),
  fileSizeMax: 2n ** 53n - 1n,
  fileSizeBeyond: "EOVERFLOW",
};

/** The same where the kernel reads and writes the source by itself. */
export const PASSED_THROUGH: Features = { ...PASSTHROUGH, writeSizeMax: TMPFS.fileSizeMax };

const { fileSizeBeyond: _, ...common } = PASSTHROUGH;

/** Collapsing and inserting ranges is refused by the kernel for every FUSE mount. */
export const MEMORY: Features = {
  ...common,
  xattr: true,
  fallocate: ["allocate", "keep-size", "punch-hole", "zero-range"],
  fileSizeMax: 2n ** 52n,
};
