// The behaviour suite in a guest, on the lane that RFUSE_LANE names; "ring" where the module is there.
// RFUSE_FILESYSTEMS and RFUSE_AREAS choose among them; RFUSE_CACHED=1 is with a metadata cache, and no time-outs of the
// kernel's own, so that everything it asks comes to the cache.
// Owns the choice of filesystems and forms: what differs between lanes, not all that mounts can do.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MountStatistics } from "../../src/index.ts";
import { type Area, behaviour, type Features } from "../behaviour/suite.ts";
import { MEMORY, makeSource, PASSTHROUGH } from "../mount/features.ts";
import { client, type Daemon, type StartOptions } from "../mount/harness.ts";
import { startOn } from "../mount/lanes.ts";
import { lane } from "./inspection.ts";

const MEMORY_MODULE = new URL("../../src/fs/memory/module.ts", import.meta.url);
const PASSTHROUGH_MODULE = new URL("../../src/fs/passthrough/module.ts", import.meta.url);

const cached = process.env["RFUSE_CACHED"] === "1";
/** What changes only through the mount needs no end of an answer's life; JSON knows no Infinity. */
const metadataCache = cached && { ttlMs: 1e9 };

interface Case {
  readonly name: "memory" | "passthrough";
  readonly features: Features;
  start(): StartOptions;
}

const CASES: readonly Case[] = [
  {
    name: "memory",
    features: MEMORY,
    start: () => ({
      filesystem: MEMORY_MODULE,
      options: {
        ...{ allowOther: true, metadataCache },
        filesystemOptions: cached ? { attrTimeoutMs: 0, entryTimeoutMs: 0 } : {},
      },
    }),
  },
  {
    name: "passthrough",
    features: PASSTHROUGH,
    start: () => ({
      filesystem: PASSTHROUGH_MODULE,
      options: {
        ...{ allowOther: true, metadataCache },
        filesystemOptions: { source: makeSource(), ...(cached ? { cacheMs: 0 } : { passthrough: "off" }) },
      },
    }),
  },
];

const areas = (process.env["RFUSE_AREAS"] || undefined)?.split(",") as Area[] | undefined;
const wanted = process.env["RFUSE_FILESYSTEMS"]?.split(",") ?? CASES.map(({ name }) => name);

for (const { name, features, start } of CASES.filter((one) => wanted.includes(one.name))) {
  describe(`${name} on ${lane}${cached ? " with a metadata cache" : ""}`, () => {
    let daemon: Daemon | undefined;
    const options = start();
    beforeAll(async () => {
      daemon = await startOn({ name: lane, options: { lane } }, options);
    });
    afterAll(async () => {
      await daemon?.[Symbol.asyncDispose]();
    });
    it("lane: is the one that was asked for", () => {
      expect(daemon?.said.find(({ event }) => event === "ready")).toMatchObject({ lane });
    });
    const itCached = cached ? it : () => {};
    itCached("metadataCache: is there, and answers", async () => {
      for (let look = 0; look < 2; look++) expect((await client("ls", "-ld", daemon?.mountpoint ?? "")).status).toBe(0);
      const stats = await daemon?.order<MountStatistics>("stats");
      expect(stats?.metadataCache).toMatchObject({ active: true, reason: "" });
      expect(stats?.metadataCache.answered["GETATTR"]).toBeGreaterThan(0);
    });
    behaviour({ name, dir: () => daemon?.mountpoint ?? "", asRoot: true, features }, areas);
  });
}
