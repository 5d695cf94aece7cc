// Handlers that take their time: promises, timers, I/O, interrupts and several workers; and one debug line per message.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { client, type Daemon, startClient, startMount, until } from "./harness.ts";

const startSpecial = (form: "module" | "object", filesystemOptions: object = {}, options: object = {}) =>
  startMount({ form, filesystem: "special", options: { ...options, filesystemOptions } });
const read = async (daemon: Daemon, name: string) => (await client("cat", `${daemon.mountpoint}/${name}`)).stdout;
const waiting = (daemon: Daemon, count: number) =>
  until("the requests", async () => (await daemon.order<{ asynchronous: number }>("stats")).asynchronous >= count);

/** Sends SIGINT to a client that sits in a read(2), and gives what that read returned. */
async function interrupted(daemon: Daemon, name: string): Promise<string> {
  const before = (await daemon.order<{ asynchronous: number }>("stats")).asynchronous;
  const script = [
    `$SIG{INT} = sub {};`,
    `open(my $file, "<", $ARGV[0]) or die $!;`,
    `my $got = sysread($file, my $data, 100);`,
    `print defined $got ? "read $got" : "error $!";`,
  ];
  const reader = startClient(["perl", "-e", script.join(" "), `${daemon.mountpoint}/${name}`]);
  await waiting(daemon, before + 1);
  reader.kill("SIGINT");
  return (await reader.ended).stdout;
}

describe.each(["module", "object"] as const)("asynchronous handlers, %s form", (form) => {
  it("timers, promises, file I/O and fetch inside a handler make progress", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("fetched\n") });
    try {
      await using daemon = await startSpecial(form, { url: server.url.href, file: "/etc/hostname" });
      const hostname = (await client("cat", "/etc/hostname")).stdout;
      for (let round = 0; round < 3; round++) {
        expect(await read(daemon, "timer")).toBe("timer\n");
        expect(await read(daemon, "microtask")).toBe("microtask\n");
        expect(await read(daemon, "promises")).toBe(hostname);
        expect(await read(daemon, "fetch")).toBe("fetched\n");
        expect(await read(daemon, "plain")).toBe("plain\n");
      }
      await daemon.order("unmount");
    } finally {
      await server.stop(true);
    }
  });

  it("64 handlers wait at the same time", async () => {
    await using daemon = await startSpecial(form, { sleepMs: 1500 });
    const started = performance.now();
    const clients = Array.from({ length: 64 }, () => startClient(["cat", `${daemon.mountpoint}/sleep`], 60_000));
    for (const { ended } of clients) expect((await ended).stdout).toBe("slept\n");
    expect(performance.now() - started).toBeLessThan(64 * 1500 * 0.25);
    await daemon.order("unmount");
  });

  it("an interrupted client gets EINTR, and the handler's signal was aborted", async () => {
    await using daemon = await startSpecial(form);
    expect(await interrupted(daemon, "wait")).toBe("error Interrupted system call");
    expect(await read(daemon, "aborted")).toBe("1\n");
    const stopped = startClient(["cat", `${daemon.mountpoint}/wait`]);
    await waiting(daemon, 2);
    stopped.kill("SIGINT");
    expect((await stopped.ended).signal).toBe("SIGINT");
    expect(await read(daemon, "aborted")).toBe("2\n");
    expect(daemon.said.filter(({ event }) => event === "error")).toEqual([]);
    await daemon.order("unmount");
  });

  it("a handler that ignores its signal keeps its result for a client that only caught a signal", async () => {
    await using daemon = await startSpecial(form, { sleepMs: 1200 });
    expect(await interrupted(daemon, "sleep")).toBe("read 6");
    await daemon.order("unmount");
  });

  it("slow: is raised once for a request that waits", async () => {
    await using daemon = await startSpecial(form, { sleepMs: 1000 }, { slowMs: 200 });
    await read(daemon, "sleep");
    const slow = daemon.said.filter(({ event }) => event === "slow");
    expect(slow).toMatchObject([
      { opcode: "READ", nodeid: expect.any(Number), unique: expect.stringMatching(/^\d+$/) },
    ]);
    expect(Number(slow[0]?.["elapsedMs"])).toBeGreaterThanOrEqual(200);
    await daemon.order("unmount");
  });

  it("debug: one line per request and reply, which no name can forge", async () => {
    await using daemon = await startMount({ form, collectDebug: true });
    const { mountpoint } = daemon;
    const hostile = '\n< 1 LOOKUP ok nodeid=66\u001b[2J"\\x';
    await client("cat", `${mountpoint}/hello`, join(mountpoint, hostile));
    await daemon.order("unmount");
    const lines = daemon.said.flatMap(({ event, line }) => (event === "debug" ? [String(line)] : []));
    for (const line of lines) expect(line).toMatch(/^[<>] \d+ [A-Z_0-9]+ [ -~]*$/);
    const requests = lines.filter((line) => line.startsWith(">"));
    const replies = lines.filter((line) => line.startsWith("<"));
    const silent = requests.filter((line) => /^> \d+ (FORGET|BATCH_FORGET|INTERRUPT) /.test(line));
    expect(replies).toHaveLength(requests.length - silent.length);
    const uniques = replies.map((line) => line.split(" ")[1]);
    expect(new Set(uniques).size).toBe(uniques.length);
    expect(lines.find((line) => line.includes("nodeid=66"))).toMatch(/^> \d+ LOOKUP nodeid=1 "\\x0a< 1 LOOKUP/);
    expect(lines.some((line) => /^> \d+ LOOKUP nodeid=1 "hello"/.test(line))).toBe(true);
    expect(lines.some((line) => /^< \d+ READ ok 6 B/.test(line))).toBe(true);
    expect(lines.some((line) => /^< \d+ LOOKUP ENOENT/.test(line))).toBe(true);
  });

  it("debug true: writes the lines to standard error", async () => {
    await using daemon = await startMount({ form, options: { debug: true } });
    await read(daemon, "hello");
    await until("the lines", () => /^> \d+ LOOKUP nodeid=1 "hello"/m.test(daemon.stderr()));
    await daemon.order("unmount");
  });
});

