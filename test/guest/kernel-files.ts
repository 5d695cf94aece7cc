// Owns: what one kernel of Debian's archive needs in the cache: its image, its modules, a folder tree in which modules
// are built for it (compiler, headers, pahole: a small Debian of the right release), and its FUSE sources.
// Must not: build anything.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Archive } from "./archive.ts";
import { CACHE, entry, say } from "./cache.ts";
import { command } from "./command.ts";
import { type KernelName, type KernelSource, SOURCES } from "./kernels.ts";

/** A kernel in the cache. */
export interface KernelFiles {
  readonly name: KernelName;
  /** What `uname -r` says in the guest. */
  readonly release: string;
  /** Version of Debian's packages. */
  readonly version: string;
  /** The bootable image. */
  readonly image: string;
  /** Folder of its modules, lib/modules/RELEASE. */
  readonly modules: string;
  /** Root of the tree in which its modules are built. */
  readonly root: string;
  /** Build folder of the kernel, as seen in `root`. */
  readonly build: string;
  /** Folder of the kernel's fs/fuse, as seen in `root`. */
  readonly fuse: string;
  /** Folders of this machine that must be bound to places in `root`, by place. */
  readonly folders: Readonly<Record<string, string>>;
  /** The compiler in `root` for its modules, where the build folder does not name it by itself. */
  readonly compiler?: string;
}

/** Programs that a module's build runs besides the compiler. */
const TOOLS = [
  "make",
  "pahole",
  "bash",
  "dash",
  "coreutils",
  "sed",
  "grep",
  "mawk",
  "findutils",
  "perl-base",
  "xz-utils",
];
/** Where a kernel's sources lie in its root. */
export const FUSE_SOURCE = "/usr/src/fuse";
/** The whole source package's archive, for kernels that we build ourselves. */
export const SOURCE_ARCHIVE = "linux-source.tar.xz";

/** The newest release of which the archive has headers, image and sources of one version. */
async function choose(
  archive: Archive,
  name: string,
  source: KernelSource,
): Promise<[release: string, version: string]> {
  const sources = await archive.versions(source.source);
  for (const headers of (await archive.names(source.headers)).reverse()) {
    const release = source.headers.exec(headers)?.[1] ?? "";
    for (const version of await archive.versions(headers)) {
      const images = await Promise.all(source.image(release).map((image) => archive.versions(image)));
      const complete = sources.includes(version) && images.every((versions) => versions.includes(version));
      if (complete) return [release, version];
    }
  }
  const places = [...source.suites, ...source.securitySuites].join(", ");
  throw new Error(
    `no kernel ${name} in ${places}: no headers that match ${source.headers.source} with image and sources`,
  );
}

/** A merged /usr, and the two names that packages' scripts would have made. */
function prepareRoot(root: string): void {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  for (const name of ["dev", "proc", "tmp", "build"]) mkdirSync(join(root, name));
}

function finishRoot(root: string): void {
  const links = { sh: "dash", awk: "mawk" };
  for (const [link, target] of Object.entries(links)) {
    const path = join(root, "usr/bin", link);
    if (!existsSync(path)) symlinkSync(target, path);
  }
}

/** Takes fs/fuse out of the source package and leaves the package's archive at `folder`/SOURCE_ARCHIVE. */
async function unpackSource(archive: Archive, folder: string, spec: string): Promise<void> {
  const scratch = join(folder, "source");
  await archive.unpack(scratch, [spec], false);
  const place = join(scratch, "usr/src");
  const packed = readdirSync(place).find((file) => file.endsWith(".tar.xz"));
  if (packed === undefined) throw new Error(`the package ${spec} holds no archive of sources`);
  const target = join(folder, "root", FUSE_SOURCE);
  mkdirSync(target, { recursive: true });
  const from = ["--strip-components=3", "-C", target, "--wildcards", "*/fs/fuse/*"];
  await command(["tar", "-x", "-f", join(place, packed), ...from]);
  await command(["mv", join(place, packed), join(folder, SOURCE_ARCHIVE)]);
  rmSync(scratch, { recursive: true, force: true });
}

async function fetch(name: Exclude<KernelName, "debug">, folder: string): Promise<void> {
  const source = SOURCES[name];
  say(`kernel ${name}: reading lists of packages`);
  const archive = await Archive.open(join(folder, "apt"), source);
  const [release, version] = await choose(archive, name, source);
  const exact = (packages: readonly string[]) => packages.map((one) => `${one}=${version}`);
  const root = join(folder, "root");
  prepareRoot(root);
  say(`kernel ${name}: downloading and unpacking ${release} ${version}: image`);
  await archive.unpack(join(folder, "image"), exact(source.image(release)), false);
  say(`kernel ${name}: headers, ${source.compiler}, tools and sources`);
  const closure = [...exact([`linux-headers-${release}`]), source.compiler, ...TOOLS];
  await Promise.all([
    archive.unpack(root, name === "6.1" ? [...closure, ...KERNEL_BUILD_TOOLS] : closure, true),
    unpackSource(archive, folder, `${source.source}=${version}`),
  ]);
  finishRoot(root);
  if (name !== "6.1") rmSync(join(folder, SOURCE_ARCHIVE));
  await command(["depmod", "--basedir", modulesBase(folder), release]);
  rmSync(join(folder, "apt"), { recursive: true, force: true });
  writeFileSync(join(folder, "kernel.json"), JSON.stringify({ release, version }));
}

/** What the build of a whole kernel runs besides TOOLS; the debug kernel is built in the root of 6.1. */
const KERNEL_BUILD_TOOLS = [
  "flex",
  "bison",
  "bc",
  "libelf-dev",
  "libssl-dev",
  "libc6-dev",
  "tar",
  "gzip",
  "diffutils",
  "cpio",
];

const modulesBase = (folder: string) =>
  existsSync(join(folder, "image/usr/lib/modules")) ? join(folder, "image/usr") : join(folder, "image");

/** The kernel `name`, fetched when the cache does not have it. */
export async function debianKernel(name: Exclude<KernelName, "debug">): Promise<KernelFiles> {
  const folder = await entry(`kernels/${name}`, (fresh) => fetch(name, fresh));
  const { release, version } = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
  const modules = join(modulesBase(folder), "lib/modules", release);
  const separate = join(folder, `image/boot/vmlinuz-${release}`);
  return {
    name,
    release,
    version,
    image: existsSync(separate) ? separate : join(modules, "vmlinuz"), // newer packages have it among the modules
    modules,
    root: join(folder, "root"),
    build: `/usr/src/linux-headers-${release}`,
    fuse: FUSE_SOURCE,
    folders: {},
  };
}

/** Forgets a kernel, so that the next use takes the newest of the archive. */
export function forget(name: KernelName): void {
  rmSync(join(CACHE, "kernels", name), { recursive: true, force: true });
}
