// What a server has cost so far, read from /proc: CPU time and context switches summed over its threads.
// It measures nothing by itself: take it before and after, and subtract. Kernel threads that work for the server
// (io_uring's pollers) are not in it.
import { readdir, readFile } from "node:fs/promises";

/** CPU time in microseconds, and how often its threads gave up the CPU by going to sleep. */
export type Usage = { cpuUs: number; voluntary: number };

/** Microseconds per clock tick of /proc/PID/stat: USER_HZ is 100 in the ABI of every Linux port Bun runs on. */
const US_PER_TICK = 10_000;

/** Sums over the threads of `pid` that live now. Errors: ENOENT when the process is gone. */
export async function readUsage(pid: number): Promise<Usage> {
  const sum: Usage = { cpuUs: 0, voluntary: 0 };
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    const thread = await readThread(`/proc/${pid}/task/${tid}`);
    sum.cpuUs += thread.cpuUs;
    sum.voluntary += thread.voluntary;
  }
  return sum;
}

// A thread that ends between readdir and here counts as nothing.
async function readThread(folder: string): Promise<Usage> {
  try {
    const [stat, status] = await Promise.all(["stat", "status"].map((name) => readFile(`${folder}/${name}`, "latin1")));
    const exact = await readFile(`${folder}/schedstat`, "latin1").catch(() => "");
    const cpuUs = parseSchedstat(exact) ?? parseStat(stat ?? "");
    return { cpuUs, voluntary: Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status ?? "")?.[1] ?? 0) };
  } catch {
    return { cpuUs: 0, voluntary: 0 };
  }
}

/** Microseconds from a schedstat line, exact to 1 ns; undefined when the kernel keeps none (all zero, or no file). */
export function parseSchedstat(line: string): number | undefined {
  const ns = Number(line.split(" ")[0]);
  return ns > 0 ? ns / 1000 : undefined;
}

/** Microseconds of user plus system time from a /proc stat line, in steps of 10 ms. Source: proc_pid_stat(5). */
export function parseStat(line: string): number {
  // The name in parentheses may hold spaces and parentheses; the fields after the last ")" begin with number 3.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[14 - 3] ?? 0) + Number(fields[15 - 3] ?? 0)) * US_PER_TICK;
}
