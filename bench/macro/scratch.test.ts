// Owns: the proof that scratch directories are made, and that those of dead runs are swept.

import { access, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { makeScratch, removeScratch, sweepScratch } from "./scratch.ts";

test("sweepScratch: removes what a dead run left, and neither a living run's nor a stranger's", async () => {
  const parent = await mkdtemp(join(tmpdir(), "rfuse-sweep-"));
  try {
    const ours = await makeScratch(parent);
    const dead = `rfuse-bench-${2 ** 30}-abc`;
    await mkdir(join(parent, dead));
    await writeFile(join(parent, dead, "data.0"), "x");
    await mkdir(join(parent, "other-5-abc"));
    expect(await sweepScratch(parent)).toEqual([dead]);
    expect((await readdir(parent)).sort()).toEqual(["other-5-abc", basename(ours)].sort());
  } finally {
    await rm(parent, { recursive: true });
  }
});

test("removeScratch: removes what it is given, and is content when it is gone", async () => {
  const folder = await makeScratch(tmpdir());
  await writeFile(join(folder, "data.0"), "x");
  await removeScratch(folder);
  await expect(access(folder)).rejects.toThrow("ENOENT");
  await removeScratch(folder);
});
