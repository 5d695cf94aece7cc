// The client process of a cell: the load generator, started, awaited, and killed when it is late.
// It owns that process and the shape of what it prints. It knows nothing of servers.
import { spawn } from "node:child_process";

/** How long a killed client may take to go. It cannot go before its server answers a request that it has read. */
const KILL_MS = 1_000;

/** The `cause` of the error of a client that did not end: its server is to be taken for hung. */
export const HUNG = "hung";

/** The client's line of JSON: times in microseconds except `seconds`; switches and CPU time are the client's own. */
const FIELDS = [
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
  "user_us",
  "system_us",
] as const;

/** `quantiles` are pairs of a fraction and the latency in microseconds that it does not exceed, ascending. */
type Numbers = Record<(typeof FIELDS)[number], number>;
export type Load = Numbers & { quantiles: ReadonlyArray<readonly [number, number]> };

/** Reads the client's line. Errors: names the field that is missing or no number. */
export function parseLoad(line: string): Load {
  const value: unknown = JSON.parse(line);
  const fields = new Map<string, unknown>(Object.entries(value ?? {}));
  const numbers = FIELDS.map((name) => {
    const number = fields.get(name);
    if (typeof number !== "number") throw new Error(`the client's report lacks ${name}`);
    return [name, number] as const;
  });
  const quantiles = fields.get("quantiles");
  if (!Array.isArray(quantiles)) throw new Error("the client's report lacks quantiles");
  return { ...(Object.fromEntries(numbers) as Numbers), quantiles };
}

/** Runs a program and resolves to what it printed. It is killed when time is up or `signal` fires. */
export function runClient(words: readonly string[], deadlineMs: number, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.timeout(deadlineMs);
  // Its own session: Ctrl-C is this process's to handle. SIGKILL also ends a client that waits for a hung server.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...words], {
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
