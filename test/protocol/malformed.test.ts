// Proves what malformed and unusual requests are answered, and that each costs nothing but itself: after every one the
// same queue serves the next request.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NEXT } from "../../src/transport/transport.ts";
import { createFakeKernel, type FakeKernel } from "./fake-kernel.ts";
import { chars, join, reply, request, shown, u32, u64, z, zeros } from "./wire.ts";

const [ENOENT, EIO, EBADF, EINVAL, ENAMETOOLONG, ENOSYS, EOVERFLOW, EILSEQ, ESTALE] = [
  -2, -5, -9, -22, -36, -38, -75, -84, -116,
];
const READ_IN = join(u64(1), u64(0), u32(16), u32(0), u64(0), u32(0), u32(0));

let kernel: FakeKernel;
let calls: string[] = [];
let names: unknown[] = [];

const called = (method: string, result: number): number => {
  calls.push(method);
  return result;
};

beforeEach(() => {
  calls = [];
  names = [];
  kernel = createFakeKernel({
    lookup(req) {
      calls.push("lookup");
      names.push(req.nameKey, [...req.nameBytes]);
      if (req.nodeid === 0x77) names.push(req.name);
      return ENOENT;
    },
    getattr: () => called("getattr", EINVAL),
    read: () => called("read", 0),
    write: (req) => called("write", req.dataSize),
    rename: () => void calls.push("rename"),
    symlink: () => called("symlink", EINVAL),
    setattr: () => called("setattr", EINVAL),
    setxattr: () => void calls.push("setxattr"),
    getxattr: () => called("getxattr", 0),
    fallocate: () => void calls.push("fallocate"),
    link: () => called("link", EINVAL),
    lseek: () => void calls.push("lseek"),
    copyFileRange: () => void calls.push("copyFileRange"),
    forget: () => void calls.push("forget"),
    readdir: (req) => (req.offset === 2 ** 53 - 1 ? ENOENT : 0),
  });
});

afterEach(() => {
  calls.length = 0;
  const next = kernel.ask(request({ code: 3, unique: 0x99n }, zeros(16)));
  expect(shown(next)).toBe(shown(reply(EINVAL, 0x99n)));
  expect(calls).toEqual(["getattr"]);
  expect(kernel.receive()).toBeUndefined();
  kernel[Symbol.dispose]();
});

/** Sends a request; the error of its reply, "nothing" without one, or the number of bytes of a success. */
function outcome(bytes: Uint8Array): number | string {
  const got = kernel.ask(bytes);
  if (got === undefined) return "nothing";
  expect(shown(got.slice(8, 16))).toBe(shown(bytes.slice(8, 16)));
  const error = new DataView(got.buffer).getInt32(4, true);
  return error === 0 ? `${got.length - 16} bytes` : error;
}

describe("a truncated request", () => {
  const whole: Readonly<Record<string, Uint8Array>> = {
    LOOKUP: request({ code: 1 }, z("name")),
    READ: request({ code: 15 }, READ_IN),
    WRITE: request({ code: 16 }, READ_IN, zeros(16)),
    RENAME: request({ code: 12 }, u64(1), z("old"), z("new")),
    SETXATTR: request({ code: 21 }, u32(4), u32(0), u64(0), z("user.k"), zeros(4)),
    SYMLINK: request({ code: 6 }, z("n"), z("t")),
  };

  it.each(Object.keys(whole))("%s: is answered EIO at every length from which its unique can be read", (name) => {
    const bytes = whole[name] as Uint8Array;
    for (let length = 1; length < bytes.length; length++) {
      expect([length, outcome(bytes.slice(0, length))]).toEqual([length, length < 16 ? "nothing" : EIO]);
    }
    expect(calls).toEqual([]);
    expect(kernel.errors).toHaveLength(bytes.length - 1);
    expect(kernel.stats().malformed).toBe(bytes.length - 1);
    expect(outcome(bytes)).not.toBe(EIO);
  });

  it.each(Object.keys(whole))("%s: is answered EIO when its header states just what came", (name) => {
    const bytes = whole[name] as Uint8Array;
    for (let length = 16; length < bytes.length; length++) {
      expect([length, outcome(join(u32(length), bytes.slice(4, length)))]).toEqual([length, EIO]);
    }
    expect(calls).toEqual([]);
  });

  it("FORGET, INTERRUPT, BATCH_FORGET, NOTIFY_REPLY: are dropped with one error event each", () => {
    for (const code of [2, 36, 42, 41]) expect(outcome(request({ code }, zeros(4)))).toBe("nothing");
    expect(calls).toEqual([]);
    expect(kernel.errors.map(({ opcode }) => opcode)).toEqual(["FORGET", "INTERRUPT", "BATCH_FORGET", "NOTIFY_REPLY"]);
  });

  it("header: what was not read of it is not taken from an earlier request", () => {
    outcome(request({ code: 2, nodeid: 0x55 }, u64(1)));
    kernel.ask(request({ code: 1, nodeid: 0x66 }).slice(0, 20));
    expect(kernel.errors.map(({ nodeid, unique }) => [nodeid, unique])).toEqual([[0x66, 0x0102030405060708n]]);
    kernel.ask(request({ code: 1 }).slice(0, 12));
    expect(kernel.errors[1]?.unique).toBe(0n);
  });
});

