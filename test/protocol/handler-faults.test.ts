// Proves what a handler's results and errors become, and that no handler can spoil another request.
import { describe, expect, it } from "vitest";
import { FuseError } from "../../src/codec/fuse-error.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { createFakeKernel } from "./fake-kernel.ts";
import { hex, reply, request, shown, u32, u64, z, zeros } from "./wire.ts";

const EIO = -5;
/** Requests with room for 16 bytes. */
const ASK: Readonly<Record<string, Uint8Array>> = {
  read: request({ code: 15 }, u64(1), u64(0), u32(16), zeros(20)),
  write: request({ code: 16 }, u64(1), u64(0), u32(16), zeros(20), zeros(16)),
  readdir: request({ code: 28 }, u64(1), u64(0), u32(16), zeros(20)),
  readdirplus: request({ code: 44 }, u64(1), u64(0), u32(16), zeros(20)),
  ioctl: request({ code: 39 }, zeros(24), u32(0), u32(16)),
  copyFileRange: request({ code: 47 }, zeros(40), u64(16), zeros(8)),
  readlink: request({ code: 5 }),
  getxattr: request({ code: 22 }, u32(16), u32(0), z("k")),
  listxattr: request({ code: 23 }, u32(16), u32(0)),
  poll: request({ code: 40 }, zeros(24)),
  unlink: request({ code: 10 }, z("k")),
  lookup: request({ code: 1 }, z("k")),
  mkdir: request({ code: 9 }, zeros(8), z("k")),
  getattr: request({ code: 3 }, zeros(16)),
};
const NEXT_ASK = request({ code: 17, unique: 0x77n });
const NEXT_REPLY = reply(-95, 0x77n);

/** Plays `handler` as `method` on one request, then proves that the next request is served. */
function play(method: string, handler: (req: never) => unknown): { answer: Uint8Array | undefined; errors: unknown[] } {
  using kernel = createFakeKernel({ [method]: handler, statfs: () => -95 } as Filesystem);
  const answer = kernel.ask(ASK[method] as Uint8Array);
  expect(shown(kernel.ask(NEXT_ASK))).toBe(shown(NEXT_REPLY));
  expect(kernel.receive()).toBeUndefined();
  return { answer, errors: kernel.errors.map(({ error }) => error) };
}

describe("a result larger than asked for", () => {
  it.each([
    ["read", 16, 17],
    ["write", 16, 17],
    ["readdir", 16, 17],
    ["readdirplus", 16, 17],
    ["ioctl", 16, 17],
    ["copyFileRange", 16, 17],
    ["readlink", 4095, 4096],
    ["poll", 2 ** 32 - 1, 2 ** 32],
  ])("%s: %i is sent, %i is EIO with an error event that names the value", (method, most, more) => {
    expect(shown(play(method, () => most).answer).slice(8, 16)).toBe("00000000");
    for (const value of [more, 2 ** 31, 2 ** 53 - 1].filter((candidate) => candidate >= more)) {
      const { answer, errors } = play(method, () => value);
      expect(shown(answer)).toBe(shown(reply(EIO)));
      expect(errors.map(String)).toEqual([expect.stringContaining(`${value}`)]);
    }
  });

  it.each(["getxattr", "listxattr"])("%s: more than asked is ERANGE, which is no fault", (method) => {
    expect(shown(play(method, () => 16).answer).slice(8, 16)).toBe("00000000");
    const { answer, errors } = play(method, () => 17);
    expect([shown(answer), errors]).toEqual([shown(reply(-34)), []]);
  });

  it("getxattr: 64 KiB of value fit where maxWrite is 4 KiB, in both directions", () => {
    let size = 0;
    using kernel = createFakeKernel(
      {
        getxattr: (req) => req.buffer.fill(7, 0, 65_536) && 65_536,
        setxattr(req) {
          size = req.dataSize;
          return 0;
        },
      },
      { maxPayload: 4096 },
    );
    const got = kernel.ask(request({ code: 22 }, u32(65_536), u32(0), z("k")));
    expect(got).toHaveLength(65_552);
    expect(got?.subarray(16).every((byte) => byte === 7)).toBe(true);
    expect(shown(kernel.ask(request({ code: 21 }, u32(65_536), u32(0), u64(0), z("k"), zeros(65_536))))).toBe(
      shown(reply(0)),
    );
    expect(size).toBe(65_536);
  });
});

