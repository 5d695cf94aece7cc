// Faulty filesystems: whatever a handler does, its caller gets an answer, others do not notice, and the mount unmounts.

import { describe, expect, it } from "vitest";
import { FAULTS, type Fault } from "./fixtures/faulty.ts";
import { client, type Daemon, mountsAt, startClient, until, within } from "./harness.ts";
import { DEV, isTestable, type LaneCase, startOn, URING } from "./lanes.ts";

/** A form and a lane. */
interface Way {
  readonly name: string;
  readonly form: "module" | "object";
  readonly lane: LaneCase;
}

/** Of `stats()`. */
interface Counts {
  readonly timedOut: number;
  readonly asynchronous: number;
  readonly byOpcode: { readonly STATFS?: number };
}

const way = (form: Way["form"], lane: LaneCase): Way => ({ name: `${form} form, ${lane.name}`, form, lane });
const WAYS = [way("module", DEV), way("object", DEV), way("module", URING)].filter(({ lane }) => isTestable(lane));

/** Commands that reach every handler; each fails or not, but ends. */
function commands(point: string): string[][] {
  const shell = [
    `ls -la ${point}`,
    `cat ${point}/hello`,
    `stat ${point}/hello ${point}`,
    `stat -f ${point}`,
    `echo x > ${point}/new`,
    `echo x >> ${point}/hello`,
    `truncate -s 3 ${point}/hello`,
    `mkdir ${point}/d; rmdir ${point}/d; rm -f ${point}/hello; mv ${point}/hello ${point}/h2`,
    `ln ${point}/hello ${point}/l; ln -s x ${point}/s; readlink ${point}/s; mkfifo ${point}/f`,
    `getfattr -d ${point}/hello; chmod 600 ${point}/hello; touch ${point}/hello; sync -f ${point}`,
    `flock -n ${point}/hello true; fallocate -l 10 ${point}/hello`,
  ];
  return shell.map((line) => ["sh", "-c", line]);
}

async function endsCleanly(daemon: Daemon): Promise<void> {
  await daemon.order("unmount").catch(() => daemon.order("unmount", { force: true }));
  daemon.hangUp();
  expect(await within("the daemon's end", daemon.exited)).toMatchObject({ status: 0, stderr: "" });
  await until("nothing left", () => daemon.leftovers().length === 0);
}

const startFaulty = ({ form, lane }: Way, fault: string, more: object = {}, options: object = {}) =>
  startOn(lane, { form, filesystem: "faulty", options: { ...options, filesystemOptions: { fault, ...more } } });

/** What `ls` and `cat` are told, and what the `error` events hold, when all but the root's getattr are faulty. */
const ANSWERS: Readonly<Record<Exclude<Fault, "hang">, readonly [told: RegExp, event: RegExp | undefined]>> = {
  "throw-known": [/Invalid cross-device link/, undefined],
  "reject-known": [/Invalid cross-device link/, undefined],
  "throw-unknown": [/Input\/output error/, /no such thing/],
  "reject-unknown": [/Input\/output error/, /no such thing/],
  "throw-nothing": [/Input\/output error/, /undefined/],
  "throw-unshowable": [/Input\/output error/, /null prototype/],
  nan: [/Input\/output error/, /NaN/],
  "promise-nan": [/Input\/output error/, /NaN/],
  infinite: [/Input\/output error/, /Infinity/],
  huge: [/No such file/, undefined], // a count is not looked at where none is due
  fraction: [/Input\/output error/, /0\.5/],
  negative: [/Input\/output error/, /-100000/],
  string: [/Input\/output error/, /seven/],
  "promise-string": [/Input\/output error/, /seven/],
  object: [/Input\/output error/, /\{\}/],
  bigint: [/Input\/output error/, /7/],
  null: [/Input\/output error/, /null/],
  zero: [/No such file/, undefined],
  nothing: [/No such file/, undefined],
  "bad-thenable": [/Input\/output error/, /bad thenable/],
};

