// Owns: micro benchmarks of the parts on a request's path, without a kernel: FFI call, codec, dispatch, node table.
//   bun run bench/micro/run.ts [--json FILE]
// Each task runs a batch of operations, because one is shorter than the clock's step; the table shows one operation.

import { heapStats } from "bun:jsc";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { codecTasks } from "./codec.ts";
import { dispatchTasks } from "./dispatch.ts";
import { ffiTasks } from "./ffi.ts";
import { nodeTableTasks } from "./node-table.ts";
import type { MicroTask } from "./task.ts";

const { values } = parseArgs({ options: { json: { type: "string" }, "time-ms": { type: "string", default: "300" } } });

const tasks: MicroTask[] = [...ffiTasks(), ...codecTasks(), ...dispatchTasks(), ...nodeTableTasks()];

// Bytes of heap that one operation leaves behind, after a full collection on both sides.
function heapGrowth(task: MicroTask): number {
  const rounds = Math.ceil(200_000 / task.batch);
  task.run();
  Bun.gc(true);
  const before = heapStats().heapSize;
  for (let round = 0; round < rounds; round++) task.run();
  Bun.gc(true);
  return Math.max(0, heapStats().heapSize - before) / (rounds * task.batch);
}

const bench = new Bench({ time: Number(values["time-ms"]), warmupTime: 100 });
for (const task of tasks) bench.add(task.name, task.run);
await bench.run();

const rows = bench.tasks.map((measured, index) => {
  const task = tasks[index] as MicroTask;
  const { result } = measured;
  if (result.state !== "completed") throw new Error(`${task.name}: ${result.state}`);
  const ns = (milliseconds: number) => Math.round((milliseconds * 1e7) / task.batch) / 10;
  return {
    task: task.name,
    "median ns": ns(result.latency.p50),
    "p99 ns": ns(result.latency.p99),
    "heap B/op": Math.round(heapGrowth(task) * 1000) / 1000,
  };
});
console.table(rows);
if (values.json !== undefined) await Bun.write(values.json, JSON.stringify({ bun: Bun.version, rows }, undefined, 2));
process.exit(0);
