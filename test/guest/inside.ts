// Owns: what runs inside a guest: the suites of one kernel, counted by the gate's own means. Its last line is
// "N passed, N failed, N skipped", its exit status 1 when a test failed or none ran.
// Must not: know how a guest is made.
// Usage, in a guest: bun test/guest/inside.ts [--short] [--only SUITE]...
import { chmodSync, existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRun } from "../gate/leftovers.ts";
import { emptyTally } from "../gate/result-lines.ts";
import { runAndCount, type Suite } from "../gate/run-suite.ts";

const MINUTE_MS = 60_000;
const ROOT = join(import.meta.dirname, "../..");
const VITEST = [process.execPath, "--bun", join(ROOT, "node_modules/.bin/vitest"), "run", "--project", "ring"];

/** A suite of the guest, and the run that it belongs to: that of `npm test` (--short), the whole one, or both. */
interface GuestSuite extends Suite {
  readonly run: "short" | "whole" | "both";
  readonly needsModule?: boolean;
  /** FUSE-over-io_uring in the kernel. */
  readonly needsUring?: boolean;
}

const vitest = (file: string, filesystem = "memory", ...env: string[]) => [
  ...["env", `RFUSE_FILESYSTEMS=${filesystem}`, ...env, ...VITEST],
  `test/ring/${file}.test.ts`,
];
const module = (...parts: string[]) => ["/ring/suite", "-m", process.env["RFUSE_MODULE"] ?? "", ...parts];
/**
 * All of our daemon in a short time: of the behaviour suite the areas in which lanes differ (blocking, pages, open
 * files), few rounds, short storms, no programs, and one start of the test runner.
 */
const DAEMON = [
  ...["env", "RFUSE_SHORT=1", "RFUSE_FILESYSTEMS=memory", "RFUSE_AREAS=links,locks,mmap,unlinked", ...VITEST],
  ...["application", "behaviour", "cache", "death", "example", "hotplug"].map((file) => `test/ring/${file}.test.ts`),
];
const URING_SWITCH = "/sys/module/fuse/parameters/enable_uring";
/** Two at a time: what they copy lies in memory, twice. */
const programs = (...env: string[]) => [...vitest("programs", "memory", ...env), "--maxConcurrency", "2"];
/** One run without an end in between. */
const COHERENCE = [...vitest("cache", "memory", "RFUSE_OPERATIONS=200000"), "-t", "coherence: two clients on memory$"];
const times = { totalMs: 30 * MINUTE_MS, idleMs: 6 * MINUTE_MS };
const patient = { totalMs: 60 * MINUTE_MS, idleMs: 60 * MINUTE_MS };

// biome-ignore format: one table, read by eye
const SUITES: readonly GuestSuite[] = [
  { name: "module", run: "both", needsModule: true, command: module("serve", "death", "abuse", "bpf", "policy"), count: "closing-line", ...times },
  { name: "evil", run: "whole", needsModule: true, command: module("evil"), count: "closing-line", ...times },
  { name: "daemon", run: "short", command: DAEMON, count: "events", ...times },
  { name: "memory", run: "whole", command: vitest("behaviour"), count: "events", ...times },
  { name: "memory-cached", run: "whole", needsModule: true, command: vitest("behaviour", "memory", "RFUSE_CACHED=1"), count: "events", ...times },
  { name: "passthrough-cached", run: "whole", needsModule: true, command: vitest("behaviour", "passthrough", "RFUSE_CACHED=1"), count: "events", ...times },
  { name: "cache", run: "whole", needsModule: true, command: vitest("cache"), count: "events", ...times },
  { name: "coherence", run: "whole", needsModule: true, command: COHERENCE, count: "events", ...patient },
  { name: "application", run: "whole", command: vitest("application"), count: "events", ...times },
  { name: "death", run: "whole", command: vitest("death"), count: "events", ...times },
  { name: "example", run: "whole", needsModule: true, command: vitest("example"), count: "events", ...times },
  { name: "programs", run: "whole", command: programs(), count: "events", ...times },
  { name: "programs-cached", run: "whole", needsModule: true, command: programs("RFUSE_CACHED=1"), count: "events", ...times },
  { name: "hotplug", run: "whole", command: vitest("hotplug"), count: "events", ...times },
  { name: "io_uring", run: "whole", needsUring: true, command: vitest("behaviour", "memory,passthrough", "RFUSE_LANE=io_uring"), count: "events", ...times },
  { name: "passthrough", run: "whole", command: vitest("behaviour", "passthrough"), count: "events", ...times },
];

function chosen(args: readonly string[]): readonly GuestSuite[] {
  const only = args.flatMap((arg, at) => (args[at - 1] === "--only" ? [arg] : []));
  const unknown = only.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined)
    throw new Error(`no suite "${unknown}"; there are ${SUITES.map(({ name }) => name).join(", ")}`);
  if (only.length > 0) return SUITES.filter(({ name }) => only.includes(name));
  const possible = SUITES.filter(
    ({ needsModule = false, needsUring = false }) =>
      (!needsModule || existsSync("/dev/rfuse")) && (!needsUring || existsSync(URING_SWITCH)),
  );
  const other = args.includes("--short") ? "whole" : "short";
  return possible.filter((suite) => suite.run !== other);
}

const directory = mkdtempSync(join(tmpdir(), "rfuse-gate-"));
chmodSync(directory, 0o777);
const run = startRun(`${process.pid}`);
const total = emptyTally();
for (const suite of chosen(process.argv.slice(2))) {
  const tally = await runAndCount(suite, directory, run);
  total.passed += tally.passed;
  total.failures.push(...tally.failures);
  total.skips.push(...tally.skips);
}
for (const name of total.skips) console.log(`skipped: ${name}`);
for (const name of total.failures) console.log(`failed: ${name}`);
console.log(`${total.passed} passed, ${total.failures.length} failed, ${total.skips.length} skipped`);
process.exit(total.failures.length > 0 || total.passed === 0 ? 1 : 0);
