// A mounting that is given up, and a session that fails: soon, and without a descriptor left in a process that lives on.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeSource } from "./features.ts";
import { client, type Daemon, descriptorsOf, startDaemon, until, within } from "./harness.ts";
import { DEV, DEV_PAIR, isTestable, type LaneCase, startOn, URING_PAIR, whileSwitched } from "./lanes.ts";

/** What a worker's thread was waited for once, whatever it was at. */
const FORMER_WAIT_MS = 1000;
const TRIES = 5;

/** A source with a file, and the descriptors of a daemon that lead into it. */
function populatedSource() {
  const source = makeSource();
  mkdirSync(join(source, "d"));
  writeFileSync(join(source, "d", "file"), "file\n");
  return { source, held: ({ pid }: Daemon) => descriptorsOf(pid).filter((name) => name.startsWith(source)) };
}

const start = (lane: LaneCase, source: string, abortAfterMs: number) => {
  const options = { ...lane.options, filesystemOptions: { source } };
  return startDaemon({ filesystem: "hanging-passthrough", options, abortAfterMs, livesOn: true });
};

async function endsCleanly(daemon: Daemon): Promise<void> {
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0);
}

describe.each([DEV, DEV_PAIR, URING_PAIR].filter(isTestable))("signal: aborts while init hangs, $name", (lane) => {
  const switched = <Value>(body: () => Promise<Value>) =>
    lane.options.lane === "io_uring" ? whileSwitched("Y", body) : body();

  it("at once, and no descriptor of the source or of the lane is left", async () => {
    const { source, held } = populatedSource();
    await switched(async () => {
      await using daemon = start(lane, source, 1000);
      await until("the opened source", () => held(daemon).length > 0);
      expect(String((await daemon.event("failed"))["message"])).toMatch(/abort/i);
      await until("no descriptor", () => held(daemon).length === 0);
      await until("no lane", () => daemon.census().fds.every((name) => !/io_uring|\/dev\/fuse/.test(name)));
      expect(daemon.census().threads).toBeGreaterThan(0); // it lives
      await endsCleanly(daemon);
    });
  });

  it("sooner than a worker that hangs is waited for", async () => {
    const { source } = populatedSource();
    let tookMs = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES && tookMs > FORMER_WAIT_MS; tries++) {
      await switched(async () => {
        await using daemon = start(lane, source, 700);
        await daemon.event("aborting");
        const began = performance.now();
        await daemon.event("failed");
        tookMs = performance.now() - began;
      });
    }
    expect(tookMs).toBeLessThan(FORMER_WAIT_MS);
  });
});

describe.each([DEV, DEV_PAIR, URING_PAIR].filter(isTestable))("a passthrough whose worker dies, $name", (lane) => {
  it("leaves no descriptor of its source when the session fails", async () => {
    const { source, held } = populatedSource();
    await using daemon = await startOn(lane, {
      filesystem: "mortal-passthrough",
      options: { filesystemOptions: { source } },
    });
    expect((await client("cat", `${daemon.mountpoint}/d/file`)).stdout).toBe("file\n");
    expect(held(daemon)).not.toEqual([]);
    while (!daemon.said.some(({ event }) => event === "closed")) await client("stat", "-f", daemon.mountpoint);
    expect(await daemon.event("closed")).toMatchObject({ reason: "failed" });
    expect(held(daemon)).toEqual([]);
    await endsCleanly(daemon);
  });
});

describe.each([DEV, DEV_PAIR])("a passthrough whose worker was replaced, $name", (lane) => {
  // Among them what the dead worker had counted and could not answer.
  it("leaves no descriptor of its source when it is unmounted", async () => {
    const { source, held } = populatedSource();
    const options = { filesystemOptions: { source } };
    await using daemon = await startOn(lane, { filesystem: "mortal-passthrough", options });
    await client("stat", "-f", daemon.mountpoint);
    await until("the successor", async () => {
      const { workerRestarts } = await daemon.order<{ workerRestarts: number }>("stats");
      return workerRestarts >= (lane === DEV ? 2 : 1); // the only queue's request is given out once more
    });
    expect((await client("cat", `${daemon.mountpoint}/d/file`)).stdout).toBe("file\n");
    await daemon.order("unmount");
    expect(await daemon.event("closed")).toMatchObject({ reason: "unmounted" });
    expect(held(daemon)).toEqual([]);
    await endsCleanly(daemon);
  });
});
