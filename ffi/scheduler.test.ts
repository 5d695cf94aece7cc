// Proves that a thread can leave its CPU to others and take it back. It runs in a thread of its own, so that a failure
// does not leave the test's thread behind everything else.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { hasCapability } from "./thread.ts";

const CAP_SYS_NICE = 23;
const url = (name: string) => new URL(name, import.meta.url).href;
const SCRIPT = `
  import { parentPort } from "node:worker_threads";
  const { schedulingClass } = await import("${url("./scheduler.ts")}");
  const { gettid } = await import("${url("./thread.ts")}");
  const { libc } = await import("${url("./libc.ts")}");
  const thread = schedulingClass();
  const classNow = () => libc.sched_getscheduler(0);
  const nice = () => libc.getpriority(0, 0);
  const seen = { tid: gettid(), made: thread !== undefined, classes: [classNow()], nices: [nice()], results: [], delays: [] };
  for (const idle of thread === undefined ? [] : [true, false, true, false]) {
    seen.results.push(thread.setIdle(idle));
    seen.classes.push(classNow());
    seen.nices.push(nice());
    seen.delays.push(thread.delayedNs());
  }
  parentPort.postMessage(seen);
`;

it("schedulingClass: goes to the idle class and back where that is allowed, and else is not there", async () => {
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`));
  const seen = await new Promise<Record<string, number[]>>((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  });
  await worker.terminate();
  const counted = !readFileSync("/proc/self/schedstat", "utf8").startsWith("0 0 ");
  const able = hasCapability(CAP_SYS_NICE) && counted;
  expect(seen["made"]).toBe(able);
  if (!able) return expect(seen["classes"]).toEqual([0]);
  expect(seen["results"]).toEqual([0, 0, 0, 0]);
  expect(seen["classes"]).toEqual([0, 5, 0, 5, 0]);
  expect(new Set(seen["nices"]).size).toBe(1);
  const delays = seen["delays"] ?? [];
  expect(delays).toEqual(delays.toSorted((a, b) => a - b));
  expect(delays[0]).toBeGreaterThan(0);
});
