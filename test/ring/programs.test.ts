// Real programs on our own mounts in a guest, on the lane under test; the programs are those of test/mount.
// RFUSE_CACHED=1 is with a metadata cache, and no time-outs of the kernel's own.
// Owns the choice of filesystems and programs: those that the guest has, so neither compilers nor Python.

import { describe, expect, it } from "vitest";
import type { MountStatistics } from "../../src/index.ts";
import { makeSource } from "../mount/features.ts";
import { client } from "../mount/harness.ts";
import { type LaneCase, startOn } from "../mount/lanes.ts";
import { copyPrograms } from "../mount/programs-copy.ts";
import { databasePrograms } from "../mount/programs-database.ts";
import { shellPrograms } from "../mount/programs-files.ts";
import { gitPrograms } from "../mount/programs-git.ts";
import { BY_DAEMON, MEMORY_FS, type Shipped } from "../mount/served.ts";
import { lane } from "./inspection.ts";

const cached = process.env["RFUSE_CACHED"] === "1";
const FILES = cached ? 200 : 500;
/** What changes only through the mount needs no end of an answer's life; JSON knows no Infinity. */
const CACHE = cached ? { metadataCache: { ttlMs: 1e9 } } : {};
const UNTIMED = cached ? { attrTimeoutMs: 0, entryTimeoutMs: 0 } : {};
const UNKEPT = cached ? { cacheMs: 0 } : {};
const ONE: LaneCase = { name: lane, options: { lane } };
const CORES: LaneCase = {
  name: `${lane}, a worker per core`,
  options: { lane, workers: 2, placement: "per-core" },
};
/** How a filesystem is served, and what it is told besides. */
type Trial = readonly [Shipped, LaneCase, Record<string, unknown>];
const TRIALS: readonly Trial[] = [
  [MEMORY_FS, ONE, UNTIMED],
  [BY_DAEMON, CORES, UNKEPT],
];

for (const [shipped, way, more] of TRIALS) {
  describe(`programs on ${shipped.name}, ${way.name}${cached ? " with a metadata cache" : ""}`, () => {
    const target = {
      lane: way,
      filesystem: shipped.filesystem,
      passed: shipped.passed,
      options: (source: string) => ({ ...CACHE, filesystemOptions: { ...shipped.options(source), ...more } }),
      treeFiles: FILES,
    };
    it.runIf(cached)("metadataCache: is there, and answers", async () => {
      await using daemon = await startOn(way, {
        filesystem: shipped.filesystem,
        options: target.options(makeSource()),
      });
      for (let look = 0; look < 2; look++) expect((await client("ls", "-ld", daemon.mountpoint)).status).toBe(0);
      const { metadataCache } = await daemon.order<MountStatistics>("stats");
      expect(metadataCache).toMatchObject({ active: true, reason: "" });
      expect(metadataCache.answered["GETATTR"]).toBeGreaterThan(0);
    });
    databasePrograms(target);
    copyPrograms(target);
    gitPrograms(target);
    shellPrograms(target);
  });
}
