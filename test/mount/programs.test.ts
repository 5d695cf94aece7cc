// Real programs on our own mounts, each on a fresh one: what they print and what they leave must be right.
// Owns the table of filesystems to try them on; the programs are in programs-*.ts.

import { describe } from "vitest";
import { canPass } from "./features.ts";
import { buildPrograms } from "./programs-build.ts";
import { copyPrograms } from "./programs-copy.ts";
import { databasePrograms } from "./programs-database.ts";
import { filePrograms } from "./programs-files.ts";
import { gitPrograms } from "./programs-git.ts";
import type { ProgramTarget } from "./programs-ground.ts";

const PASSTHROUGH = new URL("../../src/fs/passthrough/module.ts", import.meta.url);

const passthrough = (options: object): ProgramTarget => ({
  filesystem: PASSTHROUGH,
  options: (source) => ({ filesystemOptions: { source, ...options } }),
  treeFiles: 10_000,
});

const TARGETS: Record<string, ProgramTarget> = {
  passthrough: { ...passthrough({}), passed: canPass },
  // Without caching every step of a path is a request: fewer files take as long.
  "passthrough without caching": { ...passthrough({ cacheMs: 0, passthrough: "off" }), treeFiles: 1000 },
  memory: {
    filesystem: new URL("../../src/fs/memory/module.ts", import.meta.url),
    options: () => ({}),
    treeFiles: 10_000,
  },
};

describe.each(Object.entries(TARGETS))("programs on %s", (_, target) => {
  gitPrograms(target);
  databasePrograms(target);
  buildPrograms(target);
  copyPrograms(target);
  filePrograms(target);
});
