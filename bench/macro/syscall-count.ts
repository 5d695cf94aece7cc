// System calls per operation, counted by perf(1) over a run of the client: those of the client and those of the server.
// Counting slows a run down, so its times are not used. Without perf there are no counts.
import { type ClientOptions, clientWords } from "./cell.ts";
import { parseLoad, runClient } from "./load-client.ts";
import { need } from "./packages.ts";
import type { Running } from "./peers/peer.ts";
import type { Cpus, Scenario } from "./workloads.ts";

const EVENT = "raw_syscalls:sys_enter";
const GRACE_MS = 15_000;

/** Per operation; `server` is undefined for a peer without a server. */
export type Counts = { client: number; server: number | undefined };

/** Counts one scenario on one peer; undefined where perf is missing or may not count. */
export async function countSyscalls(
  scenario: Scenario,
  peer: Running,
  client: ClientOptions,
  cpus: Cpus,
  signal: AbortSignal,
): Promise<Counts | undefined> {
  try {
    const perf = need("perf", "linux-perf");
    const stat = [perf, "stat", "-x,", "-e", EVENT, "--log-fd", "1"];
    const words = [...stat, "--", ...clientWords(scenario, peer.directory, client, cpus)];
    // The outer perf counts the server for as long as the inner one, which counts the client, runs.
    const both = peer.pid === undefined ? words : [...stat, "-p", String(peer.pid), "--", ...words];
    return parseCounts(await runClient(both, client.seconds * 1000 + GRACE_MS, signal), peer.pid !== undefined);
  } catch {
    return undefined;
  }
}

/** Counts per operation from the client's line and perf's, the inner perf's first; undefined when one is missing. */
export function parseCounts(output: string, withServer: boolean): Counts | undefined {
  const lines = output.split("\n");
  const report = lines.find((line) => line.startsWith("{"));
  const counts = lines.filter((line) => line.includes(EVENT)).map((line) => Number(line.split(",")[0]));
  const [client = Number.NaN, server = Number.NaN] = counts;
  if (report === undefined) return undefined;
  const { ops } = parseLoad(report);
  if (!Number.isFinite(client) || (withServer && !Number.isFinite(server))) return undefined;
  return { client: client / ops, server: withServer ? server / ops : undefined };
}
