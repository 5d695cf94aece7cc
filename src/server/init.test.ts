// Proves INIT: what is agreed with each kernel, the golden bytes of requests and replies, and what is refused.
import { describe, expect, it } from "vitest";
import { shown } from "../codec/shown.ts";
import type { Connection, InitWishes } from "../fs/connection.ts";
import { encodeInitReply, inputSizes, NegotiationError, negotiate, parseOffer } from "./init.ts";

const NONE: ReadonlySet<string> = new Set();
const LIMIT = { methods: NONE, maxPagesLimit: 256 };

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex.replace(/\s/g, ""), "hex"));
const hexOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/(.{8})(?=.)/g, "$1 ");

/** The rest of the 64-byte fuse_init_in: eleven words of padding. */
const PAD = "00000000".repeat(11);

/**
 * fuse_init_in by kernel: major, minor, max_readahead 131072, flags, flags2. The flags are all that such a kernel knows
 * up to bit 25 but FILE_OPS (bit 2), then what came later, as the changelog in <linux/fuse.h> dates it.
 */
const KERNELS: Readonly<Record<string, { hex: string; minor: number; flags: number; flags2: number }>> = {
  "5.4, 7.31": { hex: "07000000 1f000000 00000200 fbffff03", minor: 31, flags: 0x03fffffb, flags2: 0 },
  "5.15, 7.34": { hex: "07000000 22000000 00000200 fbffff33", minor: 34, flags: 0x33fffffb, flags2: 0 },
  "6.1, 7.38": { hex: `07000000 26000000 00000200 fbffff73 00000000 ${PAD}`, minor: 38, flags: 0x73fffffb, flags2: 0 },
  "6.6, 7.39": {
    hex: `07000000 27000000 00000200 fbffff73 18000000 ${PAD}`,
    minor: 39,
    flags: 0x73fffffb,
    flags2: 0x18,
  },
  "6.12, 7.41": {
    hex: `07000000 29000000 00000200 fbffff73 fc010000 ${PAD}`,
    minor: 41,
    flags: 0x73fffffb,
    flags2: 0x1fc,
  },
  "6.18, 7.45": {
    hex: `07000000 2d000000 00000200 fbffff73 fc070000 ${PAD}`,
    minor: 45,
    flags: 0x73fffffb,
    flags2: 0x7fc,
  },
  "7.3, 7.46": {
    hex: `07000000 2e000000 00000200 fbffff73 fc0f0000 ${PAD}`,
    minor: 46,
    flags: 0x73fffffb,
    flags2: 0xffc,
  },
};
const offerOf = (kernel: string) => parseOffer(bytesOf(KERNELS[kernel]?.hex ?? ""));

function agreed(
  kernel: string,
  wishes: InitWishes = {},
  methods: readonly string[] = [],
  maxPagesLimit = 256,
): Connection {
  const negotiation = negotiate(offerOf(kernel), wishes, { methods: new Set(methods), maxPagesLimit });
  if (negotiation.kind !== "agreed") throw new Error(`${kernel}: ${negotiation.kind}`);
  return negotiation.connection;
}

/** flags and flags2 of the reply, as the wire has them. */
function replyFlags(connection: Connection): [flags: number, flags2: number] {
  const view = new DataView(encodeInitReply(1n, { kind: "agreed", connection }).buffer);
  return [view.getUint32(28, true), view.getUint32(48, true)];
}

describe("parseOffer", () => {
  it.each(Object.keys(KERNELS))("kernel %s: is read", (kernel) => {
    const { minor, flags, flags2 } = KERNELS[kernel] ?? { minor: 0, flags: 0, flags2: 0 };
    expect(offerOf(kernel)).toEqual({ major: 7, minor, maxReadahead: 131_072, flags, flags2 });
  });

  it("flags2: is 0 without INIT_EXT, whatever is there", () => {
    const hex = `07000000 2e000000 00000200 fbffff33 ffffffff ${PAD}`;
    expect(parseOffer(bytesOf(hex)).flags2).toBe(0);
    expect(parseOffer(bytesOf(hex.replace("fbffff33", "fbffff73"))).flags2).toBe(0xffff_ffff);
  });

  it("bytes: are read where they lie in a larger buffer", () => {
    const whole = bytesOf(`ffffffff 07000000 1f000000 00000200 01000000`);
    expect(parseOffer(whole.subarray(4))).toEqual({ major: 7, minor: 31, maxReadahead: 131_072, flags: 1, flags2: 0 });
  });

  it.each([0, 4, 15])("%i bytes: are refused", (length) => {
    expect(() => parseOffer(new Uint8Array(length))).toThrow(
      new NegotiationError(`INIT carries ${length} bytes, fewer than 16`),
    );
  });
});

