// Proves that no descriptor of the ring lane is left behind: by a lane that could not be opened, one that was closed, or
// one whose thread died, for which whoever outlives it closes what `opened` tells.
import { readdirSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { close, dup } from "../../ffi/file.ts";
import { Rlimit } from "../../ffi/kernel-structs.ts";
import { libc } from "../../ffi/libc.ts";
import { addressOf } from "../../ffi/memory.ts";
import { createRingRest } from "../../src/transport/ring-rest.ts";
import { createRingQueue } from "./ring-queue.ts";

const RLIMIT_NOFILE = 7;

/** Descriptors of this process by what they lead to. */
function descriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      found.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {} // that of the listing itself
  }
  return found;
}

/** Runs `body` while the process can open `more` descriptors and no further one. */
function withDescriptorsLeft(more: number, body: () => void): void {
  const spare = Array.from({ length: more }, () => dup(0));
  const limit = new DataView(new ArrayBuffer(Rlimit.size));
  libc.getrlimit(RLIMIT_NOFILE, addressOf(limit));
  const before = limit.getBigUint64(Rlimit.at.rlim_cur, true);
  const setLimit = (value: bigint) => {
    limit.setBigUint64(Rlimit.at.rlim_cur, value, true);
    libc.setrlimit(RLIMIT_NOFILE, addressOf(limit));
  };
  // New descriptors get the lowest free numbers: those of the spare ones, when these are closed.
  setLimit(BigInt(Math.max(...spare) + 1));
  for (const fd of spare) close(fd);
  try {
    body();
  } finally {
    setLimit(before);
  }
}

describe("createRingRest", () => {
  it("closes its eventfd when the epoll set cannot be had", () => {
    const before = [...descriptors().values()].filter((name) => name.includes("eventfd")).length;
    withDescriptorsLeft(1, () => expect(() => createRingRest([])).toThrow(/EMFILE: epoll_create1/));
    expect([...descriptors().values()].filter((name) => name.includes("eventfd"))).toHaveLength(before);
  });
});

describe("openRingTransport", () => {
  it("tells every descriptor that it has opened, and close closes them all", () => {
    const before = descriptors();
    const queue = createRingQueue({});
    const made = [...descriptors()].filter(([fd, name]) => before.get(fd) !== name);
    expect(made.map(([, name]) => name).toSorted()).toEqual(["anon_inode:[eventfd]", "anon_inode:[eventpoll]"]);
    expect(new Set(queue.transport.opened)).toEqual(new Set(made.map(([fd]) => fd)));
    queue[Symbol.dispose]();
    for (const [fd, name] of made) expect(descriptors().get(fd)).not.toBe(name);
  });
});
