// One cell of the macro benchmark: a run of the load generator on one running peer, with the server's costs around it.
// It decides nothing about order, rounds or reports.
import { type Load, parseLoad, runClient } from "./load-client.ts";
import type { Running } from "./peers/peer.ts";
import { readRss, readUsage, subtractUsage } from "./server-usage.ts";
import type { Cpus, Scenario } from "./workloads.ts";

/** How long past its time a client may take before it is killed and the cell fails. */
const GRACE_MS = 10_000;

/** What one cell measured; the server's parts are undefined for a peer without a server. */
export type Measured = Load & {
  server_cpu_us: number | undefined;
  server_user_us: number | undefined;
  server_voluntary: number | undefined;
  server_involuntary: number | undefined;
  server_rss_bytes: number | undefined;
  /** Requests that the server answered, where it can tell. */
  server_requests?: number | undefined;
};

export type ClientOptions = { program: string; seconds: number; fileSize: number };

/** The client's command line for a scenario on a directory. */
export function clientWords(scenario: Scenario, directory: string, client: ClientOptions, cpus: Cpus): string[] {
  const { workload, threads } = scenario;
  const words = [client.program, workload.mode, directory, "--threads", String(threads)];
  words.push("--seconds", String(client.seconds), "--file-size", String(client.fileSize));
  if (cpus.client) words.push("--pin", cpus.client.join(","));
  if (workload.shared) words.push("--shared");
  return words;
}

/** Measures one scenario on one peer. Errors: what the client said failed, or that it did not end in time. */
export async function measure(
  scenario: Scenario,
  peer: Running,
  client: ClientOptions,
  cpus: Cpus,
  signal: AbortSignal,
): Promise<Measured> {
  const { pid } = peer;
  const served = await peer.requests?.();
  const before = pid === undefined ? undefined : await readUsage(pid);
  const words = clientWords(scenario, peer.directory, client, cpus);
  const load = parseLoad(await runClient(words, client.seconds * 1000 + GRACE_MS, signal));
  const usage = pid === undefined || !before ? undefined : subtractUsage(await readUsage(pid), before);
  const requests = served === undefined ? undefined : ((await peer.requests?.()) ?? Number.NaN) - served;
  return {
    ...load,
    server_cpu_us: usage?.cpuUs,
    server_user_us: usage && Math.min(usage.userUs, usage.cpuUs),
    server_voluntary: usage?.voluntary,
    server_involuntary: usage?.involuntary,
    server_rss_bytes: pid === undefined ? undefined : await readRss(pid),
    server_requests: requests,
  };
}