// ASYNC_READ 0, BIG_WRITES 5, AUTO_INVAL_DATA 12, ASYNC_DIO 15, PARALLEL_DIROPS 18, ABORT_ERROR 21, MAX_PAGES 22.
const BASE = 0x0064_9021;
const SETXATTR_EXT = 0x2000_0000;
const INIT_EXT = 0x4000_0000;

describe("negotiate: with each kernel and no wishes", () => {
  it.each([
    ["5.4, 7.31", BASE, 0],
    ["5.15, 7.34", BASE | SETXATTR_EXT, 0],
    ["6.1, 7.38", BASE | SETXATTR_EXT | INIT_EXT, 0],
    ["6.6, 7.39", BASE | SETXATTR_EXT | INIT_EXT, 0x18], // HAS_EXPIRE_ONLY, DIRECT_IO_ALLOW_MMAP
    ["6.12, 7.41", BASE | SETXATTR_EXT | INIT_EXT, 0x98], // and HAS_RESEND
    ["6.18, 7.45", BASE | SETXATTR_EXT | INIT_EXT, 0x98],
    ["7.3, 7.46", BASE | SETXATTR_EXT | INIT_EXT, 0x98],
  ])("%s: asks for these flags", (kernel, flags, flags2) => {
    expect(replyFlags(agreed(kernel))).toEqual([flags, flags2]);
  });

  it.each([
    ["POSIX_LOCKS and FLOCK_LOCKS with setlk", {}, ["setlk"], 0x402],
    ["HAS_IOCTL_DIR with ioctl", {}, ["ioctl"], 0x800],
    ["both readdirplus flags with readdirplus", {}, ["readdirplus"], 0x6000],
    ["DO_READDIRPLUS alone for always", { readdirplus: "always" }, ["readdirplus"], 0x2000],
    ["no readdirplus flag for never", { readdirplus: "never" }, ["readdirplus"], 0],
    ["no readdirplus flag without the method", { readdirplus: "always" }, [], 0],
    ["WRITEBACK_CACHE", { writebackCache: true }, [], 0x1_0000],
    ["POSIX_ACL", { posixAcl: true }, [], 0x10_0000],
    ["HANDLE_KILLPRIV_V2", { handleKillpriv: true }, [], 0x1000_0000],
    ["DONT_MASK", { dontMask: true }, [], 0x40],
    ["ATOMIC_O_TRUNC", { atomicOTrunc: true }, [], 0x8],
    ["EXPORT_SUPPORT", { exportSupport: true }, [], 0x10],
    ["NO_OPEN_SUPPORT", { noOpen: true }, [], 0x2_0000],
    ["no NO_OPEN_SUPPORT when there is an open method", { noOpen: true }, ["open"], 0],
    ["NO_OPENDIR_SUPPORT", { noOpendir: true }, [], 0x100_0000],
    ["CACHE_SYMLINKS", { cacheSymlinks: true }, [], 0x80_0000],
    ["flock locks alone", { posixLocks: false }, ["setlk"], 0x400],
    ["posix locks without the method", { posixLocks: true }, [], 0x2],
  ] as readonly (readonly [string, InitWishes, readonly string[], number])[])("%s", (_, wishes, methods, more) => {
    const [flags] = replyFlags(agreed("6.18, 7.45", wishes, methods));
    expect(flags ^ (BASE | SETXATTR_EXT | INIT_EXT)).toBe(more);
    const [plain] = replyFlags(agreed("5.4, 7.31", wishes, methods));
    expect((plain & ~0x03ff_ffff) >>> 0).toBe(0);
  });

  it.each([
    ["parallelDirops false", { parallelDirops: false }, 0x4_0000],
    ["asyncDirectIo false", { asyncDirectIo: false }, 0x8000],
    ["setxattrExt false", { setxattrExt: false }, SETXATTR_EXT],
    ["invalidateData explicit", { invalidateData: "explicit" }, 0x200_1000],
  ] as const)("%s: changes just that", (_, wishes, changed) => {
    const [flags] = replyFlags(agreed("6.18, 7.45", wishes));
    expect(flags ^ (BASE | SETXATTR_EXT | INIT_EXT)).toBe(changed);
  });

  it("bits that no table knows: are not answered", () => {
    const offer = parseOffer(bytesOf(`07000000 2e000000 00000200 ffffffff ffffffff ${PAD}`));
    const negotiation = negotiate(offer, {}, LIMIT);
    if (negotiation.kind !== "agreed") throw new Error("retry");
    const [flags, flags2] = replyFlags(negotiation.connection);
    expect([flags, flags2]).toEqual([BASE | SETXATTR_EXT | INIT_EXT, 0x98]);
  });
});

