// Owns: the list of the project's own files, tracked or about to be, and the code blocks of its README.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Absolute path of the project. */
export const PROJECT = join(import.meta.dirname, "../..");

/** Paths, relative to the project, of all files that git tracks or would track; a deleted file is not listed. */
export function projectFiles(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const listed = spawnSync("git", args, { cwd: PROJECT, encoding: "utf8" });
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr || listed.error?.message}`);
  const files = [...new Set(listed.stdout.split("\0"))].filter((file) => file !== "");
  return files.filter((file) => existsSync(join(PROJECT, file))).sort();
}

/** The text of a project file. */
export const textOf = (file: string): string => readFileSync(join(PROJECT, file), "utf8");

/** TypeScript blocks of a Markdown text by "name:line.ts", where `line` is that of the opening fence. */
export function codeBlocks(name: string, markdown: string): Record<string, string> {
  const blocks: Record<string, string> = {};
  for (const match of markdown.matchAll(/^```(?:ts|typescript)\b[^\n]*\n([\s\S]*?)^```/gm)) {
    const line = markdown.slice(0, match.index).split("\n").length;
    blocks[`${name}:${line}.ts`] = match[1] ?? "";
  }
  return blocks;
}
