// Owns: the guardian, a small shell process in a session of its own that holds the read end of a pipe. When this
// process dies, however, the pipe ends and the guardian unmounts lazily, if our filesystem is still mounted.
// The filesystem is known by its device number, so that nobody else's mount on the same path is touched, neither one
// made after ours was gone nor one that lies on top of ours.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { Attached } from "./attach.ts";
import { escapeMountpoint } from "./mount-table.ts";

// $1 mountpoint, $2 the same as in mountinfo, $3 device number, $4... the unmount command.
// Standard input: "done", or the end of the pipe.
const SCRIPT = `
trap '' INT TERM HUP
point=$1 escaped=$2 device=$3 top=; shift 3
read -r word && [ "$word" = done ] && exit 0
while read -r _ _ found _ at _; do
  if [ "$at" = "$escaped" ]; then top=$found; fi
done < /proc/self/mountinfo
if [ "$top" = "$device" ]; then exec "$@" "$point"; fi
`;

/** A running guardian. */
export interface Guardian {
  /** The mount is gone: the guardian ends. */
  dismiss(): void;
}

const UNMOUNT = { mount: ["umount", "-l", "--"], fusermount: ["fusermount3", "-u", "-z", "--"] } as const;

/** Starts a guardian; undefined where there is no shell to run it. It never keeps the process alive. */
export function startGuardian(mountpoint: string, via: Attached["via"], device: string): Guardian | undefined {
  try {
    accessSync("/bin/sh", constants.X_OK);
  } catch {
    return undefined;
  }
  const names = [mountpoint, escapeMountpoint(mountpoint), device];
  const child = spawn("/bin/sh", ["-c", SCRIPT, "rfuse-guardian", ...names, ...UNMOUNT[via]], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  child.on("error", () => {});
  child.stdin.on("error", () => {}); // it was killed: nothing to tell it
  child.unref();
  (child.stdin as unknown as { unref?: () => void }).unref?.();
  return { dismiss: () => void child.stdin.end("done\n") };
}
