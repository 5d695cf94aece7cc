// FUSE passthrough with a real kernel: that requests go past the daemon, that nothing leaks, and what happens where it
// cannot be had. What users see is the behaviour suite's, which runs on the same mounts (behaviour.test.ts).
// Needs root, and Linux 6.9.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Connection, Statistics } from "../../src/index.ts";
import { Probe } from "../behaviour/probe.ts";
import { canPass, makeSource } from "./features.ts";
import { client, type Daemon, failedMount, startMount, until } from "./harness.ts";

const MODULE = new URL("../../src/fs/passthrough/module.ts", import.meta.url);

const start = (filesystemOptions: object, options: object = {}): Promise<Daemon> =>
  startMount({ filesystem: MODULE, options: { allowOther: true, ...options, filesystemOptions } });
const stats = (daemon: Daemon): Promise<Statistics> => daemon.order("stats");

const mounted: string[] = [];
const places: string[] = [];

/** A directory in /tmp, whose filesystem has what tmpfs has not: page faults that move times, aligned O_DIRECT. */
function place(parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, "rfuse-pass-"));
  chmodSync(dir, 0o777);
  places.push(dir);
  return dir;
}

function mountAt(dir: string, type: string, options: string): void {
  execFileSync("mount", ["-t", type, "-o", options, "none", dir]);
  mounted.push(dir);
}

function unmount(dir: string): void {
  execFileSync("umount", [dir]);
  mounted.splice(mounted.indexOf(dir), 1);
}

afterAll(() => {
  for (const dir of mounted.splice(0).reverse()) execFileSync("umount", ["-l", dir]);
  for (const dir of places) rmSync(dir, { recursive: true, force: true });
});

