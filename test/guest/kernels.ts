// Owns: the kernels that a guest can boot: by which Debian suites each comes, and by which package names.
// Must not: do anything with them.

/** A kernel as the command line names it. */
export type KernelName = "6.1" | "6.12" | "7.2" | "7.3" | "debug";

/** A kernel of Debian's archive; every package of it has one and the same version. */
export interface KernelSource {
  /** Suites of the main archive; the first is the release whose compiler builds the module. */
  readonly suites: readonly string[];
  /** Suites of the security archive. */
  readonly securitySuites: readonly string[];
  /** Name of the headers' package; the first group is the kernel's release, which `uname -r` says. */
  readonly headers: RegExp;
  /** Packages of the image and of its modules, for one release. */
  readonly image: (release: string) => readonly string[];
  /** Package of the sources. */
  readonly source: string;
  /** The compiler's package, of the version that built the kernel. */
  readonly compiler: string;
}

/** The kernels that Debian builds; "debug" is built by us from the sources of 6.1. */
export const SOURCES: Readonly<Record<Exclude<KernelName, "debug">, KernelSource>> = {
  "6.1": {
    suites: ["bookworm", "bookworm-updates"],
    securitySuites: ["bookworm-security"],
    headers: /^linux-headers-(6\.1\.\d+-\d+-cloud-amd64)$/,
    image: (release) => [`linux-image-${release}`],
    source: "linux-source-6.1",
    compiler: "gcc-12",
  },
  "6.12": {
    suites: ["bookworm", "bookworm-updates", "bookworm-backports"],
    securitySuites: ["bookworm-security"],
    headers: /^linux-headers-(6\.12\.[\d.]+\+deb12(?:\.\d+)?-cloud-amd64)$/,
    image: (release) => [`linux-image-${release}`],
    source: "linux-source-6.12",
    compiler: "gcc-12",
  },
  "7.2": {
    suites: ["trixie", "trixie-updates", "trixie-backports"],
    securitySuites: ["trixie-security"],
    headers: /^linux-headers-(7\.2\.[\d.]+\+deb13(?:\.\d+)?-cloud-amd64)$/,
    image: (release) => [`linux-binary-${release}`, `linux-modules-${release}`],
    source: "linux-source-7.2",
    compiler: "gcc-14",
  },
  "7.3": {
    suites: ["trixie", "trixie-updates", "trixie-backports"],
    securitySuites: ["trixie-security"],
    headers: /^linux-headers-(7\.3\.[\d.]+\+deb13(?:\.\d+)?-cloud-amd64)$/,
    image: (release) => [`linux-binary-${release}`, `linux-modules-${release}`],
    source: "linux-source-7.3",
    compiler: "gcc-14",
  },
};

/** Every name, in the order in which they are tried. */
export const KERNELS: readonly KernelName[] = ["6.1", "6.12", "7.2", "7.3", "debug"];

/** Whether `text` names a kernel. */
export const isKernel = (text: string): text is KernelName => (KERNELS as readonly string[]).includes(text);
