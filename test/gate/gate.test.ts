// Shows that the gate cannot be fooled: a suite that hangs, crashes, lies or runs nothing is a failure, and what a
// mount test leaves behind is found.
import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fuseMounts, leftMounts, processesOf, runEnvironment, startRun, sweep } from "./leftovers.ts";
import { readResults } from "./result-lines.ts";
import { type Count, runAndCount } from "./run-suite.ts";

const directory = mkdtempSync(join(tmpdir(), "rfuse-gate-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let suites = 0;
function tallyOf(count: Count, script: string, idleMs = 20_000) {
  const name = `sample-${++suites}`;
  const suite = { name, command: ["sh", "-c", script], count, totalMs: 20_000, idleMs };
  return runAndCount(suite, directory, startRun(`gate-test-${process.pid}-${suites}`));
}

const event = (kind: string, name: string) => `echo '{"event":"${kind}","name":"${name}"}' >> $RFUSE_TEST_RESULTS`;

describe("runAndCount", () => {
  it("counts a suite by its exit status as one", async () => {
    expect(await tallyOf("exit", "exit 0")).toMatchObject({ passed: 1, failures: [] });
    const failed = await tallyOf("exit", "exit 3");
    expect(failed.passed).toBe(0);
    expect(failed.failures).toEqual([expect.stringContaining("exit status 3")]);
  });

  it("counts events, and an exit status that no event explains as a failure", async () => {
    const good = `${event("ready", "a")}; ${event("passed", "a")}; ${event("skipped", "b")}`;
    expect(await tallyOf("events", good)).toMatchObject({ passed: 1, failures: [], skips: ["b"] });
    const crashed = await tallyOf("events", `${good}; exit 1`);
    expect(crashed.failures).toEqual([expect.stringContaining("exit status 1")]);
  });

  it("fails a suite in which no test ran", async () => {
    expect((await tallyOf("events", "exit 0")).failures).toEqual([expect.stringContaining("no test ran")]);
    expect((await tallyOf("closing-line", "echo 0 passed, 0 failed, 0 skipped")).failures).toHaveLength(1);
  });

  it("ends a suite that hangs, its whole group, and names the test that hung", async () => {
    const hung = await tallyOf("events", `${event("ready", "the slow one")}; sleep 60 & sleep 60`, 500);
    expect(hung.failures).toEqual([expect.stringMatching(/no sign of life for 0.5 s; not finished: the slow one/)]);
  });

  it("fails a suite that exits in the middle of a test", async () => {
    const died = await tallyOf("events", event("ready", "half"));
    expect(died.failures).toEqual([expect.stringContaining("too early; not finished: half")]);
  });

  it("reads the closing line of a suite that counts itself, and misses it when it is not last", async () => {
    const counted = await tallyOf("closing-line", "echo hello; echo 3 passed, 1 failed, 2 skipped; exit 1");
    expect([counted.passed, counted.failures.length, counted.skips.length]).toEqual([3, 1, 2]);
    const named = await tallyOf("closing-line", "echo skipped: b; echo failed: a; echo 1 passed, 1 failed, 1 skipped");
    expect([named.failures, named.skips]).toEqual([[expect.stringMatching(/\] a$/)], [expect.stringMatching(/\] b$/)]]);
    const silent = await tallyOf("closing-line", "echo 3 passed, 0 failed, 0 skipped; echo bye");
    expect(silent.failures).toEqual([expect.stringContaining("no closing line")]);
  });

  it("fails a suite whose command does not exist or is killed", async () => {
    expect((await tallyOf("exit", "exec /no/such/command")).failures).toHaveLength(1);
    expect((await tallyOf("exit", "kill -9 $$")).failures).toEqual([expect.stringContaining("SIGKILL")]);
  });
});

describe("readResults", () => {
  it("keeps what was written before a suite was killed", () => {
    const path = join(directory, "cut.jsonl");
    appendFileSync(path, '{"event":"passed","name":"a"}\n{"event":"failed","name":"b","why":"c"}\n');
    expect(readResults(path)).toEqual({ passed: 1, failures: ["b: c"], skips: [], unfinished: [] });
  });
});

describe("leftovers", () => {
  const line = (point: string, type: string) => `36 35 98:0 / ${point} rw,noatime shared:1 - ${type} source rw`;

  it("finds FUSE mounts, also with a subtype or a blank in the path, and nothing else", () => {
    const text = [
      line("/a", "fuse.rfuse"),
      line("/b\\040c", "fuse"),
      line("/d", "fusectl"),
      line("/e", "ext4"),
      line("/f", "fuseblk"),
    ];
    expect(fuseMounts(text.join("\n"))).toEqual(["/a", "/b c", "/f"]);
  });

  it("calls only new mounts under the run's directory its own, unless all new ones count", () => {
    const now = ["/old", "/run/x", "/elsewhere"];
    expect(leftMounts(["/old"], now, "/run", false)).toEqual(["/run/x"]);
    expect(leftMounts(["/old"], now, "/run", true)).toEqual(["/run/x", "/elsewhere"]);
  });

  it("finds and ends a process that the run left behind", async () => {
    const run = startRun(`leftover-${process.pid}`);
    const child = spawn("sleep", ["60"], { env: { ...process.env, ...runEnvironment(run) } });
    const exited = new Promise((resolve) => child.once("exit", (_status, signal) => resolve(signal)));
    expect(processesOf(run.id).map((left) => left.pid)).toEqual([child.pid]);
    expect(await sweep(run)).toEqual([expect.stringContaining("sleep 60")]);
    expect(await exited).toBe("SIGKILL");
  });
});
