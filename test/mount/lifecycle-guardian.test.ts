// The death of a daemon: within 2 s its mount is gone, and no client hangs, however it died.

import { describe, expect, it } from "vitest";
import { client, type Daemon, mountsAt, startClient, startDaemon, startMount, until, within } from "./harness.ts";

const FORMS = ["module", "object"] as const;
/** What the guardian promises. */
const PROMISE_MS = 2000;
/** What a client of a dead mount may be told. */
const DEAD = /not connected|connection abort|Input\/output|No such file|No such device/i;

async function gone(daemon: Daemon): Promise<void> {
  await until("the guardian's unmount", () => mountsAt(daemon.mountpoint).length === 0, PROMISE_MS);
  await until("the guardian's end", () => daemon.leftovers().length === 0);
}

/** Clients in loops that read, write, list and stat until they are told that the mount is dead. */
function load(mountpoint: string) {
  const loops = [
    `while cat ${mountpoint}/hello; do :; done`,
    `while dd if=/dev/zero of=${mountpoint}/zero bs=64k count=4 conv=notrunc,nocreat status=none; do :; done`,
    `while ls -l ${mountpoint}/hello; do :; done`,
    `while stat ${mountpoint}/hello; do :; done`,
    `exec 3< ${mountpoint}/hello; while stat -L /proc/self/fd/3; do :; done`,
  ];
  return loops.map((loop) => startClient(["sh", "-c", `{ ${loop}; } > /dev/null`], 30_000));
}

describe.each(FORMS)("guardian, %s form", (form) => {
  it("unmounts when the daemon is killed while idle", async () => {
    await using daemon = await startMount({ form });
    daemon.kill("SIGKILL");
    await gone(daemon);
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stderr).toMatch(DEAD);
  });

  it("unmounts when the daemon is killed under load, and every client ends", async () => {
    await using daemon = await startMount({ form });
    const clients = load(daemon.mountpoint);
    await until("load", async () => (await daemon.order<{ replies: number }>("stats")).replies > 500);
    daemon.kill("SIGKILL");
    await gone(daemon);
    for (const { ended } of clients) expect((await ended).stderr).toMatch(DEAD);
  });

  it("unmounts when the daemon is killed while handlers hang, and every client ends", async () => {
    await using daemon = await startMount({ form, filesystem: "special" });
    const waiting = ["hang", "wait", "hang"].map((name) => startClient(["cat", `${daemon.mountpoint}/${name}`]));
    await until("requests", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous >= 3);
    daemon.kill("SIGKILL");
    await gone(daemon);
    for (const { ended } of waiting) expect((await ended).stderr).toMatch(DEAD);
  });

  it("unmounts when the daemon is killed while it has files open", async () => {
    await using daemon = await startMount({ form });
    const holder = startClient(["sh", "-c", `exec 3< ${daemon.mountpoint}/hello; exec sleep 30`], 60_000);
    await until(
      "the open file",
      async () => (await daemon.order<{ byOpcode: { OPEN?: number } }>("stats")).byOpcode.OPEN === 1,
    );
    daemon.kill("SIGKILL");
    await gone(daemon);
    holder.kill("SIGKILL");
  });

  it("unmounts when the process calls process.exit", async () => {
    await using daemon = await startMount({ form });
    void daemon.order("exit", 7).catch(() => {});
    expect(await within("the exit", daemon.exited)).toMatchObject({ status: 7 });
    await gone(daemon);
  });

  it("unmounts when the process dies of an uncaught exception", async () => {
    await using daemon = await startMount({ form });
    void daemon.order("throw").catch(() => {});
    expect((await within("the death", daemon.exited)).status).not.toBe(0);
    await gone(daemon);
  });

  it("unmounts when a child that the daemon started outlives it", async () => {
    await using daemon = await startMount({ form });
    const pid = await daemon.order<number>("spawn", ["sleep", "60"]);
    daemon.kill("SIGKILL");
    await until("the guardian's unmount", () => mountsAt(daemon.mountpoint).length === 0, PROMISE_MS);
    await until("the guardian's end", () => daemon.leftovers().join() === "sleep 60");
    process.kill(pid, "SIGKILL");
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const)(
    "unmounts when the process group gets %s",
    async (signal) => {
      await using daemon = await startMount({ form });
      process.kill(-daemon.pid, signal);
      await within("the death", daemon.exited);
      await gone(daemon);
    },
  );

  it("is not needed again when it was killed itself: the session goes on and unmounts", async () => {
    await using daemon = await startMount({ form });
    const found = await client("pgrep", "-f", `rfuse-guardian ${daemon.mountpoint} `);
    process.kill(Number(found.stdout), "SIGKILL");
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount");
    daemon.hangUp();
    expect(await within("the end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
    await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
  });
});

describe("own reads", () => {
  it.each(FORMS)("%s form: as many as fill Bun's pool, at once after the mount, are answered", async (form) => {
    await using daemon = await startMount({ form });
    const texts = daemon.order<string[]>("readTogether", "hello", 16);
    expect(await within("the reads", texts, 10_000)).toEqual(Array(16).fill("hello\n"));
    await daemon.order("unmount");
  });
});

describe("guardian", () => {
  it("leaves alone a foreign mount that was made later on the same path", async () => {
    await using daemon = await startMount({});
    const { mountpoint } = daemon;
    await client("umount", "-l", mountpoint);
    await daemon.event("closed");
    expect(await client("mount", "-t", "tmpfs", "foreign", mountpoint)).toMatchObject({ status: 0 });
    daemon.kill("SIGKILL");
    await until("the guardian's end", () => daemon.leftovers().length === 1);
    expect(mountsAt(mountpoint)).toMatchObject([{ type: "tmpfs", source: "foreign" }]);
  });

  it("leaves alone a foreign mount that lies on top of the dead one", async () => {
    await using daemon = await startMount({});
    const { mountpoint } = daemon;
    expect(await client("mount", "-t", "tmpfs", "foreign", mountpoint)).toMatchObject({ status: 0 });
    daemon.kill("SIGKILL");
    await until("the guardian's end", () => !daemon.leftovers().some((left) => left.includes("rfuse-guardian")));
    expect(mountsAt(mountpoint).at(-1)).toMatchObject({ type: "tmpfs", source: "foreign" });
  });

  it("survives each of two daemons of one process group on its own", async () => {
    await using first = await startMount({});
    await using second = await startMount({});
    first.kill("SIGKILL");
    await gone(first);
    expect((await client("cat", `${second.mountpoint}/hello`)).stdout).toBe("hello\n");
    await second.order("unmount");
  });

  it("switched off: the dead mount stays, clients are told, and it can be removed", async () => {
    await using daemon = await startMount({ options: { guardian: false } });
    daemon.kill("SIGKILL");
    await daemon.exited;
    expect((await client("ls", daemon.mountpoint)).stderr).toMatch(/not connected/);
    expect(mountsAt(daemon.mountpoint)).toHaveLength(1);
    expect(await client("umount", daemon.mountpoint)).toMatchObject({ status: 0 });
  });

  it("catches a daemon that is killed at any moment of mounting", async () => {
    for (const delayMs of [20, 35, 50, 60, 70, 80, 90, 110]) {
      await using daemon = startDaemon({});
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      daemon.kill("SIGKILL");
      await daemon.exited;
      await until(`no mount after a kill at ${delayMs} ms`, () => daemon.leftovers().length === 0, PROMISE_MS);
    }
  });
});
