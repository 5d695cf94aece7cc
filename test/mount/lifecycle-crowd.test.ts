// Several mounts of one process, on one path or inside one another: each is told from the others, and mounting waits for
// no file operation on the thread that serves what is there already.

import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { client, mountsAt, startMount, until, within } from "./harness.ts";

const FORMS = ["module", "object"] as const;
const MEMORY = new URL("../../src/fs/memory/module.ts", import.meta.url);
const asRoot = process.getuid?.() === 0;
/** What a filesystem says of itself by default is asked again after this time. */
const EXPIRED_MS = 1100;

describe.each(FORMS)("several mounts, %s form", (form) => {
  it("one upon another: each unmounts its own", async () => {
    await using daemon = await startMount({ form });
    const path = join(daemon.dir, "other");
    mkdirSync(path);
    for (let layer = 0; layer < 3; layer++) {
      expect(await daemon.order("crowd", path, 1, { allowNonEmpty: true })).toEqual([""]);
    }
    expect(new Set(mountsAt(path).map(({ device }) => device)).size).toBe(3);
    await daemon.order("disperse");
    expect(mountsAt(path)).toEqual([]);
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount");
  });

  it.runIf(asRoot)("one upon another: all are taken away when their process dies", async () => {
    await using daemon = await startMount({ form });
    const path = daemon.mountpoint;
    expect(await daemon.order("crowd", path, 1, { allowNonEmpty: true })).toEqual([""]);
    daemon.kill("SIGKILL");
    await until("the guardians' unmounts", () => mountsAt(path).length === 0, 4000);
    await until("the guardians' ends", () => daemon.leftovers().length === 0);
  });

  it("inside a mount that the same process serves", async () => {
    await using daemon = await startMount({ form, filesystem: MEMORY });
    const path = join(daemon.mountpoint, "d");
    expect(await client("mkdir", path)).toMatchObject({ status: 0 });
    await new Promise((resolve) => setTimeout(resolve, EXPIRED_MS));
    expect(await daemon.order("crowd", path, 1)).toEqual([""]);
    expect((await client("mkdir", join(path, "e"))).status).toBe(0);
    await daemon.order("disperse");
    expect((await client("ls", path)).stdout).toBe("");
    await daemon.order("unmount");
  });
});

// Bun reads files by as many threads as there are CPUs, and starts threads by them as well.
const OWN = Array.from({ length: availableParallelism() + 1 }, () => "hang");

describe.runIf(asRoot)("a process whose own reads wait for handlers that never return", () => {
  const start = async () => {
    const daemon = await startMount({ filesystem: "special" });
    await daemon.order("readOwn", OWN);
    await until("requests", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous > 0);
    return daemon;
  };

  it("unmounts by force", async () => {
    await using daemon = await start();
    await daemon.order("unmount", { force: true });
    expect(mountsAt(daemon.mountpoint)).toEqual([]);
    await daemon.event("failedRead");
  });

  it("dies of SIGKILL, and its mount with it", async () => {
    await using daemon = await start();
    daemon.kill("SIGKILL");
    await until("the guardian's unmount", () => mountsAt(daemon.mountpoint).length === 0, 2000);
    await within("the daemon's end", daemon.exited);
    await until("nothing left", () => daemon.leftovers().length === 0);
  });
});
