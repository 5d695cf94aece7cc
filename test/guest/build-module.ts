// Owns: rfuse.ko for one kernel: built in that kernel's build root from a copy of the module's sources, and kept by
// the content of those sources.
// Must not: write to the sources' folder.
import { createHash } from "node:crypto";
import { cpSync, existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inBuildRoot } from "./build-root.ts";
import { entry, ROOT, say } from "./cache.ts";
import { command } from "./command.ts";
import type { KernelFiles } from "./kernel-files.ts";

/** What a build by hand leaves between the sources. */
const PRODUCT = /^(private|.*\.(o|ko|mod|mod\.c|cmd|a|d)|Module\.symvers|modules\.order|\.tmp_versions|\.git.*)$/;
/** The module's place in the build root. */
const PLACE = "/build/kmod";
const MODULE = "rfuse.ko";

/** Files below `folder` that are sources, as relative paths in a fixed order. */
function sourcesIn(folder: string, below = ""): string[] {
  return readdirSync(join(folder, below))
    .filter((name) => !PRODUCT.test(name))
    .sort()
    .flatMap((name) => {
      const path = join(below, name);
      return lstatSync(join(folder, path)).isDirectory() ? sourcesIn(folder, path) : [path];
    });
}

async function build(kernel: KernelFiles, sources: readonly string[], from: string, folder: string): Promise<void> {
  for (const path of sources) cpSync(join(from, path), join(folder, "kmod", path));
  const folders = { ...kernel.folders, [PLACE]: join(folder, "kmod") };
  const variables = [`KVER=${kernel.release}`, `KDIR=${kernel.build}`, `FUSE_SOURCE=${kernel.fuse}`];
  if (kernel.compiler !== undefined) variables.push(`CC=${kernel.compiler}`);
  await inBuildRoot(kernel.root, folders, ["make", "-C", PLACE, ...variables, "all"]);
  const module = join(folder, "kmod", MODULE);
  if (!existsSync(module)) throw new Error(`make -C ${from} all made no ${MODULE}`);
  await command(["cp", module, join(folder, MODULE)]);
}

/**
 * The path of rfuse.ko. `wanted`: a folder of sources, "none", or undefined for the project's own, where it has one;
 * undefined when there is none to build.
 */
export async function builtModule(kernel: KernelFiles, wanted: string | undefined): Promise<string | undefined> {
  const from = wanted ?? join(ROOT, "kmod");
  if (wanted === "none" || (wanted === undefined && !existsSync(join(from, "Makefile")))) return undefined;
  if (!existsSync(join(from, "Makefile"))) throw new Error(`${from} is no folder of a module: it has no Makefile`);
  const sources = sourcesIn(from);
  const hash = createHash("sha256").update(`${kernel.release} ${kernel.version}`);
  for (const path of sources) hash.update(path).update(readFileSync(join(from, path)));
  const name = `modules/${kernel.name}-${hash.digest("hex").slice(0, 16)}`;
  const folder = await entry(name, async (fresh) => {
    say(`building ${MODULE} for ${kernel.release}`);
    await build(kernel, sources, from, fresh);
  });
  return join(folder, MODULE);
}
