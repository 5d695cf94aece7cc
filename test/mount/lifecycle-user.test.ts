// Mounting without privilege: through fusermount3, and by mount(2) in a user namespace of one's own.

import { statSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { client, mountsAt, startClient, startMount, until, within } from "./harness.ts";

const UID = "65534" /* nobody: fusermount3 wants a user with a name */;
const GID = "65534";
const AS_ALICE = ["setpriv", "--reuid", UID, "--regid", GID, "--clear-groups"];

beforeAll(async () => {
  if ((statSync("/dev/fuse").mode & 0o777) !== 0o666) await client("chmod", "666", "/dev/fuse");
});

describe.each(["module", "object"] as const)("mount by another user, %s form", (form) => {
  const start = (options: object = {}) => startMount({ form, wrap: AS_ALICE, options });

  it("mounts through fusermount3, for that user alone, and unmounts", async () => {
    await using daemon = await start();
    const [found] = mountsAt(daemon.mountpoint);
    expect(found?.options).toEqual(
      expect.arrayContaining([`user_id=${UID}`, `group_id=${GID}`, "default_permissions"]),
    );
    expect(found?.flags).toEqual(expect.arrayContaining(["nosuid", "nodev"]));
    expect((await client(...AS_ALICE, "cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    expect(
      (await client(...AS_ALICE, "sh", "-c", `echo new > ${daemon.mountpoint}/new; cat ${daemon.mountpoint}/new`))
        .stdout,
    ).toBe("new\n");
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stderr).toContain("Permission denied");
    await daemon.order("unmount");
    expect(mountsAt(daemon.mountpoint)).toEqual([]);
    daemon.hangUp();
    expect(await within("the end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
    await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
  });

  it("is cleaned up by its guardian", async () => {
    await using daemon = await start();
    daemon.kill("SIGKILL");
    await until("the guardian's unmount", () => mountsAt(daemon.mountpoint).length === 0, 2000);
    await until("nothing left", () => daemon.leftovers().length === 0);
  });

  it("reports UNMOUNT_BUSY while a request hangs, unmounts lazily, and lets the killed client go", async () => {
    await using daemon = await startMount({ form, wrap: AS_ALICE, filesystem: "special" });
    const held = startClient([...AS_ALICE, "cat", `${daemon.mountpoint}/hang`]);
    await until("the request", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous === 1);
    await expect(daemon.order("unmount")).rejects.toMatchObject({ code: "UNMOUNT_BUSY" });
    await daemon.order("unmount", { lazy: true });
    expect(mountsAt(daemon.mountpoint)).toEqual([]);
    held.kill("SIGKILL");
    await daemon.event("closed");
  });

  it("ends when it is unmounted from outside by fusermount3 -u", async () => {
    await using daemon = await start();
    expect(await client(...AS_ALICE, "fusermount3", "-u", daemon.mountpoint)).toMatchObject({ status: 0 });
    expect(await daemon.event("closed")).toMatchObject({ reason: "unmounted" });
  });
});

describe("mount by another user", () => {
  it("serves with two workers", async () => {
    await using daemon = await startMount({ wrap: AS_ALICE, options: { workers: 2 } });
    expect((await client(...AS_ALICE, "cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount");
  });

  it.each([
    ["root's", ["unshare", "-Urm"]],
    ["another user's", [...AS_ALICE, "unshare", "-Urm"]],
  ])("mounts by mount(2) in %s user namespace", async (_, wrap) => {
    await using daemon = await startMount({ wrap, options: { via: "mount" } });
    expect(mountsAt(daemon.mountpoint)).toEqual([]);
    expect(mountsAt(daemon.mountpoint, daemon.pid)).toMatchObject([{ type: "fuse.rfuse" }]);
    const ended = await daemon.order<{ stdout: string }>("run", ["cat", `${daemon.mountpoint}/hello`]);
    expect(ended.stdout).toBe("hello\n");
    await daemon.order("unmount");
    expect(mountsAt(daemon.mountpoint, daemon.pid)).toEqual([]);
    daemon.hangUp();
    expect(await within("the end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  });

  it("chooses mount(2) by itself in a user namespace", async () => {
    await using daemon = await startMount({ wrap: [...AS_ALICE, "unshare", "-Urm"], env: { PATH: "/usr/bin:/bin" } });
    expect(mountsAt(daemon.mountpoint, daemon.pid)[0]?.options).toContain("user_id=0");
    await daemon.order("unmount");
  });
});
