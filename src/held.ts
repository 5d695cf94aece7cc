// Owns: what a session holds of the process until it has ended: descriptors, and memory that the kernel writes to.

import { close } from "../ffi/file.ts";
import type { Mapping } from "../ffi/memory.ts";

export interface Held {
  readonly fds: number[];
  readonly memory: Mapping[];
}

/** Gives it all back. Nothing of the session serves any more. */
export function letGo({ fds, memory }: Held): void {
  for (const fd of fds.splice(0)) close(fd);
  for (const mapping of memory.splice(0)) mapping.unmap();
}
