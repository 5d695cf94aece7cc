// Owns: test programs in C: compiled once per state of their sources into the project's cache, where a guest, which has
// no compiler, finds what its host has made.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const CACHE = join(import.meta.dirname, "../../.cache");
const FLAGS = ["-O1", "-Wall", "-Wextra", "-Werror", "-pthread"];

/** What a program is made from: `sources` and `headers` are names in `folder`. */
export interface ProgramSources {
  readonly name: string;
  readonly folder: string;
  readonly sources: readonly string[];
  readonly headers?: readonly string[];
}

const made = new Map<string, Promise<string>>();

async function compile({ name, folder, sources, headers = [] }: ProgramSources): Promise<string> {
  const hash = createHash("sha256").update(FLAGS.join());
  for (const file of [...sources, ...headers]) hash.update(await readFile(join(folder, file)));
  const program = join(CACHE, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (await stat(program).catch(() => undefined)) return program;
  await mkdir(CACHE, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  await promisify(execFile)("gcc", [...FLAGS, "-o", fresh, ...sources.map((file) => join(folder, file))]);
  await rename(fresh, program);
  return program;
}

/** Resolves to the program's path, compiling it when its sources have changed. */
export function compiled(program: ProgramSources): Promise<string> {
  const known = made.get(program.name) ?? compile(program);
  made.set(program.name, known);
  return known;
}
