// Owns: the proof that the code in README and docs is code: README's example is the file that CI runs, every TypeScript
// block type-checks, and every link inside the project leads to a file.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const PAGES = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(ROOT, "docs")).map((name) => join("docs", name)),
].filter((name) => name.endsWith(".md"));
const textOf = (page: string) => readFileSync(join(ROOT, page), "utf8");
const blocksOf = (page: string) => [...textOf(page).matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? "");

describe("docs", () => {
  it("README's example: is examples/hello.ts without its header", () => {
    const example = readFileSync(join(ROOT, "examples/hello.ts"), "utf8");
    expect(blocksOf("README.md")[0]).toBe(example.slice(example.indexOf("import")));
  });

  it("blocks of TypeScript: type-check", () => {
    // Inside the project, so that "rfuse" resolves as it does for the examples.
    const dir = mkdtempSync(join(ROOT, "test/.docs-"));
    try {
      const preamble = 'declare const mountpoint: string, filesystem: URL, options: import("rfuse").MountOptions;\n';
      let count = 0;
      for (const page of PAGES) {
        for (const block of blocksOf(page)) {
          const uses = block.includes("import ") ? "" : 'import { mount } from "rfuse";\nvoid mount;\n';
          writeFileSync(
            join(dir, `block-${count++}.ts`),
            `${uses}${block}\n${block.includes("(mountpoint,") ? preamble : ""}`,
          );
        }
      }
      const config = { extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false }, include: ["*.ts"] };
      writeFileSync(join(dir, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(ROOT, "node_modules/.bin/tsc");
      expect(count).toBeGreaterThan(3);
      expect(spawnSync(tsc, ["--noEmit", "--project", dir], { encoding: "utf8" }).stdout).toBe("");
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it.each(PAGES)("links of %s: lead somewhere", (page) => {
    const links = [...textOf(page).matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] ?? "");
    const dead = links.filter((link) => !link.includes("://") && !existsSync(join(ROOT, dirname(page), link)));
    expect(dead).toEqual([]);
  });
});
