// Owns: what the ring's protocol costs without a kernel: a caller here and the real lane with its dispatch on another
// thread, over one SharedArrayBuffer. Compare with "round trip: spin", which carries nothing.
import { once } from "node:events";
import { allowedCpus } from "../macro/machine.ts";
import { pin } from "./pin.ts";
import type { RingJob } from "./ring-partner.ts";
import { createCaller, createTrip, endTrip } from "./ring-trip.ts";
import type { MicroRow } from "./task.ts";

const CALLS = 20_000;
const WARM_UP = 5_000;

interface Case {
  readonly name: string;
  readonly rests: "spin" | "wait";
  /** Looks of the caller for its reply before it sleeps. */
  readonly polls: number;
  readonly calls: number;
}

const CASES: readonly Case[] = [
  { name: "ring: GETATTR, both poll, two CPUs", rests: "spin", polls: Number.POSITIVE_INFINITY, calls: CALLS },
  { name: "ring: GETATTR, worker polls, caller sleeps, two CPUs", rests: "spin", polls: 0, calls: CALLS / 10 },
  { name: "ring: GETATTR, both sleep, two CPUs", rests: "wait", polls: 0, calls: CALLS / 10 },
];

async function measure({ name, rests, polls, calls }: Case, cpu: number): Promise<MicroRow> {
  const trip = createTrip();
  const worker = new Worker(new URL("./ring-partner.ts", import.meta.url).href);
  try {
    worker.postMessage({ trip, cpu, kind: "serve", rests } satisfies RingJob);
    await once(worker, "message");
    const call = createCaller(trip);
    const warmUp = Math.min(WARM_UP, calls);
    const times = new Float64Array(calls);
    for (let index = -warmUp; index < calls; index++) {
      const start = Bun.nanoseconds();
      call(polls);
      if (index >= 0) times[index] = Bun.nanoseconds() - start;
    }
    const done = once(worker, "message");
    endTrip(trip);
    await done;
    times.sort();
    const part = (share: number): number => times[Math.floor(calls * share)] ?? 0;
    return { task: name, medianNs: part(0.5), p99Ns: part(0.99), heapBytes: undefined };
  } finally {
    worker.terminate();
  }
}

/** Measures the trips whose name holds `only`; none on a machine of one CPU. */
export async function measureRing(only: string): Promise<MicroRow[]> {
  const cpus = await allowedCpus();
  const [here = 0, there] = cpus;
  if (there === undefined) return [];
  const rows: MicroRow[] = [];
  pin([here]);
  try {
    for (const one of CASES) if (one.name.includes(only)) rows.push(await measure(one, there));
    return rows;
  } finally {
    pin(cpus);
  }
}
