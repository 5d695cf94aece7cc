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

/**
 * Places `workers` workers. Per core, and for now dedicated: worker i runs on the i-th allowed CPU and serves that CPU's queue; queues of
 * CPUs without a worker are dealt out in turn. None: queues are dealt out in turn and no worker is pinned.
 */
export function placeWorkers(
  placement: Placement,
  workers: number,
  possible: readonly number[],
  allowed: readonly number[],
): WorkerPlace[] {
  const pins = Array.from({ length: workers }, (_, index) =>
    placement === "none" ? -1 : (allowed[index % allowed.length] as number),
  );
  const cpus: number[][] = pins.map(() => []);
  let turn = 0;
  for (const cpu of possible) {
    const own = pins.indexOf(cpu);
    const index = own >= 0 ? own : turn++ % workers;
    (cpus[index] as number[]).push(cpu);
  }
  return pins.map((pin, index) => ({ pin, cpus: cpus[index] as number[] }));
}
