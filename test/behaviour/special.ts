// Behaviour of FIFOs, sockets, devices and files without a name.
import { expect } from "vitest";
import { area, GROUP, type Target, USER } from "./target.ts";

type It = ReturnType<typeof area>;

/** Registers the tests of special files. */
export function special(target: Target): void {
  const it = area(target, "special");
  if (target.features.mknodPipes === true) pipes(it);
  else {
    const errno = target.features.mknodPipes;
    it(`mknod: FIFOs and sockets are ${errno}`, async ({ p, path }) => {
      expect(await p.outcome("mknod", path("p"), "S_IFIFO|0644")).toBe(errno);
      expect(await p.outcome("mknod", path("s"), "S_IFSOCK|0644")).toBe(errno);
    });
  }
  devices(it);
  if (target.features.tmpfile === true) nameless(it);
  else {
    const errno = target.features.tmpfile;
    it(`O_TMPFILE: is ${errno}`, async ({ p, dir }) => {
      expect(await p.outcome("open", dir, "O_TMPFILE|O_RDWR", 0o600)).toBe(errno);
    });
  }
}

function pipes(it: It): void {
  it("FIFO: one process's writes are another's reads, and opening waits for the other end", async (bench) => {
    const { p, path, probe } = bench;
    await p.call("mknod", path("p"), "S_IFIFO|0600");
    expect((await p.stat(path("p"))).mode).toBe(0o010600);
    const reader = await probe();
    const opened = reader.open(path("p"), "O_RDONLY");
    await reader.blockedIn("SYS_openat", p);
    const writer = await p.open(path("p"), "O_WRONLY");
    const fd = await opened;
    await p.call("write", writer, "through the pipe");
    expect(await reader.text("read", fd, 100)).toBe("through the pipe");
    await p.call("close", writer);
    expect(await reader.text("read", fd, 100)).toBe("");
  });

  it("FIFO: O_NONBLOCK without the other end is ENXIO to write, ok to read; no seek", async ({ p, path }) => {
    await p.call("mknod", path("p"), "S_IFIFO|0600");
    expect(await p.outcome("open", path("p"), "O_WRONLY|O_NONBLOCK")).toBe("ENXIO");
    const fd = await p.open(path("p"), "O_RDONLY|O_NONBLOCK");
    expect(await p.outcome("lseek", fd, 0, "SEEK_SET")).toBe("ESPIPE");
    expect(await p.outcome("ftruncate", fd, 0)).toBe("EINVAL");
    expect(await p.outcome("mknod", path("p"), "S_IFIFO|0600")).toBe("EEXIST");
  });

  it("socket: binds a name, connects through it, and refuses when nobody listens", async ({ p, dir, path, probe }) => {
    const q = await probe();
    await Promise.all([p.call("chdir", dir), q.call("chdir", dir)]);
    const listener = await p.number("bind", "s");
    expect((await p.stat(path("s"))).mode & 0o170000).toBe(0o140000);
    expect(await q.outcome("connect", "s")).toBe("ok");
    expect(await p.outcome("bind", "s")).toBe("EADDRINUSE");
    expect(await p.outcome("open", path("s"), "O_RDWR")).toBe("ENXIO");
    await p.call("close", listener);
    expect(await q.outcome("connect", "s")).toBe("ECONNREFUSED");
    await p.call("unlink", path("s"));
    expect(await q.outcome("connect", "s")).toBe("ENOENT");
  });

  it("mknod: a socket's name can be made and renamed without a socket", async ({ p, path }) => {
    await p.call("mknod", path("s"), "S_IFSOCK|0755");
    await p.call("rename", path("s"), path("t"));
    expect((await p.stat(path("t"))).mode).toBe(0o140755);
  });
}

function devices(it: It): void {
  it("mknod: a regular file is one like any other", async ({ p, path }) => {
    expect(await p.outcome("mknod", path("f"), "S_IFREG|0640")).toBe("ok");
    expect(await p.stat(path("f"))).toMatchObject({ mode: 0o100640, size: 0n, nlink: 1 });
    expect(await p.outcome("mknod", path("g"), 0o600)).toBe("ok");
    expect((await p.stat(path("g"))).mode).toBe(0o100600);
    expect(await p.outcome("mknod", path("d"), "S_IFDIR|0755")).toBe("EPERM");
    expect(await p.outcome("mknod", path("l"), "S_IFLNK|0755")).toBe("EINVAL");
  });

  it("mknod: devices keep kind and numbers", async ({ p, path, features }) => {
    for (const [kind, mode, major, minor] of [
      ["S_IFCHR", 0o020600, 1, 3],
      ["S_IFBLK", 0o060600, 7, 200],
      ["S_IFCHR", 0o020600, 240, 70_000],
    ] as const) {
      const outcome = await p.outcome("mknod", path(`${kind}${major}`), `${kind}|0600`, major, minor);
      expect(outcome).toBe(features.mknodDevices === true ? "ok" : features.mknodDevices);
      if (outcome === "ok") expect(await p.lstat(path(`${kind}${major}`))).toMatchObject({ mode, major, minor });
    }
  });

  it.root("mknod: devices are EPERM for others than root", async ({ path, probe }) => {
    const who = await probe({ uid: USER.alice, gid: GROUP.staff });
    expect(await who.outcome("mknod", path("c"), "S_IFCHR|0666", 1, 3)).toBe("EPERM");
  });
}

function nameless(it: It): void {
  it("O_TMPFILE: holds data without a name, until linked", async ({ p, path, dir, names, content }) => {
    const fd = await p.open(dir, "O_TMPFILE|O_RDWR", 0o640);
    await p.call("write", fd, "nameless");
    expect(await p.fstat(fd)).toMatchObject({ nlink: 0, size: 8n, mode: 0o100640 });
    expect(await names()).toEqual([]);
    await p.call("link_fd", fd, path("named"));
    expect(await content("named")).toBe("nameless");
    expect((await p.fstat(fd)).nlink).toBe(1);
    expect((await p.stat(path("named"))).ino).toBe((await p.fstat(fd)).ino);
  });

  it("O_TMPFILE: with O_EXCL cannot be linked; needs write and a directory", async ({ p, path, dir, file, names }) => {
    await file("f");
    expect(await p.outcome("link_fd", await p.open(dir, "O_TMPFILE|O_RDWR|O_EXCL", 0o600), path("x"))).toBe("ENOENT");
    expect(await p.outcome("open", dir, "O_TMPFILE|O_RDONLY", 0o600)).toBe("EINVAL");
    expect(await p.outcome("open", path("f"), "O_TMPFILE|O_RDWR", 0o600)).toBe("ENOTDIR");
    expect(await p.outcome("open", path("none"), "O_TMPFILE|O_RDWR", 0o600)).toBe("ENOENT");
    const fd = await p.open(dir, "O_TMPFILE|O_WRONLY", 0o600);
    expect(await p.outcome("link_fd", fd, path("f"))).toBe("EEXIST");
    expect(await names()).toEqual(["f"]);
  });

  it("O_TMPFILE: fifty at once are fifty files", async ({ p, dir }) => {
    const inodes = new Set<bigint>();
    for (let i = 0; i < 50; i++) {
      const fd = await p.open(dir, "O_TMPFILE|O_RDWR", 0o600);
      await p.call("write", fd, `${i}`);
      inodes.add((await p.fstat(fd)).ino);
    }
    expect(inodes.size).toBe(50);
  });
}
