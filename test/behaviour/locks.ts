// Behaviour of POSIX record locks and flock between processes.
// A waiting probe is known to wait by the system call it sleeps in, never by time that has passed.
import { expect } from "vitest";
import { PATIENCE } from "./pace.ts";
import type { Probe } from "./probe.ts";
import { area, type Bench, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

/** Registers the tests of locks. */
export function locks(target: Target): void {
  const it = area(target, "locks");
  if (target.features.locks !== true) {
    const errno = target.features.locks;
    it(`locks: are ${errno}`, async ({ p, path }) => {
      const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
      expect(await p.outcome("flock", fd, "LOCK_EX|LOCK_NB")).toBe(errno);
      expect(await p.outcome("setlk", fd, "F_WRLCK", 0, 0)).toBe(errno);
    });
    return;
  }
  whole(it);
  ranges(it);
  waiting(it);
  releasing(it);
}

type Pair = { p: Probe; q: Probe; a: number; b: number };

/** Two processes with one file open each. */
async function pair({ p, path, probe }: Bench): Promise<Pair> {
  const q = await probe();
  return { p, q, a: await p.open(path("f"), "O_RDWR|O_CREAT"), b: await q.open(path("f"), "O_RDWR") };
}

/** Repeats a call that is refused while another lock is being given up; a release may reach the server late. */
async function eventually(call: () => Promise<string>): Promise<void> {
  const end = performance.now() + 10_000 * PATIENCE;
  for (let outcome = await call(); outcome !== "ok"; outcome = await call()) {
    expect(outcome).toBe("EAGAIN");
    if (performance.now() > end) throw new Error("the lock was not released in time");
  }
}

function whole(it: It): void {
  it("flock: shared with shared, exclusive with none", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    const table = [
      ["LOCK_SH", "LOCK_SH", "ok"],
      ["LOCK_SH", "LOCK_EX", "EAGAIN"],
      ["LOCK_EX", "LOCK_SH", "EAGAIN"],
      ["LOCK_EX", "LOCK_EX", "EAGAIN"],
      ["LOCK_UN", "LOCK_EX", "ok"],
    ] as const;
    for (const [held, wanted, outcome] of table) {
      await p.call("flock", a, `${held}|LOCK_NB`);
      expect([held, wanted, await q.outcome("flock", b, `${wanted}|LOCK_NB`)]).toEqual([held, wanted, outcome]);
      await q.call("flock", b, "LOCK_UN");
    }
    expect(await p.outcome("flock", a, 0)).toBe("EINVAL");
    expect(await p.outcome("flock", 999, "LOCK_EX")).toBe("EBADF");
  });

  it("flock: belongs to the open file: dup shares it, a second open does not", async ({ p, path }) => {
    const fd = await p.open(path("f"), "O_RDWR|O_CREAT");
    const twin = await p.number("dup", fd);
    const second = await p.open(path("f"), "O_RDWR");
    await p.call("flock", fd, "LOCK_EX|LOCK_NB");
    expect(await p.outcome("flock", twin, "LOCK_EX|LOCK_NB")).toBe("ok");
    expect(await p.outcome("flock", second, "LOCK_SH|LOCK_NB")).toBe("EAGAIN");
    await p.call("close", fd);
    expect(await p.outcome("flock", second, "LOCK_SH|LOCK_NB")).toBe("EAGAIN");
    await p.call("flock", twin, "LOCK_UN");
    expect(await p.outcome("flock", second, "LOCK_EX|LOCK_NB")).toBe("ok");
  });

  it("flock: an exclusive lock becomes shared in place, two shared ones cannot both rise", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("flock", a, "LOCK_EX");
    await p.call("flock", a, "LOCK_SH");
    expect(await q.outcome("flock", b, "LOCK_SH|LOCK_NB")).toBe("ok");
    expect(await q.outcome("flock", b, "LOCK_EX|LOCK_NB")).toBe("EAGAIN");
  });

  it("flock: other files and read-only descriptors lock on their own", async ({ p, path, file, probe }) => {
    await file("f");
    await file("g");
    const q = await probe();
    await p.call("flock", await p.open(path("f")), "LOCK_EX|LOCK_NB");
    expect(await q.outcome("flock", await q.open(path("g")), "LOCK_EX|LOCK_NB")).toBe("ok");
    expect(await q.outcome("flock", await q.open(path("f")), "LOCK_EX|LOCK_NB")).toBe("EAGAIN");
  });
}

