// Owns: running a program in a kernel's build root: a mount namespace of its own, the folders it works on bound to
// places in it, and an environment without anything of this machine.
// Must not: leave a mount behind; they end with the program.
import { join } from "node:path";
import { command } from "./command.ts";

// $1: the root. Then pairs of a place in the root and a folder of this machine, "--", and the program.
const SCRIPT = `
set -e
root=$1; shift
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --bind "$2" "$root$1"
  shift 2
done
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/usr/sbin HOME=/tmp LC_ALL=C "$@"
`;

/** Runs `argv` in `root`; `folders` are folders of this machine by the place that they get there. */
export function inBuildRoot(
  root: string,
  folders: Readonly<Record<string, string>>,
  argv: readonly string[],
): Promise<string> {
  const apart = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const places = Object.entries(folders).flat();
  return command(["unshare", "--mount", ...apart, "sh", "-c", SCRIPT, "root", root, ...places, "--", ...argv]);
}

/** A path of the build root as this machine sees it. */
export const outside = (root: string, path: string): string => join(root, path);
