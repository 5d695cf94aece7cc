// The project's imports go in the directions of gate/import-rules.ts; made-up sources show that each rule bites.
import { describe, expect, it } from "vitest";
import { importsOf, importViolations } from "./gate/import-rules.ts";
import { codeBlocks, projectFiles, textOf } from "./gate/project-files.ts";

describe("the project", () => {
  it("imports in the allowed directions only, and without cycles", async () => {
    const files = projectFiles().filter((file) => file.endsWith(".ts"));
    const sources = Object.fromEntries(files.map((file) => [file, textOf(file)]));
    const readme = projectFiles().includes("README.md") ? codeBlocks("README.md", textOf("README.md")) : {};
    expect(files.length).toBeGreaterThan(20);
    expect(await importViolations({ ...sources, ...readme })).toEqual([]);
  });
});

describe("importsOf", () => {
  it("finds every form of import, and no text that only looks like one", async () => {
    const text = [
      'import type { A } from "./a.ts";',
      'export * from "./b.ts"; export { c } from "./c.ts"; import "./d.ts";',
      'const e = await import("./e.ts"); type F = import("./f.ts").F;',
      '// import "./comment.ts"',
      'const s = `import "./template.ts"`;',
    ].join("\n");
    const found = (await importsOf({ "src/codec/x.ts": text })).map((one) => `${one.line} ${one.specifier}`);
    expect(found.sort()).toEqual(["1 ./a.ts", "2 ./b.ts", "2 ./c.ts", "2 ./d.ts", "3 ./e.ts", "3 ./f.ts"]);
  });
});

describe("importViolations", () => {
  const to = (specifier: string) => `import "${specifier}";`;
  const empty = {
    "ffi/libc.ts": "",
    "src/abi/ring.ts": "",
    "src/codec/names.ts": "",
    "src/fs/node-table.ts": "",
    "src/transport/dev.ts": "",
    "src/server/session.ts": "",
    "src/mount.ts": "",
    "src/index.ts": "",
    "examples/passthrough.ts": "",
    "bench/run.ts": "",
    "test/x.test.ts": "",
  };

  const forbidden: ReadonlyArray<readonly [from: string, specifier: string, complaint: string]> = [
    ["ffi/file.ts", "../src/abi/ring.ts", "ffi must not import abi"],
    ["src/abi/fuse.ts", "../codec/names.ts", "abi must not import codec"],
    ["src/codec/view.ts", "../transport/dev.ts", "codec must not import transport"],
    ["src/fs/memory.ts", "../transport/dev.ts", "fs must not import transport"],
    ["src/fs/memory.ts", "../server/session.ts", "fs must not import server"],
    ["src/transport/ring.ts", "../server/session.ts", "transport must not import server"],
    ["src/transport/ring.ts", "../fs/node-table.ts", "transport must not import fs"],
    ["src/server/dispatch.ts", "../mount.ts", "server must not import roots"],
    ["src/worker.ts", "./index.ts", "roots must not import index"],
    ["src/index.ts", "../examples/passthrough.ts", "index must not import examples"],
    ["examples/memory.ts", "../src/mount.ts", "examples must not import roots"],
    ["examples/memory.ts", "vitest", "examples must not import dev"],
    ["README.md:7.ts", "./src/mount.ts", "readme must not import roots"],
    ["src/server/log.ts", "some-package", "server must not import dev"],
    ["ffi/file.ts", "some-package", "ffi must not import dev"],
    ["src/server/log.ts", "rfuse", "server must not import package"],
    ["src/server/log.ts", "../../test/x.test.ts", "server must not import test"],
    ["src/transport/ring.ts", "bun:ffi", 'only ffi/ imports "bun:ffi"'],
    ["test/y.test.ts", "bun:ffi", 'only ffi/ imports "bun:ffi"'],
    ["src/codec/view.ts", "./gone.ts", "is not a file of the project"],
    ["elsewhere/x.ts", "node:fs", "no part of the project owns this file"],
  ];

  it.each(forbidden)("refuses %s importing %s", async (from, specifier, complaint) => {
    const sources = { ...empty, [from]: `// first line\n${to(specifier)}` };
    expect(await importViolations(sources)).toEqual([expect.stringMatching(`^${from}:2: `)]);
    expect((await importViolations(sources))[0]).toContain(complaint);
  });

  const allowed: ReadonlyArray<readonly [from: string, specifier: string]> = [
    ["ffi/file.ts", "bun:ffi"],
    ["src/abi/fuse.ts", "../../ffi/libc.ts"],
    ["src/server/dispatch.ts", "../fs/node-table.ts"],
    ["src/worker.ts", "./mount.ts"],
    ["examples/memory.ts", "rfuse"],
    ["examples/memory.ts", "node:fs"],
    ["README.md:7.ts", "rfuse"],
    ["bench/micro.ts", "tinybench"],
    ["src/codec/names.test.ts", "vitest"],
    ["test/y.test.ts", "../bench/run.ts"],
  ];

  it.each(allowed)("allows %s importing %s", async (from, specifier) => {
    expect(await importViolations({ ...empty, [from]: to(specifier) })).toEqual([]);
  });

  it("finds a cycle, also of types only, and names the way", async () => {
    const a = 'import type { B } from "./b.ts";';
    const sources = { "src/codec/a.ts": a, "src/codec/b.ts": to("./c.ts"), "src/codec/c.ts": to("./a.ts") };
    expect(await importViolations(sources)).toEqual([
      "src/codec/c.ts:1: import cycle: src/codec/a.ts -> src/codec/b.ts -> src/codec/c.ts -> src/codec/a.ts",
    ]);
  });
});
