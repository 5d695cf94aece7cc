// Owns: the proof that the switch gets its old value back, also when nobody is left to ask for it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { turnOn, URING } from "./kernel-switch.ts";

async function withSwitch(value: string, use: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rfuse-switch-"));
  try {
    await writeFile(join(folder, "switch"), value);
    await use(join(folder, "switch"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("turnOn: switches on, and back when told", async () => {
  await withSwitch("N\n", async (path) => {
    const restore = await turnOn({ ...URING, path });
    expect(await readFile(path, "utf8")).toBe("Y");
    await restore();
    expect(await readFile(path, "utf8")).toBe("N");
  });
});

test("turnOn: leaves a switch alone that is on", async () => {
  await withSwitch("Y\n", async (path) => {
    await (await turnOn({ ...URING, path }))();
    expect(await readFile(path, "utf8")).toBe("Y\n");
  });
});

test("turnOn: names a kernel without the switch", async () => {
  await expect(turnOn({ ...URING, path: "/nowhere/enable_uring" })).rejects.toThrow("no FUSE-over-io_uring");
});

test("turnOn: puts the value back when its process is killed", async () => {
  await withSwitch("N\n", async (path) => {
    const module = join(import.meta.dirname, "kernel-switch.ts");
    const code = `const { turnOn, URING } = await import(${JSON.stringify(module)}); await turnOn({ ...URING, path: ${JSON.stringify(path)} }); setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ["-e", code], { stdio: "ignore" });
    try {
      await vi.waitFor(async () => expect(await readFile(path, "utf8")).toBe("Y"), { timeout: 20_000 });
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await vi.waitFor(async () => expect(await readFile(path, "utf8")).toBe("N"), { timeout: 20_000 });
  });
});
