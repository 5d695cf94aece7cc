// Owns: what is done about a mount that lies inside its own source, or the other way round. Whoever looks through such a
// mount asks the very daemon that looks, and that waits for itself.
// Must not: ask the mount for anything: AT_STATX_DONT_SYNC is answered by the kernel alone.

import { ERRNO, orThrow } from "../../../ffi/errno.ts";
import { AT, AT_FDCWD, statx } from "../../../ffi/file.ts";
import { addressOf, cString } from "../../../ffi/memory.ts";
import { FuseError } from "../../codec/fuse-error.ts";
import { deviceOf } from "./attributes.ts";
import { ELSEWHERE, type State } from "./state.ts";

const FLAGS = AT.SYMLINK_NOFOLLOW | AT.STATX_DONT_SYNC;

// The device is told whatever is asked for.
const look = ({ scratch }: State, dirfd: number, name: number): number => statx(dirfd, name, FLAGS, 0, scratch.statx);

const holds = (outer: string, inner: string): boolean => `${inner}/`.startsWith(outer === "/" ? outer : `${outer}/`);

/**
 * Device of a mount that lies inside the source; ELSEWHERE when it does not. Both are real paths.
 * Errors: `FuseError` ELOOP when the source lies inside the mount, and could not be reached.
 */
export function deviceInside(state: State, mountpoint: string): number {
  const { realSource } = state;
  if (holds(mountpoint, realSource)) {
    throw new FuseError("ELOOP", `the source ${realSource} lies inside the mountpoint ${mountpoint}`);
  }
  if (!holds(realSource, mountpoint)) return ELSEWHERE;
  const path = cString(mountpoint);
  orThrow(look(state, AT_FDCWD, addressOf(path)), "statx", mountpoint);
  return deviceOf(state.scratch);
}

/** 0, or -ELOOP when the name leads to our own mount. */
export function refuseOwnMount(state: State, dirfd: number, name: number): number {
  if (look(state, dirfd, name) < 0) return 0; // what is wrong shows when it is looked up
  return deviceOf(state.scratch) === state.ownDevice ? -ERRNO.ELOOP : 0;
}