describe.runIf(canPass)("FUSE passthrough", () => {
  it("reads and writes: no request reaches the daemon, from any of two workers", async () => {
    const source = makeSource();
    await using daemon = await start({ source }, { workers: 2 });
    await using p = await Probe.start();
    const path = join(daemon.mountpoint, "f");
    const fds = [await p.open(path, "O_RDWR|O_CREAT"), await p.open(path), await p.open(path, "O_WRONLY")];
    await p.call("fill", fds[2] ?? 0, 0, 1 << 20, 0x61);
    expect((await p.fstat(fds[1] ?? 0)).size).toBe(1n << 20n);
    expect((await p.bytes("pread", fds[1] ?? 0, 4096, 3)).toString()).toBe("aaa");
    const at = await p.number("mmap", fds[0] ?? 0, 0, 4096, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    await p.call("poke", at, "bb");
    expect(await p.text("pread", fds[1] ?? 0, 0, 3)).toBe("bba");
    const { byOpcode, passthroughOpens, ordinaryOpens, lastBackingRefusal } = await stats(daemon);
    expect({ passthroughOpens, ordinaryOpens, lastBackingRefusal }).toEqual({
      passthroughOpens: 3,
      ordinaryOpens: 0,
      lastBackingRefusal: "",
    });
    expect([byOpcode["READ"], byOpcode["WRITE"]]).toEqual([undefined, undefined]);
    const connection = await daemon.order<Connection>("connection");
    expect(connection.flags).toContain("PASSTHROUGH");
    expect(connection.maxStackDepth).toBe(1);
  });

  it("off: every request reaches the daemon, and INIT does not ask for it", async () => {
    await using daemon = await start({ source: makeSource(), passthrough: "off" });
    writeFileSync(join(daemon.dir, "f"), "text");
    await client("cp", join(daemon.dir, "f"), join(daemon.mountpoint, "f"));
    const { byOpcode, passthroughOpens, ordinaryOpens, backingRefusals } = await stats(daemon);
    expect([passthroughOpens, ordinaryOpens, backingRefusals, byOpcode["WRITE"]]).toEqual([0, 1, 0, 1]);
    expect((await daemon.order<Connection>("connection")).flags).not.toContain("PASSTHROUGH");
  });

  it("times and sizes: of writes and mappings are seen at once, whatever the kernel may cache", async () => {
    const source = place();
    await using daemon = await start({ source, cacheMs: 3_600_000 });
    await using p = await Probe.start();
    const [path, there] = [join(daemon.mountpoint, "f"), join(source, "f")];
    const write = await p.open(path, "O_WRONLY|O_CREAT");
    await p.call("fill", write, 0, 8192, 0x61);
    // Without %X, the access time, stat(1) takes times from the kernel's cache that a mapping has not made stale.
    const same = async () => {
      const { stdout } = await client("stat", "-c", "%.Y %.Z %s %b", path, there);
      const [ours, its] = stdout.split("\n");
      expect(ours).toBe(its);
      return Number(ours?.split(" ")[0]);
    };
    const first = await same();
    const both = await p.open(path, "O_RDWR");
    const at = await p.number("mmap", both, 0, 8192, "PROT_READ|PROT_WRITE", "MAP_SHARED");
    await until("the clock", async () => {
      await p.call("poke", at, "mapped");
      await p.call("msync", at, 8192, "MS_SYNC");
      return (await same()) > first;
    });
    await p.call("pwrite", write, 20_000, "end");
    expect((await p.stat(path)).size).toBe(20_003n);
    await same();
    await p.call("ftruncate", both, 100);
    await same();
  });

  it("set-id bits: that a file gets while it is open are cleared by the next write, also root's", async () => {
    const source = makeSource();
    await using daemon = await start({ source, passthrough: "on" });
    await using p = await Probe.start({ uid: 61_001, gid: 61_101 });
    const path = join(daemon.mountpoint, "f");
    const fd = await p.open(path, "O_RDWR|O_CREAT", 0o755);
    for (const change of [
      () => p.call("pwrite", fd, 0, "x"),
      () => p.call("ftruncate", fd, 0),
      () => p.call("fill", fd, 0, 5000, 0x61),
    ]) {
      await p.call("fchmod", fd, 0o6755);
      expect((await p.fstat(fd)).permissions).toBe(0o6755);
      await change();
      expect((await p.stat(path)).permissions).toBe(0o755);
    }
    expect((await stats(daemon)).byOpcode["WRITE"]).toBe(undefined);
  });

  it("O_DIRECT and O_APPEND: are the daemon's with auto where fcntl would not be followed, else the kernel's", async () => {
    const source = place();
    for (const [passthrough, writes] of [
      ["auto", 2],
      ["on", undefined],
    ] as const) {
      await using daemon = await start({ source, passthrough });
      await using p = await Probe.start();
      const path = join(daemon.mountpoint, "f");
      const append = await p.open(path, "O_WRONLY|O_CREAT|O_APPEND|O_TRUNC");
      await p.call("fill", append, 0, 4096, 0x61);
      const direct = await p.open(path, "O_RDWR|O_DIRECT");
      await p.call("fill", direct, 0, 4096, 0x62);
      expect((await p.bytes("pread", await p.open(path), 0, 5000)).toString()).toBe("b".repeat(4096));
      const { byOpcode, passthroughOpens } = await stats(daemon);
      expect([byOpcode["WRITE"], passthroughOpens]).toEqual([writes, 3]);
    }
  });

  it("programs: start from the source while the mount keeps them registered", async () => {
    const source = place();
    copyFileSync("/bin/true", join(source, "true"));
    await using daemon = await start({ source });
    expect((await client("cp", "/bin/true", join(daemon.mountpoint, "true"))).status).toBe(0);
    expect((await stats(daemon)).passthroughOpens).toBe(1);
    expect((await client(join(source, "true"))).status).toBe(0);
    expect((await client(join(daemon.mountpoint, "true"))).status).toBe(0);
  });
});

describe.runIf(canPass)("what is left behind", () => {
  // A file system of the test's own: a backing file that leaked would hold its inode, and the mount busy.
  function ownSource(): string {
    const source = place("/dev/shm");
    mountAt(source, "tmpfs", "size=64m,mode=777");
    return source;
  }
  const free = (source: string) => [statfsSync(source).ffree, statfsSync(source).bfree];

  it("nothing: after a thousand files made, written, opened again and removed, by two workers", async () => {
    const source = ownSource();
    const before = free(source);
    const daemon = await start({ source }, { workers: 2 });
    try {
      const fds = daemon.census().fds.length;
      const script = `cd ${daemon.mountpoint}; for i in $(seq 500); do echo text > f$i; : < f$i; echo more >> f$i; done
        for i in $(seq 500); do rm f$i; done`;
      const runs = await Promise.all(
        ["a", "b"].map((sub) => client("bash", "-c", script.replaceAll(" f$", ` ${sub}$`))),
      );
      expect(runs.map(({ status, stderr }) => [status, stderr])).toEqual([
        [0, ""],
        [0, ""],
      ]);
      expect((await stats(daemon)).passthroughOpens).toBe(3000);
      await until("every inode and block", () => String(free(source)) === String(before));
      await until("every descriptor", () => daemon.census().fds.length <= fds);
      await daemon.order("unmount");
      unmount(source);
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });

  it("nothing: when the daemon is killed with files open by passthrough", async () => {
    const source = ownSource();
    const daemon = await start({ source });
    try {
      const p = await Probe.start();
      const fd = await p.open(join(daemon.mountpoint, "f"), "O_RDWR|O_CREAT");
      await p.call("write", fd, "text");
      daemon.kill("SIGKILL");
      await daemon.exited;
      expect(await p.text("pread", fd, 0, 9)).toBe("text"); // the kernel has the file itself
      await p.close();
      await until("the guardian's unmount", () => daemon.leftovers().length === 0);
      unmount(source);
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});

describe.runIf(canPass)("where it cannot be had", () => {
  const AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

  it("a filesystem stacked too deep: the ordinary lane serves it, and stats() say ELOOP", async () => {
    await using first = await start({ source: makeSource() });
    await using second = await start({ source: first.mountpoint });
    await using third = await start({ source: second.mountpoint });
    const depths = await Promise.all([first, second, third].map((one) => one.order<Connection>("connection")));
    expect(depths.map(({ maxStackDepth }) => maxStackDepth)).toEqual([1, 2, 2]);
    const path = join(third.mountpoint, "f");
    expect((await client("sh", "-c", `echo text > ${path}; cat ${path}`)).stdout).toBe("text\n");
    expect(await stats(third)).toMatchObject({ passthroughOpens: 0, ordinaryOpens: 2, lastBackingRefusal: "ELOOP" });
    expect(await stats(second)).toMatchObject({ passthroughOpens: 2, ordinaryOpens: 0, lastBackingRefusal: "" });
    for (const one of [third, second]) await one.order("unmount");
  });

  it("an overlay: is passed through, and copied up as overlayfs does it", async () => {
    const base = place("/dev/shm");
    const [lower = "", upper = "", work = "", merged = ""] = ["lower", "upper", "work", "merged"].map((name) => {
      mkdirSync(join(base, name));
      return join(base, name);
    });
    writeFileSync(join(lower, "f"), "lower");
    mountAt(merged, "overlay", `lowerdir=${lower},upperdir=${upper},workdir=${work}`);
    await using daemon = await start({ source: merged });
    const path = join(daemon.mountpoint, "f");
    const run = await client(
      "sh",
      "-c",
      `cat ${path}; dd if=/dev/zero of=${path} bs=1 count=2 conv=notrunc status=none; cat ${path}`,
    );
    expect(run.stdout).toBe("lower\0\0wer");
    expect(await stats(daemon)).toMatchObject({ passthroughOpens: 3, ordinaryOpens: 0 });
    await daemon.order("unmount");
    unmount(merged);
  });

  it("without CAP_SYS_ADMIN: auto serves as ever and stats() say EPERM, on fails", async () => {
    const source = makeSource();
    const filesystemOptions = { source };
    await using daemon = await startMount({ filesystem: MODULE, wrap: AS_NOBODY, options: { filesystemOptions } });
    const run = await client(...AS_NOBODY, "sh", "-c", `cd ${daemon.mountpoint}; echo text > f; cat f`);
    expect(run.stdout).toBe("text\n");
    expect(await stats(daemon)).toMatchObject({ passthroughOpens: 0, ordinaryOpens: 2, lastBackingRefusal: "EPERM" });
    const failed = await failedMount({
      filesystem: MODULE,
      wrap: AS_NOBODY,
      options: { filesystemOptions: { source, passthrough: "on" } },
    });
    expect(failed).toMatchObject({
      code: "FILESYSTEM_FAILED",
      message: expect.stringMatching(/EPERM.*FUSE passthrough/),
    });
  });
});

describe.runIf(canPass)("a filesystem that chooses per open", () => {
  it("kernel, daemon, both in one mount; what no reply may say is EIO and an error event", async () => {
    const file = join(place(), "file");
    writeFileSync(file, "the kernel's");
    await using daemon = await startMount({ filesystem: "chosen", options: { filesystemOptions: file } });
    const cat = async (name: string) => {
      const { stdout, stderr } = await client("cat", join(daemon.mountpoint, name));
      return stdout || stderr.replace(/.*: /, "").trim();
    };
    expect([await cat("kernel"), await cat("daemon"), await cat("mapped")]).toEqual([
      "the kernel's",
      "the daemon's\n",
      "the daemon's\n",
    ]);
    expect(await stats(daemon)).toMatchObject({ passthroughOpens: 2, ordinaryOpens: 1, handlerFaults: 0 });
    for (const name of ["with KEEP_CACHE", "without id", "unknown id"])
      expect(await cat(name)).toBe("Input/output error");
    const faults = JSON.stringify(daemon.said.filter(({ event }) => event === "error"));
    expect(faults).toContain("open_flags 0x2 beside PASSTHROUGH");
    expect(faults).toContain("PASSTHROUGH with open.backing_id 0, not above 0");
    expect((await stats(daemon)).handlerFaults).toBe(2);
  });
});
