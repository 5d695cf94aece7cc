// Working directories of the macro benchmark: the source and the folder of mountpoints.
// It owns all names PREFIX-PID-*; those of a run that was killed are removed by the next one. It never removes through
// a mount.
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const PREFIX = "rfuse-bench";

/** Makes an empty directory below `parent`, named after this process. */
export function makeScratch(parent: string): Promise<string> {
  return mkdtemp(join(parent, `${PREFIX}-${process.pid}-`));
}

/** Removes a directory with all it holds. Errors: names the mount that is still below it, and removes nothing. */
export async function removeScratch(folder: string): Promise<void> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  for (const line of table.split("\n")) {
    const place = line.split(" ")[4];
    if (place?.startsWith(`${folder}/`)) throw new Error(`${place} is still mounted`);
  }
  await rm(folder, { recursive: true, force: true });
}

/** Removes what dead runs left below `parent`; what is still mounted stays. Resolves to the names of those removed. */
export async function sweepScratch(parent: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(parent)) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || (await stat(`/proc/${pid}`).catch(() => undefined))) continue;
    const done = await removeScratch(join(parent, name)).then(
      () => true,
      () => false,
    );
    if (done) removed.push(name);
  }
  return removed;
}
