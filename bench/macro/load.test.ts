// Owns: the proof that the load generator's results are read and refused rightly, and that it checks itself.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildLoad } from "./build.ts";
import { parseLoad, runClient } from "./load-client.ts";
import { WORKLOADS } from "./workloads.ts";

const LIMIT_MS = 20_000;
const never = new AbortController().signal;

function run(program: string, words: readonly string[], limitMs: number, signal: AbortSignal): Promise<string> {
  return runClient([program, ...words], limitMs, signal);
}

test("load: its histogram gives the answers known beforehand", { timeout: LIMIT_MS }, async () => {
  expect(await run(await buildLoad(), ["self-test"], LIMIT_MS, never)).toBe('{"self_test":"ok"}\n');
});

test("load: every workload runs on a directory and reports numbers that agree", { timeout: LIMIT_MS }, async () => {
  const program = await buildLoad();
  const folder = await mkdtemp(join(tmpdir(), "rfuse-load-"));
  const size = ["--file-size", String(2 ** 20)];
  try {
    await run(program, ["prepare", folder, "--threads", "4", ...size], LIMIT_MS, never);
    for (const { mode, shared } of WORKLOADS) {
      const threads = mode === "stat" ? 4 : 2;
      const args = [mode, folder, "--seconds", "0.02", "--threads", String(threads), ...size];
      if (shared) args.push("--shared");
      const load = parseLoad(await run(program, args, LIMIT_MS, never));
      expect(load.ops, mode).toBeGreaterThanOrEqual(threads);
      expect(load.seconds, mode).toBeGreaterThanOrEqual(0.02);
      expect(Math.abs(load.ops_per_s * load.seconds - load.ops) / load.ops, mode).toBeLessThan(0.01);
      expect(load.user_us + load.system_us, mode).toBeLessThanOrEqual(load.seconds * threads * 1e6 * 1.5);
      expect(load.quantiles.at(0)?.[0], mode).toBe(0);
      expect(load.quantiles.at(-1), mode).toEqual([1, load.max_us]);
      expect(load.p50_us <= load.p99_us && load.p99_us <= load.p999_us && load.p999_us <= load.max_us, mode).toBe(true);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("load: names what failed with its errno", { timeout: LIMIT_MS }, async () => {
  const args = ["stat", "/nowhere", "--seconds", "0.02"];
  await expect(run(await buildLoad(), args, LIMIT_MS, never)).rejects.toThrow(
    "stat /nowhere/data.0: No such file or directory (errno 2)",
  );
});

test("load: refuses data that is not what prepare wrote", { timeout: LIMIT_MS }, async () => {
  const program = await buildLoad();
  const folder = await mkdtemp(join(tmpdir(), "rfuse-load-"));
  try {
    await Bun.write(join(folder, "data.0"), new Uint8Array(2 ** 20).fill(7));
    const args = ["sread", folder, "--seconds", "0.02", "--file-size", String(2 ** 20)];
    await expect(run(program, args, LIMIT_MS, never)).rejects.toThrow("wrong data");
  } finally {
    await rm(folder, { recursive: true });
  }
});
