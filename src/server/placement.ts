// Owns: which worker serves the queues of which CPUs, and where it runs. Pure.
// A queue exists for every possible CPU, online or not, since the kernel picks it by the caller's CPU; a worker exists
// only where it may run.

/** How workers are placed on CPUs. */
export type Placement = "per-core" | "dedicated" | "none";

/** One worker: the CPUs whose queues it serves, and the CPU that it is pinned to (-1: none). */
export interface WorkerPlace {
  readonly cpus: readonly number[];
  readonly pin: number;
}

/** CPU of worker `index`; "dedicated" takes the last ones, since a machine's first CPU has its interrupts to serve. */
function pinOf(placement: Placement, index: number, workers: number, allowed: readonly number[]): number {
  if (placement === "none") return -1;
  const first = placement === "dedicated" ? Math.max(0, allowed.length - workers) : 0;
  return allowed[(first + index) % allowed.length] as number;
}

/**
 * Places `workers` workers. Per core: worker i runs on the i-th allowed CPU. Dedicated: the last `workers` allowed CPUs
 * are theirs. None: no worker is pinned. A pinned worker serves the queue of its CPU; the other queues are dealt out
 * in turn.
 */
export function placeWorkers(
  placement: Placement,
  workers: number,
  possible: readonly number[],
  allowed: readonly number[],
): WorkerPlace[] {
  const pins = Array.from({ length: workers }, (_, index) => pinOf(placement, index, workers, allowed));
  const cpus: number[][] = pins.map(() => []);
  let turn = 0;
  for (const cpu of possible) {
    const own = pins.indexOf(cpu);
    const index = own >= 0 ? own : turn++ % workers;
    (cpus[index] as number[]).push(cpu);
  }
  return pins.map((pin, index) => ({ pin, cpus: cpus[index] as number[] }));
}
