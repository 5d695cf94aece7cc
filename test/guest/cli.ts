// Owns: `bun run guest`: prepares kernel, module and disk, runs one command in a guest, and ends with its status.
// Standard output and error are the command's; what this program says goes to standard error as "guest: ...".
import { say } from "./cache.ts";
import { lastLines } from "./console.ts";
import { forget } from "./kernel-files.ts";
import { type Options, parseOptions, USAGE, UsageError } from "./options.ts";
import { prepare } from "./prepare.ts";
import { runGuest, type Verdict } from "./run-guest.ts";

const COMPLAINED = 99;
const NO_STATUS = 98;
const USAGE_STATUS = 97;

function report(verdict: Verdict, options: Options): number {
  if (options.console) process.stderr.write(`${verdict.console}\n`);
  if (verdict.problem !== undefined) {
    const seen = options.console || verdict.complaints.length > 0;
    say(`${verdict.problem}${seen ? "" : `; the console ended with:\n${lastLines(verdict.console)}`}`);
  }
  for (const { kind, text } of verdict.complaints) say(`the kernel complained (${kind}):\n${text}`);
  const status = verdict.problem === undefined ? (verdict.status ?? NO_STATUS) : NO_STATUS;
  return status === 0 && verdict.complaints.length > 0 ? COMPLAINED : status;
}

async function main(options: Options): Promise<number> {
  if (options.refresh) forget(options.kernel);
  const { boot, limits } = await prepare(options);
  if (options.argv.length === 0) {
    console.log(JSON.stringify({ ...boot.kernel, module: boot.module }, null, 2));
    return 0;
  }
  const verdict = await runGuest(boot, limits, {
    out: (bytes) => void process.stdout.write(bytes),
    err: (bytes) => void process.stderr.write(bytes),
  });
  return report(verdict, options);
}

// Leaving by exit lets the machine and its files be cleaned up.
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}
try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n${USAGE}`);
  else say(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? USAGE_STATUS : NO_STATUS;
}
