// Behaviour under several processes at once, and of directories that change while they are read.
import { expect } from "vitest";
import { MANY } from "./pace.ts";
import type { Entry, Probe } from "./probe.ts";
import { area, type Bench, type Target } from "./target.ts";

type It = ReturnType<typeof area>;

/** Entries that go while the MANY stay. */
const OTHERS = 2000;

/** Registers the tests of concurrent use. */
export function concurrency(target: Target): void {
  const it = area(target, "concurrency");
  listing(it);
  racing(it);
  sharing(it);
}

async function crew(bench: Bench, size: number): Promise<Probe[]> {
  return Promise.all(Array.from({ length: size }, () => bench.probe()));
}

const named = (entries: readonly Entry[], prefix: string) =>
  entries.map((entry) => entry.name.toString()).filter((name) => name.startsWith(prefix));

function listing(it: It): void {
  it(`readdir: ${MANY} untouched entries appear once each while others come and go`, async (bench) => {
    const { p, path, folder, probe } = bench;
    await folder("d");
    const q = await probe();
    // One that stays is the oldest: a tmpfs of Linux 6.18 begins anew when a cookie's entry and all older ones are gone.
    await p.call("create_files", path("d"), "keep-", 0, 1);
    await p.call("create_files", path("d"), "gone-", 0, OTHERS);
    await p.call("create_files", path("d"), "keep-", 1, MANY - 1);
    await p.call("create_files", path("d"), "also-gone-", 0, OTHERS);
    const dir = await p.number("opendir", path("d"));
    const seen: Entry[] = [];
    for (let round = 0; ; round++) {
      const entries = await p.readdir(dir, 700);
      if (entries.length === 0) break;
      seen.push(...entries);
      await q.call("remove_files", path("d"), "gone-", round * 200, 200);
      await q.call("remove_files", path("d"), "also-gone-", OTHERS - (round + 1) * 200, 200);
      await q.call("create_files", path("d"), `new-${round}-`, 0, 100);
      if (round > 1000) throw new Error("the directory does not end");
    }
    const kept = named(seen, "keep-");
    expect(kept.length).toBe(MANY);
    expect(new Set(kept).size).toBe(MANY);
    expect(new Set(seen.map((entry) => entry.name.toString())).size).toBe(seen.length);
  });

  it("readdir: removing what was listed, while listing, empties the directory", async ({ p, path, folder }) => {
    await folder("d");
    await p.call("create_files", path("d"), "f", 0, MANY);
    const dir = await p.number("opendir", path("d"));
    let removed = 0;
    for (let entries = await p.readdir(dir, 1000); entries.length > 0; entries = await p.readdir(dir, 1000)) {
      const outcomes = named(entries, "f").map((name) => p.outcome("unlink", path("d", name)));
      removed += (await Promise.all(outcomes)).filter((outcome) => outcome === "ok").length;
    }
    expect(removed).toBe(MANY);
    expect(await p.outcome("rmdir", path("d"))).toBe("ok");
  });

  it("readdir: renames while reading never hide an untouched entry", async ({ p, path, folder, probe }) => {
    await folder("d");
    await p.call("create_files", path("d"), "keep-", 0, 1000);
    await p.call("create_files", path("d"), "move-", 0, 100);
    const q = await probe();
    const dir = await p.number("opendir", path("d"));
    const seen: Entry[] = [];
    for (let i = 0; ; i++) {
      const entries = await p.readdir(dir, 60);
      if (entries.length === 0) break;
      seen.push(...entries);
      if (i < 100) await q.call("rename", path("d", `move-${i}`), path("d", `moved-${i}`));
    }
    expect(named(seen, "keep-").length).toBe(1000);
    expect(new Set(named(seen, "keep-")).size).toBe(1000);
  });
}

