// The rules of style that neither the compiler nor the linter knows, over every file that git tracks or would track.
// Exceptions stand in a table, each with its reason.
import { describe, expect, it } from "vitest";
import { projectFiles, textOf } from "./gate/project-files.ts";

const SOURCE_LINES = 250;
const TEST_LINES = 400;

/** Files that may be longer, and why. */
const LONG: ReadonlyArray<readonly [files: RegExp, why: string]> = [
  [/^src\/abi\//, "a table of a foreign or own ABI, one row per fact"],
];

interface Rule {
  readonly name: string;
  readonly files: RegExp;
  /** What is wrong with the file, each as "line: complaint". */
  readonly complaints: (file: string, text: string) => string[];
}

/** One complaint per line that `pattern` matches. */
const linesMatching = (pattern: RegExp, complaint: string) => (_file: string, text: string) =>
  text.split("\n").flatMap((line, at) => (pattern.test(line) ? [`${at + 1}: ${complaint}`] : []));

const TYPESCRIPT = /^(ffi|src|examples|bench|test)\/.*\.ts$/;
const EVERYTHING = /./;
const TOO_GENERAL = /^(utils?|helpers?|misc|common|shared)(\.|$)/;

// Written in pieces, so that this file does not break its own rules.
const UNFINISHED = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
const REGISTRY = new RegExp(["registry\\.", "npm\\.pkg\\.", "/api/npm/", "artifactory", "_auth" + "Token"].join("|"));
const MACHINE = new RegExp(["(^|[\\s\"'`(=:])/(work|home|Users|root|mnt/[a-z])", "/"].join(""));

const RULES: readonly Rule[] = [
  {
    name: "is short enough to read at once",
    files: TYPESCRIPT,
    complaints: (file, text) => {
      const most = /^test\/|\.test\.ts$/.test(file) ? TEST_LINES : SOURCE_LINES;
      const lines = text.trimEnd().split("\n").length;
      if (lines <= most || LONG.some(([files]) => files.test(file))) return [];
      return [`${lines}: has more than ${most} lines`];
    },
  },
  {
    name: "opens with a comment of at most 6 lines",
    files: TYPESCRIPT,
    complaints: (_file, text) => {
      const lines = text.replace(/^#!.*\n/, "").split("\n");
      const comment = lines.findIndex((line) => !line.startsWith("//"));
      const rest = lines.slice(comment).filter((line) => line.trim() !== "");
      const bare = comment === 0 && rest[0]?.startsWith("/*") !== true;
      if (bare) return ["1: does not open with a comment that says what the file owns"];
      return comment > 6 ? [`${comment}: its opening comment has more than 6 lines`] : [];
    },
  },
  {
    name: "has a name that says what it is",
    files: EVERYTHING,
    complaints: (file) =>
      file.split("/").some((part) => TOO_GENERAL.test(part)) ? ["1: says nothing by its name"] : [],
  },
  {
    name: "casts nothing to any",
    files: TYPESCRIPT,
    complaints: linesMatching(/\bas any\b(?! [a-z])|<any>/, "casts to any"),
  },
  { name: "is finished", files: EVERYTHING, complaints: linesMatching(UNFINISHED, "is marked as unfinished") },
  { name: "names no package registry", files: EVERYTHING, complaints: linesMatching(REGISTRY, "names a registry") },
  {
    name: "names no place of one machine",
    files: EVERYTHING,
    complaints: linesMatching(MACHINE, "names a machine's path"),
  },
];

const findings = (rule: Rule, files: Readonly<Record<string, string>>) =>
  Object.entries(files)
    .filter(([file]) => rule.files.test(file))
    .flatMap(([file, text]) => rule.complaints(file, text).map((complaint) => `${file}:${complaint}`));

describe("every file", () => {
  // This file holds the forbidden words as samples; the licence texts are not ours to edit.
  const exempt = (file: string) =>
    file === "test/style.test.ts" || (file.startsWith("LICENSES/") && file.endsWith(".txt"));
  const checked = projectFiles().filter(
    (file) => !exempt(file) && /\.(ts|mjs|js|json|toml|md|c|h|sh|fio|txt)$|\/[^.]+$/.test(file),
  );
  const texts = Object.fromEntries(checked.map((file) => [file, textOf(file)]));

  it.each(RULES)("$name", (rule) => {
    expect(findings(rule, texts)).toEqual([]);
  });

  it("has files to check", () => {
    expect(checked.filter((file) => TYPESCRIPT.test(file)).length).toBeGreaterThan(20);
  });
});

describe("a made-up file", () => {
  const long = (lines: number) => `// owns\n${"x;\n".repeat(lines - 1)}`;
  const samples: ReadonlyArray<readonly [file: string, text: string, broken: string | undefined]> = [
    ["src/a.ts", "// owns\nx;\n", undefined],
    ["src/a.ts", long(250), undefined],
    ["src/a.ts", long(251), "is short enough to read at once"],
    ["src/abi/a.ts", long(900), undefined],
    ["src/a.test.ts", long(400), undefined],
    ["src/a.test.ts", long(401), "is short enough to read at once"],
    ["src/a.ts", "import x;\n", "opens with a comment of at most 6 lines"],
    ["src/a.ts", `${"// l\n".repeat(7)}x;\n`, "opens with a comment of at most 6 lines"],
    ["src/utils.ts", "// owns\n", "has a name that says what it is"],
    ["src/helpers/a.ts", "// owns\n", "has a name that says what it is"],
    ["src/a.ts", "// owns\nconst a = b as any;\n", "casts nothing to any"],
    ["src/a.ts", "// owns, as any other\n", undefined],
    ["kmod/a.c", "/* TODO: later */\n", "is finished"],
    ["package-lock.json", '"resolved": "https://registry.example.org/x"\n', "names no package registry"],
    ["docs/a.md", "Run it in /work/main first.\n", "names no place of one machine"],
    ["docs/a.md", "`/home/someone/x`\n", "names no place of one machine"],
    ["docs/a.md", "Mount it at /mnt/fs and look at docs/work/plan.\n", undefined],
  ];

  it.each(samples)("%s (sample %$) breaks the rule that it should", (file, text, broken) => {
    const found = RULES.filter((rule) => findings(rule, { [file]: text }).length > 0).map((rule) => rule.name);
    expect(found).toEqual(broken === undefined ? [] : [broken]);
  });
});
