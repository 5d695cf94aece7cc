// What is particular to the io_uring lane: how it is chosen, and that an answer leaves with its tag's memory. The suites
// that every lane is judged by run over the tables of lanes.ts and served.ts.

import { describe, expect, it } from "vitest";
import { client, failedMount, startMount, until } from "./harness.ts";
import { startOn, URING, uringTestable, whileSwitched } from "./lanes.ts";

describe.runIf(uringTestable)("io_uring", () => {
  it("lane: is said by the mount, and requests go through the ring", async () => {
    await using daemon = await startOn(URING, { filesystem: "tiny" });
    expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: "io_uring" });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).status).toBe(0);
  });

  it("lane: asked for by name is refused while enable_uring is off, and auto takes the device", async () => {
    await whileSwitched("N", async () => {
      const refused = await failedMount({ filesystem: "tiny", options: { lane: "io_uring" } });
      expect(refused).toMatchObject({ code: "LANE_UNAVAILABLE", message: expect.stringContaining("enable_uring") });
      await using daemon = await startMount({ filesystem: "tiny", options: { lane: "auto" } });
      expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: "dev" });
    });
  });

  it("lane: auto takes it while enable_uring is on", async () => {
    await using daemon = await whileSwitched("Y", () => startMount({ filesystem: "tiny", options: { lane: "auto" } }));
    expect(daemon.said.find(({ event }) => event === "ready")).toMatchObject({ lane: "io_uring" });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).status).toBe(0);
  });

  it.each(["module", "object"] as const)(
    "requestTimeoutMs, %s form: the answer goes out when the handler gives the tag's memory back",
    async (form) => {
      await using daemon = await startOn(URING, {
        form,
        filesystem: "special",
        options: { queueDepth: 1, requestTimeoutMs: 200, filesystemOptions: { sleepMs: 800 } },
      });
      for (let round = 0; round < 2; round++) {
        expect((await client("cat", `${daemon.mountpoint}/sleep`)).stderr).toContain("Connection timed out");
        expect((await client("cat", `${daemon.mountpoint}/plain`)).stdout).toBe("plain\n");
      }
      expect(await daemon.order("stats")).toMatchObject({ timedOut: 2, handlerFaults: 0, refusedReplies: 0 });
      await daemon.order("unmount");
      daemon.hangUp();
      expect((await daemon.exited).status).toBe(0);
      await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
    },
  );

  // The kernel writes a ring's last completions after its worker's heap has gone to others.
  it.each(["module", "object"] as const)(
    "mount: 40 times in one process does no harm to its memory, %s form",
    async (form) => {
      await using daemon = await startOn(URING, { form, filesystem: "tiny", cycles: 40 });
      expect(daemon.said.filter(({ event, content }) => event === "cycle" && content === "hello\n")).toHaveLength(40);
      await daemon.order("unmount");
      daemon.hangUp();
      expect((await daemon.exited).status).toBe(0);
    },
  );

  it("unmount: ends the session with requests in flight on the ring, and leaves nothing", async () => {
    await using daemon = await startOn(URING, {
      filesystem: "faulty",
      options: { filesystemOptions: { fault: "hang", only: ["getattr"] } },
    });
    const waiting = client("stat", `${daemon.mountpoint}/hello`);
    await daemon.order("unmount", { force: true });
    expect((await waiting).status).not.toBe(0);
    daemon.hangUp();
    expect((await daemon.exited).status).toBe(0);
    await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
  });
});
