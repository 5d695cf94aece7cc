// A libfuse that knows FUSE-over-io_uring, built from the source package of Debian's unstable suite.
// It owns .cache/libfuse-newer: lists of packages, sources, programs. The machine's own apt configuration is read, for
// the mirror that it names, and never changed. Built once; remove the folder to get a newer one.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CACHE, need } from "./packages.ts";

const HOME = join(CACHE, "libfuse-newer");
const SUITE = "sid";
const DEADLINE_MS = 300_000;
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const run = promisify(execFile);

/** The programs, and the version that they were built from. */
export type NewerLibfuse = { version: string; passthroughLl: string; passthroughHp: string };

let building: Promise<NewerLibfuse> | undefined;

/** Builds the programs, or finds them built. Errors: what is missing, or which step failed with what it said. */
export function newerLibfuse(): Promise<NewerLibfuse> {
  building ??= build();
  return building;
}

async function build(): Promise<NewerLibfuse> {
  if (!existsSync(join(HOME, "version"))) await makeHome();
  return {
    version: (await readFile(join(HOME, "version"), "utf8")).trim(),
    passthroughLl: join(HOME, "passthrough_ll"),
    passthroughHp: join(HOME, "passthrough_hp"),
  };
}

async function makeHome(): Promise<void> {
  const debian = { meson: "meson", ninja: "ninja-build", "g++": "g++", "apt-get": "apt" };
  for (const [program, name] of Object.entries(debian)) need(program, name);
  for (const [library, name] of [
    ["liburing", "liburing-dev"],
    ["numa", "libnuma-dev"],
  ] as const) {
    await run("pkg-config", ["--exists", library]).catch(() => {
      throw new Error(`${library} is missing: apt-get install ${name}`);
    });
  }
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "libfuse-newer-"));
  try {
    await download(folder);
    const tree = await unpack(folder);
    const options = [
      "--buildtype=release",
      "-Ddefault_library=static",
      "-Dtests=false",
      "-Dutils=false",
      "-Duseroot=false",
    ];
    await step("meson", ["setup", "build", ...options], tree);
    await step("ninja", ["-C", "build", "example/passthrough_ll", "example/passthrough_hp"], tree);
    await keep(folder, tree);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function keep(folder: string, tree: string): Promise<void> {
  const made = join(folder, "made");
  await mkdir(made);
  for (const name of ["passthrough_ll", "passthrough_hp"]) {
    await rename(join(tree, "build/example", name), join(made, name));
  }
  const version = /version:\s*'([^']+)'/.exec(await readFile(join(tree, "meson.build"), "utf8"))?.[1] ?? "unknown";
  await writeFile(join(made, "version"), `${version}\n`);
  await rm(HOME, { recursive: true, force: true });
  await rename(made, HOME);
}

async function step(program: string, args: readonly string[], cwd: string): Promise<void> {
  await run(program, args, { cwd, timeout: DEADLINE_MS, maxBuffer: 2 ** 24 }).catch(
    (error: Error & { stderr?: string; stdout?: string }) => {
      const said = (error.stderr || error.stdout || error.message).trim().split("\n").slice(-3).join(" | ");
      throw new Error(`${program} ${args[0]}: ${said}`);
    },
  );
}

// apt checks the signatures, with lists and configuration in a folder of its own.
async function download(folder: string): Promise<void> {
  for (const name of ["parts", "lists/partial", "archives/partial"]) {
    await mkdir(join(folder, "apt", name), { recursive: true });
  }
  const { uri, key } = await mirror();
  const source = ["Types: deb-src", `URIs: ${uri}`, `Suites: ${SUITE}`, "Components: main", `Signed-By: ${key}`, ""];
  await writeFile(join(folder, "apt/parts/newer.sources"), source.join("\n"));
  const settings = [
    `Dir::Etc::sourceparts=${join(folder, "apt/parts")}`,
    "Dir::Etc::sourcelist=/dev/null",
    `Dir::State::Lists=${join(folder, "apt/lists")}`,
    `Dir::Cache=${join(folder, "apt")}`,
    "APT::Sandbox::User=root",
  ].flatMap((setting) => ["-o", setting]);
  await step("apt-get", ["update", ...settings], folder);
  await step("apt-get", ["source", "--download-only", ...settings, "fuse3"], folder);
}

async function unpack(folder: string): Promise<string> {
  const archive = (await readdir(folder)).find((name) => /^fuse3_.*\.orig\.tar\.\w+$/.test(name));
  if (archive === undefined) throw new Error("the source package fuse3 has no archive of its upstream");
  await mkdir(join(folder, "tree"));
  await step("tar", ["-xf", archive, "-C", "tree", "--strip-components=1"], folder);
  return join(folder, "tree");
}

/** The first mirror of Debian that the machine's own sources name. Errors: that there is none. */
async function mirror(): Promise<{ uri: string; key: string }> {
  const folder = "/etc/apt/sources.list.d";
  const names = (await readdir(folder).catch(() => [])).map((name) => join(folder, name));
  for (const path of [...names, "/etc/apt/sources.list"]) {
    const found = mirrorIn(await readFile(path, "utf8").catch(() => ""));
    if (found) return found;
  }
  throw new Error("no source of apt names a mirror of Debian");
}

/** The mirror in the text of one file of apt, in either of its formats; only one that has Debian's own archive. */
export function mirrorIn(text: string): { uri: string; key: string } | undefined {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  const uris = lines.map(
    (line) => /^URIs:\s*(\S+)/.exec(line)?.[1] ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1],
  );
  const uri = uris.find((found) => found !== undefined && /\/debian\/?$/.test(found));
  if (uri === undefined) return undefined;
  const key = lines.map((line) => /^Signed-By:\s*(\/\S+)/.exec(line)?.[1]).find((found) => found !== undefined);
  return { uri, key: key ?? KEYRING };
}
