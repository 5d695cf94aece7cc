// Proves who closes the descriptor of a notifier thread, however that ends; descriptors are of /dev/null.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AT_FDCWD, close, F, fcntl, O, openat } from "../../ffi/file.ts";
import { addressOf, cString } from "../../ffi/memory.ts";
import { startNotifier } from "../start-thread.ts";
import { createNotifierFds, lendFd, reclaimAll, sendBy, takeBack, takeBackAll } from "./notifier-fds.ts";

const [ENOTCONN, EMFILE] = [-107, -24];
const message = new Uint8Array(16);
const isOpen = (fd: number): boolean => fcntl(fd, F.GETFL, 0) >= 0;

let nothing = -1;
beforeEach(() => {
  const path = cString("/dev/null");
  nothing = openat(AT_FDCWD, addressOf(path), O.RDWR, 0);
});
afterEach(() => void close(nothing));

/** Words of two askers, the second of which has lent a descriptor. */
function lent() {
  const words = createNotifierFds(2);
  const word = lendFd(words, 1, nothing);
  const fd = words[word] as number;
  return { words, word, fd, writes: () => Atomics.store(words, word, -fd) };
}

describe("lendFd", () => {
  it("lends each thread of an asker a descriptor of its own, and no more than it has words", () => {
    const words = createNotifierFds(2);
    const got = Array.from({ length: 5 }, () => lendFd(words, 1, nothing));
    expect(got).toEqual([4, 5, 6, 7, EMFILE]);
    expect(new Set(words.subarray(4)).size).toBe(4);
    takeBackAll(words, 1);
    expect([...words]).toEqual(new Array(8).fill(0));
  });
});

describe("takeBackAll", () => {
  it("closes what is idle, and leaves what is written by to its thread", () => {
    const { words, fd, writes } = lent();
    const idle = words[lendFd(words, 1, nothing)] as number;
    writes();
    takeBackAll(words, 1);
    expect([isOpen(idle), isOpen(fd)]).toEqual([false, true]);
    expect([...words]).toEqual(new Array(8).fill(0));
    close(fd);
  });

  it("does not touch another asker's", () => {
    const { words, word, fd } = lent();
    takeBackAll(words, 0);
    expect([isOpen(fd), words[word]]).toEqual([true, fd]);
    takeBack(words, word);
    expect(isOpen(fd)).toBe(false);
  });
});

describe("reclaimAll", () => {
  it("closes also the descriptor of a thread that ended in the middle of a write", () => {
    const { words, fd, writes } = lent();
    writes();
    reclaimAll(words, 1);
    expect([isOpen(fd), ...words]).toEqual([false, ...new Array(8).fill(0)]);
  });
});

describe("sendBy", () => {
  it("is ENOTCONN when the descriptor was taken back", () => {
    const { words, word } = lent();
    expect(sendBy(words, word, message)).not.toBe(ENOTCONN);
    takeBack(words, word);
    expect(sendBy(words, word, message)).toBe(ENOTCONN);
  });
});

describe("startNotifier", () => {
  it("a thread that failed keeps its word until it is gone, and then its descriptor is closed", async () => {
    const words = createNotifierFds(1);
    const results: number[] = [];
    const failed = Promise.withResolvers<void>();
    let held = 0;
    const thread = startNotifier({ fd: nothing, fds: words, asker: 0 }, (result) => {
      results.push(result);
      held = words[0] as number;
      failed.resolve();
    });
    thread.send(null as never); // no message
    await failed.promise;
    expect(thread.failed).toBe(true);
    expect(results).toEqual([-5]);
    expect(Math.abs(held)).toBeGreaterThan(0);
    while (Atomics.load(words, 0) !== 0) await Bun.sleep(1);
    expect(isOpen(Math.abs(held))).toBe(false);
  });
});
