// Owns: the proof that a server's CPU time and sleeps are read rightly from /proc.

import { expect, test } from "vitest";
import { parseSchedstat, parseStat, readUsage } from "./server-usage.ts";

test("parseStat: finds utime and stime behind a name with spaces and parentheses", () => {
  const line = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0 99 1000 10";
  expect(parseStat(line)).toEqual({ userUs: 70_000, systemUs: 50_000 });
});

test("parseSchedstat: is nanoseconds, and has no value when the kernel keeps none", () => {
  expect(parseSchedstat("1234567 89 10\n")).toBe(1234.567);
  expect(parseSchedstat("0 0 0\n")).toBeUndefined();
  expect(parseSchedstat("")).toBeUndefined();
});

test("readUsage: grows by about the CPU time that this process burns", async () => {
  const before = await readUsage(process.pid);
  const start = process.cpuUsage();
  let spent = start;
  while (spent.user + spent.system < 200_000) spent = process.cpuUsage(start);
  const after = await readUsage(process.pid);
  expect(after.cpuUs - before.cpuUs).toBeGreaterThan(150_000);
});

test("readUsage: fails when the process does not exist", async () => {
  await expect(readUsage(2 ** 30)).rejects.toThrow("ENOENT");
});
