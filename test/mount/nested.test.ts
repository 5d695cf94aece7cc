// A passthrough whose mount and source lie inside one another: nobody waits for itself.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Probe } from "../behaviour/probe.ts";
import { makeSource } from "./features.ts";
import { client, failedMount, mountsAt, startMount, until, within } from "./harness.ts";
import { DEV, DEV_PAIR, isTestable, type LaneCase, startOn, URING } from "./lanes.ts";

const PASSTHROUGH = new URL("../../src/fs/passthrough/module.ts", import.meta.url);
const LOOP = "Too many levels of symbolic links";

/** A source with a file, and a mountpoint beside another file deep in it. */
function nest() {
  const source = makeSource();
  const mountpoint = join(source, "d", "e", "m");
  mkdirSync(mountpoint, { recursive: true });
  writeFileSync(join(source, "top"), "top\n");
  writeFileSync(join(source, "d", "e", "beside"), "beside\n");
  return { source, mountpoint };
}

const of = (lane: LaneCase, form: "module" | "object") => ({ name: `${lane.name}, ${form} form`, lane, form });
const CASES = [of(DEV, "module"), of(DEV, "object"), of(DEV_PAIR, "module"), of(URING, "module")];

describe.each(CASES.filter(({ lane }) => isTestable(lane)))("a mount inside its source, $name", ({ lane, form }) => {
  it("is ELOOP within itself, all else is served, and it unmounts", async () => {
    const { source, mountpoint } = nest();
    const options = { filesystemOptions: { source } };
    await using daemon = await startOn(lane, { filesystem: PASSTHROUGH, form, mountpoint, options });
    const inside = `${mountpoint}/d/e`;
    expect((await client("cat", `${mountpoint}/top`, `${inside}/beside`)).stdout).toBe("top\nbeside\n");
    expect((await client("stat", `${inside}/m`)).stderr).toContain(LOOP);
    expect((await client("cat", `${inside}/m/top`)).stderr).toContain(LOOP);
    expect(await client("ls", "-l", inside)).toMatchObject({
      stdout: expect.stringContaining("beside"),
      stderr: expect.stringContaining(LOOP),
    });
    const found = await client("find", mountpoint);
    expect(found.stderr).toContain(LOOP);
    expect(found.stdout.trim().split("\n").toSorted()).toEqual(
      ["", "/d", "/d/e", "/d/e/beside", "/top"].map((name) => mountpoint + name),
    );
    expect((await client("ls", "-U", inside)).stdout.trim().split("\n").toSorted()).toEqual(["beside", "m"]);
    for (const command of ["mkdir", "rmdir"]) expect((await client(command, `${inside}/m`)).status).toBe(1);
    await daemon.order("unmount");
    expect(mountsAt(mountpoint)).toEqual([]);
    daemon.hangUp();
    expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
    await until("nothing left", () => daemon.leftovers().length === 0);
  });
});

describe.each(["module", "object"] as const)("a source inside its mount, %s form", (form) => {
  it.each(["d", "."])("%s: is refused, with both paths", async (below) => {
    const { source } = nest();
    const inner = join(source, below);
    const options = { allowNonEmpty: true, filesystemOptions: { source: inner } };
    const failed = await failedMount({ filesystem: PASSTHROUGH, form, mountpoint: source, options });
    expect(failed).toMatchObject({
      code: "FILESYSTEM_FAILED",
      message: expect.stringContaining(`ELOOP: the source ${inner} lies inside the mountpoint ${source}`),
    });
  });
});

describe("a mount whose source is a mount", () => {
  it.each(["auto", "off"])(
    "makes a file without a name, and writes and reads it, passthrough %s",
    async (passthrough) => {
      await using below = await startMount({
        filesystem: PASSTHROUGH,
        options: { filesystemOptions: { source: makeSource() } },
      });
      await using above = await startMount({
        filesystem: PASSTHROUGH,
        options: { filesystemOptions: { source: below.mountpoint, passthrough } },
      });
      await using probe = await Probe.start();
      const fd = await probe.open(above.mountpoint, "O_TMPFILE|O_RDWR", 0o600);
      expect(await probe.number("pwrite", fd, 0, "nameless")).toBe(8);
      expect(await probe.text("pread", fd, 0, 8)).toBe("nameless");
    },
  );
});