describe("negotiate: sizes", () => {
  const noMaxPages = { major: 7, minor: 31, maxReadahead: 65_536, flags: 0, flags2: 0 };
  const sizes = (connection: Connection) => [connection.maxPages, connection.maxWrite];

  it.each([
    [256, undefined, 256, 1_048_576],
    [256, 4096, 1, 4096],
    [256, 4097, 2, 4097],
    [256, 131_072, 32, 131_072],
    [256, 4_194_304, 256, 1_048_576],
    [1024, 4_194_304, 1024, 4_194_304],
    [1024, undefined, 256, 1_048_576],
    [16, undefined, 16, 65_536],
    [65_535, 268_431_360, 65_535, 268_431_360],
  ])("limit of %i pages, wish %s: %i pages, %i bytes", (limit, maxWrite, pages, bytes) => {
    expect(sizes(agreed("6.18, 7.45", maxWrite === undefined ? {} : { maxWrite }, [], limit))).toEqual([pages, bytes]);
  });

  it("without MAX_PAGES: 32 pages at most", () => {
    const without = (maxWrite: number) => negotiate(noMaxPages, { maxWrite }, { methods: NONE, maxPagesLimit: 1024 });
    expect(without(1_048_576)).toMatchObject({ connection: { maxPages: 32, maxWrite: 131_072, flags: [] } });
    expect(without(8192)).toMatchObject({ connection: { maxPages: 2, maxWrite: 8192 } });
  });

  it("maxReadahead: is what is wished, at most what is offered", () => {
    expect(agreed("6.18, 7.45").maxReadahead).toBe(131_072);
    expect(agreed("6.18, 7.45", { maxReadahead: 0 }).maxReadahead).toBe(0);
    expect(agreed("6.18, 7.45", { maxReadahead: 2 ** 31 }).maxReadahead).toBe(131_072);
  });

  it("minor: is the smaller one, and the kernel's is kept", () => {
    expect(agreed("5.15, 7.34")).toMatchObject({ minor: 34, kernelMinor: 34 });
    const newer = negotiate({ ...noMaxPages, minor: 99 }, {}, LIMIT);
    expect(newer).toMatchObject({ connection: { minor: 46, kernelMinor: 99 } });
  });

  it("wishes that nobody knows, and ones of a wrong type: are refused by name", () => {
    const wish = (wishes: object) => () => agreed("6.18, 7.45", wishes);
    expect(wish({ maxWrit: 4096 })).toThrow(/^wishes\.maxWrit is not known; known are maxWrite, /);
    expect(wish({ toString: true })).toThrow("wishes.toString is not known");
    expect(wish({ writebackCache: "yes" })).toThrow('wishes.writebackCache is "yes", not true or false');
    expect(wish({ readdirplus: true })).toThrow("wishes.readdirplus is true, not one of auto, always, never");
    expect(wish({ writebackCache: undefined })).not.toThrow();
  });

  it.each([
    ["maxWrite", [4095, 0, -4096, 4096.5, NaN, Infinity, 65_535 * 4096 + 1, "65536"]],
    ["maxReadahead", [-1, 2 ** 32, 0.5, NaN]],
    ["maxBackground", [0, -1, 65_536, 1.5, NaN]],
    ["maxStackDepth", [-1, 3, 0.5, NaN, "1"]],
    ["timeGranularityNs", [0, -1, 1_000_000_001, 0.1, NaN]],
  ] as const)("wishes.%s out of range: is refused by name", (name, values) => {
    for (const value of values) {
      expect(() => agreed("6.18, 7.45", { [name]: value })).toThrow(RangeError);
      expect(() => agreed("6.18, 7.45", { [name]: value })).toThrow(
        `wishes.${name} is ${shown(value)}, not an integer in`,
      );
    }
  });
});