describe.concurrent.each(WAYS)("faulty handlers, $name", (faulty) => {
  const { form, lane } = faulty;
  /** Over io_uring a caller, killed or not, leaves when its handler settles. */
  const leaving: (name: string, run: () => Promise<void>) => void = lane === DEV ? it : () => {};

  it.each(Object.entries(ANSWERS))(
    "%s: callers are told, one error event per fault, and it unmounts",
    async (fault, [told, event]) => {
      await using daemon = await startFaulty(faulty, fault, { except: ["getattr"] });
      const ended = await client("cat", `${daemon.mountpoint}/hello`);
      expect(ended.status).toBe(1);
      expect(ended.stderr).toMatch(told);
      if (event === undefined) expect(daemon.said.filter((line) => line.event === "error")).toEqual([]);
      else {
        const said = await daemon.event("error");
        expect(said).toMatchObject({
          opcode: "LOOKUP",
          nodeid: 1,
          unique: expect.stringMatching(/^\d+$/),
          isError: !["throw-nothing", "throw-unshowable"].includes(fault) || form === "module",
        });
        expect(said["error"]).toMatchObject({ message: expect.stringMatching(event) });
      }
      for (const argv of commands(daemon.mountpoint)) await client(...argv);
      await endsCleanly(daemon);
    },
  );

  it.each(Object.keys(FAULTS).filter((fault) => fault !== "hang"))(
    "%s in every handler at all: it still unmounts",
    async (fault) => {
      await using daemon = await startFaulty(faulty, fault);
      for (const argv of commands(daemon.mountpoint)) await client(...argv);
      await endsCleanly(daemon);
    },
  );

  it("throw-unshowable, and nobody listens: callers are told, and standard error", async () => {
    const filesystemOptions = { fault: "throw-unshowable", except: ["getattr"] };
    await using daemon = await startOn(lane, {
      form,
      filesystem: "faulty",
      listen: false,
      options: { filesystemOptions },
    });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stderr).toContain("Input/output error");
    await daemon.order("unmount");
    daemon.hangUp();
    const { status, stderr } = await within("the daemon's end", daemon.exited);
    expect([status, stderr]).toEqual([0, expect.stringContaining("rfuse: LOOKUP nodeid 1: ")]);
  });

  leaving("hang: callers can be killed, and unmounting by force works", async () => {
    await using daemon = await startFaulty(faulty, "hang", { except: ["getattr"] }, { slowMs: 200 });
    const hung = ["cat", "stat", "rm"].map((tool) => startClient([tool, `${daemon.mountpoint}/hello`], 30_000));
    expect(await daemon.event("slow")).toMatchObject({ opcode: "LOOKUP", nodeid: 1 });
    for (const { kill } of hung) kill("SIGKILL"); // all: lookups of one name wait for the first of them
    for (const { ended } of hung) expect((await within("the killed client", ended)).signal).toBe("SIGKILL");
    await daemon.order("unmount", { force: true });
    await endsCleanly(daemon);
  });

  leaving("hang: lets a client be interrupted, and unmount plainly after its clients died", async () => {
    await using daemon = await startFaulty(faulty, "hang", { except: ["getattr"] });
    const hung = startClient(["cat", `${daemon.mountpoint}/hello`], 30_000);
    await until("the request", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous > 0);
    hung.kill("SIGKILL");
    await within("the killed client", hung.ended);
    await endsCleanly(daemon);
  });

  leaving("hang: with requestTimeoutMs callers are told ETIMEDOUT, and are counted", async () => {
    await using daemon = await startFaulty(faulty, "hang", { except: ["getattr"] }, { requestTimeoutMs: 300 });
    for (let count = 0; count < 3; count++) {
      expect((await client("cat", `${daemon.mountpoint}/hello`)).stderr).toContain("Connection timed out");
    }
    // A session that has ended may have had our device number: it asks STATFS whether we are its dead mount.
    const { timedOut, asynchronous, byOpcode } = await daemon.order<Counts>("stats");
    const most = 3 + (byOpcode.STATFS ?? 0);
    for (const counted of [timedOut, asynchronous]) {
      expect(counted).toBeGreaterThanOrEqual(3);
      expect(counted).toBeLessThanOrEqual(most);
    }
    for (const argv of commands(daemon.mountpoint).slice(0, 6)) await client(...argv);
    await endsCleanly(daemon);
  });

  const LISTINGS: readonly (readonly [fault: string, told: RegExp, event: RegExp | undefined])[] = [
    ["slash-name", /Input\/output error|Invalid argument/, undefined],
    ["empty-name", /Input\/output error|Invalid argument/, undefined],
    ["long-name", /Input\/output error|Invalid argument/, undefined],
    ["zero-offset", /Input\/output error|Invalid argument/, undefined],
    ["bad-offset", /Input\/output error|Invalid argument/, undefined],
    ["raw-garbage", /Input\/output error/, undefined],
  ];
  it.each(LISTINGS)("readdir %s: the listing fails, the rest works", async (fault, told) => {
    await using daemon = await startFaulty(faulty, fault);
    const ended = await client("ls", "-U", daemon.mountpoint);
    expect(ended.stderr).toMatch(told);
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await endsCleanly(daemon);
  });

  it("readdir endless: a reader can stop, and others work", async () => {
    await using daemon = await startFaulty(faulty, "endless");
    const ended = await client("sh", "-c", `ls -U -1 -f ${daemon.mountpoint} | head -n 5000 | sort -u`);
    expect(ended.stdout).toBe("again\n");
    await endsCleanly(daemon);
  });

  it.each(["wrong-length", "mode-zero", "nodeid-root", "type-change", "huge-size"])(
    "struct %s: nobody hangs",
    async (fault) => {
      await using daemon = await startFaulty(faulty, fault);
      for (const argv of commands(daemon.mountpoint)) await client(...argv);
      await endsCleanly(daemon);
    },
  );

  it("block: a handler that holds its thread for 2 s delays others, and no more", async () => {
    await using daemon = await startOn(lane, { form, filesystem: "special" });
    const blocked = startClient(["cat", `${daemon.mountpoint}/block`]);
    const other = startClient(["cat", `${daemon.mountpoint}/plain`]);
    expect((await blocked.ended).stdout).toBe("blocked\n");
    expect((await other.ended).stdout).toBe("plain\n");
    await endsCleanly(daemon);
  });

  it("throw, stack: an exception and a stack overflow in a handler cost their request alone", async () => {
    await using daemon = await startOn(lane, { form, filesystem: "special" });
    for (const [name, message] of [
      ["throw", /thrown on purpose/],
      ["stack", /call stack/i],
    ] as const) {
      expect((await client("cat", `${daemon.mountpoint}/${name}`)).stderr).toContain("Input/output error");
      await until("the event", () =>
        daemon.said.some(({ event, error }) => event === "error" && message.test((error as Error).message)),
      );
      expect((await client("cat", `${daemon.mountpoint}/plain`)).stdout).toBe("plain\n");
    }
    expect(daemon.said.find(({ event }) => event === "error")).toMatchObject({ opcode: "READ", isError: true });
    await endsCleanly(daemon);
  });

  it("error: goes to standard error when nobody listens", async () => {
    await using daemon = await startOn(lane, { form, filesystem: "special", listen: false });
    await client("cat", `${daemon.mountpoint}/throw`);
    await until("the line", () => daemon.stderr().includes("thrown on purpose"));
    expect(daemon.stderr()).toMatch(/^rfuse: READ nodeid \d+: Error: thrown on purpose/);
    await daemon.order("unmount");
  });
});

describe("a handler that never returns", () => {
  const served = WAYS.filter(({ form }) => form === "module");
  it.each(served)(
    "lets its mount be taken away by force, and its callers go; what still runs is said, $name",
    async (one) => {
      await using daemon = await startFaulty(one, "blocked");
      const { mountpoint } = daemon;
      const hung = startClient(["cat", `${mountpoint}/hello`], 30_000);
      await until("the request", async () => (await daemon.order<{ requests: number }>("stats")).requests > 0);
      await expect(daemon.order("unmount", { force: true })).rejects.toMatchObject({
        code: "UNMOUNT_FAILED",
        message: expect.stringContaining("is unmounted, but its filesystem has not ended"),
      });
      expect((await within("the caller", hung.ended)).status).toBe(1);
      expect(mountsAt(mountpoint)).toEqual([]);
    },
  );
});
