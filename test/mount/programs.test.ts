// Real programs on our own mounts, each on a fresh one: what they print and what they leave must be right.
// Owns the table of filesystems and lanes to try them on; the programs are in programs-*.ts. Each filesystem sees every
// program on one lane, and the quicker ones on the others.

import { describe } from "vitest";
import { canPass } from "./features.ts";
import { DEV, DEV_PAIR, isTestable, type LaneCase, URING, URING_CORES } from "./lanes.ts";
import { buildPrograms } from "./programs-build.ts";
import { copyPrograms } from "./programs-copy.ts";
import { databasePrograms } from "./programs-database.ts";
import { filePrograms } from "./programs-files.ts";
import { gitPrograms } from "./programs-git.ts";
import type { ProgramTarget } from "./programs-ground.ts";
import { BY_DAEMON, BY_KERNEL, MEMORY_FS, type Shipped } from "./served.ts";

interface Trial {
  readonly shipped: Shipped;
  readonly lane: LaneCase;
  /** Without caching every step of a path is a request. */
  readonly uncached?: true;
  /** The programs that take longest as well. */
  readonly all?: true;
}

const ALL: readonly Trial[] = [
  { shipped: BY_KERNEL, lane: DEV, all: true },
  { shipped: BY_DAEMON, lane: DEV_PAIR, all: true, uncached: true },
  { shipped: MEMORY_FS, lane: URING, all: true },
  { shipped: BY_DAEMON, lane: URING_CORES },
  { shipped: BY_KERNEL, lane: URING },
];

const TRIALS = ALL.filter(({ shipped, lane }) => isTestable(lane) && (canPass || !shipped.passed));

for (const { shipped, lane, uncached = false, all = false } of TRIALS) {
  describe(`programs on ${shipped.name}, ${lane.name}${uncached ? ", without caching" : ""}`, () => {
    const target: ProgramTarget = {
      lane,
      filesystem: shipped.filesystem,
      passed: shipped.passed,
      options: (source) => ({ filesystemOptions: { ...shipped.options(source), ...(uncached ? { cacheMs: 0 } : {}) } }),
      treeFiles: uncached ? 1000 : 4000, // fewer files take as long
    };
    gitPrograms(target);
    databasePrograms(target);
    filePrograms(target);
    if (all) buildPrograms(target);
    if (all) copyPrograms(target);
  });
}
