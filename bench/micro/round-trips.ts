// Owns: how long one thread takes to hear from another: by spinning, Atomics.wait and notify, waitAsync, and a doorbell
// thread; on the same CPU and across CPUs. And memory that two threads change at once.
// Each trip is timed by itself. The calling thread is pinned while it measures, and freed afterwards.
import { once } from "node:events";
import { close } from "../../ffi/file.ts";
import { createEventFd } from "../../ffi/io-uring.ts";
import { libc } from "../../ffi/libc.ts";
import { addressOf } from "../../ffi/memory.ts";
import { NodeTable } from "../../src/fs/node-table.ts";
import { allowedCpus } from "../macro/machine.ts";
import { contend, filledTable, OPERATIONS_PER_TURN } from "./node-table.ts";
import { addOften, type Job, WORD, WORD_BYTES } from "./partner-job.ts";
import { pin } from "./pin.ts";
import type { MicroRow } from "./task.ts";

const TRIPS = 2000;
const WARM_UP = 200;
const TURNS = 300;
const ADDS = 1000;

type Kind = "spin" | "wait" | "waitAsync" | "doorbell";

/** Percentile of sorted values; 0 of none. */
function percentile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

function rowOf(task: string, times: Float64Array): MicroRow {
  const sorted = times.slice(WARM_UP).sort();
  return { task, medianNs: percentile(sorted, 0.5), p99Ns: percentile(sorted, 0.99), heapBytes: undefined };
}

async function withPartner(job: Job, wake: () => void, measure: () => Float64Array): Promise<Float64Array> {
  const worker = new Worker(new URL("./partner.ts", import.meta.url).href);
  try {
    worker.postMessage(job);
    await once(worker, "message");
    const done = once(worker, "message");
    const times = measure();
    Atomics.store(job.words, WORD.STOP, 1);
    Atomics.add(job.words, WORD.ASK, 1); // so that it cannot fall asleep after it was woken
    wake();
    await done;
    return times;
  } finally {
    worker.terminate();
  }
}

// One trip: ask, then wait for the answer in the way that the partner gives it.
function trips(kind: Kind, words: Int32Array, wake: () => void): Float64Array {
  const times = new Float64Array(WARM_UP + TRIPS);
  for (let trip = 1; trip <= times.length; trip++) {
    const start = Bun.nanoseconds();
    Atomics.store(words, WORD.ASK, trip);
    if (kind === "spin") while (Atomics.load(words, WORD.ANSWER) !== trip);
    else {
      wake();
      while (Atomics.load(words, WORD.ANSWER) !== trip) Atomics.wait(words, WORD.ANSWER, trip - 1);
    }
    times[trip - 1] = Bun.nanoseconds() - start;
  }
  return times;
}

async function roundTrip(kind: Kind, cpu: number, task: string): Promise<MicroRow> {
  const words = new Int32Array(new SharedArrayBuffer(WORD_BYTES));
  const eventFd = kind === "doorbell" ? createEventFd() : -1;
  const one = new BigUint64Array([1n]);
  const wake =
    kind === "doorbell"
      ? () => void libc.write(eventFd, addressOf(one), 8)
      : () => void Atomics.notify(words, WORD.ASK);
  const job: Job = { kind, words, cpu, eventFd };
  try {
    return rowOf(task, await withPartner(job, wake, () => trips(kind, words, wake)));
  } finally {
    if (eventFd >= 0) close(eventFd);
  }
}

// The same work by one thread, and then while a partner does it too; per operation.
async function contended(
  what: string,
  operations: number,
  job: Job,
  run: (round: number) => void,
): Promise<MicroRow[]> {
  const turns = () =>
    Float64Array.from({ length: WARM_UP + TURNS }, (_, round) => {
      const start = Bun.nanoseconds();
      run(round);
      return (Bun.nanoseconds() - start) / operations;
    });
  const alone = turns();
  const together = await withPartner(job, () => {}, turns);
  return [rowOf(`${what}, alone`, alone), rowOf(`${what}, two threads`, together)];
}

async function contendedRows(cpu: number): Promise<MicroRow[]> {
  const words = () => new Int32Array(new SharedArrayBuffer(WORD_BYTES));
  const buffer = filledTable();
  const table = new NodeTable(buffer);
  const tableJob: Job = { kind: "table", words: words(), cpu, table: buffer, seed: 1_000_000 };
  const addJob: Job = { kind: "add", words: words(), cpu };
  return [
    ...(await contended("shared: node table, find and drop", OPERATIONS_PER_TURN, tableJob, (round) =>
      contend(table, round),
    )),
    ...(await contended("shared: Atomics.add to one word", ADDS, addJob, () => addOften(addJob.words, ADDS))),
  ];
}

/** Measures all of them, one after the other. On a machine of one CPU the trips across CPUs are left out. */
export async function measureRoundTrips(): Promise<MicroRow[]> {
  const cpus = await allowedCpus();
  const [here = 0, there] = cpus;
  const rows: MicroRow[] = [];
  pin([here]);
  try {
    for (const kind of ["wait", "waitAsync", "doorbell"] as const) {
      rows.push(await roundTrip(kind, here, `round trip: ${kind}, same CPU`));
    }
    if (there === undefined) return rows;
    for (const kind of ["spin", "wait", "waitAsync", "doorbell"] as const) {
      rows.push(await roundTrip(kind, there, `round trip: ${kind}, two CPUs`));
    }
    return [...rows, ...(await contendedRows(there))];
  } finally {
    pin(cpus);
  }
}
