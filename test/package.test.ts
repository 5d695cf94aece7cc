// The packed project works for someone who installs it: `bun add` of the tarball, a program that type-checks without
// this project's compiler options, and an import that runs. Nothing that only developers need is packed.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROJECT } from "./gate/project-files.ts";

const BIN = join(PROJECT, "node_modules", ".bin");
const directory = mkdtempSync(join(tmpdir(), "rfuse-package-"));
const consumer = join(directory, "consumer");
let packed: string[] = [];

const PROGRAM = `import { mount } from "rfuse";

const make: typeof mount = mount;
// @ts-expect-error: the types are real ones, so a call without arguments is refused
const broken = () => mount();
console.log(typeof make, typeof broken);
`;

/** What a compiler takes, and what it refuses; it is not run. */
const CHECKED = `import * as fsp from "node:fs/promises";
import { mount, pathFilesystem } from "rfuse";

// What node's own functions give is taken as it is, and a handle is what open gave.
pathFilesystem({
  getattr: (path) => fsp.lstat(path),
  readdir: (path) => fsp.readdir(path, { withFileTypes: true }),
  open: (path, flags) => fsp.open(path, flags),
  read: async (_path, file, buffer, offset) => (await file.read(buffer, 0, buffer.length, offset)).bytesRead,
  release: (_path, file) => file.close(),
});
// @ts-expect-error: what is no type of a file
pathFilesystem({ getattr: () => ({ type: "dir" }) });
// @ts-expect-error: a size that is a text
pathFilesystem({ getattr: () => ({ type: "file", size: "5" }) });
// @ts-expect-error: a time that is no Date
pathFilesystem({ getattr: () => ({ type: "file", mtime: Date.now() }) });
// @ts-expect-error: a string is no list of names
pathFilesystem({ readdir: () => "hello.txt" });
// @ts-expect-error: nothing read
pathFilesystem({ read: () => undefined });
// @ts-expect-error: a failure is thrown, not returned
pathFilesystem({ unlink: () => -2 });
// @ts-expect-error: a misspelt method
pathFilesystem({ getatr: () => null });
// @ts-expect-error: a misspelt option
pathFilesystem({}, { attrTimeout: 5 });
// @ts-expect-error: path-level methods where inode-level ones are due
export const bare = () => mount("/mnt", { getattr: (path: string) => path });
// @ts-expect-error: the path of a module where its URL is due
export const path = () => mount("/mnt", "./filesystem.ts");
`;

/** What a consumer's compiler is told: declarations are checked, and ".ts" imports are not allowed. */
const compilerOptions = (moduleKind: string) => ({
  target: "ESNext",
  lib: ["ESNext"],
  types: ["bun-types"],
  module: moduleKind,
  strict: true,
  noEmit: true,
  skipLibCheck: true,
});

function run(command: string, args: readonly string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

beforeAll(() => {
  run("npm", ["pack", "--silent", "--pack-destination", directory], PROJECT);
  const tarball = readdirSync(directory).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack made no tarball");
  packed = run("tar", ["-tzf", tarball], directory).trim().split("\n");
  mkdirSync(consumer);
  writeFileSync(join(consumer, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
  run(process.execPath, ["add", join(directory, tarball)], consumer);
  for (const name of ["bun-types", "@types", "undici-types"]) {
    symlinkSync(join(PROJECT, "node_modules", name), join(consumer, "node_modules", name));
  }
  writeFileSync(join(consumer, "program.ts"), PROGRAM);
  writeFileSync(join(consumer, "checked.ts"), CHECKED);
  const [, example = ""] = /```ts\n(.*?)```/s.exec(readFileSync(join(PROJECT, "README.md"), "utf8")) ?? [];
  writeFileSync(join(consumer, "hello.ts"), example);
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("the package", () => {
  it("holds sources, declarations and licences, and no tests, set-up or kernel module", () => {
    const needed = ["package.json", "LICENSE", "src/index.ts", "dist/types/src/index.d.ts"];
    expect(packed).toEqual(expect.arrayContaining(needed.map((file) => `package/${file}`)));
    expect(packed.filter((file) => /\.test\.(d\.)?ts$|^package\/(test|bench|kmod|setup)/.test(file))).toEqual([]);
  });

  it.each(["Preserve", "NodeNext"])("type-checks in a consumer's program with module %s", (moduleKind) => {
    const config = { compilerOptions: compilerOptions(moduleKind), files: ["program.ts", "checked.ts", "hello.ts"] };
    writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify(config));
    expect(run(join(BIN, "tsc"), ["--project", "tsconfig.json"], consumer)).toBe("");
  });

  it("runs in a consumer's program", () => {
    expect(run(process.execPath, ["run", "program.ts"], consumer)).toBe("function function\n");
  });

  it("mounts README's example, which unmounts on SIGINT", async () => {
    const mountpoint = join(directory, "mountpoint");
    mkdirSync(mountpoint);
    const program = spawn(process.execPath, ["run", "hello.ts", mountpoint], { cwd: consumer });
    const ended = new Promise<number | null>((resolve) => program.on("exit", resolve));
    try {
      await new Promise<void>((resolve, reject) => {
        let said = "";
        program.stdout.once("data", () => resolve());
        program.stderr.on("data", (text: Buffer) => (said += text.toString()));
        ended.then((status) => reject(new Error(`ended with status ${status}: ${said}`)));
      });
      expect(run("cat", [join(mountpoint, "hello.txt")], directory)).toBe("Hello from TypeScript\n");
      program.kill("SIGINT");
      expect(await ended).toBe(0);
      expect(readdirSync(mountpoint)).toEqual([]);
    } finally {
      program.kill("SIGKILL");
      spawnSync("umount", ["--lazy", mountpoint]);
    }
  });
});
