// Real programs on our own mounts, each on a fresh one: what they print and what they leave must be right.
// Owns the table of filesystems to try them on; the programs are in programs-*.ts.

import { describe } from "vitest";
import { buildPrograms } from "./programs-build.ts";
import { copyPrograms } from "./programs-copy.ts";
import { databasePrograms } from "./programs-database.ts";
import { filePrograms } from "./programs-files.ts";
import { gitPrograms } from "./programs-git.ts";
import type { ProgramTarget } from "./programs-ground.ts";

const TARGETS: Record<string, ProgramTarget> = {
  memory: {
    filesystem: new URL("../../src/fs/memory/module.ts", import.meta.url),
    options: () => ({}),
  },
};

describe.each(Object.entries(TARGETS))("programs on %s", (_, target) => {
  gitPrograms(target);
  databasePrograms(target);
  buildPrograms(target);
  copyPrograms(target);
  filePrograms(target);
});