describe("a header that lies about its length", () => {
  it.each([0, 1, 39, 40, 44, 46, 100_000, 2 ** 31, 2 ** 32 - 1])(
    "%i: is answered EIO with one error event",
    (length) => {
      expect(outcome(request({ code: 1, length }, z("name")))).toBe(EIO);
      expect(kernel.errors).toHaveLength(1);
      expect(String(kernel.errors[0]?.error)).toContain(`${length} bytes`);
      expect(calls).toEqual([]);
    },
  );

  it("request longer than the buffer: is answered EIO", () => {
    expect(outcome(request({ code: 16 }, READ_IN, zeros(90_000)))).toBe(EIO);
  });
});

describe("the end of the queue", () => {
  it("next: says ENDED again and again when the other end is closed", () => {
    const own = createFakeKernel({});
    own.hangUp();
    expect([own.serve(), own.serve()]).toEqual([NEXT.ENDED, NEXT.ENDED]);
    own[Symbol.dispose]();
  });
});

describe("an opcode that is not served", () => {
  it.each([0, 7, 19, 54, 60, 63, 64, 4096, 2 ** 31, 2 ** 32 - 1])("%i: is answered ENOSYS", (code) => {
    expect(outcome(request({ code }, zeros(24)))).toBe(ENOSYS);
    expect(kernel.errors).toEqual([]);
  });
});

describe("a name", () => {
  const all = [...Array(255).keys()].map((index) => index + 1).filter((byte) => byte !== 0x2f);
  const wild = String.fromCharCode(...all);

  it("of 254 bytes that are not UTF-8: reaches the handler by bytes and key", () => {
    expect(outcome(request({ code: 1 }, z(wild)))).toBe(ENOENT);
    expect(names).toEqual([wild, all]);
  });

  it("of 255 bytes that are not UTF-8: is answered EILSEQ when the handler asks for a string", () => {
    expect(outcome(request({ code: 1, nodeid: 0x77 }, z(`${wild}\u00ff`)))).toBe(EILSEQ);
    expect(kernel.errors).toEqual([]);
  });

  it.each([
    ["a newline", "a\nb"],
    ["blanks", " a "],
    ["a byte order mark", "\u00ef\u00bb\u00bfa"],
    ["three dots", "..."],
    ["a replacement character of its own", "\u00ef\u00bf\u00bd"],
    ["1024 bytes", "n".repeat(1024)],
  ])("with %s: is an ordinary name", (_, name) => {
    expect(outcome(request({ code: 1, nodeid: 0x77 }, z(name)))).toBe(ENOENT);
    expect(names[0]).toBe(name);
    expect(Buffer.from(String(names[2])).toString("latin1")).toBe(name);
  });

  it.each([
    ["empty", "", EINVAL],
    [".", ".", EINVAL],
    ["..", "..", EINVAL],
    ["with a slash", "a/b", EINVAL],
    ["/", "/", EINVAL],
    ["of 1025 bytes", "n".repeat(1025), ENAMETOOLONG],
    ["of 4095 bytes", "n".repeat(4095), ENAMETOOLONG],
  ])("%s: is refused, as first and as second name", (_, name, errno) => {
    expect(outcome(request({ code: 1 }, z(name)))).toBe(errno);
    expect(outcome(request({ code: 12 }, u64(1), z(name), z("b")))).toBe(errno);
    expect(outcome(request({ code: 12 }, u64(1), z("a"), z(name)))).toBe(errno);
    expect(calls).toEqual([]);
    expect(kernel.errors).toEqual([]);
    expect(kernel.stats().malformed).toBe(3);
  });

  it("without NUL: is answered EIO, wherever it stands", () => {
    expect(outcome(request({ code: 1 }, chars("name")))).toBe(EIO);
    expect(outcome(request({ code: 12 }, u64(1), z("old"), chars("new")))).toBe(EIO);
    expect(outcome(request({ code: 12 }, u64(1), z("old")))).toBe(EIO);
    expect(outcome(request({ code: 6 }, z("link"), chars("target")))).toBe(EIO);
    expect(outcome(request({ code: 21 }, u32(0), u32(0), u64(0), chars("user.k")))).toBe(EIO);
    expect(outcome(request({ code: 22 }, u32(9), u32(0), z("")))).toBe(EIO);
    expect(calls).toEqual([]);
  });
});

