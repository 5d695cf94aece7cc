// Owns: what Bun prints when it crashes itself, and the count of how often it did.
// Bun 1.4 rarely (a few of 10,000 short processes with threads, on some machines) dies of a corrupted heap of its own, most
// often within 100 ms of its start. That is no answer to what a test asks: the test is asked again, and the gate prints it.
// Must not: know a failure of ours. A crash that comes back at each attempt fails its test all the same.
import { writeResult } from "./result-lines.ts";

/** The engine's own words. `panic(` alone would not do: they are printed for every way in which Bun dies by itself. */
export const BUN_CRASH = /oh no: Bun has crashed|FATAL: Visitor \S+ is not empty/;

/** How often something is tried anew when Bun crashed. */
export const CRASH_RETRIES = 2;

/** Whether this is the standard error of a Bun that crashed; if so, it is counted under `name`. */
export function isBunCrash(stderr: string, name: string): boolean {
  if (!BUN_CRASH.test(stderr)) return false;
  writeResult({ event: "crashed", name, why: /^panic.*$|^FATAL.*$/m.exec(stderr)?.[0] ?? "" });
  return true;
}
