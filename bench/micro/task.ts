// Owns: the shape of a micro benchmark.

/** `run` does `batch` operations. */
export interface MicroTask {
  readonly name: string;
  readonly batch: number;
  run(): void;
}

/** A task that does one operation `batch` times. */
export function repeat(name: string, batch: number, operation: (index: number) => void): MicroTask {
  return {
    name,
    batch,
    run() {
      for (let index = 0; index < batch; index++) operation(index);
    },
  };
}

/** What is known of one operation; `heapBytes` is what it leaves behind, undefined where that was not measured. */
export type MicroRow = { task: string; medianNs: number; p99Ns: number; heapBytes: number | undefined };
