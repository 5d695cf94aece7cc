// Owns: what the tests of a guest know about it: the lane, the module, its connections, and what hangs in it.
// Must not: mount anything.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mountsAt, until } from "../mount/harness.ts";

const LANES = ["ring", "io_uring", "dev"] as const;

/** The lane under test: RFUSE_LANE, or the ring where the module is there. */
export const lane: (typeof LANES)[number] =
  LANES.find((known) => known === process.env["RFUSE_LANE"]) ?? (existsSync("/dev/rfuse") ? "ring" : "dev");

/** The run has little time (`npm test`): short storms, few rounds. */
export const SHORT = process.env["RFUSE_SHORT"] === "1";

/** Path of rfuse.ko; undefined where there is none. */
export const modulePath: string | undefined = process.env["RFUSE_MODULE"] || undefined;

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Threads that cannot be killed now, as "tid name in place". */
export function unkillable(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    return textOf(`/proc/${pid}/cmdline`) === ""
      ? [] // a thread of the kernel
      : readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
          const stat = textOf(`/proc/${pid}/task/${tid}/stat`);
          const [state] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
          return state === "D" ? [`${tid} ${stat.split(" ")[1]} in ${textOf(`/proc/${pid}/wchan`)}`] : [];
        });
  });
}

/** Waits until no thread is unkillable. Errors: names those that stay. */
export async function nothingHangs(deadlineMs = 60_000): Promise<void> {
  let left: string[] = [];
  await until(
    "nothing in uninterruptible sleep",
    () => {
      left = unkillable();
      return left.length === 0;
    },
    deadlineMs,
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${left.join(", ")}`);
  });
}

/** Aborts the connection of the mount at `path`, as an administrator does. */
export function abortConnection(path: string): void {
  const minor = mountsAt(path)[0]?.device.split(":")[1];
  writeFileSync(`/sys/fs/fuse/connections/${minor}/abort`, "1");
}

/** Connections of FUSE that the kernel still has. */
export const connections = (): string[] => readdirSync("/sys/fs/fuse/connections");

/** Numbers of CPUs that may go offline. */
export const removableCpus = (): number[] =>
  readdirSync("/sys/devices/system/cpu")
    .filter((name) => /^cpu[1-9]\d*$/.test(name) && existsSync(`/sys/devices/system/cpu/${name}/online`))
    .map((name) => Number(name.slice(3)));

/** Takes a CPU away, or gives it back. */
export const setOnline = (cpu: number, online: boolean): void =>
  writeFileSync(`/sys/devices/system/cpu/cpu${cpu}/online`, online ? "1" : "0");

/** Tries to unload the module; what rmmod says, or undefined when it is gone. */
export function unload(): string | undefined {
  try {
    execFileSync("rmmod", ["rfuse"], { stdio: ["ignore", "pipe", "pipe"] });
    return undefined;
  } catch (error) {
    return error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
  }
}

/** Loads the module again. */
export function reload(path: string): void {
  execFileSync("insmod", [path]);
}

/** Unloads the module, which nothing may hold any more, and loads it again; without a module it does nothing. */
export async function moduleUnloads(): Promise<void> {
  if (modulePath === undefined || !existsSync("/sys/module/rfuse")) return;
  let said: string | undefined;
  const gone = () => {
    said = unload();
    return said === undefined;
  };
  await until("the module can be unloaded", gone, 100_000).catch((error: Error) => {
    throw new Error(`${error.message}: ${said}`);
  });
  reload(modulePath);
}