describe("negotiate: FUSE passthrough", () => {
  const reply = (wishes: InitWishes, kernel = "6.18, 7.45") => {
    const connection = agreed(kernel, wishes);
    const bytes = encodeInitReply(1n, { kind: "agreed", connection });
    const depth = new DataView(bytes.buffer).getUint32(52, true);
    const [flags, flags2] = replyFlags(connection);
    return [connection.maxStackDepth, depth, flags2 & 0x20, flags & 0x1_0000];
  };

  it.each([1, 2] as const)("maxStackDepth %i: is asked for and stated, where the kernel offers it", (maxStackDepth) => {
    expect(reply({ maxStackDepth })).toEqual([maxStackDepth, maxStackDepth, 0x20, 0]);
    expect(reply({ maxStackDepth }, "6.6, 7.39")).toEqual([0, 0, 0, 0]);
    expect(reply({ maxStackDepth }, "5.15, 7.34")).toEqual([0, 0, 0, 0]);
  });

  it("maxStackDepth: 0 and none are no passthrough", () => {
    for (const wishes of [{}, { maxStackDepth: 0 }] as const) expect(reply(wishes)).toEqual([0, 0, 0, 0]);
  });

  it("maxStackDepth: gives way to writebackCache", () => {
    expect(reply({ maxStackDepth: 1, writebackCache: true })).toEqual([0, 0, 0, 0x1_0000]);
  });
});

describe("negotiate: other protocols", () => {
  const offer = { minor: 46, maxReadahead: 0, flags: 0, flags2: 0 };

  it.each([8, 9, 2 ** 32 - 1])("major %i: is asked again with ours", (major) => {
    expect(negotiate({ ...offer, major }, {}, LIMIT)).toEqual({ kind: "retry" });
  });

  it.each([
    [7, 30],
    [7, 0],
    [6, 46],
    [0, 0],
  ])("%i.%i: is refused with both numbers", (major, minor) => {
    expect(() => negotiate({ ...offer, major, minor }, {}, LIMIT)).toThrow(
      new NegotiationError(`the kernel speaks FUSE ${major}.${minor}; the oldest served is 7.31`),
    );
  });
});

describe("encodeInitReply", () => {
  it("agreement with 6.18: is these 80 bytes", () => {
    const connection = agreed("6.18, 7.45", { maxWrite: 65_536, maxBackground: 10, timeGranularityNs: 100 });
    const words = [
      "50000000 00000000 0807060504030201", // len 80, error 0, unique
      "07000000 2d000000 00000200 21906460", // 7.45, max_readahead, flags
      "0a000800 00000100 64000000 10000000", // max_background 10, congestion 8, max_write, time_gran, max_pages 16
      "98000000 00000000 0000", // flags2, max_stack_depth, request_timeout
      "0000".repeat(11),
    ];
    expect(hexOf(encodeInitReply(0x0102030405060708n, { kind: "agreed", connection }))).toBe(
      hexOf(bytesOf(words.join(""))),
    );
  });

  it("agreement with 5.15: has no flags2", () => {
    const connection = agreed("5.15, 7.34", { maxBackground: 1 });
    const words = [
      "50000000 00000000 0200000000000000",
      "07000000 22000000 00000200 21906420",
      "01000100 00001000 01000000 00010000",
      "00000000 00000000 0000",
      "0000".repeat(11),
    ];
    expect(hexOf(encodeInitReply(2n, { kind: "agreed", connection }))).toBe(hexOf(bytesOf(words.join(""))));
  });

  it("retry: is 7.46 and nothing else", () => {
    const rest = "00".repeat(56);
    expect(hexOf(encodeInitReply(2n, { kind: "retry" }))).toBe(
      hexOf(bytesOf(`50000000 00000000 0200000000000000 07000000 2e000000 ${rest}`)),
    );
  });
});

