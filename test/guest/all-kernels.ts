// Owns: `bun run test:kernels`: the guest's suites on one kernel after another, a table of kernels, one of suites, and the
// closing line "N passed, N failed, N skipped". A complaint of a kernel counts as one failure.
// Must not: know the suites; test/guest/inside.ts has them.
// Usage: bun test/guest/all-kernels.ts [--kernel KERNEL]... [-- --short | --only SUITE...]
import { spawn } from "node:child_process";
import { join } from "node:path";
import { isKernel, KERNELS, type KernelName } from "./kernels.ts";

/** What one suite printed: its name, and its counts and seconds as words. */
interface SuiteLine {
  readonly name: string;
  readonly words: string;
}

interface Row {
  readonly kernel: KernelName;
  readonly suites: readonly SuiteLine[];
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly remark: string;
}

const CLI = join(import.meta.dirname, "cli.ts");
const TIMEOUT_S = { "6.1": 3600, "6.12": 3600, "7.2": 3600, "7.3": 3600, debug: 7200 } as const;
const REMARKS: Readonly<Record<number, string>> = {
  0: "",
  99: "the kernel complained",
  98: "the guest did not end well",
};

/** The suites that ended, in their order: inside.ts prints a line for each. */
function suitesIn(output: string): readonly SuiteLine[] {
  const lines = output.matchAll(/^== (\S+): (\d+) passed, (\d+) failed, (\d+) skipped in (.+)$/gm);
  return [...lines].map(([, name = "", passed, failed, skipped, time]) => {
    const others = [
      [failed, "failed"],
      [skipped, "skipped"],
    ].flatMap(([count, word]) => (count === "0" ? [] : [`${count} ${word}`]));
    return { name, words: `${[`${passed} passed`, ...others].join(", ")} (${time})` };
  });
}

/** One row for each suite, one column for each kernel. */
function suiteTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ suites }) => suites.map(({ name }) => name)))];
  const cell = ({ suites }: Row, name: string): string => suites.find((suite) => suite.name === name)?.words ?? "";
  const head = `| suite | ${rows.map(({ kernel }) => kernel).join(" | ")} |\n|---|${rows.map(() => "---|").join("")}`;
  return [head, ...names.map((name) => `| ${name} | ${rows.map((row) => cell(row, name)).join(" | ")} |`)].join("\n");
}

/** Runs the suites on one kernel; its output is seen as it comes. */
function runOn(kernel: KernelName, args: readonly string[]): Promise<Row> {
  const began = performance.now();
  const inside = ["bun", "test/guest/inside.ts", ...args];
  // The machine must not outlive a run that is killed.
  const tied = ["--pdeathsig", "TERM", process.execPath, CLI, "--timeout", String(TIMEOUT_S[kernel])];
  const child = spawn("setpriv", [...tied, kernel, ...inside], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    process.stdout.write(chunk);
    output += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on("close", (status) => {
      const line = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(output.trimEnd().split("\n").at(-1) ?? "");
      const [passed = 0, failed = 0, skipped = 0] = line?.slice(1).map(Number) ?? [];
      const own = status === 1 ? "" : (REMARKS[status ?? 98] ?? `exit status ${status}`);
      const remark = line === null && own === "" ? "it printed no closing line" : own;
      const more = remark !== "" || (status !== 0 && failed === 0) ? 1 : 0;
      const seconds = Math.round((performance.now() - began) / 1000);
      resolve({ kernel, suites: suitesIn(output), passed, failed: failed + more, skipped, seconds, remark });
    });
  });
}

function parse(args: readonly string[]): { kernels: readonly KernelName[]; rest: readonly string[] } {
  const split = args.indexOf("--");
  const own = split < 0 ? args : args.slice(0, split);
  const kernels: KernelName[] = [];
  for (let at = 0; at < own.length; at += 2) {
    const name = own[at + 1] ?? "";
    if (own[at] !== "--kernel" || !isKernel(name)) {
      console.error(`usage: bun run test:kernels -- [--kernel ${KERNELS.join("|")}]... [-- --short | --only SUITE...]`);
      process.exit(2);
    }
    kernels.push(name);
  }
  return { kernels: kernels.length > 0 ? kernels : KERNELS, rest: split < 0 ? [] : args.slice(split + 1) };
}

const { kernels, rest } = parse(process.argv.slice(2));
const rows: Row[] = [];
for (const kernel of kernels) {
  console.log(`\n==== kernel ${kernel}`);
  rows.push(await runOn(kernel, rest));
}
console.log("\n| kernel | passed | failed | skipped | seconds | |\n|---|---|---|---|---|---|");
for (const { kernel, passed, failed, skipped, seconds, remark } of rows) {
  console.log(`| ${kernel} | ${passed} | ${failed} | ${skipped} | ${seconds} | ${remark} |`);
}
console.log(`\n${suiteTable(rows)}\n`);
const sum = (field: "passed" | "failed" | "skipped") => rows.reduce((total, row) => total + row[field], 0);
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exit(sum("failed") > 0 || sum("passed") === 0 ? 1 : 0);
