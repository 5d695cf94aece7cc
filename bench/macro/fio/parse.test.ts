// Owns: the proof that fio's report is read rightly.

import { expect, test } from "vitest";
import { parseFio } from "./parse.ts";

const side = (ios: number) => ({
  total_ios: ios,
  iops: ios,
  bw_bytes: ios * 4096,
  clat_ns: { percentile: { "50.000000": 1500, "99.000000": 9000 } },
});

test("parseFio: takes the side that did something, behind whatever fio said first", () => {
  const jobs = [
    { jobname: "a", error: 0, read: side(10), write: side(0) },
    { jobname: "b", error: 84, read: side(5), write: side(20) },
  ];
  expect(parseFio(`fio: a note\n${JSON.stringify({ jobs })}`)).toEqual([
    { job: "a", iops: 10, bytesPerS: 40960, p50Us: 1.5, p99Us: 9, error: 0 },
    { job: "b", iops: 20, bytesPerS: 81920, p50Us: 1.5, p99Us: 9, error: 84 },
  ]);
});

test("parseFio: refuses what is no report", () => {
  expect(() => parseFio("fio: bad option")).toThrow("no jobs");
  expect(() => parseFio("{}")).toThrow("no jobs");
});
