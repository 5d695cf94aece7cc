// Owns: the directions of import between the parts of the project, as a table, and the search for violations.
// Type-only imports count: they couple the parts as much as any other.
// Must not: read the project's files; its input is sources by path, so that the rules can be tried on made-up ones.
import { dirname, join } from "node:path/posix";
import { API } from "typescript/unstable/async";
import { createVirtualFileSystem } from "typescript/unstable/fs";

/** Source text by path relative to the project, with "/" and extension. */
export type Sources = Readonly<Record<string, string>>;

/** One import statement, `export from`, `import()` or `import("…")` type; `line` counts from 1. */
interface Import {
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
}

const WIRE = ["ffi", "abi", "codec"];
const INNER = [...WIRE, "fs", "bpf", "transport", "server", "mounting"];
const LIBRARY = [...INNER, "roots", "index"];

/**
 * Part of the project, what belongs to it, and the other parts that it may import. A file belongs to the first row
 * that matches. Every part may import itself and the modules of Bun and Node; "package" is the project by its
 * published name, "dev" any package of devDependencies.
 */
const PARTS: ReadonlyArray<readonly [part: string, files: RegExp, mayImport: readonly string[]]> = [
  ["test", /^test\/|\.test\.ts$/, [...LIBRARY, "examples", "bench", "package", "dev"]],
  ["readme", /^README\.md/, ["package"]],
  ["config", /^[^/]+\.ts$/, ["dev"]],
  ["ffi", /^ffi\//, []],
  ["abi", /^src\/abi\//, ["ffi"]],
  ["codec", /^src\/codec\//, ["ffi", "abi"]],
  ["fs", /^src\/fs\//, WIRE],
  ["bpf", /^src\/bpf\//, [...WIRE, "fs"]],
  ["transport", /^src\/transport\//, WIRE],
  ["server", /^src\/server\//, [...WIRE, "fs", "bpf", "transport"]],
  ["mounting", /^src\/mounting\//, [...WIRE, "fs"]],
  ["index", /^src\/index\.ts$/, [...INNER, "roots"]],
  ["roots", /^src\/[^/]+\.ts$/, INNER],
  ["examples", /^examples\//, ["package"]],
  ["bench", /^bench\//, [...LIBRARY, "examples", "package", "dev"]],
];

/** Modules that only one part may import, and why. */
const RESERVED: Readonly<Record<string, readonly [part: string, why: string]>> = {
  "bun:ffi": ["ffi", "one directory makes the system calls"],
};

const PACKAGE = "rfuse";
const UNKNOWN = "unknown";

const partOf = (path: string): string => PARTS.find(([, files]) => files.test(path))?.[0] ?? UNKNOWN;

function targetPath(found: Import): string | undefined {
  return found.specifier.startsWith(".") ? join(dirname(found.from), found.specifier) : undefined;
}

function partImported(found: Import): string {
  const path = targetPath(found);
  if (path !== undefined) return partOf(path);
  if (found.specifier === PACKAGE || found.specifier.startsWith(`${PACKAGE}/`)) return "package";
  return /^(node:|bun(:|$))/.test(found.specifier) ? "builtin" : "dev";
}

/** All imports of `sources`, found by TypeScript's own parser; it resolves nothing and reads no other file. */
export async function importsOf(sources: Sources): Promise<Import[]> {
  const files = Object.keys(sources);
  const config = { compilerOptions: { noLib: true, noResolve: true, types: [] }, files };
  const virtual = Object.fromEntries(files.map((file) => [`/project/${file}`, sources[file] ?? ""]));
  const fs = createVirtualFileSystem({ ...virtual, "/project/tsconfig.json": JSON.stringify(config) });
  const api = new API({ cwd: "/project", fs });
  try {
    const snapshot = await api.updateSnapshot({ openProject: "/project/tsconfig.json" });
    const program = snapshot.getProjects()[0]?.program;
    const found: Import[] = [];
    for (const from of files) {
      const file = await program?.getSourceFile(`/project/${from}`);
      if (file === undefined) throw new Error(`the parser did not return ${from}`);
      for (const node of file.imports) {
        const specifier = file.text.slice(node.pos, node.end).trim().slice(1, -1);
        const line = file.text.slice(0, node.end).split("\n").length;
        found.push({ from, line, specifier });
      }
    }
    return found;
  } finally {
    await api.close();
  }
}

function violationOf(found: Import, sources: Sources): string | undefined {
  const at = `${found.from}:${found.line}`;
  const part = partOf(found.from);
  const imported = partImported(found);
  const path = targetPath(found);
  const reserved = RESERVED[found.specifier];
  if (part === UNKNOWN) return `${at}: no part of the project owns this file; add a row to PARTS`;
  if (reserved !== undefined && reserved[0] !== part) {
    return `${at}: only ${reserved[0]}/ imports "${found.specifier}": ${reserved[1]}`;
  }
  if (path !== undefined && !(path in sources)) return `${at}: "${found.specifier}" is not a file of the project`;
  const allowed = PARTS.find(([name]) => name === part)?.[2] ?? [];
  if (imported === part || imported === "builtin" || allowed.includes(imported)) return undefined;
  return `${at}: ${part} must not import ${imported} ("${found.specifier}")`;
}

/** Import cycles, each once, as the import that closes it and the files on the way. */
function cyclesOf(imports: readonly Import[], sources: Sources): string[] {
  const edges = Map.groupBy(imports, (found) => found.from);
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: string[] = [];
  const visit = (file: string): void => {
    path.push(file);
    for (const found of edges.get(file) ?? []) {
      const next = targetPath(found);
      if (next === undefined || !(next in sources) || done.has(next)) continue;
      const start = path.indexOf(next);
      if (start < 0) visit(next);
      else cycles.push(`${file}:${found.line}: import cycle: ${[...path.slice(start), next].join(" -> ")}`);
    }
    path.pop();
    done.add(file);
  };
  for (const file of Object.keys(sources)) if (!done.has(file)) visit(file);
  return cycles;
}

/** Every violation of the rules in `sources`, as "file:line: what is wrong", sorted. */
export async function importViolations(sources: Sources): Promise<string[]> {
  const imports = await importsOf(sources);
  const broken = imports.map((found) => violationOf(found, sources)).filter((text) => text !== undefined);
  return [...broken, ...cyclesOf(imports, sources)].sort();
}
