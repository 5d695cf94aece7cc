// Owns: running coherence.c, two clients against one model, on a mount.

import { compiled } from "../behaviour/compile.ts";
import { PATIENCE } from "../behaviour/pace.ts";
import { startClient } from "../mount/harness.ts";

/** Compiles the program and resolves to its path. */
export const buildCoherence = (): Promise<string> =>
  compiled({ name: "coherence", folder: import.meta.dirname, sources: ["coherence.c"] });

/** Slowest rate at which a guest may go on. */
const OPERATIONS_PER_S = 100;

/** Runs `operations` on directory `dir`. Result: how many answers were checked. Errors: the first one that was outdated. */
export async function exerciseCoherence(dir: string, operations: number, seed: number): Promise<number> {
  const argv = [await buildCoherence(), dir, String(operations), String(seed)];
  const deadlineMs = 60_000 * PATIENCE + (operations / OPERATIONS_PER_S) * 1000;
  const { status, signal, stdout, stderr } = await startClient(argv, deadlineMs).ended;
  if (status !== 0) throw new Error(`seed ${seed}: ${signal ?? status}: ${stderr.trim()}`);
  return Number(/checks (\d+)/.exec(stdout)?.[1]);
}
