// Owns: the cache folder of the guest: where it is, who may write to it now, and how a finished entry gets its name.
// Several checkouts may share one folder (RFUSE_CACHE): an entry is made once, under a lock, in a folder beside its
// place, and appears there by one rename.
// Must not: know what an entry holds.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

/** The project's folder. */
export const ROOT = join(import.meta.dirname, "../..");

/** The cache folder: RFUSE_CACHE, or a folder of the project that git ignores. */
export const CACHE = process.env["RFUSE_CACHE"] || join(ROOT, ".cache/guest");

/** Tells the user what takes time; never on stdout, which is the command's. */
export const say = (text: string): boolean => process.stderr.write(`guest: ${text}\n`);

/** Runs `body` while no other process holds the lock `name`; the kernel frees it when its holder dies. */
export async function locked<Value>(name: string, body: () => Promise<Value>): Promise<Value> {
  const file = join(CACHE, "locks", name.replaceAll("/", "-"));
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn("flock", ["--exclusive", file, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true, // a Ctrl-C of the terminal must not free the lock before this process has ended
  });
  holder.on("error", (error) => say(`flock: ${error.message}`));
  const first = await Promise.race([once(holder.stdout, "data"), once(holder, "close")]);
  if (!String(first[0]).startsWith("held")) throw new Error(`the lock ${file} cannot be taken: flock failed`);
  try {
    return await body();
  } finally {
    const closed = once(holder, "close");
    holder.stdin.end();
    await closed;
  }
}

/** The folder `name` of the cache, made by `make` in an empty folder when it is not there yet. */
export async function entry(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const place = join(CACHE, name);
  if (existsSync(place)) return place;
  return locked(name, async () => {
    if (existsSync(place)) return place;
    const fresh = `${place}.new`; // only the lock's holder uses it; what is there was left by one that died
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    await make(fresh);
    renameSync(fresh, place);
    return place;
  });
}
