// Owns: how a daemon is started when Bun itself crashes: anew, counted, and not for ever.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { readResults } from "../gate/result-lines.ts";
import { makePlace, startMount } from "./harness.ts";

const CRASH = `echo "oh no: Bun has crashed. This indicates a bug in Bun, not your code." >&2; exit 132`;

/** A command before the daemon's that dies as Bun does the first `times` times; `counter` has a line for each call. */
const crashing = (counter: string, times: number) => [
  ...["sh", "-c", `echo x >> ${counter}; [ $(wc -l < ${counter}) -le ${times} ] || exec "$@"; ${CRASH}`, "sh"],
];

describe("startMount", () => {
  it.each([1, 2])("starts a daemon anew when Bun crashed %i times, and counts it", async (times) => {
    const { dir } = makePlace();
    const [counter, results] = [join(dir, "count"), join(dir, "results")];
    vi.stubEnv("RFUSE_TEST_RESULTS", results);
    await using daemon = await startMount({ wrap: crashing(counter, times) }).finally(() => vi.unstubAllEnvs());
    expect(daemon.said.some(({ event }) => event === "ready")).toBe(true);
    expect(readFileSync(counter, "utf8")).toBe("x\n".repeat(times + 1));
    expect(readResults(results).crashes).toHaveLength(times);
  });

  it("gives up when Bun crashes each time", async () => {
    const { dir } = makePlace();
    vi.stubEnv("RFUSE_TEST_RESULTS", join(dir, "results"));
    const wrap = crashing(join(dir, "count"), 9);
    await expect(startMount({ wrap }).finally(() => vi.unstubAllEnvs())).rejects.toThrow("the daemon ended: oh no");
    expect(readFileSync(join(dir, "count"), "utf8")).toBe("x\n".repeat(3));
  });

  it("does not start anew what ended in any other way", async () => {
    const { dir } = makePlace();
    const wrap = ["sh", "-c", `echo x >> ${join(dir, "count")}; echo broken >&2; exit 1`, "sh"];
    await expect(startMount({ wrap })).rejects.toThrow("the daemon ended: broken");
    expect(readFileSync(join(dir, "count"), "utf8")).toBe("x\n");
  });
});
