// A session from mount to end: the ways to end it, what they tell, and that the process lives and dies with its mount.

import { describe, expect, it } from "vitest";
import {
  client,
  type Daemon,
  descriptorsOf,
  mountsAt,
  startClient,
  startDaemon,
  startMount,
  until,
  within,
} from "./harness.ts";

const FORMS = ["module", "object"] as const;

/** The daemon ends by itself, with status 0, and nothing of it is left. */
async function endsByItself(daemon: Daemon, reason = "unmounted"): Promise<void> {
  expect(await daemon.event("closed")).toMatchObject({ reason });
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0);
}

/** A client that holds `hello` open until it is killed. */
async function holdOpen(daemon: Daemon) {
  const holder = startClient(["sh", "-c", `exec 3< ${daemon.mountpoint}/hello; exec sleep 60`], 60_000);
  await until("the open file", () => descriptorsOf(holder.pid).some((name) => name.endsWith("/hello")));
  return holder;
}

describe.each(FORMS)("mount, %s form", (form) => {
  it("closed: resolves with unmounted after unmount, events in order", async () => {
    await using daemon = await startMount({ form });
    await daemon.event("init");
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount");
    expect(mountsAt(daemon.mountpoint)).toEqual([]);
    await endsByItself(daemon);
    const events = daemon.said.map(({ event }) => event).filter((event) => event !== "answer");
    expect(events).toEqual(["ready", "init", "unmount", "closed"]);
  });

  it.each([
    ["umount", ["umount"]],
    ["umount -l", ["umount", "-l"]],
    ["umount -f", ["umount", "-f"]],
    ["fusermount3 -u", ["fusermount3", "-u"]],
  ] as const)("closed: resolves after %s from outside", async (_, argv) => {
    await using daemon = await startMount({ form });
    expect(await client(...argv, daemon.mountpoint)).toMatchObject({ status: 0 });
    await endsByItself(daemon);
  });

  it("closed: resolves after an abort of the connection, and the dead mount is taken away", async () => {
    await using daemon = await startMount({ form });
    const minor = mountsAt(daemon.mountpoint)[0]?.device.split(":")[1];
    const abort = "mount -t fusectl none /sys/fs/fuse/connections; echo 1 > /sys/fs/fuse/connections/$1/abort";
    const ended = await client("unshare", "-m", "sh", "-c", abort, "sh", String(minor));
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    await endsByItself(daemon);
  });

  it("signal: unmounts when it is aborted", async () => {
    await using daemon = await startMount({ form, abortAfterMs: 1500 });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await endsByItself(daemon);
  });

  it("signal: unmounts when it is aborted while files are open", async () => {
    await using daemon = await startMount({ form, abortAfterMs: 1500 });
    const holder = await holdOpen(daemon);
    await until("the unmount", () => mountsAt(daemon.mountpoint).length === 0);
    holder.kill("SIGKILL");
    await endsByItself(daemon);
  });

  it("asyncDispose: unmounts, lazily when files are open", async () => {
    await using daemon = await startMount({ form });
    const holder = await holdOpen(daemon);
    await daemon.order("dispose");
    expect(mountsAt(daemon.mountpoint)).toEqual([]);
    holder.kill("SIGKILL");
    await endsByItself(daemon);
  });

  it("unmount: a second one, at once or later, does nothing", async () => {
    await using daemon = await startMount({ form });
    await Promise.all([daemon.order("unmount"), daemon.order("unmount"), daemon.order("dispose")]);
    await daemon.order("unmount");
    await daemon.order("unmount", { lazy: true });
    await daemon.order("unmount", { force: true });
    await endsByItself(daemon);
  });

  it("unmount: UNMOUNT_BUSY while a file is open; lazily it serves the file until that is closed", async () => {
    await using daemon = await startMount({ form, options: { filesystemOptions: { files: { hello: "hello\n" } } } });
    const { mountpoint } = daemon;
    await client("mkfifo", `${daemon.dir}/go`);
    const held = startClient(
      ["sh", "-c", `exec 3< ${mountpoint}/hello; read -r _ < ${daemon.dir}/go; cat <&3`],
      30_000,
    );
    await until("the open file", () => descriptorsOf(held.pid).some((name) => name.endsWith("/hello")));
    await expect(daemon.order("unmount")).rejects.toMatchObject({ name: "MountError", code: "UNMOUNT_BUSY" });
    expect((await client("cat", `${mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount", { lazy: true });
    expect(mountsAt(mountpoint)).toEqual([]);
    expect(daemon.said.some(({ event }) => event === "closed")).toBe(false);
    await client("sh", "-c", `echo > ${daemon.dir}/go`);
    expect((await held.ended).stdout).toBe("hello\n");
    await endsByItself(daemon);
  });

  it("unmount: by force ends open files and requests in flight", async () => {
    await using daemon = await startMount({ form, filesystem: "special" });
    const readers = ["wait", "hang", "hang"].map((name) => startClient(["cat", `${daemon.mountpoint}/${name}`]));
    await until("the requests", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous >= 3);
    await daemon.order("unmount", { force: true });
    for (const { ended } of readers) {
      const { status, stderr } = await ended;
      expect(status).toBe(1);
      expect(stderr).toMatch(/not connected|connection abort|Input\/output|Interrupted/i);
    }
    await endsByItself(daemon);
  });

  it("unmount: succeeds between clients that work, in the end", async () => {
    await using daemon = await startMount({ form });
    const busy = startClient(["sh", "-c", `while cat ${daemon.mountpoint}/hello; do sleep 0.05; done`]);
    await until("work", async () => (await daemon.order<{ replies: number }>("stats")).replies > 20);
    await until(
      "an unmount",
      () => mountsAt(daemon.mountpoint).length === 0 || void daemon.order("unmount").catch(() => {}),
    );
    expect((await busy.ended).stderr).toContain("hello");
    await endsByItself(daemon);
  });

  it("process: lives by its mount alone, and ends by itself when that is unmounted from outside", async () => {
    await using daemon = await startMount({ form });
    daemon.hangUp();
    expect((await client("sleep", "0.5")).status).toBe(0);
    for (let count = 0; count < 5; count++)
      expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await client("umount", daemon.mountpoint);
    await endsByItself(daemon);
  });

  it("process: has no thread, descriptor or child more after unmount than before a second mount", async () => {
    await using daemon = await startMount({ form, cycles: 3 });
    await client("cat", `${daemon.mountpoint}/hello`);
    expect(daemon.census().fds.filter((fd) => fd === "/dev/fuse")).toHaveLength(2);
    expect(daemon.census().children).toEqual([expect.stringContaining("rfuse-guardian")]);
    const mounted = daemon.census().threads;
    await daemon.order("unmount");
    await until("the guardian's end", () => daemon.census().children.length === 0);
    await until("the threads' end", () => daemon.census().threads < mounted);
    expect(daemon.census().fds.filter((fd) => fd === "/dev/fuse")).toEqual([]);
    await endsByItself(daemon);
  });
});

describe.concurrent("mount options", () => {
  const flagsWith = async (options: object) => {
    await using daemon = await startMount({ options });
    const [found] = mountsAt(daemon.mountpoint);
    await daemon.order("unmount");
    return found;
  };

  it("default: nosuid, nodev, default_permissions, named rfuse", async () => {
    const found = await flagsWith({});
    expect(found?.flags).toEqual(expect.arrayContaining(["rw", "nosuid", "nodev"]));
    expect(found?.flags).not.toContain("noexec");
    expect(found?.options).toContain("default_permissions");
    expect(found?.options).not.toContain("allow_other");
    expect(found).toMatchObject({ type: "fuse.rfuse", source: "rfuse" });
  });

  it("allowSuid, allowDevices: lift nosuid and nodev, one each", async () => {
    expect((await flagsWith({ allowSuid: true }))?.flags).toEqual(["rw", "nodev", "relatime"]);
    expect((await flagsWith({ allowDevices: true }))?.flags).toEqual(["rw", "nosuid", "relatime"]);
  });

  it("allowOther: brings default_permissions, unless that is switched off", async () => {
    expect((await flagsWith({ allowOther: true }))?.options).toEqual(
      expect.arrayContaining(["allow_other", "default_permissions"]),
    );
    const bare = (await flagsWith({ allowOther: true, defaultPermissions: false }))?.options;
    expect(bare).toContain("allow_other");
    expect(bare).not.toContain("default_permissions");
  });

  it("name, subtype: show in the mount table, blanks and umlauts too", async () => {
    const found = await flagsWith({ name: "my ÿ=files#1", subtype: "my.type" });
    expect(found?.type).toBe("fuse.my.type");
    expect(found?.source).toMatch(/^my\\040.*=files(#|\\043)1$/);
  });

  it.each(["mount", "fusermount"] as const)("readOnly via %s: refuses every change with EROFS", async (via) => {
    await using daemon = await startMount({ options: { readOnly: true, via } });
    expect(mountsAt(daemon.mountpoint)[0]?.flags).toContain("ro");
    for (const change of ["echo x > new", "echo x >> hello", "rm hello", "mkdir d", "chmod 0 hello", "ln hello h"]) {
      const ended = await client("sh", "-c", `cd ${daemon.mountpoint} && ${change}`);
      expect(ended.stderr).toContain("Read-only file system");
    }
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount");
  });

  it("noExec: no program on the mount can be run; without it one can", async () => {
    const run = async (options: object) => {
      const filesystemOptions = { files: { program: "#!/bin/sh\necho ran\n" } };
      await using daemon = await startMount({ options: { ...options, filesystemOptions } });
      return await client(`${daemon.mountpoint}/program`).catch((error: Error) => ({
        stdout: "",
        stderr: error.message,
      }));
    };
    expect((await run({ noExec: true })).stdout).toBe("");
    expect((await run({})).stdout).toBe("ran\n");
  });

  it("via fusermount as root: mounts, with suid and dev when asked", async () => {
    await using daemon = await startMount({
      options: { via: "fusermount", allowSuid: true, noExec: true, name: "helper" },
    });
    expect(mountsAt(daemon.mountpoint)[0]).toMatchObject({ source: "helper", type: "fuse.rfuse" });
    expect(mountsAt(daemon.mountpoint)[0]?.flags).toContain("noexec");
    expect(mountsAt(daemon.mountpoint)[0]?.flags).not.toContain("nosuid");
    await daemon.order("unmount");
    await endsByItself(daemon);
  });

  it("guardian false: starts no process", async () => {
    await using daemon = await startMount({ options: { guardian: false } });
    expect(daemon.census().children).toEqual([]);
    await daemon.order("unmount");
  });

  it("fixtures: a daemon that is disposed of while it mounts leaves nothing", async () => {
    const daemon = startDaemon({});
    await daemon[Symbol.asyncDispose]();
    expect(daemon.leftovers()).toEqual([]);
  });
});