describe("a result that is none", () => {
  it.each([
    ["NaN", NaN],
    ["Infinity", Infinity],
    ["-Infinity", -Infinity],
    ["1.5", 1.5],
    ["2^53", 2 ** 53],
    ["-512", -512],
    ["-4096", -4096],
    ["a string", "3"],
    ["an object", { length: 3 }],
    ["an object without prototype", Object.create(null)],
    ["null", null],
    ["true", true],
    ["a bigint", 3n],
    ["a symbol", Symbol("three")],
    ["a function", () => 3],
  ])("%s: is EIO and one error event", (_, value) => {
    for (const method of ["read", "unlink", "poll"]) {
      const { answer, errors } = play(method, () => value);
      expect(shown(answer)).toBe(shown(reply(EIO)));
      expect(errors).toHaveLength(1);
    }
  });

  it.each([0, -0, undefined])("%s: is success without data", (value) => {
    expect(shown(play("read", () => value).answer)).toBe(shown(reply(0)));
    expect(shown(play("write", () => value).answer)).toBe(shown(reply(0, undefined, zeros(8))));
  });

  it("-511: the largest errno that the kernel takes is sent as it is", () => {
    expect(shown(play("read", () => -511).answer)).toBe(shown(reply(-511)));
  });

  it("entry: nodeid 0 is a fault of mkdir, and a mode without type of lookup", () => {
    expect(shown(play("mkdir", () => 0).answer)).toBe(shown(reply(EIO)));
    const untyped = (req: { entry: { nodeid: number } }) => {
      req.entry.nodeid = 5;
      return 0;
    };
    expect(shown(play("lookup", untyped as never).answer)).toBe(shown(reply(EIO)));
  });
});

class Shelf extends Error {
  readonly code = "ENOTEMPTY";
}
const hostile = (key: string) =>
  Object.defineProperty({}, key, {
    get() {
      throw new Error(`no ${key}`);
    },
  });

describe("a thrown value", () => {
  const cases: readonly (readonly [string, unknown, number, faults: number])[] = [
    ["{ code: 'ENOENT' }", { code: "ENOENT" }, -2, 0],
    ["{ code: 'EWOULDBLOCK' }", { code: "EWOULDBLOCK" }, -11, 0],
    ["{ code: 'EWHATEVER' }", { code: "EWHATEVER" }, EIO, 1],
    ["{ code: 'EWHATEVER', errno: -13 }", { code: "EWHATEVER", errno: -13 }, -13, 0],
    ["{ code: 'constructor' }", { code: "constructor" }, EIO, 1],
    ["{ errno: -2 }", { errno: -2 }, -2, 0],
    ["{ errno: 2 }", { errno: 2 }, EIO, 1],
    ["{ errno: 0 }", { errno: 0 }, EIO, 1],
    ["{ errno: -99999 }", { errno: -99_999 }, EIO, 1],
    ["{ errno: -512 }", { errno: -512 }, EIO, 1],
    ["{ errno: NaN }", { errno: NaN }, EIO, 1],
    ["a string", "ENOENT", EIO, 1],
    ["undefined", undefined, EIO, 1],
    ["null", null, EIO, 1],
    ["a number", -2, EIO, 1],
    ["a symbol", Symbol("x"), EIO, 1],
    ["an AbortError", new DOMException("stop", "AbortError"), -4, 0],
    ["a FuseError", new FuseError("EDQUOT"), -122, 0],
    ["an error of a subclass with a code", new Shelf("full"), -39, 0],
    ["a TypeError", new TypeError("oops"), EIO, 1],
    ["a value whose code throws", hostile("code"), EIO, 1],
    ["a value whose errno throws", hostile("errno"), EIO, 1],
    ["a value whose name throws", hostile("name"), EIO, 1],
    ["a frozen error with a code", Object.freeze(Object.assign(new Error("x"), { code: "EROFS" })), -30, 0],
  ];

  it.each(cases)("%s: becomes its errno, thrown and rejected alike", async (_, thrown, errno, faults) => {
    const { answer, errors } = play("unlink", () => {
      throw thrown;
    });
    expect(shown(answer)).toBe(shown(reply(errno)));
    expect(errors).toEqual(faults === 1 ? [thrown] : []);

    using kernel = createFakeKernel({ unlink: () => Promise.reject(thrown) });
    kernel.ask(ASK["unlink"] as Uint8Array);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(shown(kernel.receive())).toBe(shown(reply(errno)));
    expect(kernel.errors).toHaveLength(faults);
  });

  it("fs.promises error: becomes its errno", async () => {
    const { readFile } = await import("node:fs/promises");
    using kernel = createFakeKernel({ unlink: async () => (await readFile("/nowhere/at/all")).length });
    kernel.ask(ASK["unlink"] as Uint8Array);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    expect(shown(kernel.receive())).toBe(shown(reply(-2)));
  });
});