describe.each(["module", "object"] as const)("a listener that throws, %s form", (form) => {
  it("error: the request is answered all the same, and the mount lives on", async () => {
    await using daemon = await startMount({
      form,
      filesystem: "faulty",
      listen: false,
      options: { filesystemOptions: { fault: "throw-unknown", only: ["read"] } },
    });
    await daemon.order("listenBadly", "error");
    for (let round = 0; round < 2; round++) {
      expect((await client("cat", `${daemon.mountpoint}/hello`)).stderr).toContain("Input/output error");
    }
    expect(await daemon.event("uncaught")).toMatchObject({ message: "the listener of error" });
    await daemon.order("unmount");
  });

  it("unmount: the session ends all the same", async () => {
    await using daemon = await startMount({ form });
    await daemon.order("listenBadly", "unmount");
    await daemon.order("unmount");
    expect(await daemon.event("closed")).toMatchObject({ reason: "unmounted" });
    expect(await daemon.event("uncaught")).toMatchObject({ message: "the listener of unmount" });
  });
});

describe("the calling thread", () => {
  it("keeps its timers running while it serves (object form)", async () => {
    await using daemon = await startSpecial("object");
    const before = Number(await read(daemon, "ticks"));
    const busy = startClient(["sh", "-c", `for i in $(seq 200); do cat ${daemon.mountpoint}/plain; done > /dev/null`]);
    await busy.ended;
    await until("ticks", async () => Number(await read(daemon, "ticks")) > before + 20);
    await daemon.order("unmount");
  });

  it("keeps a worker's timers running between requests with background", async () => {
    await using daemon = await startSpecial("module", { background: true });
    const before = Number(await read(daemon, "ticks"));
    await until("ticks", async () => Number(await read(daemon, "ticks")) > before + 20);
    await daemon.order("unmount");
  });
});

describe.each([2, 4])("%d workers", (workers) => {
  it("each have an index and a state of their own, and what createShared made in common", async () => {
    await using daemon = await startSpecial("module", {}, { workers });
    const seen = new Map<string, number[]>();
    for (let round = 0; round < 40 && seen.size < workers; round++) {
      const readers = Array.from({ length: 4 }, () => client("cat", `${daemon.mountpoint}/worker`));
      for (const { stdout } of await Promise.all(readers)) {
        const [, index = "", own] = /^(\d+) of \d+, (\d+)$/.exec(stdout.trim()) ?? [];
        expect(stdout).toContain(` of ${workers},`);
        seen.set(index, [...(seen.get(index) ?? []), Number(own)]);
      }
    }
    expect(seen.size).toBeGreaterThan(1);
    for (const counts of seen.values()) expect(new Set(counts).size).toBe(counts.length);
    const reads = await Promise.all(Array.from({ length: 12 }, () => read(daemon, "reads")));
    expect(reads.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    await daemon.order("unmount");
  });

  it("an interrupt reaches the request, whichever worker reads it", async () => {
    await using daemon = await startSpecial("module", {}, { workers });
    for (let round = 1; round <= 12; round++) {
      expect(await interrupted(daemon, "wait")).toBe("error Interrupted system call");
      expect(await read(daemon, "aborted")).toBe(`${round}\n`);
    }
    await daemon.order("unmount");
  });

  it("serve on while one of them is blocked", async () => {
    await using daemon = await startSpecial("module", {}, { workers });
    const blocked = startClient(["cat", `${daemon.mountpoint}/block`]);
    let during = 0;
    let over = false;
    blocked.ended.then(
      () => (over = true),
      () => {},
    );
    while (!over) {
      expect(await read(daemon, "plain")).toBe("plain\n");
      if (!over) during++;
    }
    expect(during).toBeGreaterThan(5);
    await daemon.order("unmount");
  });

  it("end all together, and leave nothing", async () => {
    await using daemon = await startSpecial("module", {}, { workers });
    expect(daemon.census().fds.filter((fd) => fd === "/dev/fuse")).toHaveLength(workers + 1);
    await daemon.order("unmount");
    daemon.hangUp();
    expect(await daemon.exited).toMatchObject({ status: 0, stderr: "" });
    await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
  });
});
