// Owns: the guardian, a small shell process in a session of its own that holds the read end of a pipe. When this
// process dies, however, the pipe ends and the guardian unmounts lazily, if our filesystem is still mounted.
// It starts before the mount, so that no moment is without it. The filesystem is known by its device number, or, when
// the process died before it could tell that, as the mount of our type that was not there before; so nobody else's
// mount on the same path is touched.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { messageOf } from "../codec/shown.ts";
import type { Attached } from "./attach.ts";
import { MountError } from "./errors.ts";
import { escapeMountpoint } from "./mount-table.ts";

// $1 mountpoint, $2 the same as in mountinfo, $3 filesystem type, $4... the unmount command.
// Standard input: the device number, then "done"; or the end of the pipe at any time. It says "ready" once.
// USR1: the thread that mounted has died. The pipe of a dying process stays open while one of its threads waits for a request
// to its own mount, which nobody answers any more and no signal ends; so the connection is aborted.
// What lies on our mount may be another dead one, whose own guardian takes it away. Mounts of our device elsewhere (moved,
// bound) go if they are dead: another filesystem may have the number by then.
const SCRIPT = `
trap '' INT TERM HUP
trap : USR1
point=$1 escaped=$2 type=$3; shift 3
look() {
  top= kind= here=
  while read -r _ _ found _ at rest; do
    [ "$at" = "$escaped" ] || continue
    top=$found kind=$rest
    if [ "$found" = "$device" ]; then here=yes; fi
  done < /proc/self/mountinfo
}
look
before=$top
echo ready
exec > /dev/null
read -r device
[ "$device" = done ] && exit 0
if [ -n "$device" ]; then
  read -r word && [ "$word" = done ] && exit 0
fi
look
if [ -z "$device" ] && [ "$top" != "$before" ]; then
  case $kind in *" - $type "*) device=$top ;; esac
fi
[ -n "$device" ] || exit 0
for again in 1 2 3 4 5 6 7 8 9; do
  look
  [ -n "$here" ] || break
  if [ "$top" != "$device" ]; then sleep 0.2; continue; fi
  echo 1 > "/sys/fs/fuse/connections/\${device#*:}/abort"
  "$@" "$point"
done
while read -r _ _ found _ at rest; do
  [ "$found" = "$device" ] && [ "$at" != "$escaped" ] || continue
  place=$(printf '%b.' "$at") && place=\${place%.}
  stat -f -- "$place" || "$@" "$place"
done < /proc/self/mountinfo
`;

// $0 the script above, $1... its arguments. Without setpriv of util-linux no signal comes.
const START = `
if setpriv --pdeathsig USR1 true; then exec setpriv --pdeathsig USR1 /bin/sh -c "$0" rfuse-guardian "$@"; fi
exec /bin/sh -c "$0" rfuse-guardian "$@"
`;

/** A running guardian. */
export interface Guardian {
  /** The device number of what was mounted. */
  watch(device: string): void;
  /** The mount is gone: the guardian ends. */
  dismiss(): void;
  /** The mount could not be taken away: the guardian does it, as when this process has died. */
  leave(): void;
}

const UNMOUNT = { mount: ["umount", "-f", "-l", "--"], fusermount: ["fusermount3", "-u", "-z", "--"] } as const;

function notStarted(thrown: unknown): MountError {
  return new MountError(
    "MOUNT_REFUSED",
    `the guardian cannot be started: ${messageOf(thrown)}; with { guardian: false } nothing unmounts when this process dies`,
    { cause: thrown },
  );
}

// Some failures are thrown, others come as an event.
function startShell(args: readonly string[]) {
  try {
    return spawn("/bin/sh", args, { stdio: ["pipe", "pipe", "ignore"], detached: true, cwd: "/" });
  } catch (thrown) {
    throw notStarted(thrown);
  }
}

/**
 * Starts a guardian for a mount of `type` that is about to be made; undefined where there is no shell to run it. It
 * never keeps the process alive. Errors: `MountError` MOUNT_REFUSED when no process can be started.
 */
export async function startGuardian(
  mountpoint: string,
  type: string,
  via: Attached["via"],
): Promise<Guardian | undefined> {
  try {
    accessSync("/bin/sh", constants.X_OK);
  } catch {
    return undefined;
  }
  const names = [mountpoint, escapeMountpoint(mountpoint), type];
  const child = startShell(["-c", START, SCRIPT, ...names, ...UNMOUNT[via]]);
  const ready = await new Promise<boolean>((resolve, reject) => {
    child.once("error", (thrown) => reject(notStarted(thrown)));
    child.once("exit", () => resolve(false));
    child.stdin?.on("error", () => {}); // it was killed: nothing to tell it
    child.stdout?.once("data", () => resolve(true)); // no streams: it was not started
  });
  child.stdout.destroy();
  child.unref();
  (child.stdin as unknown as { unref?: () => void }).unref?.();
  if (!ready) return undefined;
  return {
    watch: (device) => void child.stdin.write(`${device}\n`),
    dismiss: () => void child.stdin.end("done\n"),
    leave: () => void child.stdin.end(),
  };
}
