// Proves the golden rows of every opcode over the ring: the same requests, the same handlers, the same replies byte for
// byte, though request and reply lie in other places; with one tag used again, and with indices that wrap.
import { describe, expect, it } from "vitest";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import type { RequestHeader } from "../../src/codec/request-view.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { FILE_ROWS } from "./golden-files.ts";
import { NAME_ROWS } from "./golden-names.ts";
import type { Golden } from "./golden-row.ts";
import { createRingQueue } from "./ring-queue.ts";
import { reply, request, shown, u32, zeros } from "./wire.ts";

const ROWS = [...NAME_ROWS, ...FILE_ROWS];
const title = (row: Golden) => `${row.name}: ${row.about}`;
const WRAPS = -3; // as u32: the third index from the last

function filesystemOf(row: Golden, seen: unknown[]): Filesystem {
  const method = row.name === "COPY_FILE_RANGE_64" ? "copyFileRange" : OPCODES[row.name].method;
  const handler = (req: RequestHeader) => {
    seen.push(row.sees(req));
    return row.does(req);
  };
  return { [method]: handler } as Filesystem;
}

const flagsOf = (row: Golden) => ["INIT_EXT" as const, ...row.flags];

describe("golden rows on the ring", () => {
  it.each(ROWS.map((row) => [title(row), row] as const))("%s", (_, row) => {
    const seen: unknown[] = [];
    using queue = createRingQueue(filesystemOf(row, seen), { flags: flagsOf(row), depth: 1, start: WRAPS });
    for (let round = 0; round < 5; round++) {
      const got = queue.ask(request({ code: row.code }, row.body));
      expect(shown(got)).toBe(shown(reply(row.error, undefined, row.reply)));
    }
    expect(queue.errors).toEqual([]);
    expect(seen).toEqual(Array(5).fill(row.seen));
  });

  it.each(ROWS.map((row) => [title(row), row] as const))("%s, after replies full of ones in the same tag", (_, row) => {
    const dirty: Filesystem = { read: (req) => req.buffer.fill(0xff, 0, req.size).length && req.size };
    const filesystem = { ...filesystemOf(row, []), ...(row.name === "READ" ? {} : dirty) };
    using queue = createRingQueue(filesystem, { flags: flagsOf(row), depth: 1 });
    queue.ask(request({ code: 15 }, zeros(16), u32(4096), zeros(20)));
    queue.ask(request({ code: 16 }, zeros(16), u32(0x2000), zeros(20), new Uint8Array(0x2000).fill(0xff)));
    const got = queue.ask(request({ code: row.code }, row.body));
    expect(shown(got)).toBe(shown(reply(row.error, undefined, row.reply)));
  });
});