describe("inputSizes", () => {
  it("SETXATTR: is 16 bytes with SETXATTR_EXT, 8 without", () => {
    expect(inputSizes(agreed("6.18, 7.45"))[21]).toBe(16);
    expect(inputSizes(agreed("6.18, 7.45", { setxattrExt: false }))[21]).toBe(8);
    expect(inputSizes(agreed("5.4, 7.31"))[21]).toBe(8);
  });

  it("INIT: is 64 bytes from 7.36 on, 16 before", () => {
    expect(inputSizes(agreed("6.1, 7.38"))[26]).toBe(64);
    expect(inputSizes(agreed("5.15, 7.34"))[26]).toBe(16);
  });

  it("others: are those of the header, 0 where there is none", () => {
    const sizes = inputSizes(agreed("6.18, 7.45"));
    expect([1, 2, 3, 4, 7, 14, 15, 16, 42, 53].map((code) => sizes[code])).toEqual([0, 8, 16, 88, 0, 8, 40, 40, 8, 56]);
  });
});

describe("negotiate: over the ring", () => {
  const everything = { major: 7, minor: 45, maxReadahead: 131_072, flags: 0xffff_ffff, flags2: 0xffff_ffff };
  const flagsOf = (wishes: InitWishes, overRing: boolean) => {
    const made = negotiate(everything, wishes, { methods: new Set(), maxPagesLimit: 256, overRing });
    return made.kind === "agreed" ? made.connection.flags : [];
  };

  it("leaves asynchronous direct I/O away, whose callers do not poll, unless the filesystem asks for it", () => {
    expect(flagsOf({}, true)).not.toContain("ASYNC_DIO");
    expect(flagsOf({ asyncDirectIo: true }, true)).toContain("ASYNC_DIO");
    expect(flagsOf({}, false)).toContain("ASYNC_DIO");
  });
});

describe("negotiate: over io_uring", () => {
  const everything = { major: 7, minor: 46, maxReadahead: 131_072, flags: 0xffff_ffff, flags2: 0xffff_ffff };
  const methods = new Set(["setlk"]);
  const flagsOf = (offer: typeof everything, overIoUring: boolean) => {
    const made = negotiate(offer, {}, { methods, maxPagesLimit: 256, overIoUring });
    return made.kind === "agreed" ? made.connection.flags : [];
  };

  it("asks for the lane, and leaves locks to the kernel", () => {
    expect(flagsOf(everything, true)).toContain("OVER_IO_URING");
    expect(flagsOf(everything, true)).not.toEqual(expect.arrayContaining(["POSIX_LOCKS"]));
    expect(flagsOf(everything, true)).not.toEqual(expect.arrayContaining(["FLOCK_LOCKS"]));
  });

  it("agrees to pools of payloads where both are offered, and only on this lane", () => {
    const withoutPools = { ...everything, flags2: 0xffff_ffff & ~(1 << 11) };
    expect(flagsOf(everything, true)).toContain("HAS_IO_URING_BUFPOOL");
    expect(flagsOf(withoutPools, true)).not.toContain("HAS_IO_URING_BUFPOOL");
    expect(flagsOf(everything, false)).not.toContain("HAS_IO_URING_BUFPOOL");
  });

  it("serves locks by the filesystem where the lane is not wanted or not offered", () => {
    for (const flags of [flagsOf(everything, false), flagsOf({ ...everything, flags2: 0 }, true)]) {
      expect(flags).toEqual(expect.arrayContaining(["POSIX_LOCKS", "FLOCK_LOCKS"]));
      expect(flags).not.toContain("OVER_IO_URING");
    }
  });
});
