// Owns: the suite "ring-KERNEL" of `npm test`: the short suites in one guest, and their closing line as the last one.
// Where no guest can run it is one skipped test that says why; everything else that goes wrong is a failure.
// Must not: know the suites; test/guest/inside.ts has them.
// Usage: bun test/guest/gate-suite.ts KERNEL
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { knowsDebian } from "./archive.ts";

/** Seconds for the short suites on a machine that has much else to do; they need a tenth of it. */
const TIMEOUT_S = 1200;
const NEEDED = ["apt-get", "dpkg-deb", "qemu-system-x86_64", "gcc", "make", "setpriv"];

const isThere = (program: string) => Bun.which(program, { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` }) !== null;

/** Why no guest can run here; undefined where one can. */
function hindrance(): string | undefined {
  if (process.arch !== "x64") return `the guest is an x86_64 machine, this is ${process.arch}`;
  if (process.getuid?.() !== 0) return "building the guest's module needs root";
  const missing = NEEDED.filter((program) => !isThere(program));
  if (missing.length > 0) return `it needs ${missing.join(", ")}`;
  return knowsDebian() ? undefined : "no archive of Debian in /etc/apt, from which the guest takes its kernel";
}

function main(kernel: string): number {
  const reason = hindrance();
  if (reason !== undefined) {
    console.log(`skipped: the ring in a guest: ${reason}\n0 passed, 0 failed, 1 skipped`);
    return 0;
  }
  const cli = [join(import.meta.dirname, "cli.ts"), "--timeout", String(TIMEOUT_S), kernel];
  const inside = ["bun", "test/guest/inside.ts", "--short"];
  // The machine must not outlive a gate that is killed.
  const tied = ["--pdeathsig", "TERM", process.execPath, ...cli, ...inside];
  return spawnSync("setpriv", tied, { stdio: ["ignore", "inherit", "inherit"] }).status ?? 1;
}

process.exit(main(process.argv[2] ?? "6.1"));
