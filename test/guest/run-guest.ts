// Owns: one command in one guest, from boot to verdict: a boot that fails is tried once more, a command that fails is
// not, and a complaint of the kernel fails a command that succeeded.
// Must not: choose what is run.
import { baseImage } from "./base-image.ts";
import { say } from "./cache.ts";
import { type Complaint, complaints, lastLines } from "./console.ts";
import { type Boot, initramfs } from "./initramfs.ts";
import { type Guest, type Machine, startGuest } from "./qemu.ts";

/** The machine's size and the times that it is given. */
export interface Limits {
  readonly cpus: number;
  readonly memoryMb: number;
  readonly append: string;
  /** Until the start script reports. */
  readonly bootMs: number;
  /** From then to the end of the command. */
  readonly commandMs: number;
}

/** How a run ended. */
export interface Verdict {
  /** Exit status of the command; undefined: there is none, and `problem` says why. */
  readonly status: number | undefined;
  readonly problem: string | undefined;
  /** What the kernel complained about. */
  readonly complaints: readonly Complaint[];
  readonly console: string;
  /** The start script reported: the kernel and the disk work. */
  readonly booted: boolean;
  readonly bootSeconds: number;
}

/** Where the command's streams go. */
export interface Streams {
  out(bytes: Buffer): void;
  err(bytes: Buffer): void;
}

const DUMP_MS = 5_000;
const POWER_OFF_MS = 20_000;
/** The look for leaks scans all memory twice. */
const LEAKS_MS = 180_000;

/** What the guest has told. */
interface Progress {
  booted: number | undefined;
  status: number | undefined;
  problem: string | undefined;
}

function listen(word: string, progress: Progress, reached: (stage: "alive" | "leaks" | "over") => void): void {
  const [event = "", ...rest] = word.split(" ");
  if (event === "alive") {
    progress.booted = performance.now();
    reached("alive");
  } else if (event === "leaks") reached("leaks");
  else if (event === "exit") {
    progress.status = Number(rest[0]);
    reached("over");
  } else if (event === "unloadable") {
    progress.problem = `the module cannot be loaded: ${rest.join(" ")}`;
    reached("over");
  }
}

/** Boots once and runs the command. */
async function attempt(machine: Machine, limits: Limits, streams: Streams): Promise<Verdict> {
  const began = performance.now();
  const progress: Progress = { booted: undefined, status: undefined, problem: undefined };
  let guest: Guest | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const after = (ms: number, act: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
  const giveUp = (problem: string) => {
    progress.problem ??= problem;
    guest?.tell("dump");
    after(progress.booted === undefined ? 0 : DUMP_MS, () => guest?.kill());
  };
  const late = (ms: number, what: string) => after(ms, () => giveUp(`${what} within ${ms / 1000} s`));
  const stages = {
    alive: () => late(limits.commandMs, "the command did not end"),
    leaks: () => late(LEAKS_MS, "the look for leaks did not end"),
    over: () => after(POWER_OFF_MS, () => guest?.kill()),
  };
  late(limits.bootMs, "the guest gave no sign of life");
  guest = await startGuest(machine, {
    ...streams,
    control: (line) => listen(line, progress, (stage) => stages[stage]()),
  });
  const ending = await guest.ended;
  clearTimeout(timer);
  const console = guest.console();
  const early = `the guest ended ${progress.booted === undefined ? "before its start script ran" : "before the command did"}`;
  const known = progress.status !== undefined || progress.problem !== undefined;
  return {
    status: progress.status,
    problem: known ? progress.problem : `${early}${ending.said === "" ? "" : `: ${ending.said.trim()}`}`,
    complaints: complaints(console),
    console,
    booted: progress.booted !== undefined,
    bootSeconds: ((progress.booted ?? performance.now()) - began) / 1000,
  };
}

/** Runs `boot.argv` in a guest. */
export async function runGuest(boot: Boot, limits: Limits, streams: Streams): Promise<Verdict> {
  const { cpus, memoryMb, append } = limits;
  const disk = await baseImage();
  const machine = { image: boot.kernel.image, initramfs: initramfs(boot), disk, cpus, memoryMb, append };
  const first = await attempt(machine, limits, streams);
  if (first.booted) return first;
  say(`${first.problem}; its console ended with:\n${lastLines(first.console)}\nguest: booting once more`);
  return attempt(machine, limits, streams);
}
