// The behaviour suite on the io_uring lane. The kernel offers it only while the module's parameter enable_uring is Y,
// which root may set; it is put back as soon as the session is mounted. Without privilege the lane cannot be tested.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { behaviour, type Features } from "../behaviour/suite.ts";
import { MEMORY, makeSource, PASSED_THROUGH, PASSTHROUGH } from "./features.ts";
import { client, type Daemon, failedMount, type StartOptions, startMount } from "./harness.ts";

const SWITCH = "/sys/module/fuse/parameters/enable_uring";
const testable = process.getuid?.() === 0 && existsSync(SWITCH);
const MEMORY_MODULE = new URL("../../src/fs/memory/module.ts", import.meta.url);
const PASSTHROUGH_MODULE = new URL("../../src/fs/passthrough/module.ts", import.meta.url);

/** Mounts while the switch is `state`. */
async function mountWhile(state: "Y" | "N", options: StartOptions): Promise<Daemon> {
  const before = readFileSync(SWITCH, "utf8").trim();
  writeFileSync(SWITCH, state);
  try {
    return await startMount(options);
  } finally {
    writeFileSync(SWITCH, before);
  }
}

interface Case {
  readonly name: string;
  readonly features: Features;
  start(): StartOptions;
}

const CASES: readonly Case[] = [
  {
    name: "memory, one worker for every CPU's queue",
    features: MEMORY,
    start: () => ({ filesystem: MEMORY_MODULE, options: { allowOther: true, lane: "io_uring" } }),
  },
  {
    name: "memory, object form",
    features: MEMORY,
    start: () => ({ filesystem: MEMORY_MODULE, form: "object", options: { allowOther: true, lane: "io_uring" } }),
  },
  {
    name: "passthrough by the kernel, a worker per core, queues two deep",
    features: PASSED_THROUGH,
    start: () => ({
      filesystem: PASSTHROUGH_MODULE,
      options: {
        allowOther: true,
        lane: "io_uring",
        workers: 2,
        placement: "per-core",
        queueDepth: 2,
        filesystemOptions: { source: makeSource() },
      },
    }),
  },
  {
    name: "passthrough by the daemon",
    features: PASSTHROUGH,
    start: () => ({
      filesystem: PASSTHROUGH_MODULE,
      options: {
        allowOther: true,
        lane: "io_uring",
        filesystemOptions: { source: makeSource(), passthrough: "off" },
      },
    }),
  },
];

describe.runIf(testable)("io_uring", () => {
  for (const { name, features, start } of CASES) {
    describe(name, () => {
      let daemon: Daemon | undefined;
      const options = start();
      beforeAll(async () => {
        daemon = await mountWhile("Y", options);
      });
      afterAll(async () => {
        await daemon?.[Symbol.asyncDispose]();
      });
      behaviour({ name: "io_uring", dir: () => daemon?.mountpoint ?? "", asRoot: true, features });
    });
  }

  it("lane: is said by the mount, and requests go through the ring", async () => {
    await using daemon = await mountWhile("Y", { filesystem: "tiny", options: { lane: "io_uring" } });
    expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: "io_uring" });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).status).toBe(0);
  });

  it("lane: asked for by name is refused while enable_uring is off, and auto takes the device", async () => {
    const before = readFileSync(SWITCH, "utf8").trim();
    writeFileSync(SWITCH, "N");
    try {
      const refused = await failedMount({ filesystem: "tiny", options: { lane: "io_uring" } });
      expect(refused).toMatchObject({ code: "LANE_UNAVAILABLE", message: expect.stringContaining("enable_uring") });
      await using daemon = await startMount({ filesystem: "tiny", options: { lane: "auto" } });
      expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: "dev" });
    } finally {
      writeFileSync(SWITCH, before);
    }
  });

  it.each(["module", "object"] as const)(
    "requestTimeoutMs, %s form: the answer goes out when the handler gives the tag's memory back",
    async (form) => {
      await using daemon = await mountWhile("Y", {
        form,
        filesystem: "special",
        options: { lane: "io_uring", queueDepth: 1, requestTimeoutMs: 200, filesystemOptions: { sleepMs: 800 } },
      });
      for (let round = 0; round < 2; round++) {
        expect((await client("cat", `${daemon.mountpoint}/sleep`)).stderr).toContain("Connection timed out");
        expect((await client("cat", `${daemon.mountpoint}/plain`)).stdout).toBe("plain\n");
      }
      expect(await daemon.order("stats")).toMatchObject({ timedOut: 2, handlerFaults: 0, refusedReplies: 0 });
      await daemon.order("unmount");
      daemon.hangUp();
      expect((await daemon.exited).status).toBe(0);
      expect(daemon.leftovers()).toEqual([]);
    },
  );

  it("unmount: ends the session with requests in flight on the ring, and leaves nothing", async () => {
    await using daemon = await mountWhile("Y", {
      filesystem: "faulty",
      options: { lane: "io_uring", filesystemOptions: { fault: "hang", only: ["getattr"] } },
    });
    const waiting = client("stat", `${daemon.mountpoint}/hello`);
    await daemon.order("unmount", { force: true });
    expect((await waiting).status).not.toBe(0);
    daemon.hangUp();
    expect((await daemon.exited).status).toBe(0);
    expect(daemon.leftovers()).toEqual([]);
  });
});
