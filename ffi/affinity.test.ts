// Proves which CPUs the process is said to have, against what the kernel's text says.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { allowedCpus, parseCpuList, placeOn, possibleCpus } from "./affinity.ts";

const allowedList = () =>
  parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1] ?? "");

it("parseCpuList: takes single CPUs, ranges and nothing", () => {
  expect(parseCpuList("0-2,5,7-8\n")).toEqual([0, 1, 2, 5, 7, 8]);
  expect(parseCpuList("\n")).toEqual([]);
});

it("allowedCpus: is the list of the calling thread, and all of it possible", () => {
  expect(allowedCpus()).toEqual(allowedList());
  expect(possibleCpus()).toEqual(expect.arrayContaining(allowedCpus()));
});

it("placeOn: leaves one CPU, sees whether it is kept, and says when there is no such CPU", () => {
  const before = allowedCpus();
  const last = before.at(-1) as number;
  const place = placeOn([last]);
  try {
    expect(place.take()).toBe(0);
    expect([allowedCpus(), allowedList(), place.isKept()]).toEqual([[last], [last], true]);
    expect(placeOn([8000]).take()).toBeLessThan(0);
    expect(place.isKept()).toBe(true);
  } finally {
    placeOn(before).take();
  }
  expect(allowedCpus()).toEqual(before);
  expect(place.isKept()).toBe(before.length === 1);
});
