// Owns: the file in which a suite leaves one line per event, so that a suite that is killed is still counted.
// Written by the Vitest reporter and by the check for leftovers, read by the gate.
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** What happened to one test, or to one file of them; `ready` is written before it starts, `done` counts nothing. */
export interface ResultLine {
  readonly event: "ready" | "done" | "passed" | "failed" | "skipped";
  readonly name: string;
  /** Of a failed test, its first error; of a skipped one, the reason it stated. */
  readonly why?: string;
}

/** A suite's count; `failures`, `skips` and `unfinished` are names, with the reason where there is one. */
export interface Tally {
  passed: number;
  readonly failures: string[];
  readonly skips: string[];
  readonly unfinished: string[];
}

/** A count of nothing. */
export const emptyTally = (): Tally => ({ passed: 0, failures: [], skips: [], unfinished: [] });

const VARIABLE = "RFUSE_TEST_RESULTS";

/** Environment that makes a suite write its events to `path`. */
export const resultEnvironment = (path: string): Record<string, string> => ({ [VARIABLE]: path });

/** Appends one event to the gate's file; without a gate (Vitest run by hand) it does nothing. */
export function writeResult(line: ResultLine): void {
  const path = process.env[VARIABLE];
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** Counts the events in `path`; a test that was started and never ended is named in `unfinished`. */
export function readResults(path: string): Tally {
  const tally = emptyTally();
  const open = new Set<string>();
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  for (const text of lines) {
    if (text === "") continue;
    const line: ResultLine = JSON.parse(text);
    const label = line.why === undefined ? line.name : `${line.name}: ${line.why}`;
    if (line.event === "ready") open.add(line.name);
    else open.delete(line.name);
    if (line.event === "passed") tally.passed += 1;
    if (line.event === "failed") tally.failures.push(label);
    if (line.event === "skipped") tally.skips.push(label);
  }
  tally.unfinished.push(...open);
  return tally;
}
