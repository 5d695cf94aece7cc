// Owns: a <linux/fuse.h> newer than the installed one, unpacked into .cache/ and kept there.
// Must not: change the machine's package state, or name an archive: the URI is the one that apt uses already.
// Works on Debian, with apt-get and dpkg; elsewhere it says why it cannot.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";

const CACHE = resolve(import.meta.dirname, "../../.cache");
const UNPACKED = join(CACHE, "linux-libc-dev");
const HEADER = join(UNPACKED, "usr/include/linux/fuse.h");
const SOURCES = "/etc/apt/sources.list.d";
/** Tried in order; the first that delivers wins. */
const SUITES = ["trixie-backports", "sid"] as const;

/** Path of the header, or the reason why there is none. */
export type NewerHeader = { readonly path: string } | { readonly unavailable: string };

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, error, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 120_000 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.at(-1) ?? ""}: exit ${status}: ${stderr.trim()}`);
}

function fieldOf(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(.+)$`, "m").exec(stanza)?.[1]?.trim();
}

function archiveOfThisMachine(): { uris: string; signedBy: string } {
  const files = existsSync(SOURCES) ? readdirSync(SOURCES).filter((name) => name.endsWith(".sources")) : [];
  for (const file of files) {
    for (const stanza of readFileSync(join(SOURCES, file), "utf8").split(/\n\s*\n/)) {
      const uris = fieldOf(stanza, "URIs");
      const signedBy = fieldOf(stanza, "Signed-By");
      const suites = fieldOf(stanza, "Suites") ?? "";
      const isDebian = signedBy?.includes("debian-archive") === true && !suites.includes("-security");
      if (uris !== undefined && signedBy !== undefined && isDebian) return { uris, signedBy };
    }
  }
  throw new Error(`no Debian archive in ${SOURCES}/*.sources`);
}

function fetchFrom(suite: string, work: string): void {
  const { uris, signedBy } = archiveOfThisMachine();
  const parts = join(work, "sources");
  const lists = join(work, "lists");
  const cache = join(work, "cache");
  for (const directory of [parts, join(lists, "partial"), join(cache, "archives/partial")]) {
    mkdirSync(directory, { recursive: true });
  }
  const stanza = ["Types: deb", `URIs: ${uris}`, `Suites: ${suite}`, "Components: main", `Signed-By: ${signedBy}`];
  writeFileSync(join(parts, "newer.sources"), `${stanza.join("\n")}\n`);
  const settings = [
    `Dir::Etc::sourceparts=${parts}`,
    "Dir::Etc::sourcelist=/dev/null",
    `Dir::State::Lists=${lists}`,
    `Dir::Cache=${cache}`,
    "APT::Sandbox::User=root",
    "APT::Update::Error-Mode=any",
  ];
  const options = settings.flatMap((setting) => ["-o", setting]);
  run("apt-get", [...options, "-q", "update"], work);
  run("apt-get", [...options, "-q", "download", `linux-libc-dev/${suite}`], work);
  const archive = readdirSync(work).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error(`apt-get download left no package for ${suite}`);
  run("dpkg", ["-x", archive, join(work, "unpacked")], work);
}

/** Fetches once, then answers from the cache. Never throws: a failure is a reason. */
export function newerHeader(): NewerHeader {
  if (existsSync(HEADER)) return { path: HEADER };
  const reasons: string[] = [];
  mkdirSync(CACHE, { recursive: true });
  for (const suite of SUITES) {
    const work = mkdtempSync(join(CACHE, "fetch-"));
    try {
      fetchFrom(suite, work);
      rmSync(UNPACKED, { recursive: true, force: true });
      renameSync(join(work, "unpacked"), UNPACKED);
      return { path: HEADER };
    } catch (error) {
      reasons.push(`${suite}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { unavailable: reasons.join("; ") };
}
