// The behaviour suite in a guest, on the lane that RFUSE_LANE names; "ring" where the module is there.
// RFUSE_FILESYSTEMS and RFUSE_AREAS choose among them.
// Owns the choice of filesystems and forms: what differs between lanes, not all that mounts can do.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Area, behaviour, type Features } from "../behaviour/suite.ts";
import { MEMORY, makeSource, PASSTHROUGH } from "../mount/features.ts";
import { type Daemon, type StartOptions, startMount } from "../mount/harness.ts";
import { lane } from "./inspection.ts";

const MEMORY_MODULE = new URL("../../src/fs/memory/module.ts", import.meta.url);
const PASSTHROUGH_MODULE = new URL("../../src/fs/passthrough/module.ts", import.meta.url);

interface Case {
  readonly name: "memory" | "passthrough";
  readonly features: Features;
  start(): StartOptions;
}

const CASES: readonly Case[] = [
  {
    name: "memory",
    features: MEMORY,
    start: () => ({ filesystem: MEMORY_MODULE, options: { allowOther: true, lane } }),
  },
  {
    name: "passthrough",
    features: PASSTHROUGH,
    start: () => ({
      filesystem: PASSTHROUGH_MODULE,
      options: { allowOther: true, lane, filesystemOptions: { source: makeSource(), passthrough: "off" } },
    }),
  },
];

const areas = (process.env["RFUSE_AREAS"] || undefined)?.split(",") as Area[] | undefined;
const wanted = process.env["RFUSE_FILESYSTEMS"]?.split(",") ?? CASES.map(({ name }) => name);

for (const { name, features, start } of CASES.filter((one) => wanted.includes(one.name))) {
  describe(`${name} on ${lane}`, () => {
    let daemon: Daemon | undefined;
    const options = start();
    beforeAll(async () => {
      daemon = await startMount(options);
    });
    afterAll(async () => {
      await daemon?.[Symbol.asyncDispose]();
    });
    it("lane: is the one that was asked for", () => {
      expect(daemon?.said.find(({ event }) => event === "ready")).toMatchObject({ lane });
    });
    behaviour({ name, dir: () => daemon?.mountpoint ?? "", asRoot: true, features }, areas);
  });
}
