// A mount that is no longer, or not only, where it was made: a directory above it was renamed, it was moved, or bound to
// another place. Every way to end the session takes it away there too.

import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { client, type Daemon, makePlace, mountsAt, type StartOptions, startMount, until, within } from "./harness.ts";

const asRoot = process.getuid?.() === 0;

/** The mounts of a device, wherever. */
const mountsOf = (device: string): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.split(" ")[2] === device);

interface Moved {
  readonly daemon: Daemon;
  readonly device: string;
  /** Where its files are found now; the name needs every escape of the mount table. */
  readonly place: string;
}

const HOW = {
  "a directory above it renamed": async (dir: string, place: string) => renameSync(join(dir, "above"), place),
  moved: async (dir: string, place: string) => {
    mkdirSync(join(place, "m"), { recursive: true });
    expect(await client("mount", "--move", join(dir, "above", "m"), join(place, "m"))).toMatchObject({ status: 0 });
  },
  "bound to another place": async (dir: string, place: string) => {
    mkdirSync(join(place, "m"), { recursive: true });
    expect(await client("mount", "--bind", join(dir, "above", "m"), join(place, "m"))).toMatchObject({ status: 0 });
  },
} as const;
const WAYS = Object.keys(HOW) as (keyof typeof HOW)[];

async function startMoved(way: keyof typeof HOW, options: StartOptions = {}): Promise<Moved> {
  const { dir } = makePlace();
  const mountpoint = join(dir, "above", "m");
  mkdirSync(mountpoint, { recursive: true });
  const daemon = await startMount({ ...options, mountpoint });
  const device = mountsAt(mountpoint)[0]?.device ?? "";
  const place = join(dir, "el\\se where\n%b");
  await HOW[way](dir, place);
  expect((await client("cat", join(place, "m", "hello"))).stdout).toBe("hello\n");
  return { daemon, device, place };
}

async function ends({ daemon, device }: Moved): Promise<void> {
  expect(await daemon.event("closed")).toMatchObject({ reason: "unmounted" });
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0 && mountsOf(device).length === 0);
}

describe.runIf(asRoot).each(WAYS)("a mount that was %s", (way) => {
  it.each([{}, { lazy: true }, { force: true }])("unmount(%o): takes it away", async (how) => {
    const moved = await startMoved(way);
    await using daemon = moved.daemon;
    await daemon.order("unmount", how);
    await ends(moved);
  });

  it("unmount: is told where it is in use", async () => {
    const moved = await startMoved(way);
    await using daemon = moved.daemon;
    const held = await client(
      "sh",
      "-c",
      'cd "$1" && sleep 60 > /dev/null 2>&1 & echo $!',
      "sh",
      join(moved.place, "m"),
    );
    await expect(daemon.order("unmount")).rejects.toMatchObject({
      code: "UNMOUNT_BUSY",
      message: expect.stringContaining("is in use"),
    });
    process.kill(Number(held.stdout), "SIGKILL");
    await until("the unmount", () =>
      daemon.order("unmount").then(
        () => true,
        () => false,
      ),
    );
    await ends(moved);
  });

  it("an abort from outside: the dead mount is taken away", async () => {
    const moved = await startMoved(way);
    await using _daemon = moved.daemon;
    const abort = "mount -t fusectl none /sys/fs/fuse/connections; echo 1 > /sys/fs/fuse/connections/$1/abort";
    await client("unshare", "-m", "sh", "-c", abort, "sh", String(moved.device.split(":")[1]));
    await ends(moved);
  });

  it.each(["module", "object"] as const)("kill -9, %s form: the guardian takes it away", async (form) => {
    const { daemon, device } = await startMoved(way, { form });
    await using _ = daemon;
    daemon.kill("SIGKILL");
    await until("the guardian's unmount", () => mountsOf(device).length === 0, 2000);
    await until("the guardian's end", () => daemon.leftovers().length === 0);
  });
});
