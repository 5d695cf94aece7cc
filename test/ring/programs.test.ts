// Real programs on our own mounts in a guest, on the lane under test; the programs are those of test/mount.
// Owns the choice of filesystems and programs: those that the guest has, so neither compilers nor Python.

import { describe } from "vitest";
import type { LaneCase } from "../mount/lanes.ts";
import { copyPrograms } from "../mount/programs-copy.ts";
import { databasePrograms } from "../mount/programs-database.ts";
import { shellPrograms } from "../mount/programs-files.ts";
import { gitPrograms } from "../mount/programs-git.ts";
import { BY_DAEMON, MEMORY_FS, type Shipped } from "../mount/served.ts";
import { lane } from "./inspection.ts";

const FILES = 500;
const ONE: LaneCase = { name: lane, options: { lane } };
const CORES: LaneCase = {
  name: `${lane}, a worker per core`,
  options: { lane, workers: 2, placement: "per-core" },
};
const TRIALS: readonly (readonly [Shipped, LaneCase])[] = [
  [MEMORY_FS, ONE],
  [BY_DAEMON, CORES],
];

for (const [shipped, way] of TRIALS) {
  describe(`programs on ${shipped.name}, ${way.name}`, () => {
    const target = {
      lane: way,
      filesystem: shipped.filesystem,
      passed: shipped.passed,
      options: (source: string) => ({ filesystemOptions: shipped.options(source) }),
      treeFiles: FILES,
    };
    databasePrograms(target);
    copyPrograms(target);
    gitPrograms(target);
    shellPrograms(target);
  });
}
