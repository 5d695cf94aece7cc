// Proves every opcode by golden bytes in both directions: the real transport and dispatch over a fake kernel.
import { describe, expect, it } from "vitest";
import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import type { RequestHeader } from "../../src/codec/request-view.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createFakeKernel, type FakeKernelOptions } from "./fake-kernel.ts";
import { FILE_ROWS, MISSING } from "./golden-files.ts";
import { NAME_ROWS } from "./golden-names.ts";
import type { Golden } from "./golden-row.ts";
import { chars, hex, join, reply, request, shown, u32, u64, z, zeros } from "./wire.ts";

const ROWS = [...NAME_ROWS, ...FILE_ROWS];
/** Answered by the session, or by nobody: proven by tests of their own below. */
const UNSERVED: readonly OpcodeName[] = ["INIT", "DESTROY", "SETUPMAPPING", "REMOVEMAPPING"];
const SILENT: readonly OpcodeName[] = ["FORGET", "BATCH_FORGET", "INTERRUPT", "NOTIFY_REPLY"];

/** A filesystem whose one method plays the row; `seen` collects what its view showed. */
function filesystemOf(row: Golden, seen: unknown[]): Filesystem {
  const method = row.name === "COPY_FILE_RANGE_64" ? "copyFileRange" : OPCODES[row.name].method;
  const handler = (req: RequestHeader) => {
    seen.push(row.sees(req));
    return row.does(req);
  };
  return { [method]: handler } as Filesystem;
}

const optionsOf = (row: Golden): FakeKernelOptions => ({ flags: ["INIT_EXT", ...row.flags] });
const title = (row: Golden) => `${row.name}: ${row.about}`;

describe("golden rows", () => {
  it("rows: cover every opcode of the table", () => {
    const proven = new Set([...ROWS.map((row) => row.name), ...UNSERVED, ...SILENT]);
    expect((Object.keys(OPCODES) as OpcodeName[]).filter((name) => !proven.has(name))).toEqual([]);
    expect(new Set(ROWS.map(title)).size).toBe(ROWS.length);
  });

  it.each(ROWS.map((row) => [title(row), row] as const))("%s", (_, row) => {
    const seen: unknown[] = [];
    using kernel = createFakeKernel(filesystemOf(row, seen), optionsOf(row));
    const got = kernel.ask(request({ code: row.code }, row.body));
    expect(kernel.errors).toEqual([]);
    expect(seen).toEqual([row.seen]);
    expect(shown(got)).toBe(shown(reply(row.error, undefined, row.reply)));
    expect(kernel.receive()).toBeUndefined();
  });

  it.each(ROWS.map((row) => [title(row), row] as const))("%s, after replies full of ones in the same tag", (_, row) => {
    const dirty: Filesystem = { read: (req) => req.buffer.fill(0xff, 0, req.size).length && req.size };
    using kernel = createFakeKernel(
      { ...filesystemOf(row, []), ...(row.name === "READ" ? {} : dirty) },
      optionsOf(row),
    );
    kernel.ask(request({ code: 15 }, zeros(16), u32(4096), zeros(20)));
    kernel.ask(request({ code: 16 }, zeros(16), u32(0x2000), zeros(20), new Uint8Array(0x2000).fill(0xff)));
    const got = kernel.ask(request({ code: row.code }, row.body));
    expect(shown(got)).toBe(shown(reply(row.error, undefined, row.reply)));
  });
});

