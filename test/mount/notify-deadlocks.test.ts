// Notifications from inside the handlers that the kernel makes them wait for: on each lane, in each form, nothing hangs,
// and what was asked for is done in the end.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Statistics } from "../../src/index.ts";
import { CREATES, LOOKUPS, READS, UNLINKS, WRITES } from "./fixtures/notifying.ts";
import { type Daemon, startClient, until } from "./harness.ts";
import { LANES, SINGLE, startOn } from "./lanes.ts";

/** DONE, LATER, ENOENT, ENOTEMPTY, bytes. */
const KNOWN = [/^0$/, /^1$/, /^-2$/, /^-39$/, /^retrieve of \d+$/];
const BOUND_MS = 8000;
const SETTLED_MS = 20_000;

const CASES = [
  ...LANES.map((lane) => ({ name: lane.name, lane, form: "module" as const })),
  ...SINGLE.map((lane) => ({ name: `${lane.name}, object form`, lane, form: "object" as const })),
];

describe.each(CASES)("notifications from inside handlers, $name", ({ lane, form }) => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startOn(lane, { form, filesystem: "notifying" });
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  const sh = async (script: string) => {
    const ended = await startClient(["sh", "-c", script.replaceAll("@", daemon.mountpoint)], BOUND_MS).ended;
    expect(ended.stderr).toBe("");
    return ended.stdout;
  };

  it.each(READS)("%s: the reader gets its data, and what was asked for comes true", async (name) => {
    const [, what] = name.split(".");
    const first = await sh(`cat @/${name}`);
    expect(first).toMatch(/^(\d{11}|STORED\d{5})\n$/);
    if (what === "invalidateInode") await until("fresh data", async () => (await sh(`cat @/${name}`)) !== first);
    if (what === "store") await until("stored data", async () => (await sh(`cat @/${name}`)).startsWith("STORED"));
  });

  it.each(WRITES)("%s: writing back ends", async (name) => {
    expect(await sh(`echo some text > @/${name} && sync @/${name} && cat @/results > /dev/null`)).toBe("");
  });

  it.each(LOOKUPS)("%s: the caller is answered", async (name) => {
    expect(await sh(`stat -c %s @/${name}`)).toBe("0\n");
  });

  it.each(CREATES)("%s: the caller is answered", async (name) => {
    expect(await sh(`> @/${name} && echo made`)).toBe("made\n");
  });

  it.each(UNLINKS)("%s: the caller is answered", async (name) => {
    expect(await sh(`rm @/${name} && echo gone`)).toBe("gone\n");
  });

  it("readdir: with two notifications about the directory lists it", async () => {
    expect(await sh("ls @")).toContain("results");
  });

  it("two handlers that each notify about the other's inode and wait for it: both are answered", async () => {
    expect(await sh("cat @/cross.a & cat @/cross.b & wait")).toBe("cross\ncross\n");
  });

  it("every notification: gave DONE, LATER, bytes or an errno that is known", async () => {
    const results = JSON.parse(await sh("cat @/results")) as (number | string)[];
    expect(results.length).toBeGreaterThan(0);
    expect(results.filter((result) => !KNOWN.some((known) => known.test(`${result}`)))).toEqual([]);
  });

  it("from outside: waits for a handler that holds the inode, and no other inode waits with it", async () => {
    const nodeid = Number(await sh("stat -c %s @/node-held"));
    const reads = async () => (await daemon.order<Statistics>("stats")).byOpcode["READ"] ?? 0;
    const before = await reads();
    const reader = startClient(["cat", `${daemon.mountpoint}/held`], SETTLED_MS);
    await until("the read", async () => (await reads()) > before);
    const order = daemon.order("invalidateInode", nodeid);
    await daemon.order("invalidateInode", Number(await sh("stat -c %s @/node-beside")));
    await sh("cat @/release");
    await order;
    expect((await reader.ended).stdout).toBe("held\n");
  });

  it("unmount: ends cleanly after all this", async () => {
    await until("the unmount", async () => (await daemon.order("unmount").catch(() => "busy")) !== "busy");
    daemon.hangUp();
    expect(await daemon.exited).toMatchObject({ status: 0 });
    await until("nothing left", () => daemon.leftovers().length === 0);
  });
});
