// Owns: the archive that a guest boots from: the two start scripts, the drivers of one kernel in loading order, and
// the files of this boot: the project, the module and the command.
// Must not: run a guest.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "./cache.ts";
import { Cpio } from "./cpio.ts";
import type { KernelFiles } from "./kernel-files.ts";

/** What is to run, and with what. */
export interface Boot {
  readonly kernel: KernelFiles;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The built module; undefined: none. */
  readonly module: string | undefined;
  /** Whether the module is loaded before the command. */
  readonly load: boolean;
  readonly kmemleak: boolean;
  /** More files for the guest, as "path in the guest" to path here. */
  readonly files: Readonly<Record<string, string>>;
}

/** Drivers that a guest needs, where they are modules; "loaded" ones before the disk, the rest on demand. */
const LOADED = ["virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay", "fuse", "cuse"];
const AVAILABLE = ["loop"];
/** What of the project the guest has, besides node_modules, which is on the disk. */
const PROJECT = [
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
  "src",
  "ffi",
  "examples",
  "test",
  "bench",
  "docs",
];
/** Programs in C that this machine has compiled (test/behaviour/compile.ts). */
const COMPILED = /^[a-z]+-[0-9a-f]{16}$/;

/** One module: where it lies below the folder of modules, and what must be loaded before it, last first. */
interface Driver {
  readonly path: string;
  readonly needs: readonly string[];
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

const nameOf = (path: string) =>
  basename(path)
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");
const unpacked = (path: string) => path.replace(/\.(xz|zst)$/, "");

/** Modules by the name that the kernel gives them, and what each needs, from the list that depmod made. */
function dependencies(modules: string): Map<string, Driver> {
  const known = new Map<string, Driver>();
  for (const line of readFileSync(join(modules, "modules.dep"), "utf8").split("\n")) {
    const [path = "", needs = ""] = line.split(":");
    const name = nameOf(path);
    if (name !== "") known.set(name, { path, needs: needs.split(" ").filter((one) => one !== "") });
  }
  return known;
}

/** The module's bytes as insmod wants them. */
function moduleBytes(path: string): Buffer {
  if (path.endsWith(".xz")) return execFileSync("xz", ["-dc", path], { maxBuffer: 1 << 28 });
  if (path.endsWith(".zst")) return execFileSync("zstd", ["-dc", path], { maxBuffer: 1 << 28 });
  return readFileSync(path);
}

/** Adds drivers for insmod to the initramfs, and all of them for modprobe to the guest's own tree. */
function addDrivers(archive: Cpio, { modules, release }: KernelFiles): void {
  const order = new Set<string>();
  const lines: string[] = [];
  const known = dependencies(modules);
  const kept = new Set<string>();
  for (const name of [...LOADED, ...AVAILABLE]) {
    const found = known.get(name);
    if (found === undefined) continue; // built into this kernel, or unknown to it
    for (const path of [...found.needs.toReversed(), found.path]) {
      kept.add(path);
      if (LOADED.includes(name)) order.add(path);
    }
  }
  const own = `boot/usr/lib/modules/${release}`;
  for (const path of kept) {
    const bytes = moduleBytes(join(modules, path));
    if (order.has(path)) archive.file(`lib/modules/${basename(unpacked(path))}`, bytes);
    archive.file(`${own}/${unpacked(path)}`, bytes);
    const needs = known.get(nameOf(path))?.needs ?? [];
    lines.push(`${unpacked(path)}: ${needs.map(unpacked).join(" ")}\n`);
  }
  archive.file(`${own}/modules.dep`, lines.join(""));
  archive.file("lib/modules/order", [...order].map((path) => `${basename(unpacked(path))}\n`).join(""));
}

function addProject(archive: Cpio): void {
  for (const name of PROJECT) {
    const path = join(ROOT, name);
    if (existsSync(path)) archive.tree(`boot/rfuse/${name}`, path);
  }
  const built = join(ROOT, ".cache");
  for (const name of existsSync(built) ? readdirSync(built) : []) {
    if (COMPILED.test(name)) archive.tree(`boot/rfuse/.cache/${name}`, join(built, name));
  }
}

/** The archive for one boot. */
export function initramfs(boot: Boot): Buffer {
  const archive = new Cpio();
  archive.file("init", readFileSync(join(import.meta.dirname, "init.sh")), 0o755);
  archive.tree("bin/busybox", "/usr/bin/busybox");
  archive.folder("lib/modules");
  archive.folder("dev");
  addDrivers(archive, boot.kernel);
  addProject(archive);
  const target = `/usr/lib/modules/${boot.kernel.release}/updates/rfuse.ko`;
  if (boot.module !== undefined) archive.tree(`boot${target}`, boot.module);
  for (const [path, source] of Object.entries(boot.files)) archive.tree(`boot${path}`, source);
  const settings = {
    ...boot.env,
    RFUSE_GUEST: boot.kernel.name,
    RFUSE_MODULE: boot.module === undefined ? "" : target,
    RFUSE_LOAD: boot.load ? "1" : "0",
    RFUSE_KMEMLEAK: boot.kmemleak ? "1" : "0",
  };
  const lines = Object.entries(settings).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  archive.file("boot/guest/environment", lines.join(""));
  archive.file("boot/guest/command", `exec ${boot.argv.map(quoted).join(" ")}\n`);
  archive.file("boot/guest/run", readFileSync(join(import.meta.dirname, "run.sh")), 0o755);
  return archive.bytes();
}
