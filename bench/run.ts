// The command line of the benchmark: which of its parts is meant, and its exit status.
// Signals stop what runs and keep what is done; a second one ends the process at once.
import { allowedCpus } from "./macro/machine.ts";
import { HELP, parseOptions } from "./macro/options.ts";
import { runMacro } from "./macro/run.ts";

type Part = (words: readonly string[], signal: AbortSignal) => Promise<number>;

const PARTS: Record<string, Part> = {};

const macro: Part = async (words, signal) => {
  const options = parseOptions(words, (await allowedCpus()).length);
  if (!options) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const { status } = await runMacro(options, ["bun run bench", ...words].join(" "), signal);
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
process.exitCode = await (part ? part(rest, stop.signal) : macro(process.argv.slice(2), stop.signal)).then(
  (status) => (stop.signal.aborted ? 130 : status),
  (error) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  },
);
