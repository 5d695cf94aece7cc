#!/usr/bin/env bun
// Owns: the command `rfuse`. Exit status: 0 fine, 1 filesystems cannot be mounted, 2 wrong usage.

import { parseArgs } from "node:util";
import { messageOf } from "./codec/shown.ts";
import { diagnose, table } from "./doctor.ts";

const HELP = `usage: rfuse doctor [--json]

Says what this machine can do: which lanes and fast paths work, and for each other one why not and what enables it.
It changes nothing. Exit status: 0 when filesystems can be mounted, 1 when not, 2 for wrong usage.

  --json    the same as JSON, with stable codes
  --help    print this
`;

function run(words: string[]): number {
  const { values, positionals } = parseArgs({
    args: words,
    options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length !== 1 || positionals[0] !== "doctor") {
    throw new Error(`expected the command doctor, got ${positionals.length === 0 ? "none" : positionals.join(" ")}`);
  }
  const found = diagnose();
  process.stdout.write(values.json === true ? `${JSON.stringify(found, null, 2)}\n` : table(found));
  return found.ok ? 0 : 1;
}

try {
  process.exitCode = run(process.argv.slice(2));
} catch (thrown) {
  process.stderr.write(`rfuse: ${messageOf(thrown)}\n${HELP}`);
  process.exitCode = 2;
}
