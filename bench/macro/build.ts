// Compiles the C programs of the macro benchmark, once per state of their sources, into .cache/.
// It owns names there (PROGRAM-HASH); nothing it makes is ever committed. It runs none of the programs.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { CACHE } from "./packages.ts";

const HERE = import.meta.dirname;
const EXAMPLES = "/usr/share/doc/libfuse3-dev/examples";
const run = promisify(execFile);

type Source = { name: string; bytes: Buffer };
type Recipe = { program: string; sources: readonly Source[]; flags: readonly string[] };

/** Compiles the load generator and resolves to the program's path. Errors: those of gcc. */
export async function buildLoad(): Promise<string> {
  const names = ["load.c", "names.c", "data.c", "mixed.c", "self-test.c", "load.h", "histogram.h"];
  const sources = await Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(HERE, name)) })));
  return compile({ program: "load", sources, flags: ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-lpthread"] });
}

/**
 * Compiles one of libfuse's example filesystems as the Debian package ships it and resolves to the program's path.
 * Errors: what is missing (the package, pkg-config, gcc) in words.
 */
export async function buildLibfuseExample(program: string): Promise<string> {
  const { stdout } = await run("pkg-config", ["--cflags", "--libs", "fuse3"]);
  const sources = await Promise.all([`${program}.c`, "passthrough_helpers.h"].map(readExample));
  return compile({ program, sources, flags: stdout.trim().split(/\s+/) });
}

// The package compresses a large example, or not, as its version likes.
async function readExample(name: string): Promise<Source> {
  const plain = await readFile(join(EXAMPLES, name)).catch(() => undefined);
  if (plain) return { name, bytes: plain };
  const packed = await readFile(join(EXAMPLES, `${name}.gz`)).catch(() => undefined);
  if (packed) return { name, bytes: gunzipSync(packed) };
  throw new Error(`${join(EXAMPLES, name)} is missing: libfuse3-dev does not ship it, or is not installed`);
}

async function compile({ program, sources, flags }: Recipe): Promise<string> {
  const hash = createHash("sha256").update(flags.join(" "));
  for (const { name, bytes } of sources) hash.update(name).update(bytes);
  const target = join(CACHE, `${program}-${hash.digest("hex").slice(0, 16)}`);
  if (await stat(target).catch(() => undefined)) return target;
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, `${program}-`));
  try {
    for (const { name, bytes } of sources) await writeFile(join(folder, name), bytes);
    const units = sources.map(({ name }) => name).filter((name) => name.endsWith(".c"));
    await run("gcc", ["-O2", "-o", program, ...units, ...flags], { cwd: folder });
    await rename(join(folder, program), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return target;
}
