// Owns: running the storm (storm.c) on a mount and reading its counts.
import { compiled } from "../behaviour/compile.ts";
import { PATIENCE } from "../behaviour/pace.ts";
import { type Client, startClient } from "../mount/harness.ts";

/** Compiles the storm and resolves to the program's path. */
export const buildStorm = (): Promise<string> =>
  compiled({ name: "storm", folder: import.meta.dirname, sources: ["storm.c"] });

/** A storm under way. */
export interface Storm {
  readonly pid: number;
  /** Its counts by name. Errors: what it found wrong. */
  readonly counts: Promise<Record<string, number>>;
  /** Ends a load early. */
  stop(): void;
  kill(): void;
}

const SPARE_MS = 60_000;

async function countsOf(client: Client): Promise<Record<string, number>> {
  const { status, signal, stdout, stderr } = await client.ended;
  if (status !== 0) throw new Error(`the storm ended with ${signal ?? status}: ${stderr.trim()}`);
  const pairs = [...stdout.matchAll(/(\w+) (\d+)/g)].map(([, name = "", count]) => [name, Number(count)]);
  return Object.fromEntries(pairs);
}

/**
 * Starts a storm on the directory `dir`; `words` are its mode and numbers, of which `ms` is the time it blows, `wrap` the
 * command that starts it.
 */
export async function startStorm(
  dir: string,
  words: readonly (string | number)[],
  ms: number,
  wrap: readonly string[] = [],
): Promise<Storm> {
  const argv = [...wrap, await buildStorm(), dir, ...words.map(String)];
  const client = startClient(argv, ms + SPARE_MS * PATIENCE);
  const counts = countsOf(client);
  counts.catch(() => undefined); // a test that has failed by then reports its own error
  return { pid: client.pid, counts, stop: () => client.kill("SIGTERM"), kill: () => client.kill("SIGKILL") };
}

/** Threads that check what they write, for `ms`; `mortal`: they may find the mount dead, and then end. */
export const load = (
  dir: string,
  threads: number,
  ms: number,
  mortal = false,
  wrap: readonly string[] = [],
): Promise<Storm> => startStorm(dir, ["load", threads, ms, mortal ? "mortal" : "immortal"], ms, wrap);
