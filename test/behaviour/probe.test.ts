// The instruments are honest: the probe reports what happened, the exerciser notices a file that is not its model.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Probe } from "./probe.ts";

const dir = mkdtempSync(join(tmpdir(), "rfuse-probe-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("Probe: bytes of every value survive the way in and out", async () => {
  await using p = await Probe.start();
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const fd = await p.open(join(dir, "bytes"), "O_RDWR|O_CREAT");
  expect(await p.number("write", fd, all)).toBe(256);
  expect(await p.bytes("pread", fd, 0, 300)).toEqual(Buffer.from(all));
  expect(await p.number("write", fd, "")).toBe(0);
});

test("Probe: errors come by name, as a value or as a rejection", async () => {
  await using p = await Probe.start();
  expect(await p.outcome("unlink", join(dir, "none"))).toBe("ENOENT");
  await expect(p.call("unlink", join(dir, "none"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("Probe: calls sent at once are answered in order", async () => {
  await using p = await Probe.start();
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => p.number("value", i)));
  expect(answers).toEqual(Array.from({ length: 500 }, (_, i) => i));
});

test("Probe: an unknown command or constant is a loud end, not an errno", async () => {
  await using p = await Probe.start();
  await expect(p.outcome("frobnicate")).rejects.toThrow(/cannot run frobnicate/);
  await using q = await Probe.start();
  await expect(q.outcome("open", "/", "O_FROB")).rejects.toThrow(/unknown constant O_FROB/);
});

test("Probe: a killed probe answers DEAD, and leaves no process", async () => {
  const p = await Probe.start();
  const { pid } = p;
  await p.close();
  await expect(p.call("value", 1)).rejects.toMatchObject({ code: "DEAD" });
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});

test("Probe.stat: agrees with the file", async () => {
  writeFileSync(join(dir, "f"), "12345", { mode: 0o600 });
  await using p = await Probe.start();
  await p.call("utimensat", join(dir, "f"), -1_500_000_000n, 1n);
  expect(await p.stat(join(dir, "f"))).toMatchObject({ size: 5n, mode: 0o100600, atime: -1_500_000_000n, mtime: 1n });
});

test("exerciser: notices a file that another process changes, and names the last steps", async () => {
  await using p = await Probe.start();
  await using q = await Probe.start();
  const run = (probe: Probe, seed: number) =>
    probe.call("exercise", join(dir, "shared"), seed, 1_000_000, 50_000, "read,write,truncate").then(
      () => "no difference",
      (error: Error & { code: string }) => `${error.code}: ${error.message}`,
    );
  const first = await Promise.race([run(p, 1), run(q, 2)]);
  expect(first).toMatch(/^DIFFERENCE/);
  expect(first).toMatch(/\d+ size \d+: (read|write|truncate).*differs/s);
});

test("exerciser: the same seed makes the same file", async () => {
  await using p = await Probe.start();
  const files: Buffer[] = [];
  for (const name of ["one", "two"]) {
    await p.call("exercise", join(dir, name), 77, 500, 50_000, "read,write,truncate,map-write");
    files.push(await p.bytes("pread", await p.open(join(dir, name)), 0, 60_000));
  }
  expect(files[0]?.length).toBeGreaterThan(0);
  expect(files[1]).toEqual(files[0]);
});
