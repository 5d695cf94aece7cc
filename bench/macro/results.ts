// The file that a run leaves: its shape, where it is written, and how it is read again.
// It owns bench/results/. Every figure of a table, a picture or a document comes from such a file.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Verdict } from "./claims.ts";
import type { Idle, LeftOut } from "./fleet.ts";
import type { Cell, Count, Row } from "./report.ts";

export const RESULTS = join(import.meta.dirname, "../results");
const VERSION = 2;

export type Result = {
  version: typeof VERSION;
  written: string;
  /** The command that printed it. */
  command: string;
  machine: Record<string, unknown>;
  settings: Record<string, unknown> & { baseline: string; scenarios: string[]; peers: string[]; seconds: number };
  interrupted: boolean;
  leftOut: LeftOut[];
  idle: Idle[];
  summary: Row[];
  verdicts: Verdict[];
  counts: Count[];
  cells: Cell[];
};

/** Writes a result under a name made of its time and resolves to the path. */
export async function writeResult(result: Omit<Result, "version">): Promise<string> {
  await mkdir(RESULTS, { recursive: true });
  const path = join(RESULTS, `macro-${result.written.replaceAll(/[:.]/g, "-")}.json`);
  await writeFile(path, `${JSON.stringify({ version: VERSION, ...result }, null, 1)}\n`);
  return path;
}

/** Reads a result. Errors: names the file when it is none. */
export async function readResult(path: string): Promise<Result> {
  return parseResult(await readFile(path, "utf8"), path);
}

/** The result in a text. Errors: names where it came from when it is none. */
export function parseResult(text: string, from: string): Result {
  let value: Partial<Result> | null;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${from} is no JSON; it begins with ${JSON.stringify(text.slice(0, 200))}`);
  }
  if (value?.version !== VERSION || !Array.isArray(value.cells) || !Array.isArray(value.summary)) {
    throw new Error(`${from} is not a result of this benchmark (version ${VERSION})`);
  }
  return value as Result;
}
