// Owns: the kernel module's suite in a guest: compiles the programs of this folder, boots a kernel with them, and ends
// with the suite's status; its closing line "N passed, N failed, N skipped" is the last one.
// Usage: bun run test/ring/guest.ts KERNEL [--smp N] [serve|death|abuse|evil]...
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const PROGRAMS = ["rfused", "evil", "suite"];
/** Seconds for the suite under emulation, also on the debug kernel. */
const TIMEOUT_S = 1500;

/** Statically linked, because a guest has no libraries of this machine. */
function compile(directory: string): void {
  const { status, stderr } = spawnSync("make", ["-s", "-C", join(ROOT, "test/ring"), `OUT=${directory}`], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`test/ring does not compile: ${stderr}`);
}

function main([kernel, ...rest]: readonly string[]): number {
  if (kernel === undefined) {
    console.error("usage: bun run test/ring/guest.ts KERNEL [--smp N] [serve|death|abuse|evil]...");
    return 2;
  }
  const cpus = rest[0] === "--smp" ? rest.slice(0, 2) : [];
  const parts = rest.slice(cpus.length);
  const directory = mkdtempSync(join(tmpdir(), "rfuse-ring-"));
  try {
    compile(directory);
    const files = PROGRAMS.flatMap((name) => ["--file", `/ring/${name}=${join(directory, name)}`]);
    const options = ["--no-load", "--timeout", `${TIMEOUT_S}`, ...cpus, ...files];
    const suite = `exec /ring/suite -m "$RFUSE_MODULE" ${parts.join(" ")}`;
    const command = ["run", join(ROOT, "test/guest/cli.ts"), ...options, kernel, "sh", "-c", suite];
    return spawnSync(process.execPath, command, { cwd: ROOT, stdio: "inherit" }).status ?? 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

process.exit(main(process.argv.slice(2)));
