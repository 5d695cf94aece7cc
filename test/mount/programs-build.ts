// Owns: builds on a mount: a C program by make, and this project's own packages by npm, run from the mount.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { type ProgramTarget, program } from "./programs-ground.ts";

const UNITS = 150;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const MAKEFILE = `CFLAGS = -O1 -MMD -MP -Iinclude
OBJECTS = $(patsubst %.c,build/%.o,$(wildcard src/*.c))
sum: build/main.o libunits.a
\t$(CC) -o $@ $^
libunits.a: $(filter-out build/src/main.o,$(OBJECTS))
\t$(AR) rcs $@ $?
build/main.o: main.c
\t@mkdir -p $(@D)
\t$(CC) $(CFLAGS) -c -o $@ $<
build/src/%.o: src/%.c
\t@mkdir -p $(@D)
\t$(CC) $(CFLAGS) -c -o $@ $<
clean:
\trm -rf build sum libunits.a
.PHONY: clean
-include $(wildcard build/*.d build/src/*.d)
`;

/** Writes a program of many files, whose output is the sum of its units' numbers. */
function writeProject(dir: string): void {
  for (const name of ["", "src", "include"]) mkdirSync(join(dir, name), { recursive: true });
  const units = Array.from({ length: UNITS }, (_, n) => n);
  for (const n of units) {
    writeFileSync(join(dir, `include/unit${n}.h`), `long unit${n}(void);\n`);
    const code = `#include "unit${n}.h"\n#include "unit${(n + 1) % UNITS}.h"\nlong unit${n}(void) { return ${n}; }\n`;
    writeFileSync(join(dir, `src/unit${n}.c`), code);
  }
  const includes = units.map((n) => `#include "unit${n}.h"\n`).join("");
  const calls = units.map((n) => `unit${n}()`).join(" + ");
  const main = `#include <stdio.h>\n${includes}int main(void) { printf("%ld\\n", ${calls}); return 0; }\n`;
  writeFileSync(join(dir, "main.c"), main);
  writeFileSync(join(dir, "Makefile"), MAKEFILE);
}

/** Registers the tests of make and npm. */
export function buildPrograms(target: ProgramTarget): void {
  program("make: unpacks, builds, rebuilds and cleans a C program", target, 120_000, async ({ shell, scratch }) => {
    writeProject(join(scratch, "project"));
    await shell('tar -C "$S" -czf "$S/project.tar.gz" project; tar -xzf "$S/project.tar.gz"; make -s -C project -j2');
    expect(await shell("project/sum")).toBe(`${(UNITS * (UNITS - 1)) / 2}\n`);
    await shell("make -q -C project sum");
    await shell("sed -i 's/return 7;/return 1007;/' project/src/unit7.c");
    const again = await shell("make -C project -j2 | grep -o 'src/unit[0-9]*\\.c$'; project/sum");
    expect(again).toBe(`src/unit7.c\n${(UNITS * (UNITS - 1)) / 2 + 1000}\n`);
    const byHeader = await shell(
      "touch project/include/unit9.h; make -C project -j2 | grep -o 'unit[0-9]*\\.c$' | sort",
    );
    expect(byHeader).toBe("unit8.c\nunit9.c\n");
    await shell('make -s -C project clean; sed -i "s/return 1007;/return 7;/" project/src/unit7.c');
    await shell('diff -r "$S/project" project');
  });

  program("npm: installs this project's packages, whose programs run", target, 180_000, async ({ shell }) => {
    const files = ["package.json", "package-lock.json", ".npmrc", "setup.mjs"].map((name) => `"${ROOT}${name}"`);
    await shell(`cp ${files.join(" ")} "$M"; node setup.mjs --for build`);
    const versions = await shell("node_modules/.bin/tsc --version; node_modules/.bin/bun --version");
    expect(versions).toBe(
      await shell(`cd "${ROOT}"; node_modules/.bin/tsc --version; node_modules/.bin/bun --version`),
    );
    await shell('echo "const one: number = 1; console.log(one);" > one.ts; node_modules/.bin/tsc --noEmit one.ts');
    expect(await shell("node_modules/.bin/bun one.ts")).toBe("1\n");
    await shell('rm -rf node_modules; test ! -e node_modules; test "$(ls | wc -l)" = 4');
  });
}
