// Owns: the passthrough filesystem in the module form of `mount`: worker threads load this file.
// `filesystemOptions` are `PassthroughOptions`.

import type { PassthroughOptions } from "./options.ts";
import { PassthroughFilesystem } from "./passthrough-filesystem.ts";
import { disposeShared as closeShared } from "./shared-tables.ts";

/** Made once, before the workers' filesystems. */
export function createShared(options: unknown): SharedArrayBuffer {
  return PassthroughFilesystem.createShared(options as PassthroughOptions);
}

/** Makes the filesystem of one worker; the options are checked there. */
export default function passthrough(context: {
  readonly options: unknown;
  readonly shared?: unknown;
}): PassthroughFilesystem {
  return new PassthroughFilesystem(
    context.options as PassthroughOptions,
    context.shared as SharedArrayBuffer | undefined,
  );
}

/** Closes what workers that ended without a goodbye have left. */
export function disposeShared(shared: unknown): void {
  closeShared(shared as SharedArrayBuffer);
}
