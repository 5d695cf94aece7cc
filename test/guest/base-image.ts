// Owns: the guest's system disk: Bun, the test runner's packages and the programs that the tests run, copied from this
// machine with their libraries into an ext4 image. It is read-only in the guest, below an overlay in memory.
// Must not: hold anything of the project itself, or of one kernel; those come with each boot.
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { entry, ROOT, say } from "./cache.ts";
import { command } from "./command.ts";

/** Debian packages whose programs and libraries the guest has; more libraries come as these need them. */
// biome-ignore format: one list, read by eye
const PACKAGES = [
  "acl", "attr", "bash", "bsdutils", "coreutils", "dash", "diffutils", "e2fsprogs", "fio", "findutils", "fuse3", "git",
  "grep", "gzip", "kmod", "libc6", "libgcc-s1", "libstdc++6", "mawk", "mount", "procps", "rsync", "sed", "sqlite3", "strace", "tar", "util-linux",
  "util-linux-extra", "xz-utils",
];

/** Packages of node_modules that are not run in a guest: checkers, compilers and types. */
const NOT_IN_GUEST = /^(@biomejs|@types|@typescript|typescript|bun-types|\.cache|\.vite)$/;
const NOT_A_PROGRAM =
  /^\/usr\/share\/(doc|man|info|locale|lintian|bug|bash-completion|gitweb)\b|^\/usr\/lib\/systemd\b/;
const LAYOUT = "1";
const SPARE_BYTES = 64 * 1024 * 1024;

/** The guest's accounts; numbers as Debian has them. */
const PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n";

/** `argv` as root in a user namespace of its own where we are not root, so that files belong to root in the image. */
const asRoot = (argv: readonly string[]) => (process.getuid?.() === 0 ? argv : ["unshare", "--map-root-user", ...argv]);

async function packageFiles(): Promise<string[]> {
  const listed = (await command(["dpkg-query", "--listfiles", ...PACKAGES])).split("\n");
  return [...new Set(listed)].filter((path) => path.startsWith("/") && !NOT_A_PROGRAM.test(path) && path !== "/.");
}

/** The libraries that `programs` load; a file that is none loads nothing. */
async function librariesOf(programs: readonly string[]): Promise<string[]> {
  // ldd fails when one of many is no program; what it could not read needs no library.
  const script = 'ldd "$@" 2>/dev/null; true';
  const said = await command(["sh", "-c", script, "ldd", ...programs]);
  const found = [...said.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path = ""]) => path);
  return [...new Set(found.flatMap((path) => [path, realpathSync(path)]))];
}

function writeEtc(root: string): void {
  const etc = join(root, "etc");
  mkdirSync(etc, { recursive: true });
  const files = {
    passwd: PASSWD,
    group: GROUP,
    "fuse.conf": "user_allow_other\n",
    hostname: "guest\n",
    hosts: "127.0.0.1 localhost guest\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    gitconfig: "[safe]\n\tdirectory = *\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(etc, name), text);
  rmSync(join(etc, "mtab"), { force: true });
  symlinkSync("/proc/self/mounts", join(etc, "mtab"));
  for (const link of ["sh", "awk"]) {
    const path = join(root, "usr/bin", link);
    if (!existsSync(path)) symlinkSync(link === "sh" ? "dash" : "mawk", path);
  }
}

async function copyModules(root: string): Promise<void> {
  const target = join(root, "rfuse/node_modules");
  mkdirSync(target, { recursive: true });
  const names = readdirSync(join(ROOT, "node_modules")).filter((name) => !NOT_IN_GUEST.test(name));
  await command(["cp", "-a", ...names.map((name) => join(ROOT, "node_modules", name)), target]);
  rmSync(join(target, "bun/bin/bunx.exe"), { force: true }); // the same program once more
  mkdirSync(join(root, "usr/local/bin"), { recursive: true });
  symlinkSync("/rfuse/node_modules/.bin/bun", join(root, "usr/local/bin/bun"));
}

async function build(folder: string): Promise<void> {
  const root = join(folder, "root");
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  for (const name of ["dev", "proc", "sys", "tmp", "run", "root", "mnt", "var/tmp"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  chmodSync(join(root, "tmp"), 0o1777);
  const files = await packageFiles();
  const programs = files.filter((file) => /\/(s?bin|lib|libexec)\//.test(file));
  const libraries = await librariesOf([...programs, join(ROOT, "node_modules/.bin/bun")]);
  const all = [...files, ...libraries, "/usr/bin/busybox"];
  const list = all.filter(existsSync).join("\0");
  const pack = 'tar -c --no-recursion --null -T - | tar -x --keep-directory-symlink -C "$1"';
  await command(["bash", "-o", "pipefail", "-c", pack, "copy", root], { input: list, cwd: "/" });
  await copyModules(root);
  writeEtc(root);
  await command(["ldconfig", "-r", root]);
  const used = Number((await command(["du", "-s", "-B1", root])).split("\t")[0]);
  const image = join(folder, "root.ext4");
  const blocks = Math.ceil((used * 1.06 + SPARE_BYTES) / 4096);
  const make = ["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-m", "0", "-O", "^has_journal", "-d", root, image];
  await command(asRoot([...make, String(blocks)]));
  rmSync(root, { recursive: true, force: true });
}

/** The image's path; it is made anew when a package of this machine or of node_modules has another version. */
export async function baseImage(): Promise<string> {
  const hash = createHash("sha256")
    .update(LAYOUT)
    .update(readFileSync(join(import.meta.dirname, "base-image.ts")));
  hash.update(readFileSync(join(ROOT, "package-lock.json")));
  hash.update(await command(["dpkg-query", "--show", ...PACKAGES, "busybox-static"]));
  const name = `base/${hash.digest("hex").slice(0, 16)}`;
  const folder = await entry(name, async (fresh) => {
    say("making the guest's disk");
    await build(fresh);
  });
  return join(folder, "root.ext4");
}
