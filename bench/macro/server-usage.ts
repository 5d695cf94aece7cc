// What a server has cost so far, read from /proc: CPU time and context switches summed over its threads, and its memory.
// It measures nothing by itself: take it before and after, and subtract. Kernel threads that work for the server
// (io_uring's pollers) are not in it.
import { readdir, readFile } from "node:fs/promises";

/** CPU time in microseconds, the part of it in user mode, and how often its threads went to sleep or were preempted. */
export type Usage = { cpuUs: number; userUs: number; voluntary: number; involuntary: number };

/** Microseconds per clock tick of /proc/PID/stat: USER_HZ is 100 in the ABI of every Linux port Bun runs on. */
const US_PER_TICK = 10_000;

/** Sums over the threads of `pid` that live now. Errors: ENOENT when the process is gone. */
export async function readUsage(pid: number): Promise<Usage> {
  const sum: Usage = { cpuUs: 0, userUs: 0, voluntary: 0, involuntary: 0 };
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    const thread = await readThread(`/proc/${pid}/task/${tid}`);
    sum.cpuUs += thread.cpuUs;
    sum.userUs += thread.userUs;
    sum.voluntary += thread.voluntary;
    sum.involuntary += thread.involuntary;
  }
  return sum;
}

/** What lies between two readings. */
export function subtractUsage(after: Usage, before: Usage): Usage {
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    userUs: after.userUs - before.userUs,
    voluntary: after.voluntary - before.voluntary,
    involuntary: after.involuntary - before.involuntary,
  };
}

/** Resident memory of a process in bytes. Source: VmRSS of proc_pid_status(5). */
export async function readRss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  return field(status, "VmRSS") * 1024;
}

// A thread that ends between readdir and here counts as nothing. User time is in ticks of 10 ms, the sum is exact.
async function readThread(folder: string): Promise<Usage> {
  try {
    const [stat, status] = await Promise.all(["stat", "status"].map((name) => readFile(`${folder}/${name}`, "latin1")));
    const exact = await readFile(`${folder}/schedstat`, "latin1").catch(() => "");
    const { userUs, systemUs } = parseStat(stat ?? "");
    return {
      cpuUs: parseSchedstat(exact) ?? userUs + systemUs,
      userUs,
      voluntary: field(status ?? "", "voluntary_ctxt_switches"),
      involuntary: field(status ?? "", "nonvoluntary_ctxt_switches"),
    };
  } catch {
    return { cpuUs: 0, userUs: 0, voluntary: 0, involuntary: 0 };
  }
}

function field(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0);
}

/** Microseconds from a schedstat line, exact to 1 ns; undefined when the kernel keeps none (all zero, or no file). */
export function parseSchedstat(line: string): number | undefined {
  const ns = Number(line.split(" ")[0]);
  return ns > 0 ? ns / 1000 : undefined;
}

/** Microseconds of user and of system time from a /proc stat line, in steps of 10 ms. Source: proc_pid_stat(5). */
export function parseStat(line: string): { userUs: number; systemUs: number } {
  // The name in parentheses may hold spaces and parentheses; the fields after the last ")" begin with number 3.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const ticks = (number: number) => Number(fields[number - 3] ?? 0) * US_PER_TICK;
  return { userUs: ticks(14), systemUs: ticks(15) };
}