function racing(it: It): void {
  it("O_EXCL: of four processes that make the same files, each file has one maker", async (bench) => {
    const probes = await crew(bench, 4);
    const made = await Promise.all(probes.map((q) => q.number("create_files", bench.dir, "f", 0, 1000)));
    expect(made.reduce((a, b) => a + b)).toBe(1000);
    expect((await bench.names()).length).toBe(1000);
    const removed = await Promise.all(probes.map((q) => q.number("remove_files", bench.dir, "f", 0, 1000)));
    expect(removed.reduce((a, b) => a + b)).toBe(1000);
  });

  it("mkdir and rmdir: of four processes, each directory has one maker and one remover", async (bench) => {
    const probes = await crew(bench, 4);
    const made = await Promise.all(probes.map((q) => q.number("create_directories", bench.dir, "d", 0, 500)));
    expect(made.reduce((a, b) => a + b)).toBe(500);
    if (bench.features.directoryNlink) expect((await bench.p.stat(bench.dir)).nlink).toBe(502);
    const removed = await Promise.all(probes.map((q) => q.number("remove_directories", bench.dir, "d", 0, 500)));
    expect(removed.reduce((a, b) => a + b)).toBe(500);
    if (bench.features.directoryNlink) expect((await bench.p.stat(bench.dir)).nlink).toBe(2);
  });

  it("create: four processes fill one directory, none loses a file", async (bench) => {
    const probes = await crew(bench, 4);
    await Promise.all(probes.map((q, i) => q.call("create_files", bench.dir, `by-${i}-`, 0, 1000)));
    const entries = await bench.p.list(bench.dir);
    for (let i = 0; i < 4; i++) expect(new Set(named(entries, `by-${i}-`)).size).toBe(1000);
  });

  it("rename: of four processes that move one file, one wins each time", async (bench) => {
    const probes = await crew(bench, 4);
    for (let round = 0; round < 50; round++) {
      await bench.file(`f${round}`);
      const outcomes = await Promise.all(
        probes.map((q, i) => q.outcome("rename", bench.path(`f${round}`), bench.path(`by-${i}-${round}`))),
      );
      expect(outcomes.sort()).toEqual(["ENOENT", "ENOENT", "ENOENT", "ok"]);
    }
    expect((await bench.names()).length).toBe(50);
  });

  it("rename: directories moved into each other by two processes stay one tree", async (bench) => {
    const { path, folder, names } = bench;
    const [p, q] = await crew(bench, 2);
    if (!p || !q) throw new Error("no crew");
    for (let round = 0; round < 50; round++) {
      await folder(`a${round}`);
      await folder(`b${round}`);
      const outcomes = await Promise.all([
        p.outcome("rename", path(`a${round}`), path(`b${round}`, "in")),
        q.outcome("rename", path(`b${round}`), path(`a${round}`, "in")),
      ]);
      expect(["EINVAL,ok", "ENOENT,ok"]).toContain(outcomes.sort().join());
    }
    expect((await names()).length).toBe(50);
  });
}

function sharing(it: It): void {
  it("append: records of four processes are whole and all there", async (bench) => {
    const probes = await crew(bench, 4);
    await Promise.all(
      probes.map(async (q, i) => {
        const fd = await q.open(bench.path("log"), "O_WRONLY|O_CREAT|O_APPEND");
        await q.call("append", fd, 500, `${String(i).repeat(59)}\n`);
      }),
    );
    const records = (await bench.content("log")).split("\n");
    expect(records.pop()).toBe("");
    expect(records.length).toBe(2000);
    for (let i = 0; i < 4; i++) expect(records.filter((record) => record === `${i}`.repeat(59)).length).toBe(500);
  });

  it("write: four processes fill their quarters of one file", async (bench) => {
    const quarter = 512 * 1024 + 17;
    const probes = await crew(bench, 4);
    await Promise.all(
      probes.map(async (q, i) => {
        const fd = await q.open(bench.path("f"), "O_RDWR|O_CREAT");
        await q.call("fill", fd, i * quarter, quarter, 0x41 + i);
        await q.call("fsync", fd);
      }),
    );
    const expected = Buffer.concat([0, 1, 2, 3].map((i) => Buffer.alloc(quarter, 0x41 + i)));
    expect(Buffer.from(await bench.content("f"), "latin1").equals(expected)).toBe(true);
  });

  it("write: a reader of a growing file sees a prefix, never garbage", async (bench) => {
    const { p, path, probe } = bench;
    const q = await probe();
    const fd = await p.open(path("f"), "O_WRONLY|O_CREAT|O_APPEND");
    const writing = p.call("append", fd, 2000, "0123456789");
    const from = await q.open(path("f"));
    let size = 0;
    while (size < 20_000) {
      const data = await q.text("pread", from, 0, 30_000);
      expect(data.length).toBeGreaterThanOrEqual(size);
      expect("0123456789".repeat(2000).startsWith(data)).toBe(true);
      size = data.length;
    }
    await writing;
  });

  it("open and close: sixteen processes on their own files at once", async (bench) => {
    const probes = await crew(bench, 16);
    const texts = await Promise.all(
      probes.map(async (q, i) => {
        for (let round = 0; round < 10; round++) {
          const fd = await q.open(bench.path(`f${i}`), "O_RDWR|O_CREAT");
          await q.call("pwrite", fd, round * 5, `${String(i).padStart(2, "0")}-${round};`);
          await q.call("close", fd);
        }
        return bench.content(`f${i}`);
      }),
    );
    for (const [i, text] of texts.entries()) {
      const id = String(i).padStart(2, "0");
      expect(text).toBe(Array.from({ length: 10 }, (_, round) => `${id}-${round};`).join(""));
    }
  });
}
