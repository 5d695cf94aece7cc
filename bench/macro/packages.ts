// What a peer needs from the distribution and from npm: found, or installed into .cache/, or refused with the remedy.
// It owns .cache/npm-NAME-VERSION. Nothing is installed outside of the project's folder.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

export const CACHE = join(import.meta.dirname, "../../.cache");
const INSTALL_DEADLINE_MS = 120_000;
const run = promisify(execFile);

/** The path of a program. Errors: names the Debian package that has it. */
export function need(program: string, debianPackage: string): string {
  for (const folder of [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"]) {
    if (folder !== "" && existsSync(join(folder, program))) return join(folder, program);
  }
  throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
}

/**
 * Installs one package of npm, without running its scripts, and resolves to its folder; at once when it is there.
 * Errors: what npm said.
 */
export async function npmPackage(name: string, version: string): Promise<string> {
  const home = join(CACHE, `npm-${name}-${version}`);
  const place = join(home, "node_modules", name);
  if (existsSync(join(place, "package.json"))) return place;
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, `npm-${name}-`));
  try {
    await writeFile(join(folder, "package.json"), '{ "private": true }\n');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", "--force"];
    await run(need("npm", "npm"), ["install", ...flags, `${name}@${version}`], {
      cwd: folder,
      timeout: INSTALL_DEADLINE_MS,
    }).catch((error: Error & { stderr?: string }) => {
      throw new Error(`npm install ${name}@${version}: ${(error.stderr || error.message).trim().split("\n")[0]}`);
    });
    await rm(home, { recursive: true, force: true });
    await rename(folder, home);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return place;
}
