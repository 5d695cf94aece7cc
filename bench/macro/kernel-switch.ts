// Settings of the whole machine that some servers need. It owns a setting from turnOn() until the function that it
// resolves to; a child process puts the old value back in every way out, SIGKILL included.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";

export type Switch = { path: string; about: string; value: string; isOn(value: string): boolean };

/** FUSE-over-io_uring; looked at while a server starts. */
export const URING: Switch = {
  path: "/sys/module/fuse/parameters/enable_uring",
  about: "FUSE-over-io_uring",
  value: "Y",
  isOn: (value) => /^[Y1]/.test(value),
};

/** Room for the pipes that libfuse 3.17 and later splices through, up to 4 MiB and a page; else one is made per request. */
export const LARGE_PIPES: Switch = {
  path: "/proc/sys/fs/pipe-max-size",
  about: "limit of the size of pipes",
  value: String(2 ** 23),
  isOn: (value) => Number(value) >= 2 ** 23,
};

/**
 * Switches on and resolves to what restores the value before. Nothing happens where it is on.
 * Errors: the kernel has no such switch, or it may not be written.
 */
export async function turnOn({ path, about, value, isOn }: Switch): Promise<() => Promise<void>> {
  const before = await readFile(path, "utf8").catch(() => {
    throw new Error(`the kernel has no ${about}`);
  });
  if (isOn(before)) return async () => {};
  // Reads until its input ends, which is when this process says so or has died.
  const program = 'while read -r _; do :; done; printf %s "$1" > "$2"';
  const restorer = spawn("sh", ["-c", program, "sh", before.trim(), path], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(restorer, "spawn");
  const restore = async () => {
    const gone = once(restorer, "exit");
    restorer.stdin.end();
    await gone;
  };
  try {
    await writeFile(path, value);
  } catch (error) {
    await restore();
    throw error;
  }
  return restore;
}
