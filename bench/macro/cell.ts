// One cell of the macro benchmark: a run of the load generator on one running peer, with the server's costs around it.
// It owns the table of workloads and the client process. It decides nothing about order, rounds or reports.
import { spawn } from "node:child_process";
import type { Running } from "./peers.ts";
import { readUsage } from "./server-usage.ts";

/** How long past its time a client may take before it is killed and the cell fails. */
const GRACE_MS = 10_000;

/** How long a killed client may take to go. It cannot go before its server answers a request that it has read. */
const KILL_MS = 1_000;

/** The `cause` of the error of a client that did not end: its server is to be taken for hung. */
export const HUNG = "hung";

/** What the client does; `mode` is one of the load generator's. Data modes report bytes. */
export type Workload = { name: string; about: string; mode: string; threads: number };

/** All workloads, in the order of the report. */
export const WORKLOADS: readonly Workload[] = [
  { name: "stat", about: "stat a file by path: LOOKUP and GETATTR", mode: "stat", threads: 1 },
  { name: "open", about: "open and close: LOOKUP, OPEN, FLUSH, RELEASE", mode: "open", threads: 1 },
  { name: "create", about: "create, close and unlink a file", mode: "create", threads: 1 },
  { name: "rread", about: "4 KiB random reads, O_DIRECT", mode: "rread", threads: 1 },
  { name: "rread-t4", about: "the same from 4 threads", mode: "rread", threads: 4 },
  { name: "rwrite", about: "4 KiB random writes, O_DIRECT", mode: "rwrite", threads: 1 },
  { name: "sread", about: "128 KiB sequential reads, page cache dropped after each pass", mode: "sread", threads: 1 },
  { name: "dread128k", about: "128 KiB sequential reads, O_DIRECT", mode: "dread128k", threads: 1 },
  { name: "dwrite128k", about: "128 KiB sequential writes, O_DIRECT", mode: "dwrite128k", threads: 1 },
];

/** The client's line of JSON: times in microseconds except `seconds`; switches and cpu_us are the client's own. */
const LOAD_FIELDS = [
  "ops",
  "seconds",
  "ops_per_s",
  "bytes_per_s",
  "p50_us",
  "p99_us",
  "p999_us",
  "max_us",
  "voluntary",
  "involuntary",
  "cpu_us",
] as const;
export type Load = Record<(typeof LOAD_FIELDS)[number], number>;

/** What one cell measured; the server's parts are undefined for a peer without a server. */
export type Measured = Load & { server_cpu_us: number | undefined; server_voluntary: number | undefined };

export type ClientOptions = { program: string; seconds: number; fileSize: number; cpu: number | undefined };

/** Reads the client's line. Errors: names the field that is missing or no number. */
export function parseLoad(line: string): Load {
  const value: unknown = JSON.parse(line);
  const fields = new Map<string, unknown>(Object.entries(value ?? {}));
  const numbers = LOAD_FIELDS.map((name) => {
    const number = fields.get(name);
    if (typeof number !== "number") throw new Error(`the client's report lacks ${name}`);
    return [name, number] as const;
  });
  return Object.fromEntries(numbers) as Load;
}

/** Measures one workload on one peer. Errors: what the client said failed, or that it did not end in time. */
export async function measure(
  workload: Workload,
  peer: Running,
  client: ClientOptions,
  signal: AbortSignal,
): Promise<Measured> {
  const before = peer.pid === undefined ? undefined : await readUsage(peer.pid);
  const args = [workload.mode, peer.directory, "--threads", String(workload.threads)];
  args.push("--seconds", String(client.seconds), "--file-size", String(client.fileSize));
  if (client.cpu !== undefined) args.push("--pin", String(client.cpu));
  const load = parseLoad(await runLoad(client.program, args, client.seconds * 1000 + GRACE_MS, signal));
  if (peer.pid === undefined || !before) return { ...load, server_cpu_us: undefined, server_voluntary: undefined };
  const after = await readUsage(peer.pid);
  const server_voluntary = after.voluntary - before.voluntary;
  return { ...load, server_cpu_us: after.cpuUs - before.cpuUs, server_voluntary };
}

/** Runs the load generator and resolves to what it printed. It is killed when time is up or `signal` fires. */
export function runLoad(
  program: string,
  args: readonly string[],
  deadlineMs: number,
  signal: AbortSignal,
): Promise<string> {
  const limit = AbortSignal.timeout(deadlineMs);
  // Its own session: Ctrl-C is this process's to handle. SIGKILL also ends a client that waits for a hung server.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], {
    detached: true,
    killSignal: "SIGKILL",
    signal: AbortSignal.any([limit, signal]),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return new Promise((resolve, reject) => {
    let failure: Error | undefined;
    child.on("error", (error) => {
      const late = `the client did not end within ${deadlineMs / 1000} s`;
      failure = limit.aborted ? new Error(late, { cause: HUNG }) : error;
      setTimeout(reject, child.pid === undefined ? 0 : KILL_MS, failure);
    });
    child.on("close", (code) => {
      if (failure) reject(failure);
      else if (code === 0) resolve(out);
      else reject(new Error(said.trim() || `the client ended with status ${code}`));
    });
  });
}
