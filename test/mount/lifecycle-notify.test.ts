// Notifications: what the kernel cached becomes fresh, from the mount and from inside a worker.

import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Connection, Statistics } from "../../src/index.ts";
import { makeSource } from "./features.ts";
import { client, type Daemon, startClient, startMount, until, within } from "./harness.ts";
import { DEV, LANES, startOn } from "./lanes.ts";

const run = async (daemon: Daemon, script: string) =>
  (await client("sh", "-c", script.replaceAll("@", daemon.mountpoint))).stdout;
const OLD = "old\n";
const NEW = "new and longer";

describe.each(["module", "object"] as const)("notifications, %s form", (form) => {
  const start = () => startMount({ form, filesystem: "changing" });
  const nodeOf = async (daemon: Daemon) => Number(await run(daemon, "cat @/node"));

  it("invalidateInode: makes cached attributes and data fresh, which they are not by themselves", async () => {
    await using daemon = await start();
    // A read makes the cached access time stale; a full stat makes it fresh, so that the next open asks for nothing.
    expect(await run(daemon, "cat @/data; stat @/data > /dev/null; stat -c %s @/data")).toBe(`${OLD}4\n`);
    await run(daemon, "cat @/set-new");
    expect(await run(daemon, "cat @/data; stat -c %s @/data")).toBe(`${OLD}4\n`);
    await daemon.order("invalidateInode", await nodeOf(daemon));
    expect(await run(daemon, "stat -c %s @/data; cat @/data")).toBe(`${NEW.length}\n${NEW}`);
    await daemon.order("unmount");
  });

  it("invalidateInode: with a negative offset drops attributes alone", async () => {
    await using daemon = await start();
    await run(daemon, "cat @/data");
    await run(daemon, "cat @/set-new");
    await daemon.order("invalidateInode", await nodeOf(daemon), -1);
    expect(await run(daemon, "stat -c %s @/data")).toBe(`${NEW.length}\n`);
    await daemon.order("unmount");
  });

  it("context.notify: a handler invalidates an inode of its own mount", async () => {
    await using daemon = await start();
    expect(await run(daemon, "cat @/data")).toBe(OLD);
    expect(await run(daemon, "cat @/set-told")).toBe("0\n");
    expect(await run(daemon, "cat @/data")).toBe("told by the worker\n");
    await daemon.order("unmount");
  });

  it.each([{}, { expireOnly: true }])("invalidateEntry %o: makes a cached name fresh", async (options) => {
    await using daemon = await start();
    expect(await run(daemon, "cat @/gone")).toBe("here\n");
    await run(daemon, "cat @/set-gone");
    expect(await run(daemon, "stat -c %s @/gone")).toBe("5\n");
    await daemon.order("invalidateEntry", 1, "gone", options);
    expect(await run(daemon, "test -e @/gone || echo gone")).toBe("gone\n");
    await daemon.order("unmount");
  });

  it("store, retrieve: bytes go to the page cache and come back", async () => {
    await using daemon = await start();
    await run(daemon, "cat @/data");
    const node = await nodeOf(daemon);
    await daemon.order("store", node, 1, "TOR");
    const holder = startClient(["sh", "-c", `exec 3< ${daemon.mountpoint}/data; exec sleep 20`], 30_000);
    expect(await daemon.order("retrieve", node, 0, 4)).toBe("oTOR");
    expect(await daemon.order("retrieve", node, 1, 2)).toBe("TO");
    expect(await daemon.order("retrieve", node, 4096 * 100, 10)).toBe("");
    expect(await run(daemon, "cat @/store")).toBe("0\n");
    expect(await daemon.order("retrieve", node, 0, 4)).toBe("STOR");
    holder.kill("SIGKILL");
    await holder.ended;
    await until("an unmount", async () => (await daemon.order("unmount").catch(() => "busy")) !== "busy" || undefined);
  });

  it("errors: an unknown inode and name are harmless, a bad name and a bad range are typed", async () => {
    await using daemon = await start();
    await daemon.order("invalidateInode", 999_999);
    await daemon.order("invalidateEntry", 1, "never-heard-of");
    expect(await run(daemon, "cat @/unknown-inode; cat @/bad-name")).toBe("-2\n-22\n");
    const failed = { name: "MountError", code: "NOTIFICATION_FAILED" };
    await expect(daemon.order("invalidateEntry", 1, "a/b")).rejects.toMatchObject(failed);
    await expect(daemon.order("invalidateEntry", 1, "")).rejects.toMatchObject(failed);
    await expect(daemon.order("store", 1, -1, "x")).rejects.toMatchObject(failed);
    await expect(daemon.order("retrieve", 999_999, 0, 4)).rejects.toMatchObject(failed);
    expect(await daemon.order("notify", "incrementEpoch")).toBeOneOf([0, -38, -22]);
    await daemon.order("unmount");
    await expect(daemon.order("invalidateInode", 1)).rejects.toMatchObject(failed);
    await expect(daemon.order("retrieve", 1, 0, 4)).rejects.toMatchObject(failed);
  });
});

