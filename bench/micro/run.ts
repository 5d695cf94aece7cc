// Owns: micro benchmarks of the parts on a request's path, without a kernel: FFI call, io_uring, codec, dispatch, node
// table, what one thread pays to wake another, and the ring's protocol.
// Each task runs a batch of operations, because one is shorter than the clock's step; the table shows one operation.

import { heapStats } from "bun:jsc";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { machineFacts } from "../macro/machine.ts";
import { columns } from "../macro/table.ts";
import { codecTasks } from "./codec.ts";
import { dispatchTasks } from "./dispatch.ts";
import { ffiTasks } from "./ffi.ts";
import { ioUringTasks } from "./io-uring.ts";
import { nodeTableTasks } from "./node-table.ts";
import { measureRing } from "./ring.ts";
import { measureRoundTrips } from "./round-trips.ts";
import type { MicroRow, MicroTask } from "./task.ts";

const HELP = `use: bun run bench micro [options]
  --only TEXT     tasks whose name holds TEXT
  --time-ms N     time of one task (200)
  --json FILE     writes the rows as JSON`;

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

async function measureTasks(tasks: readonly MicroTask[], timeMs: number): Promise<MicroRow[]> {
  const bench = new Bench({ time: timeMs, warmupTime: Math.min(100, timeMs) });
  for (const task of tasks) bench.add(task.name, task.run);
  await bench.run();
  return bench.tasks.map(({ result }, index) => {
    const task = tasks[index] as MicroTask;
    if (result.state !== "completed") throw new Error(`${task.name}: ${result.state}`);
    const ns = (milliseconds: number) => (milliseconds * 1e6) / task.batch;
    return {
      task: task.name,
      medianNs: ns(result.latency.p50),
      p99Ns: ns(result.latency.p99),
      heapBytes: heapGrowth(task),
    };
  });
}

function format(rows: readonly MicroRow[]): string {
  const cells = rows.map(({ task, medianNs, p99Ns, heapBytes }) => [
    task,
    medianNs.toFixed(1),
    p99Ns.toFixed(1),
    heapBytes?.toFixed(3) ?? "-",
  ]);
  return columns(["task", "median ns", "p99 ns", "heap B/op"], cells, 1);
}

/** Runs the micro benchmarks and resolves to the exit status. */
export async function runMicro(words: readonly string[]): Promise<number> {
  const text = { type: "string" } as const;
  const options = { json: text, only: text, "time-ms": text, help: { type: "boolean" } } as const;
  const { values } = parseArgs({ args: [...words], options });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const timeMs = Number(values["time-ms"] ?? 200);
  if (!(timeMs > 0)) throw new Error(`--time-ms needs a number above 0, not "${values["time-ms"]}"`);
  const only = values.only ?? "";
  const tasks = [...ffiTasks(), ...ioUringTasks(), ...codecTasks(), ...dispatchTasks(), ...nodeTableTasks()];
  const rows = await measureTasks(
    tasks.filter(({ name }) => name.includes(only)),
    timeMs,
  );
  const wantsTrips = ["round trip", "shared"].some((part) => part.includes(only) || only.includes(part));
  const trips = wantsTrips ? await measureRoundTrips() : [];
  const all = [...rows, ...trips.filter(({ task }) => task.includes(only)), ...(await measureRing(only))];
  process.stdout.write(`${format(all)}\n`);
  if (values.json !== undefined) {
    await Bun.write(values.json, `${JSON.stringify({ machine: await machineFacts(), rows: all }, null, 1)}\n`);
  }
  return 0;
}
