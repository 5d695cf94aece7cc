// Every end that may come over a session from outside, on every lane, while it is busy and while handlers hang: no
// client hangs, no mount stays, and the daemon, if it lives, ends by itself.

import { describe, expect, it } from "vitest";
import { makeSource } from "./features.ts";
import { type Client, client, type Daemon, errorsOf, mountsAt, startClient, until, within } from "./harness.ts";
import { LANES, type LaneCase, SINGLE, startOn } from "./lanes.ts";
import { DEAD, load, loadFiles, prepareFiles } from "./load.ts";
import { MEMORY_FS, nameOf, ROWS, type Row } from "./served.ts";

/** What the guardian promises. */
const PROMISE_MS = 2000;

interface End {
  readonly name: string;
  run(daemon: Daemon): unknown;
  /** Hung handlers go on: their clients have to be killed. */
  readonly lazy?: true;
  /** The daemon dies as well. */
  readonly deadly?: true;
}

const deviceOf = ({ mountpoint }: Daemon) => mountsAt(mountpoint)[0]?.device ?? "";

function abortDevice(device: string) {
  const script = "mount -t fusectl none /sys/fs/fuse/connections; echo 1 > /sys/fs/fuse/connections/$1/abort";
  return client("unshare", "-m", "sh", "-c", script, "sh", device.split(":")[1] ?? "");
}

const ENDS: readonly End[] = [
  { name: "kill -9", run: ({ kill }) => kill("SIGKILL"), deadly: true },
  { name: "abort", run: (daemon) => abortDevice(deviceOf(daemon)) },
  { name: "umount -l", run: ({ mountpoint }) => client("umount", "-l", mountpoint), lazy: true },
  { name: "umount -f -l", run: ({ mountpoint }) => client("umount", "-f", "-l", mountpoint) },
  { name: "unmount by force", run: ({ order }) => order("unmount", { force: true }) },
];

interface Counts {
  readonly replies: number;
  readonly asynchronous: number;
}

/** A mount that is busy. */
interface Busy {
  readonly daemon: Daemon;
  readonly clients: readonly Client[];
}

async function underLoad(daemon: Daemon, start: (mountpoint: string) => Client[]): Promise<Busy> {
  const { replies } = await daemon.order<Counts>("stats");
  const clients = start(daemon.mountpoint);
  await until("load", async () => (await daemon.order<Counts>("stats")).replies > replies + 200);
  return { daemon, clients };
}

async function busyHandlers(lane: LaneCase, form: "module" | "object"): Promise<Busy> {
  const options = { filesystemOptions: { sleepMs: 5 }, slowMs: 60_000 };
  return underLoad(await startOn(lane, { form, filesystem: "special", options }), load);
}

async function busyFiles({ shipped, form, lane }: Row): Promise<Busy> {
  const source = makeSource();
  prepareFiles(source);
  const options = { filesystemOptions: shipped.options(source), slowMs: 60_000 };
  return underLoad(await startOn(lane, { form, filesystem: shipped.filesystem, options }), loadFiles);
}

async function endsCleanly(daemon: Daemon, { deadly }: End): Promise<void> {
  if (deadly === true) {
    await until("the guardian's unmount", () => mountsAt(daemon.mountpoint).length === 0, PROMISE_MS);
  } else {
    expect(await daemon.event("closed")).toMatchObject({ reason: "unmounted" });
    expect(errorsOf(daemon)).toBe("");
    daemon.hangUp();
    expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  }
  await until("nothing left", () => daemon.leftovers().length === 0);
}

function endsWhileBusy(start: () => Promise<Busy>): void {
  it.each(ENDS)("$name while busy", async (end) => {
    const { daemon, clients } = await start();
    await using _ = daemon;
    await end.run(daemon);
    // One holds a file open: lazily it goes on.
    for (const one of end.lazy === true ? clients.slice(0, -1) : clients)
      expect((await one.ended).stderr).toMatch(DEAD);
    for (const { kill } of clients) kill("SIGKILL");
    await endsCleanly(daemon, end);
  });
}

function endsWhileHanging(lane: LaneCase, form: "module" | "object"): void {
  it.concurrent.each(ENDS)("$name while handlers hang", async (end) => {
    await using daemon = await startOn(lane, { form, filesystem: "special" });
    const hung = ["hang", "wait", "hang"].map((name) => startClient(["cat", `${daemon.mountpoint}/${name}`], 30_000));
    const device = deviceOf(daemon);
    await until("requests", async () => (await daemon.order<Counts>("stats")).asynchronous >= hung.length);
    await end.run(daemon);
    if (end.lazy === true) for (const { kill } of hung) kill("SIGKILL");
    // Over io_uring a caller, killed or not, leaves when its handler settles, or when the connection ends.
    if (end.lazy === true && lane.options.lane === "io_uring") await abortDevice(device);
    for (const { ended } of hung) {
      const { signal, stderr } = await within("a client", ended);
      expect(`${signal} ${stderr}`).toMatch(end.lazy === true ? /SIGKILL/ : DEAD);
    }
    await endsCleanly(daemon, end);
  });
}

describe.each(LANES)("$name", (lane) => endsWhileBusy(() => busyHandlers(lane, "module")));
describe.each(SINGLE)("$name, object form", (lane) => endsWhileBusy(() => busyHandlers(lane, "object")));

/** Files that are passed through, by the daemon and by the kernel. */
const PASSED = ROWS.filter(({ shipped }) => shipped !== MEMORY_FS).map((row) => ({ ...row, name: nameOf(row) }));
describe.each(PASSED)("$name", (row) => endsWhileBusy(() => busyFiles(row)));

describe.each(LANES)("$name", (lane) => endsWhileHanging(lane, "module"));
describe.each(SINGLE)("$name, object form", (lane) => endsWhileHanging(lane, "object"));
