// The command line of the benchmark: which of its parts is meant, and its exit status.
// Signals stop what runs and keep what is done; a second one ends the process at once.
import { runCompare } from "./macro/compare.ts";
import { runFio } from "./macro/fio/run.ts";
import { runInGuest } from "./macro/guest.ts";
import { allowedCpus } from "./macro/machine.ts";
import { runMerge } from "./macro/merge.ts";
import { HELP, parseOptions } from "./macro/options.ts";
import { runReal } from "./macro/real/run.ts";
import { readResult } from "./macro/results.ts";
import { runMacro } from "./macro/run.ts";
import { runMicro } from "./micro/run.ts";
import { runReport, writeReport } from "./report/write.ts";

type Part = (words: readonly string[], signal: AbortSignal) => Promise<number>;

async function page(path: string | undefined): Promise<void> {
  if (path !== undefined) process.stderr.write(`page: ${await writeReport(path, await readResult(path))}\n`);
}

const merge: Part = async (words) => {
  const { status, path } = await runMerge(words);
  await page(path);
  return status;
};

const PARTS: Record<string, Part> = {
  compare: runCompare,
  merge,
  real: runReal,
  fio: runFio,
  guest: runInGuest,
  report: runReport,
  micro: runMicro,
};

const macro: Part = async (words, signal) => {
  const options = parseOptions(words, (await allowedCpus()).length);
  if (!options) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const { status, path } = await runMacro(options, ["bun run bench", ...words].join(" "), signal);
  if (options.page) await page(path);
  return status;
};

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}
const [first = "", ...rest] = process.argv.slice(2);
const part = PARTS[first];
const run = part ? part(rest, stop.signal) : macro(process.argv.slice(2), stop.signal);
const status = await run.then(
  (result) => (stop.signal.aborted ? 130 : result),
  (error) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  },
);
// Not left to the event loop: whatever a stopped server's helpers still hold open must not keep this process.
await new Promise((written) => process.stdout.write("", written));
process.exit(status);