function ranges(it: It): void {
  it("record lock: conflicts where ranges overlap and one side writes", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("setlk", a, "F_WRLCK", 100, 100);
    for (const [type, start, length, outcome] of [
      ["F_RDLCK", 0, 100, "ok"],
      ["F_WRLCK", 0, 101, "EAGAIN"],
      ["F_RDLCK", 199, 1, "EAGAIN"],
      ["F_WRLCK", 200, 0, "ok"],
      ["F_RDLCK", 50, 0, "EAGAIN"],
    ] as const) {
      expect([start, length, await q.outcome("setlk", b, type, start, length)]).toEqual([start, length, outcome]);
      await q.call("setlk", b, "F_UNLCK", 0, 0);
    }
    await p.call("setlk", a, "F_RDLCK", 100, 100);
    expect(await q.outcome("setlk", b, "F_RDLCK", 100, 100)).toBe("ok");
    expect(await p.outcome("setlk", a, "F_WRLCK", 100, 100)).toBe("EAGAIN");
  });

  it("F_GETLK: names the lock in the way and its process, or none", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("setlk", a, "F_WRLCK", 10, 20);
    expect(await q.text("getlk", b, "F_RDLCK", 0, 0)).toBe(`F_WRLCK,10,20,${p.pid}`);
    expect(await q.text("getlk", b, "F_WRLCK", 0, 10)).toBe("F_UNLCK");
    expect(await p.text("getlk", a, "F_WRLCK", 0, 0)).toBe("F_UNLCK");
    await p.call("setlk", a, "F_RDLCK", 10, 20);
    expect(await q.text("getlk", b, "F_WRLCK", 0, 0)).toBe(`F_RDLCK,10,20,${p.pid}`);
    expect(await q.text("getlk", b, "F_RDLCK", 0, 0)).toBe("F_UNLCK");
  });

  it("record lock: unlocking the middle splits, touching locks merge, a new type replaces", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    const first = (start: number) => q.text("getlk", b, "F_WRLCK", start, 0);
    await p.call("setlk", a, "F_WRLCK", 0, 100);
    await p.call("setlk", a, "F_UNLCK", 40, 20);
    expect([await first(0), await first(40)]).toEqual([`F_WRLCK,0,40,${p.pid}`, `F_WRLCK,60,40,${p.pid}`]);
    expect(await q.outcome("setlk", b, "F_WRLCK", 40, 20)).toBe("ok");
    await q.call("setlk", b, "F_UNLCK", 0, 0);
    await p.call("setlk", a, "F_WRLCK", 40, 20);
    expect(await first(0)).toBe(`F_WRLCK,0,100,${p.pid}`);
    await p.call("setlk", a, "F_RDLCK", 90, 20);
    expect([await first(0), await first(90)]).toEqual([`F_WRLCK,0,90,${p.pid}`, `F_RDLCK,90,20,${p.pid}`]);
  });

  it("record lock: length 0 reaches all that is ever appended", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("setlk", a, "F_WRLCK", 1000, 0);
    expect(await q.outcome("setlk", b, "F_RDLCK", 2n ** 62n, 1)).toBe("EAGAIN");
    expect(await q.text("getlk", b, "F_RDLCK", 0, 0)).toBe(`F_WRLCK,1000,0,${p.pid}`);
    expect(await q.outcome("setlk", b, "F_WRLCK", 0, 1000)).toBe("ok");
  });

  it("record lock: needs a descriptor open for it, and a range that exists", async ({ p, path, file }) => {
    await file("f");
    expect(await p.outcome("setlk", await p.open(path("f")), "F_WRLCK", 0, 0)).toBe("EBADF");
    expect(await p.outcome("setlk", await p.open(path("f"), "O_WRONLY"), "F_RDLCK", 0, 0)).toBe("EBADF");
    expect(await p.outcome("setlk", await p.open(path("f"), "O_RDWR"), "F_WRLCK", -1, 1)).toBe("EINVAL");
  });

  it("open file description lock: conflicts inside one process, until unlocked", async ({ p, path }) => {
    const [one, two] = [await p.open(path("f"), "O_RDWR|O_CREAT"), await p.open(path("f"), "O_RDWR")];
    await p.call("ofd_setlk", one, "F_WRLCK", 0, 10);
    expect(await p.outcome("ofd_setlk", two, "F_WRLCK", 5, 10)).toBe("EAGAIN");
    expect(await p.outcome("setlk", two, "F_WRLCK", 5, 10)).toBe("EAGAIN");
    await p.call("ofd_setlk", one, "F_UNLCK", 0, 0);
    expect(await p.outcome("ofd_setlk", two, "F_WRLCK", 5, 10)).toBe("ok");
  });
}

// The two kinds of lock, each as: take, take waiting, give up, and the system call that waits.
const KINDS = {
  flock: {
    take: ["flock", "LOCK_EX|LOCK_NB"],
    wait: ["flock", "LOCK_EX"],
    drop: ["flock", "LOCK_UN"],
    call: "SYS_flock",
  },
  record: {
    take: ["setlk", "F_WRLCK", 0, 10],
    wait: ["setlkw", "F_WRLCK", 5, 10],
    drop: ["setlk", "F_UNLCK", 0, 0],
    call: "SYS_fcntl",
  },
} as const;

function lock(
  probe: Probe,
  fd: number,
  [command, ...rest]: readonly [string, ...(string | number)[]],
): Promise<string> {
  return probe.outcome(command, fd, ...rest);
}

