// Owns: the debug kernel: built once from the sources of 6.1, with its options from debug.config, and kept with what
// modules are built against.
// Must not: fetch anything; the kernel 6.1 of the cache has the sources and the compiler.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { inBuildRoot } from "./build-root.ts";
import { entry, say } from "./cache.ts";
import { command } from "./command.ts";
import { debianKernel, FUSE_SOURCE, type KernelFiles, SOURCE_ARCHIVE } from "./kernel-files.ts";

const CONFIG = join(import.meta.dirname, "debug.config");
/** Where the sources lie in the build root. */
const BUILD = "/usr/src/linux-debug";
/** Compiles it and its modules, as Debian's 6.1. */
const COMPILER = "gcc-12";
/** Folders of the sources that no module's build reads. */
const UNNEEDED = ["drivers", "sound", "Documentation", "samples"];

/** The lines of `wanted` that the configuration `got` contradicts. */
function refused(wanted: string, got: string): string[] {
  const lines = new Set(got.split("\n"));
  return wanted.split("\n").filter((line) => {
    const [, off] = /^# (CONFIG_\w+) is not set$/.exec(line) ?? [];
    return off === undefined ? line.startsWith("CONFIG_") && !lines.has(line) : lines.has(`${off}=y`);
  });
}

async function build(base: KernelFiles, folder: string): Promise<void> {
  const tree = join(folder, "tree");
  const wanted = readFileSync(CONFIG, "utf8");
  mkdirSync(tree);
  await command(["tar", "-x", "-f", join(dirname(base.root), SOURCE_ARCHIVE), "--strip-components=1", "-C", tree]);
  writeFileSync(join(tree, "debug.config"), wanted);
  const run = (...argv: string[]) => inBuildRoot(base.root, { [BUILD]: tree }, argv);
  const make = (...targets: string[]) =>
    run("make", "-s", "-C", BUILD, `CC=${COMPILER}`, `HOSTCC=${COMPILER}`, ...targets);
  await make("tinyconfig");
  await run("sh", "-c", `cd ${BUILD} && scripts/kconfig/merge_config.sh -m .config debug.config`);
  await make("olddefconfig");
  const missing = refused(wanted, readFileSync(join(tree, ".config"), "utf8"));
  if (missing.length > 0) throw new Error(`the kernel ${base.version} does not take: ${missing.join(", ")}`);
  await make(`-j${availableParallelism()}`, "bzImage", "modules");
  await make("modules_install", "INSTALL_MOD_PATH=/usr/src/linux-debug/installed");
  await command(["mv", join(tree, "installed/lib"), join(folder, "lib")]);
  copyFileSync(join(tree, "arch/x86/boot/bzImage"), join(folder, "bzImage"));
  const release = readFileSync(join(tree, "include/config/kernel.release"), "utf8").trim();
  writeFileSync(join(folder, "kernel.json"), JSON.stringify({ release, version: base.version }));
  await command(["depmod", "--basedir", folder, release]);
  for (const name of UNNEEDED) rmSync(join(tree, name), { recursive: true });
  await command(["find", tree, "-name", "*.[oa]", "-not", "-path", "*/tools/objtool/*", "-delete"]);
}

/** The debug kernel, built when the cache does not have it. */
export async function debugKernel(): Promise<KernelFiles> {
  const base = await debianKernel("6.1");
  const key = createHash("sha256").update(readFileSync(CONFIG)).update(base.version).digest("hex").slice(0, 16);
  const folder = await entry(`kernels/debug-${key}`, async (fresh) => {
    say(`building the debug kernel from the sources of ${base.version}: about 10 minutes of two CPUs`);
    await build(base, fresh);
  });
  const tree = join(folder, "tree");
  if (!existsSync(tree)) throw new Error(`${folder} is damaged; remove it`);
  const { release, version } = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
  return {
    name: "debug",
    release,
    version,
    image: join(folder, "bzImage"),
    modules: join(folder, "lib/modules", release),
    root: base.root,
    build: BUILD,
    fuse: FUSE_SOURCE,
    folders: { [BUILD]: tree },
    compiler: COMPILER,
  };
}