describe("a thenable that is no promise", () => {
  type Settle = (value: unknown) => void;
  // biome-ignore lint/suspicious/noThenProperty: a thenable that is no promise is the subject
  const thenable = (then: (done: Settle, fail: Settle) => void) => Object.defineProperty({}, "then", { value: then });
  const thenables: readonly (readonly [string, object, number])[] = [
    ["settles at once", thenable((done) => done(0)), 0],
    ["settles twice", thenable((done, fail) => [done(0), done(1), fail("x")]), 0],
    [
      "throws",
      thenable(() => {
        throw new FuseError("EACCES");
      }),
      -13,
    ],
    [
      "settles and throws",
      thenable((done) => {
        done(0);
        throw new Error("late");
      }),
      0,
    ],
    ["has a getter that throws", hostile("then"), EIO],
    ["resolves to nonsense", Promise.resolve("three"), EIO],
  ];

  it.each(thenables)("%s: is answered once", async (_, thenable, errno) => {
    using kernel = createFakeKernel({ unlink: () => thenable as never, statfs: () => -95 });
    const first = kernel.ask(ASK["unlink"] as Uint8Array);
    await kernel.until(() => kernel.dispatch.inFlight.size === 0);
    await kernel.until(() => kernel.stats().replies + kernel.stats().errors === 1);
    expect(kernel.stats()).toMatchObject({ requests: 1, replies: errno === 0 ? 1 : 0, errors: errno === 0 ? 0 : 1 });
    const answer = first ?? kernel.receive();
    expect(shown(answer?.slice(4, 8))).toBe(shown(u32(errno)));
    for (let round = 0; round < 40; round++) expect(shown(kernel.ask(NEXT_ASK))).toBe(shown(NEXT_REPLY));
  });
});

describe("a reply that the kernel refuses", () => {
  const refusing = (result: number) => (transport: Transport) => ({ ...transport, reply: () => result });

  it.each([
    ["ENOENT: the caller died, which is fine", -2, 0],
    ["EINVAL: is counted", -22, 1],
    ["EPERM: is counted", -1, 1],
  ])("%s", (_, result, refusedReplies) => {
    using kernel = createFakeKernel({ statfs: () => -95 }, { wrap: refusing(result) });
    kernel.ask(NEXT_ASK);
    kernel.ask(NEXT_ASK);
    expect(kernel.stats()).toMatchObject({ requests: 2, refusedReplies: 2 * refusedReplies });
    expect(kernel.errors).toEqual([]);
  });
});

describe("a filesystem", () => {
  it("method that is no function: is refused by name", () => {
    expect(() => createFakeKernel({ read: 5 } as never)).toThrow("filesystem.read is number, not a function");
  });

  it("methods: see their filesystem as this", () => {
    const shelf = {
      text: hex("6869"),
      read(req: { buffer: Uint8Array }) {
        req.buffer.set(this.text);
        return 2;
      },
    };
    using kernel = createFakeKernel(shelf as Filesystem);
    expect(shown(kernel.ask(ASK["read"] as Uint8Array))).toBe(shown(reply(0, undefined, hex("6869"))));
  });
});