describe.each(LANES)("notifications while a request hangs, $name", (lane) => {
  const start = () => startOn(lane, { filesystem: "notifying" });
  /** A reader whose READ is with a handler that does not answer. */
  async function hang(daemon: Daemon) {
    const nodeid = Number(await run(daemon, "stat -c %s @/node-held"));
    const reads = async () => (await daemon.order<Statistics>("stats")).byOpcode["READ"] ?? 0;
    const before = await reads();
    const reader = startClient(["cat", `${daemon.mountpoint}/held`], 30_000);
    await until("the read", async () => (await reads()) > before);
    return { nodeid, reader };
  }

  it("unmount by force: ends what waits, typed or done, and what comes is typed", async () => {
    await using daemon = await start();
    const { nodeid, reader } = await hang(daemon);
    const waiting = ["invalidateInode", "invalidateInode"].map((call) => daemon.order(call, nodeid));
    waiting.push(daemon.order("store", nodeid, 0, "x"));
    const settled = Promise.allSettled(waiting);
    await daemon.order("unmount", { force: true });
    const failed = { name: "MountError", code: "NOTIFICATION_FAILED" };
    for (const result of await within("every notification", settled)) {
      if (result.status === "rejected") expect(result.reason).toMatchObject(failed);
    }
    const ended = { ...failed, cause: { code: "ENOTCONN" } };
    for (const [call, ...args] of [
      ["invalidateEntry", 1, "x"],
      ["deleteEntry", 1, 2, "x"],
      ["prune", [2]],
      ["resend"],
    ] as const) {
      await expect(daemon.order(call, ...args)).rejects.toMatchObject(ended);
    }
    expect((await reader.ended).status).not.toBe(0);
    daemon.hangUp();
    expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0 });
    await until("nothing left", () => daemon.leftovers().length === 0);
  });
});

describe("resend", () => {
  it("a request that a handler never answers: is given out again, and its caller gets the answer", async () => {
    await using daemon = await startOn(DEV, { filesystem: "losing" });
    if (!(await daemon.order<Connection>("connection")).flags.includes("HAS_RESEND")) return;
    const lost = ["cat", "cat"].map((program) => startClient([program, `${daemon.mountpoint}/lost`], 30_000));
    await until("the lost reads", async () => (await daemon.order<Statistics>("stats")).asynchronous >= lost.length);
    await daemon.order("resend");
    for (const { ended } of lost) expect(await ended).toMatchObject({ status: 0, stdout: "found\n" });
    await daemon.order("unmount", { force: true });
  });
});

describe("notifications, passthrough with the writeback cache", () => {
  const source = makeSource();
  const start = () =>
    startMount({
      filesystem: new URL("../../src/fs/passthrough/module.ts", import.meta.url),
      options: { filesystemOptions: { source, cacheMs: 60_000, writebackCache: true } },
    });
  const change: readonly (readonly [name: string, change: (path: string) => void, now: string])[] = [
    ["grown", (path) => appendFileSync(path, "6789"), "9 123456789"],
    ["shorter", (path) => truncateSync(path, 2), "2 12"],
    ["other", (path) => writeFileSync(path, "abcde"), "5 abcde"],
  ];
  const look = async (daemon: Daemon, name: string) =>
    (await run(daemon, `stat -c %s @/${name}; cat @/${name}`)).replace("\n", " ");

  it.each(change)(
    "a file that has %s outside: has its size and bytes after invalidateInode",
    async (name, alter, now) => {
      writeFileSync(join(source, name), "12345");
      await using daemon = await start();
      if ((await daemon.order<Connection>("connection")).kernelMinor < 45) return;
      expect(await look(daemon, name)).toBe("5 12345");
      alter(join(source, name));
      expect(await look(daemon, name)).toBe("5 12345"); // the kernel's own view
      await daemon.order("invalidateInode", 2);
      expect(await look(daemon, name)).toBe(now);
      await run(daemon, `printf written >> @/${name}`);
      expect(await look(daemon, name)).toBe(`${now.length - 2 + 7} ${now.slice(2)}written`);
      await daemon.order("unmount");
    },
  );

  it.each(change)(
    "a file that has %s outside: has its size and bytes after invalidateEntry",
    async (name, alter, now) => {
      writeFileSync(join(source, name), "12345");
      await using daemon = await start();
      expect(await look(daemon, name)).toBe("5 12345");
      alter(join(source, name));
      await daemon.order("invalidateEntry", 1, name);
      expect(await look(daemon, name)).toBe(now);
      await daemon.order("unmount");
    },
  );

  it("a file that has grown outside while it is open: grows by `store`", async () => {
    writeFileSync(join(source, "open"), "12345");
    await using daemon = await start();
    const holder = startClient(["sh", "-c", `exec 3< ${daemon.mountpoint}/open; exec sleep 20`], 30_000);
    await until("the open file", async () => (await run(daemon, `cat /proc/${holder.pid}/comm`)) === "sleep\n");
    appendFileSync(join(source, "open"), "678");
    await daemon.order("store", 2, 5, "678");
    expect(await look(daemon, "open")).toBe("8 12345678");
    holder.kill("SIGKILL");
    await holder.ended;
    await until("an unmount", async () => (await daemon.order("unmount").catch(() => "busy")) !== "busy" || undefined);
  });
});
