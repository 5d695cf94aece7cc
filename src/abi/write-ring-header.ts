// Owns: the two generated C files of kmod/ on disk. `--check` writes nothing and fails when they differ.
// Must not: decide what stands in them; that is ring-header.ts.
// Usage: bun run src/abi/write-ring-header.ts [--check]

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ringAssertions, ringHeader } from "./ring-header.ts";

const ROOT = join(import.meta.dirname, "../..");

/** The generated files: path in the project, and the text that belongs there. */
export const GENERATED_FILES: readonly (readonly [path: string, text: string])[] = [
  ["kmod/uapi/rfuse.h", ringHeader()],
  ["kmod/abi-assert.c", ringAssertions()],
];

function current(path: string): string {
  try {
    return readFileSync(join(ROOT, path), "utf8");
  } catch {
    return "";
  }
}

/** Generated files whose text on disk is not what the tables say. */
export function outdatedFiles(): string[] {
  return GENERATED_FILES.filter(([path, text]) => current(path) !== text).map(([path]) => path);
}

if (import.meta.main) {
  const outdated = outdatedFiles();
  const check = process.argv.includes("--check");
  if (check && outdated.length > 0) {
    console.error(`${outdated.join(", ")}: not what src/abi/ring.ts says; run: bun run src/abi/write-ring-header.ts`);
    process.exit(1);
  }
  for (const [path, text] of check ? [] : GENERATED_FILES) {
    if (outdated.includes(path)) writeFileSync(join(ROOT, path), text);
  }
}
