// A worker that dies: an `error` event, and then either a successor with the same place and shared state, or a clean
// unmount. Never a hung client, whoever had read its request; and nothing is left of the dead.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeSource } from "./features.ts";
import { type Client, client, type Daemon, descriptorsOf, startClient, startMount, until, within } from "./harness.ts";
import { DEV, LANES, SINGLE, startOn } from "./lanes.ts";

/** Files of the fixture that end their worker when they are read. */
const WAYS = ["timer-throw", "timer-stack", "timer-exit", "exit", "stray-rejection"] as const;
/** What a client may be told whose request died with its worker. */
const ABORTED = /connection abort|not connected|Input\/output/i;

interface Counts {
  readonly asynchronous: number;
  readonly workerRestarts: number;
}

const POLL = process.arch === "arm64" ? "73 " : "7 ";

/** Threads that sit in poll(2): doorbells. */
const pollingThreads = ({ pid }: Daemon): number =>
  readdirSync(`/proc/${pid}/task`).filter((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/syscall`, "utf8").startsWith(POLL);
    } catch {
      return false; // it has ended
    }
  }).length;

const stats = (daemon: Daemon) => daemon.order<Counts>("stats");
const read = (daemon: Daemon, name: string, wrap: readonly string[] = []): Client =>
  startClient([...wrap, "cat", `${daemon.mountpoint}/${name}`], 30_000);

/** Starts a client of a handler that is under way from then on. */
async function pending(daemon: Daemon, name: string, wrap: readonly string[] = []): Promise<Client> {
  const { asynchronous } = await stats(daemon);
  const started = read(daemon, name, wrap);
  await until("the request", async () => (await stats(daemon)).asynchronous > asynchronous);
  return started;
}

async function endsCleanly(daemon: Daemon): Promise<void> {
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0);
}

const errors = (daemon: Daemon, message: RegExp) =>
  daemon.said.filter(({ event, error }) => event === "error" && message.test((error as Error).message));

async function failed(daemon: Daemon, message: RegExp): Promise<void> {
  expect(await daemon.event("closed")).toMatchObject({ reason: "failed" });
  const [first] = errors(daemon, /^worker \d+ failed: /);
  expect(first?.["error"]).toMatchObject({ message: expect.stringMatching(message), cause: expect.anything() });
  await endsCleanly(daemon);
}

describe.each(LANES.filter(({ options }) => options.lane === "dev"))("a worker that dies, $name", (lane) => {
  const several = Number(lane.options.workers) > 1;
  const start = (more: object = {}) =>
    startOn(lane, { filesystem: "special", options: { filesystemOptions: { sleepMs: 700, ...more } } });

  it.each(several ? WAYS.slice(0, 2) : WAYS)("%s: is replaced, and its requests are answered", async (way) => {
    await using daemon = await start();
    const before = Number((await read(daemon, "reads").ended).stdout);
    // With several workers it may be another's, and is then not disturbed.
    const waiting = await pending(daemon, "sleep");
    expect(await read(daemon, way).ended).toMatchObject({ status: 1, stderr: expect.stringMatching(ABORTED) });
    const { stdout, stderr } = await waiting.ended;
    expect(`${stdout}${stderr}`).toMatch(several ? /slept|connection abort/ : ABORTED);

    expect((await read(daemon, "plain").ended).stdout).toBe("plain\n");
    expect(Number((await read(daemon, "reads").ended).stdout)).toBe(before + 1); // the shared state lives on
    // The only queue's requests are given out once more, and then the culprit's kills the successor.
    const deaths = several ? 1 : 2;
    await until("the successor", async () => (await stats(daemon)).workerRestarts === deaths);
    const what = way === "timer-throw" ? "uncaught on purpose$" : "";
    expect(errors(daemon, new RegExp(`^worker \\d failed and is replaced: ${what}`))).toHaveLength(deaths);
    expect(errors(daemon, /^worker \d failed: /)).toEqual([]);
    await daemon.order("unmount");
    expect(await daemon.event("closed")).toMatchObject({ reason: "unmounted" });
    await endsCleanly(daemon);
  });

  it("leaves no thread, descriptor or doorbell", async () => {
    await using daemon = await start({ sleepMs: 50 });
    const die = async () => expect((await read(daemon, "exit").ended).status).toBe(1);
    const census = async () => {
      await (await pending(daemon, "sleep")).ended; // its doorbell runs from then on
      return daemon.census();
    };
    // A successor's threads open what they need a little later than it serves.
    const atRest = async () => {
      let last = await census();
      await until("rest", async () => {
        const [before, now] = [last, await census()];
        last = now;
        return now.fds.length === before.fds.length && now.threads === before.threads;
      });
      return last;
    };
    await die();
    const before = await atRest();
    await die();
    await until("as few descriptors", async () => (await census()).fds.length <= before.fds.length);
    await until("as few threads", async () => (await census()).threads <= before.threads + 1);
    await daemon.order("unmount");
    await endsCleanly(daemon);
  });

  it("a fourth death within a minute ends the session, with reason failed", async () => {
    await using daemon = await start();
    for (let count = 0; count < 4; count++) void read(daemon, "exit");
    while (!daemon.said.some(({ event }) => event === "closed")) await read(daemon, "exit").ended;
    expect(errors(daemon, /is replaced/)).toHaveLength(3);
    await failed(daemon, /death number [45] within 60 s/); // both workers may die at the same time
  });
});

describe("a worker that dies", () => {
  it("requests that may be served twice are served by the successor, the others are ECONNABORTED", async () => {
    await using daemon = await startOn(DEV, { filesystem: "mortal" });
    const { mountpoint } = daemon;
    await client("stat", `${mountpoint}/die`, `${mountpoint}/slow`); // known from now on
    const asked = ["cat @/slow", "getfattr -n user.a @/slow", "mkdir @/made", "setfattr -n user.a -v b @/slow"];
    const clients = asked.map((script) => startClient(["sh", "-c", script.replace("@", mountpoint)], 30_000));
    await until("the requests", async () => (await stats(daemon)).asynchronous >= asked.length);
    await client("cat", `${mountpoint}/die`).catch(() => {});
    const [cat, getfattr, mkdir, setfattr] = await Promise.all(clients.map(({ ended }) => ended));
    expect(cat).toMatchObject({ status: 0, stdout: "slow\n" });
    expect(getfattr).toMatchObject({ status: 0, stdout: expect.stringContaining("user.a") });
    expect(mkdir).toMatchObject({ status: 1, stderr: expect.stringMatching(ABORTED) });
    expect(setfattr).toMatchObject({ status: 1, stderr: expect.stringMatching(ABORTED) });
    await daemon.order("unmount");
    await endsCleanly(daemon);
  });

  it.each(LANES.filter(({ options }) => options.lane === "dev"))(
    "$name: files that were open stay open, and known names known",
    async (lane) => {
      const filesystemOptions = { source: makeSource() };
      await using daemon = await startOn(lane, { filesystem: "mortal-passthrough", options: { filesystemOptions } });
      const { mountpoint, dir } = daemon;
      await client("sh", "-c", `mkfifo ${dir}/go; mkdir ${mountpoint}/d; echo before > ${mountpoint}/d/file`);
      const script = `exec 3<> ${mountpoint}/d/file; read -r _ < ${dir}/go; cat <&3; echo after >&3`;
      const held = startClient(["sh", "-c", script], 30_000);
      await until("the open file", () => descriptorsOf(held.pid).some((name) => name.endsWith("/file")));
      for (let count = 0; count < 2; count++) await client("stat", "-f", mountpoint);
      await client("sh", "-c", `echo > ${dir}/go`);
      expect(await held.ended).toMatchObject({ status: 0, stdout: "before\n" });
      expect((await client("cat", `${mountpoint}/d/file`)).stdout).toBe("before\nafter\n");
      await until("the successors", async () => (await stats(daemon)).workerRestarts >= 2);
      await daemon.order("unmount");
      await endsCleanly(daemon);
    },
  );

  it.each(SINGLE)("its filesystem's state died with it, $name: the session fails, cleanly", async (lane) => {
    await using daemon = await startOn(lane, { filesystem: "forgetful" });
    const waiting = await pending(daemon, "hang");
    const culprit = read(daemon, "die");
    await failed(daemon, /not replaced/);
    for (const { ended } of [waiting, culprit]) expect((await ended).status).toBe(1);
  });

  it.each(LANES.filter(({ options }) => options.lane === "io_uring"))(
    "$name: the session fails, cleanly",
    async (lane) => {
      await using daemon = await startOn(lane, { filesystem: "special" });
      const waiting = await pending(daemon, "hang");
      const culprit = read(daemon, "timer-throw");
      await daemon.event("closed");
      await until("no ring", () => daemon.census().fds.every((fd) => !/io_uring/.test(fd)));
      await until("no doorbell", () => pollingThreads(daemon) === 0);
      await failed(daemon, /not replaced: lane io_uring ends with its thread/);
      for (const { ended } of [waiting, culprit]) expect((await ended).status).toBe(1);
    },
  );

  it.each([true, false])("another user's, without the right to abort; replaced: %s", async (replaced) => {
    const wrap = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    await using daemon = await startMount({ filesystem: replaced ? "special" : "forgetful", wrap });
    const waiting = await pending(daemon, "hang", wrap); // else the successor may get it for the first time, and hang
    const culprit = read(daemon, replaced ? "timer-throw" : "die", wrap);
    for (const { ended } of [waiting, culprit]) expect((await ended).status).toBe(1);
    if (replaced) await daemon.order("unmount");
    expect(await daemon.event("closed")).toMatchObject({ reason: replaced ? "unmounted" : "failed" });
    await endsCleanly(daemon);
  });

  it("of memory: is replaced", async () => {
    const wrap = ["prlimit", `--data=${4 * 2 ** 30}`];
    await using daemon = await startMount({ filesystem: "special", wrap });
    expect((await read(daemon, "timer-memory").ended).stderr).toMatch(ABORTED);
    expect((await read(daemon, "plain").ended).stdout).toBe("plain\n");
    expect(errors(daemon, /is replaced: [\s\S]*Out of memory/)).not.toEqual([]);
    await daemon.order("unmount");
    await endsCleanly(daemon);
  });
});
