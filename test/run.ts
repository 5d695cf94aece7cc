// Owns: the gate behind `npm test`: runs every suite of the table, counts, and ends with one line
// "N passed, N failed, N skipped". Fails also when nothing ran and, with CI=true, when anything was skipped.
// Must not: know how a suite works; see gate/run-suite.ts.
// Usage: bun run test/run.ts [--only SUITE]...
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRun } from "./gate/leftovers.ts";
import { emptyTally } from "./gate/result-lines.ts";
import { interrupt, runAndCount, type Suite } from "./gate/run-suite.ts";

const MINUTE_MS = 60_000;
const ROOT = join(import.meta.dirname, "..");
const BIN = join(ROOT, "node_modules", ".bin");
const COLORS = `--colors=${process.stdout.isTTY ? "force" : "off"}`;
const vitest = (project: string) => [process.execPath, "--bun", join(BIN, "vitest"), "run", "--project", project];

/** The behaviour suite once more as a user without privilege, who mounts by fusermount3. */
const asNobody = (command: readonly string[]) => [
  ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp/rfuse-nobody"],
  ...command,
  ...["--configLoader", "runner", "test/mount/behaviour.test.ts"],
];

// biome-ignore format: one table, read by eye
const SUITES: readonly Suite[] = [
  { name: "types", command: [join(BIN, "tsc"), "--noEmit"], count: "exit", totalMs: 5 * MINUTE_MS, idleMs: 5 * MINUTE_MS },
  { name: "lint", command: [join(BIN, "biome"), "ci", COLORS, "--error-on-warnings", "."], count: "exit", totalMs: 5 * MINUTE_MS, idleMs: 5 * MINUTE_MS },
  { name: "unit", command: vitest("unit"), count: "events", totalMs: 10 * MINUTE_MS, idleMs: 2 * MINUTE_MS },
  { name: "mount", command: vitest("mount"), count: "events", totalMs: 30 * MINUTE_MS, idleMs: 4 * MINUTE_MS },
  { name: "unprivileged", command: asNobody(vitest("mount")), count: "events", totalMs: 15 * MINUTE_MS, idleMs: 4 * MINUTE_MS, rootOnly: true },
  { name: "ring-6.1", command: [process.execPath, "test/guest/gate-suite.ts", "6.1"], count: "closing-line", totalMs: 40 * MINUTE_MS, idleMs: 12 * MINUTE_MS },
];

function chosenSuites(args: readonly string[]): readonly Suite[] {
  const names: string[] = [];
  for (let at = 0; at < args.length; at += 2) {
    const name = args[at + 1];
    if (args[at] !== "--only" || !SUITES.some((suite) => suite.name === name)) {
      console.error(`usage: test/run.ts [--only ${SUITES.map((suite) => suite.name).join("|")}]...`);
      process.exit(2);
    }
    names.push(name ?? "");
  }
  const possible = SUITES.filter((suite) => suite.rootOnly !== true || process.getuid?.() === 0);
  return names.length === 0 ? possible : possible.filter((suite) => names.includes(suite.name));
}

async function main(): Promise<number> {
  const suites = chosenSuites(process.argv.slice(2));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => interrupt(signal));
  }
  const directory = mkdtempSync(join(tmpdir(), "rfuse-gate-"));
  chmodSync(directory, 0o777); // a suite may run as another user
  const run = startRun(`${process.pid}`);
  const total = emptyTally();
  for (const suite of suites) {
    const tally = await runAndCount(suite, directory, run);
    total.passed += tally.passed;
    total.failures.push(...tally.failures);
    total.skips.push(...tally.skips);
  }
  rmSync(directory, { recursive: true, force: true });
  console.log("");
  for (const name of total.skips) console.log(`skipped: ${name}`);
  for (const name of total.failures) console.log(`failed: ${name}`);
  const ci = process.env["CI"] === "true";
  if (ci && total.skips.length > 0) console.log("CI=true: a skipped test fails the run");
  console.log(`${total.passed} passed, ${total.failures.length} failed, ${total.skips.length} skipped`);
  return total.failures.length > 0 || total.passed === 0 || (ci && total.skips.length > 0) ? 1 : 0;
}

process.exit(await main());
