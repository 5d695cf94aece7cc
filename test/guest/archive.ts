// Owns: a private apt for a set of suites: its own lists, its own (empty) table of installed packages, and the
// machine's archives and keys. Nothing on the machine is installed or changed by it.
// Must not: name a host; the addresses are those that the machine's own sources already have.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.ts";

/** Suites by archive. */
export interface Suites {
  readonly suites: readonly string[];
  readonly securitySuites: readonly string[];
}

/** One source of the machine: where, which suites, and the options that make apt trust it. */
interface Origin {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly options: readonly string[];
}

const DEBIAN_SUITE = /^(bookworm|trixie|stable|oldstable|testing|sid)(-[a-z]+)?(\/updates)?$/;
const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Sources in the form of paragraphs (sources.list(5), deb822). */
function paragraphs(text: string): Origin[] {
  return text
    .replace(/^#.*\n?/gm, "")
    .split(/\n\s*\n/)
    .flatMap((paragraph) => {
      const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(paragraph)?.[1]?.trim() ?? "";
      const options = /^(Signed-By|Trusted|Check-Valid-Until):.*(\n[ \t].*)*/gim;
      if (!/\bdeb\b/.test(field("Types")) || field("Enabled").toLowerCase() === "no") return [];
      const kept = [...paragraph.matchAll(options)].map(([whole]) => whole);
      return field("URIs")
        .split(/\s+/)
        .map((uri) => ({ uri, suites: field("Suites").split(/\s+/), options: kept }));
    });
}

/** Sources in the form of lines. */
function lines(text: string): Origin[] {
  return [...text.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/gm)].map(([, said = "", uri = "", suite = ""]) => {
    const names: Record<string, string> = { "signed-by": "Signed-By", trusted: "Trusted" };
    const options = said.split(/\s+/).flatMap((option) => {
      const [key = "", value = ""] = option.split("=");
      return key in names ? [`${names[key]}: ${value.replaceAll(",", " ")}`] : [];
    });
    return { uri, suites: [suite], options };
  });
}

function origins(): Origin[] {
  const parts = "/etc/apt/sources.list.d";
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return [...files, "/etc/apt/sources.list"].filter(existsSync).flatMap((file) => {
    const text = readFileSync(file, "utf8");
    if (file.endsWith(".sources")) return paragraphs(text);
    return file.endsWith(".list") ? lines(text) : [];
  });
}

const debianOrigins = () => origins().filter(({ suites }) => suites.some((suite) => DEBIAN_SUITE.test(suite)));

/** Whether this machine's apt knows an archive of Debian, from which a guest can take its kernel. */
export const knowsDebian = (): boolean => debianOrigins().length > 0;

/** The text of a sources file for `wanted` suites, at the addresses of the machine's own Debian archives. */
function sourcesText(wanted: Suites): string {
  const debian = debianOrigins();
  const isSecurity = ({ suites }: Origin) => suites.some((suite) => /-security$|\/updates$/.test(suite));
  const main = debian.find((origin) => !isSecurity(origin));
  if (main === undefined) {
    throw new Error(
      "no Debian archive in /etc/apt: a guest takes its kernel from one; add a source of Debian packages",
    );
  }
  const security = debian.find(isSecurity);
  const paragraph = ({ uri, options }: Origin, suites: readonly string[]) =>
    ["Types: deb", `URIs: ${uri}`, `Suites: ${suites.join(" ")}`, "Components: main", ...options, ""].join("\n");
  const texts = [paragraph(main, wanted.suites)];
  if (security !== undefined) texts.push(paragraph(security, wanted.securitySuites));
  return texts.join("\n");
}

const configuration = (folder: string) => `
Dir::State "${folder}";
Dir::State::status "${folder}/status";
Dir::State::lists "${folder}/lists";
Dir::Cache "${folder}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${folder}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Get::Assume-Yes "true";
Acquire::Languages "none";
Acquire::Retries "3";
`;

/** The private apt. */
export class Archive {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#env = { APT_CONFIG: join(folder, "apt.conf"), DEBIAN_FRONTEND: "noninteractive" };
  }

  /** Makes one in `folder`, which it owns, and fetches the lists of packages. */
  static async open(folder: string, wanted: Suites): Promise<Archive> {
    for (const name of ["lists/partial", "sources", "cache/archives/partial"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    writeFileSync(join(folder, "apt.conf"), configuration(folder));
    writeFileSync(join(folder, "status"), "");
    writeFileSync(join(folder, "sources/debian.sources"), sourcesText(wanted));
    const archive = new Archive(folder);
    await archive.#apt("apt-get", "update", "--quiet", "--error-on=any");
    return archive;
  }

  #apt(program: string, ...args: string[]): Promise<string> {
    return command([program, ...args], { env: this.#env, cwd: this.#folder });
  }

  /** Names of packages that match, from the lowest version number in them to the highest. */
  async names(pattern: RegExp): Promise<string[]> {
    const all = (await this.#apt("apt-cache", "pkgnames", "linux-")).split("\n");
    return all.filter((name) => pattern.test(name)).sort(COLLATOR.compare);
  }

  /** The versions that the archive has of a package, newest first. */
  async versions(name: string): Promise<string[]> {
    const table = await this.#apt("apt-cache", "madison", name);
    return table
      .split("\n")
      .map((row) => row.split("|")[1]?.trim() ?? "")
      .filter((version) => version !== "");
  }

  /** Unpacks the named packages ("name" or "name=version"), and with `closure` all that they depend on, to `root`. */
  async unpack(root: string, packages: readonly string[], closure: boolean): Promise<void> {
    const files = closure ? await this.#closure(packages) : await this.#download(packages);
    mkdirSync(root, { recursive: true });
    const script = 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"';
    for (const file of files) {
      await command(["bash", "-c", script, "unpack", file, root]);
      rmSync(file);
    }
  }

  async #download(packages: readonly string[]): Promise<string[]> {
    const place = join(this.#folder, "downloads");
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place);
    await command(["apt-get", "download", "--quiet", ...packages], { env: this.#env, cwd: place });
    return readdirSync(place).map((name) => join(place, name));
  }

  async #closure(packages: readonly string[]): Promise<string[]> {
    await this.#apt("apt-get", "install", "--download-only", "--quiet", ...packages);
    const place = join(this.#folder, "cache/archives");
    return readdirSync(place)
      .filter((name) => name.endsWith(".deb"))
      .map((name) => join(place, name));
  }
}
