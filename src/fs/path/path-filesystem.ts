// Owns: `pathFilesystem`, which makes an inode-level filesystem of a path-level one. Composition only.

import type { Filesystem } from "../filesystem.ts";
import { attributeHandlers } from "./attributes.ts";
import { directoryHandlers } from "./directories.ts";
import { entryHandlers } from "./entries.ts";
import { fileHandlers } from "./files.ts";
import { renameHandlers } from "./renames.ts";
import { setattrHandlers } from "./setattr.ts";
import { createState } from "./state.ts";
import type { PathFilesystem, PathOptions } from "./types.ts";
import { volumeHandlers } from "./volume.ts";

/**
 * Makes a mountable filesystem of one that works with paths. It keeps the names that the kernel knows in memory, so
 * one mount needs one worker. Errors: `TypeError` or `RangeError` for an option; `init` fails with several workers.
 */
export function pathFilesystem<Handle, DirectoryHandle>(
  fs: PathFilesystem<Handle, DirectoryHandle>,
  options: PathOptions = {},
): Filesystem {
  const state = createState(fs as PathFilesystem, options);
  return {
    ...(options.wishes && { wishes: options.wishes }),
    init(context) {
      if (context.worker.count > 1) {
        throw new RangeError(`a path-level filesystem is served by one worker, not ${context.worker.count}`);
      }
      return fs.init?.(context) as void | Promise<void>;
    },
    destroy: () => fs.destroy?.() as void | Promise<void>,
    ...attributeHandlers(state),
    ...setattrHandlers(state),
    ...entryHandlers(state),
    ...renameHandlers(state),
    ...fileHandlers(state),
    ...directoryHandlers(state),
    ...volumeHandlers(state),
  };
}
