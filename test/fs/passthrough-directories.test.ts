// Passthrough: directories read in small pieces, by one copy or by several in turn, forwards, from a cookie, again.
import { mkdirSync, readdirSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FuseDirent, FuseEntryOut } from "../../src/abi/fuse-structs.ts";
import { type Entry, entryAt, openDescriptors, PassthroughClient } from "./passthrough-client.ts";

interface Listed {
  readonly name: string;
  readonly ino: bigint;
  readonly type: number;
  readonly cookie: bigint;
  readonly entry: Entry | undefined;
}

/** One READDIR or READDIRPLUS from a cookie. */
function part(client: PassthroughClient, fh: number, cookie: bigint, size: number, plus: boolean): Listed[] {
  const { error, body } = client.ask(plus ? "READDIRPLUS" : "READDIR", 1, { fh, offset: cookie, size });
  if (error !== "") throw new Error(error);
  expect(body.byteLength).toBeLessThanOrEqual(size);
  const records: Listed[] = [];
  const fixed = plus ? FuseEntryOut.size : 0;
  for (let at = 0; at < body.byteLength; ) {
    const dirent = at + fixed;
    const length = body.getUint32(dirent + FuseDirent.at.namelen, true);
    records.push({
      name: Buffer.from(body.buffer, body.byteOffset + dirent + FuseDirent.size, length).toString("latin1"),
      ino: body.getBigUint64(dirent + FuseDirent.at.ino, true),
      type: body.getUint32(dirent + FuseDirent.at.type, true),
      cookie: body.getBigUint64(dirent + FuseDirent.at.off, true),
      entry: plus ? entryAt(body, at) : undefined,
    });
    at += (fixed + FuseDirent.size + length + 7) & ~7;
  }
  return records;
}

/** All of a directory from a cookie; `turn` is called before each part. */
function all(client: PassthroughClient, fh: number, size: number, plus = false, from = 0n, turn = () => {}): Listed[] {
  const records: Listed[] = [];
  let cookie = from;
  for (let parts = 0; parts < 10_000; parts++) {
    turn();
    const got = part(client, fh, cookie, size, plus);
    if (got.length === 0) return records;
    records.push(...got);
    cookie = got.at(-1)?.cookie ?? 0n;
  }
  throw new Error("the directory does not end");
}

const COUNT = 1500;
const fill = (client: PassthroughClient) => {
  for (let index = 0; index < COUNT; index++) writeFileSync(client.path(`file-${index}${"x".repeat(index % 40)}`), "");
};
const namesOf = (records: readonly Listed[]) => records.map(({ name }) => name).sort();

describe("readdir", () => {
  it.each([100, 512, 4096, 60_000])("gives every name once, %i bytes at a time", (size) => {
    using client = new PassthroughClient();
    fill(client);
    mkdirSync(client.path("dir"));
    const fh = client.opendir(1);
    const records = all(client, fh, size);
    expect(namesOf(records)).toEqual([".", "..", ...readdirSync(client.source)].sort());
    for (const { name, ino, type } of records.slice(0, 50)) {
      if (name === "..") continue;
      const stats = statSync(client.path(name), { bigint: true });
      expect([name, ino, type]).toEqual([name, stats.ino, Number(stats.mode) >> 12]);
    }
  });

  it("goes on from any cookie, in any order", () => {
    using client = new PassthroughClient();
    fill(client);
    const fh = client.opendir(1);
    const records = all(client, fh, 4096);
    for (const index of [COUNT, 7, 8, 700, 3, COUNT - 1, 0, 701]) {
      const rest = all(client, fh, 1000, false, records[index]?.cookie);
      expect(rest.map(({ name }) => name)).toEqual(records.slice(index + 1).map(({ name }) => name));
    }
  });

  it("sees after a rewind what changed, and not the old", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("old"), "");
    const fh = client.opendir(1);
    expect(namesOf(all(client, fh, 4096))).toContain("old");
    unlinkSync(client.path("old"));
    writeFileSync(client.path("new"), "");
    expect(namesOf(all(client, fh, 4096))).toEqual([".", "..", "new"]);
  });

  it("a reply too small for one entry is EINVAL, not the end", () => {
    using client = new PassthroughClient();
    expect(() => part(client, client.opendir(1), 0n, 24, false)).toThrow("EINVAL");
  });

  it("copies that take turns give every name once, also of a handle's second owner", () => {
    using client = new PassthroughClient({}, 3);
    fill(client);
    let turns = 0;
    const turn = () => {
      client.serving = turns++ % 3;
    };
    const fh = client.opendir(1);
    const expected = [".", "..", ...readdirSync(client.source)].sort();
    expect(namesOf(all(client, fh, 700, false, 0n, turn))).toEqual(expected);
    writeFileSync(client.path("late"), "");
    expect(namesOf(all(client, fh, 700, false, 0n, turn))).toEqual([...expected, "late"].sort());
    client.serving = 1;
    mkdirSync(client.path("sub"));
    const sub = client.lookup(1, "sub").nodeid;
    client.ask("RELEASEDIR", 1, { fh });
    const again = client.opendir(sub);
    expect(again).toBe(fh); // the same number, another directory
    expect(namesOf(all(client, again, 700, false, 0n, turn))).toEqual([".", ".."]);
  });
});

describe("readdirplus", () => {
  it("counts a lookup for every entry but . and ..", () => {
    using client = new PassthroughClient();
    for (const name of ["a", "b", "c"]) writeFileSync(client.path(name), name);
    const b = client.lookup(1, "b");
    const fh = client.opendir(1);
    const before = openDescriptors().length;
    const records = all(client, fh, 4096, true);
    expect(namesOf(records)).toEqual([".", "..", "a", "b", "c"]);
    for (const { name, entry, ino } of records) {
      if (name.startsWith(".")) expect(entry?.nodeid).toBe(0);
      else expect(entry).toMatchObject({ size: 1, ino });
    }
    expect(records.find(({ name }) => name === "b")?.entry?.nodeid).toBe(b.nodeid);
    expect(openDescriptors().length).toBe(before + 2);
    client.forget(b.nodeid);
    expect(client.getattr(b.nodeid).size).toBe(1);
    for (const { entry } of records) if (entry !== undefined && entry.nodeid > 0) client.forget(entry.nodeid);
    expect(client.copies[0]?.counters().nodes).toMatchObject({ live: 1, unknown: 0, excess: 0 });
    expect(openDescriptors().length).toBe(before - 1);
  });

  it("an entry that vanished meanwhile is a name without attributes", () => {
    using client = new PassthroughClient();
    for (const name of ["a", "b", "c", "d"]) writeFileSync(client.path(name), "");
    const fh = client.opendir(1);
    const first = part(client, fh, 0n, 400, true); // . and .. at least; the rest is read ahead
    const seen = new Set(first.map(({ name }) => name));
    const left = ["a", "b", "c", "d"].filter((name) => !seen.has(name));
    expect(left.length).toBeGreaterThan(1);
    const gone = left[0] ?? "";
    unlinkSync(client.path(gone));
    const rest = all(client, fh, 4096, true, first.at(-1)?.cookie);
    expect(rest.find(({ name }) => name === gone)?.entry?.nodeid).toBe(0);
    expect(rest.filter(({ entry }) => (entry?.nodeid ?? 0) > 0).length).toBe(left.length - 1);
  });
});