describe("requests without a method", () => {
  const codes = Object.values(OPCODES).filter(({ name }) => !(SILENT as readonly string[]).includes(name));
  it.each(codes.map(({ name, code }) => [name, code] as const))("%s: gets its fixed answer", (name, code) => {
    using kernel = createFakeKernel({});
    const row = ROWS.find((candidate) => candidate.name === name);
    const bodies: Readonly<Record<string, Uint8Array>> = {
      INIT: zeros(64),
      SETUPMAPPING: zeros(40),
      REMOVEMAPPING: join(u32(1), zeros(16)),
    };
    const answer = MISSING[code] ?? 0;
    const [error, bytes] = typeof answer === "number" ? [answer, zeros(0)] : [0, answer];
    const got = kernel.ask(request({ code }, row?.body ?? bodies[name] ?? zeros(0)));
    expect(shown(got)).toBe(shown(reply(error, undefined, bytes)));
    expect(kernel.errors).toEqual([]);
  });

  it.each(UNSERVED)("%s: never reaches the filesystem", (name) => {
    const { code, method } = OPCODES[name];
    let calls = 0;
    using kernel = createFakeKernel({ [method]: () => calls++ } as Filesystem);
    kernel.ask(request({ code }, zeros(64)));
    expect(calls).toBe(0);
  });

  it("OPEN and OPENDIR: answer ENOSYS when the kernel takes that as never ask again", () => {
    using kernel = createFakeKernel({}, { flags: ["NO_OPEN_SUPPORT", "NO_OPENDIR_SUPPORT"] });
    expect(shown(kernel.ask(request({ code: 14 }, zeros(8))))).toBe(shown(reply(-38)));
    expect(shown(kernel.ask(request({ code: 27 }, zeros(8))))).toBe(shown(reply(-38)));
  });

  it("RENAME: is served by rename2 with flags 0", () => {
    const seen: unknown[] = [];
    using kernel = createFakeKernel({
      rename2: (req) => void seen.push([req.newdir, req.flags, req.name, req.newname]),
    });
    expect(shown(kernel.ask(request({ code: 12 }, u64(5), z("a"), z("b"))))).toBe(shown(reply(0)));
    expect(seen).toEqual([[5, 0, "a", "b"]]);
  });

  it("LOOKUP: of . and .. is served when EXPORT_SUPPORT was agreed", () => {
    const seen: string[] = [];
    using kernel = createFakeKernel(
      {
        lookup: (req) => {
          seen.push(req.name);
          return -2;
        },
      },
      { flags: ["EXPORT_SUPPORT"] },
    );
    kernel.ask(request({ code: 1 }, z(".")));
    kernel.ask(request({ code: 1 }, z("..")));
    expect(seen).toEqual([".", ".."]);
  });
});

describe("requests without reply", () => {
  it("FORGET: hands over nodeid and count", () => {
    const seen: unknown[] = [];
    using kernel = createFakeKernel({ forget: (...args) => void seen.push(args) });
    expect(kernel.ask(request({ code: 2, nodeid: 0x1_0000_0021 }, u64(0x2_0000_0003)))).toBeUndefined();
    expect(seen).toEqual([[0x1_0000_0021, 0x2_0000_0003]]);
    expect(kernel.stats()).toMatchObject({ requests: 1, replies: 0, errors: 0, forgets: 1 });
  });

  it("BATCH_FORGET: hands over each record, also behind one whose handler throws or rejects", async () => {
    const seen: unknown[] = [];
    const forget = (nodeid: number, nlookup: number): unknown => {
      seen.push([nodeid, nlookup]);
      if (nodeid === 5) throw new Error("five");
      return nodeid === 6 ? Promise.reject(new Error("six")) : undefined;
    };
    using kernel = createFakeKernel({ forget: forget as (nodeid: number, nlookup: number) => void });
    const body = [u32(3), u32(0), u64(5), u64(1), u64(6), u64(2 ** 40), u64(7), u64(1)];
    expect(kernel.ask(request({ code: 42, nodeid: 0 }, ...body))).toBeUndefined();
    expect(seen).toEqual([
      [5, 1],
      [6, 2 ** 40],
      [7, 1],
    ]);
    await kernel.until(() => kernel.errors.length === 2);
    expect(kernel.errors.map(({ opcode, nodeid, error }) => [opcode, nodeid, String(error)])).toEqual([
      ["FORGET", 5, "Error: five"],
      ["FORGET", 6, "Error: six"],
    ]);
  });

  it("INTERRUPT: of an unknown unique is passed on, and gets no reply", () => {
    using kernel = createFakeKernel({});
    expect(kernel.ask(request({ code: 36 }, u64(0xfedc_ba98_7654_3210n)))).toBeUndefined();
    expect(kernel.foreign).toEqual([[0x7654_3210, 0xfedc_ba98]]);
  });

  it("NOTIFY_REPLY: hands over a private copy of the data", () => {
    using kernel = createFakeKernel({});
    const body = [u64(0), u64(2 ** 40), u32(3), u32(0), u64(0), u64(0), hex("0a0b0c")];
    expect(kernel.ask(request({ code: 41 }, ...body))).toBeUndefined();
    kernel.ask(request({ code: 41 }, u64(0), u64(1), u32(3), u32(0), u64(0), u64(0), chars("xyz")));
    expect(kernel.retrieved[0]).toEqual([0x0102030405060708n, 2 ** 40, hex("0a0b0c")]);
    expect(kernel.retrieved[1]?.[2]).toEqual(chars("xyz"));
  });
});