function waiting(it: It): void {
  for (const [name, kind] of Object.entries(KINDS)) {
    it(`${name}: a waiter sleeps until the holder unlocks`, async (bench) => {
      const { p, q, a, b } = await pair(bench);
      await lock(p, a, kind.take);
      const waited = lock(q, b, kind.wait);
      await q.blockedIn(kind.call, p);
      expect(await lock(p, a, kind.drop)).toBe("ok");
      expect(await waited).toBe("ok");
      expect(await lock(p, a, kind.take)).toBe("EAGAIN");
    });

    it(`${name}: a signal ends the wait with EINTR, without the lock, and all goes on`, async (bench) => {
      const { p, q, a, b } = await pair(bench);
      await lock(p, a, kind.take);
      const waited = lock(q, b, kind.wait);
      await q.blockedIn(kind.call, p);
      q.signal("SIGUSR1");
      expect(await waited).toBe("EINTR");
      expect(await lock(p, a, kind.drop)).toBe("ok");
      expect(await lock(p, a, kind.take)).toBe("ok");
      expect(await q.number("pwrite", b, 0, "alive")).toBe(5);
      expect(await bench.content("f")).toBe("alive");
    });

    it(`${name}: a waiter that is killed leaves no lock behind`, async (bench) => {
      const { p, q, a, b } = await pair(bench);
      await lock(p, a, kind.take);
      const waited = lock(q, b, kind.wait).catch(() => "died");
      await q.blockedIn(kind.call, p);
      await q.close();
      expect(await waited).toBe("died");
      const r = await bench.probe();
      const c = await r.open(bench.path("f"), "O_RDWR");
      expect(await lock(r, c, kind.take)).toBe("EAGAIN");
      await lock(p, a, kind.drop);
      await eventually(() => lock(r, c, kind.take));
    });

    it(`${name}: the death of the holder wakes the waiter`, async (bench) => {
      const { p, q, a, b } = await pair(bench);
      await lock(q, b, kind.take);
      const waited = lock(p, a, kind.wait);
      await p.blockedIn(kind.call, await bench.probe());
      await q.close();
      expect(await waited).toBe("ok");
    });
  }

  it("record: three waiters get the lock one after another", async (bench) => {
    const { p, path, probe } = bench;
    const a = await p.open(path("f"), "O_RDWR|O_CREAT");
    await p.call("setlk", a, "F_WRLCK", 0, 0);
    const turns = [1, 2, 3].map(async (n) => {
      const q = await probe();
      const fd = await q.open(path("f"), "O_RDWR|O_APPEND");
      const turn = q.call("setlkw", fd, "F_WRLCK", 0, 0);
      await q.blockedIn("SYS_fcntl", await probe());
      return {
        n,
        done: turn.then(() => q.call("append", fd, 50, `${n}`)).then(() => q.call("setlk", fd, "F_UNLCK", 0, 0)),
      };
    });
    const started = await Promise.all(turns);
    await p.call("setlk", a, "F_UNLCK", 0, 0);
    await Promise.all(started.map(({ done }) => done));
    expect(
      (await bench.content("f"))
        .match(/(\d)\1{49}/g)
        ?.sort()
        .map((run) => run.charAt(0)),
    ).toEqual(["1", "2", "3"]);
  });
}

function releasing(it: It): void {
  it("flock: closing the last descriptor releases", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("flock", a, "LOCK_EX");
    await p.call("close", a);
    await eventually(() => q.outcome("flock", b, "LOCK_EX|LOCK_NB"));
  });

  it("record lock: closing any descriptor of the file releases all of the process's", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("setlk", a, "F_WRLCK", 0, 0);
    await p.call("close", await p.open(bench.path("f")));
    expect(await q.outcome("setlk", b, "F_WRLCK", 0, 0)).toBe("ok");
    expect(await p.outcome("setlk", a, "F_WRLCK", 0, 0)).toBe("EAGAIN");
  });

  it("open file description lock: ends with its last descriptor, and not with another's", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    const twin = await p.number("dup", a);
    await p.call("ofd_setlk", a, "F_WRLCK", 0, 10);
    await p.call("close", await p.open(bench.path("f")));
    await p.call("close", a);
    expect(await q.outcome("ofd_setlk", b, "F_WRLCK", 5, 10)).toBe("EAGAIN");
    await p.call("close", twin);
    await eventually(() => q.outcome("ofd_setlk", b, "F_WRLCK", 5, 10));
  });

  it("locks: hold on an unlinked file, and a new file of that name is free", async (bench) => {
    const { p, q, a, b } = await pair(bench);
    await p.call("setlk", a, "F_WRLCK", 0, 0);
    await p.call("flock", a, "LOCK_EX");
    await p.call("unlink", bench.path("f"));
    expect(await q.outcome("setlk", b, "F_WRLCK", 0, 0)).toBe("EAGAIN");
    expect(await q.outcome("flock", b, "LOCK_EX|LOCK_NB")).toBe("EAGAIN");
    const fresh = await q.open(bench.path("f"), "O_RDWR|O_CREAT");
    expect(await q.outcome("setlk", fresh, "F_WRLCK", 0, 0)).toBe("ok");
    expect(await q.outcome("flock", fresh, "LOCK_EX|LOCK_NB")).toBe("ok");
  });
}
