// Proves how the calling thread's server ends, over a pair of sockets in the device's place.
import { afterEach, describe, expect, it } from "vitest";
import { checked, orThrow } from "../../ffi/errno.ts";
import { close } from "../../ffi/file.ts";
import { libc } from "../../ffi/libc.ts";
import { addressOf } from "../../ffi/memory.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createBoard } from "../../src/server/board.ts";
import { createNotifications } from "../../src/server/notifications.ts";
import { createNotifierFds } from "../../src/server/notifier-fds.ts";
import type { QueueSettings } from "../../src/server/open-queue.ts";
import { createStatistics } from "../../src/server/statistics.ts";
import { createLocalServer } from "../../src/servers.ts";
import { connectionWith } from "./fake-kernel.ts";

const [AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC] = [1, 5, 0o2000000];

const open = new Set<number>();
afterEach(() => {
  for (const fd of open) close(fd);
  open.clear();
});

function start(filesystem: Filesystem) {
  const fds = new Int32Array(2);
  orThrow(checked(libc.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, addressOf(fds))), "socketpair");
  const [ours, fd] = [fds[0] as number, fds[1] as number];
  open.add(ours).add(fd);
  const connection = connectionWith([], 65_536);
  const notifierFds = createNotifierFds(1);
  const settings: QueueSettings = {
    ...{
      fd,
      sessionFd: fd,
      session: `local-server-${fd}`,
      notifierFds,
      index: 0,
      count: 1,
      connection,
      mountpoint: "/nowhere",
    },
    ...{ board: createBoard(1).buffer, statistics: createStatistics(1), maxInFlight: 16, timeoutMs: 0, slowMs: 0 },
    ...{
      trace: false,
      lane: "dev",
      ring: undefined,
      uring: undefined,
      cache: undefined,
      cpus: [],
      depth: 8,
      spinUs: 0,
      sleepIn: "kernel",
    },
    ...{ latencyFd: -1, pin: -1, successor: false },
  };
  const fail = (what: unknown) => {
    throw new Error(`unexpected: ${String(what)}`);
  };
  const server = createLocalServer(filesystem, {
    ...{ error: ({ error }) => fail(error), slow: fail, trace: fail },
    ...{ replacing: (_, error) => fail(error), crashed: (_, error) => fail(error) },
  });
  const thread = createNotifications({
    ...{
      fd,
      session: settings.session,
      asker: 0,
      connection,
      fds: notifierFds,
      cache: undefined,
      startNotifier: fail as never,
    },
  });
  return {
    server,
    serve: () => server.serve([settings], thread),
    hangUp() {
      close(ours);
      open.delete(ours);
    },
  };
}

describe("createLocalServer, discard", () => {
  it("waits for a queue that serves: it has ended, and its filesystem is destroyed", async () => {
    const seen: string[] = [];
    const { server, serve, hangUp } = start({
      async destroy() {
        await Bun.sleep(20);
        seen.push("destroyed");
      },
    });
    await serve();
    hangUp();
    await server.discard();
    expect(seen).toEqual(["destroyed"]);
    await server.ended;
  });

  it("does not wait for an init that never returns", async () => {
    const { server, serve } = start({ init: () => new Promise<void>(() => {}) });
    void serve();
    await server.discard();
    await server.ended;
    expect(server.queues).toBe(1);
  });
});