describe("a number", () => {
  const big = u64(2n ** 53n);
  const most = u64(2n ** 64n - 1n);

  it.each([2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])("nodeid %i: is ESTALE", (nodeid) => {
    expect(outcome(request({ code: 3, nodeid }, zeros(16)))).toBe(ESTALE);
    expect(outcome(request({ code: 13 }, u64(nodeid), z("a")))).toBe(ESTALE);
    expect(outcome(request({ code: 12 }, u64(nodeid), z("a"), z("b")))).toBe(ESTALE);
    expect(outcome(request({ code: 2, nodeid }, u64(1)))).toBe("nothing");
    expect(outcome(request({ code: 2 }, u64(nodeid)))).toBe("nothing");
    expect(calls).toEqual([]);
  });

  it.each([
    ["2^53", big, EOVERFLOW],
    ["-1", most, EINVAL],
  ])("offset %s: is refused, fh EBADF", (_, value, refused) => {
    expect(outcome(request({ code: 15 }, u64(1), value, u32(1), zeros(20)))).toBe(refused);
    expect(outcome(request({ code: 15 }, value, u64(1), u32(1), zeros(20)))).toBe(EBADF);
    expect(outcome(request({ code: 16 }, u64(1), value, u32(0), zeros(20)))).toBe(refused);
    expect(outcome(request({ code: 43 }, u64(1), u64(0), value, zeros(8)))).toBe(refused);
    expect(outcome(request({ code: 46 }, u64(1), value, zeros(8)))).toBe(refused);
    expect(outcome(request({ code: 4 }, zeros(8), u64(1), value, zeros(64)))).toBe(refused);
    expect(outcome(request({ code: 47 }, zeros(40), value, zeros(8)))).toBe(refused);
    expect(outcome(request({ code: 47 }, zeros(16), value, zeros(32)))).toBe(ESTALE);
    expect(calls).toEqual([]);
  });

  it("2^53 - 1: is served", () => {
    expect(
      outcome(request({ code: 15, nodeid: 2 ** 53 - 1 }, u64(2 ** 53 - 1), u64(2 ** 53 - 1), u32(1), zeros(20))),
    ).toBe("0 bytes");
  });

  it("stale READDIR offset: reaches the handler", () => {
    expect(outcome(request({ code: 28 }, u64(1), u64(2 ** 53 - 1), u32(4096), zeros(20)))).toBe(ENOENT);
    expect(outcome(request({ code: 28 }, u64(1), most, u32(4096), zeros(20)))).toBe("0 bytes");
  });
});

describe("a count", () => {
  it.each([0, 1, 3, 2 ** 28, 2 ** 32 - 1])("BATCH_FORGET of two records that states %i: forgets nothing", (count) => {
    expect(outcome(request({ code: 42 }, u32(count), u32(0), zeros(32)))).toBe("nothing");
    expect(calls).toEqual([]);
    expect(kernel.errors.map(({ opcode }) => opcode)).toEqual(["BATCH_FORGET"]);
  });

  it.each([0, 3, 5, 2 ** 32 - 1])("WRITE of 4 bytes that states %i: is EIO", (size) => {
    expect(outcome(request({ code: 16 }, u64(1), u64(0), u32(size), zeros(20), zeros(4)))).toBe(EIO);
    expect(outcome(request({ code: 21 }, u32(size), u32(0), u64(0), z("k"), zeros(4)))).toBe(EIO);
    expect(outcome(request({ code: 39 }, zeros(24), u32(size), u32(0), zeros(4)))).toBe(EIO);
    expect(outcome(request({ code: 41 }, zeros(16), u32(size), zeros(20), zeros(4)))).toBe("nothing");
    expect(calls).toEqual([]);
  });
});
