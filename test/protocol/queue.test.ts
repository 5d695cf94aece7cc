// Proves the queue's two loops over fake kernels. The doorbell thread is left out: the test rings the bell itself.
import { describe, expect, it } from "vitest";
import { checked, orThrow } from "../../ffi/errno.ts";
import { close, write } from "../../ffi/file.ts";
import { libc } from "../../ffi/libc.ts";
import { addressOf } from "../../ffi/memory.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { ARM, BELL, type Board, bellIndex, createBoard, ring } from "../../src/server/board.ts";
import { inputSizes } from "../../src/server/init.ts";
import { createQueue } from "../../src/server/queue.ts";
import { createStatistics, statisticsRow } from "../../src/server/statistics.ts";
import { createWaitPolicy } from "../../src/server/wait-policy.ts";
import { openDevTransport } from "../../src/transport/dev.ts";
import { connectionWith } from "./fake-kernel.ts";
import { reply, request, shown, u64, z } from "./wire.ts";

const [AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC, MSG_DONTWAIT] = [1, 5, 0o2000000, 0x40];

/** recvfrom(2) and shutdown(2); the C library's table has neither. */
const [RECVFROM, SHUTDOWN] = process.arch === "arm64" ? [207, 210] : [45, 48];
const SHUT_WR = 1;

function open(filesystem: Filesystem, board: Board = createBoard(1), index = 0, maxInFlight = 16) {
  const fds = new Int32Array(2);
  orThrow(checked(libc.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, addressOf(fds))), "socketpair");
  const [ours, theirs] = [fds[0] as number, fds[1] as number];
  const connection = connectionWith([], 65_536);
  const buffer = new Uint8Array(65_536);
  const watched: number[] = [];
  const statistics = statisticsRow(createStatistics(1), 0);
  const queue = createQueue({
    filesystem,
    connection,
    transport: openDevTransport({ fd: theirs, maxPayload: 65_536, maxInFlight, inSizes: inputSizes(connection) }),
    statistics,
    wait: createWaitPolicy(0, statistics),
    sleepIn: "kernel",
    board,
    index,
    startDoorbell: (fd) => void watched.push(fd),
    events: { error() {}, slow() {} },
    notifications: { watch() {}, retrieved() {}, end() {} },
    timeoutMs: 0,
    slowMs: 0,
  });
  return {
    queue,
    watched,
    board,
    theirs,
    send(...messages: readonly Uint8Array[]) {
      for (const bytes of messages) orThrow(write(ours, addressOf(bytes), bytes.length), "write");
      ring(board, index);
    },
    /** The next reply, waiting for it in the event loop. */
    async receive(): Promise<string> {
      const deadline = Bun.nanoseconds() + 10e9;
      while (Bun.nanoseconds() < deadline) {
        const size = checked(libc.syscall(RECVFROM, ours, addressOf(buffer), buffer.length, MSG_DONTWAIT, 0, 0));
        if (size > 0) return shown(buffer.slice(0, size));
        await new Promise(setImmediate);
      }
      throw new Error("no reply within 10 s");
    },
    /** No more requests will come; replies can still be read. */
    finish: () => orThrow(checked(libc.syscall(SHUTDOWN, ours, SHUT_WR, 0, 0, 0, 0)), "shutdown"),
    hangUp() {
      close(ours);
      ring(board, index);
    },
  };
}

const statfs = (unique: bigint) => request({ code: 17, unique });
const unlink = (unique: bigint, name: string) => request({ code: 10, unique }, z(name));

describe("serveEvents", () => {
  it("requests: are answered as they come, until the other end hangs up", async () => {
    const end = open({ statfs: () => -95 });
    const served = end.queue.serveEvents();
    for (let unique = 2n; unique < 400n; unique += 2n) end.send(statfs(unique));
    for (let unique = 2n; unique < 400n; unique += 2n) expect(await end.receive()).toBe(shown(reply(-95, unique)));
    end.hangUp();
    await served;
    expect(end.watched).toEqual([end.theirs]);
    expect(end.board[bellIndex(0) + BELL.ARM]).toBe(ARM.END);
    close(end.theirs);
  });

  it("full queue: goes on when a promise settles, without a bell from outside", async () => {
    const gates: (() => void)[] = [];
    const end = open({ unlink: () => new Promise((resolve) => gates.push(() => resolve(0))) }, createBoard(1), 0, 2);
    const served = end.queue.serveEvents();
    end.send(unlink(2n, "a"), unlink(4n, "b"), unlink(6n, "c"), unlink(8n, "d"));
    for (let index = 0; index < 4; index++) {
      const deadline = Bun.nanoseconds() + 10e9;
      while (gates[index] === undefined && Bun.nanoseconds() < deadline) await new Promise(setImmediate);
      expect(gates.length).toBeLessThanOrEqual(index + 2);
      gates[index]?.();
      expect(await end.receive()).toBe(shown(reply(0, BigInt(2 * index + 2))));
    }
    end.hangUp();
    await served;
    close(end.theirs);
  });

  it("INTERRUPT that another queue read: aborts the request of this one", async () => {
    const board = createBoard(2);
    const held: AbortSignal[] = [];
    const waiting: Filesystem = {
      unlink: (req) => {
        const { signal } = req;
        held.push(signal);
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    };
    const [first, second] = [open(waiting, board, 0), open({ statfs: () => -95 }, board, 1)];
    const served = [first.queue.serveEvents(), second.queue.serveEvents()];
    first.send(unlink(2n, "a"));
    second.send(statfs(4n));
    expect(await second.receive()).toBe(shown(reply(-95, 4n)));
    expect(held.map(({ aborted }) => aborted)).toEqual([false]);
    second.send(request({ code: 36, unique: 3n }, u64(2)));
    expect(await first.receive()).toBe(shown(reply(-4, 2n)));
    first.hangUp();
    second.hangUp();
    await Promise.all(served);
    close(first.theirs);
    close(second.theirs);
  });

  it("end: aborts what is pending, and does not answer it", async () => {
    let reason: unknown;
    const end = open({
      unlink: (req) => {
        const { signal } = req;
        return new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            reason = signal.reason;
            resolve(0);
          }),
        );
      },
    });
    const served = end.queue.serveEvents();
    end.send(unlink(2n, "a"));
    await new Promise(setImmediate);
    end.hangUp();
    await served;
    expect(String(reason)).toBe("Error: the mount has ended");
    close(end.theirs);
  });
});

describe("serveBlocking", () => {
  it("synchronous, settled and malformed requests: are answered in turn, until end of file", async () => {
    let turns = 0;
    const end = open({
      statfs: () => -95,
      unlink: async (req) => {
        const { name } = req;
        for (let tick = 0; tick < 10; tick++) await undefined;
        return name === "gone" ? -2 : 0;
      },
      rmdir: () => Promise.resolve(-39),
    });
    end.send(statfs(2n), unlink(4n, "gone"), statfs(6n), request({ code: 11, unique: 8n }, z("d")));
    end.send(statfs(10n).slice(0, 20), unlink(12n, "there"), statfs(14n));
    end.finish();
    setImmediate(() => turns++);
    const served = end.queue.serveBlocking();
    expect(turns).toBe(0); // all of it without a turn of the event loop
    for (const [error, unique] of [
      [-95, 2n],
      [-2, 4n],
      [-95, 6n],
      [-39, 8n],
      [-5, 10n],
      [0, 12n],
      [-95, 14n],
    ] as const) {
      expect(await end.receive()).toBe(shown(reply(error, unique)));
    }
    await served;
    end.hangUp();
    close(end.theirs);
  });
});
