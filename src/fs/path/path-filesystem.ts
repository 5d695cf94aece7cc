// Owns: `pathFilesystem`, which makes an inode-level filesystem of a path-level one: composition, and the end.

import type { Filesystem } from "../filesystem.ts";
import { attributeHandlers } from "./attributes.ts";
import { directoryHandlers, releaseDirectory } from "./directories.ts";
import { entryHandlers } from "./entries.ts";
import { fileHandlers, releaseHandle } from "./files.ts";
import type { Handle } from "./handles.ts";
import { renameHandlers } from "./renames.ts";
import { setattrHandlers } from "./setattr.ts";
import { createState, type State } from "./state.ts";
import { FORMAT } from "./stats.ts";
import type { PathContext, PathFilesystem, PathOptions } from "./types.ts";
import { volumeHandlers } from "./volume.ts";

// A connection that was aborted sends no RELEASE: what is open then is given back here.
async function releaseAll(state: State): Promise<void> {
  const ctx: PathContext = {
    uid: state.defaults.uid,
    gid: state.defaults.gid,
    pid: process.pid,
    signal: new AbortController().signal,
  };
  const release = async (handle: Handle) =>
    handle.node.format === FORMAT.directory ? releaseDirectory(state, handle, ctx) : releaseHandle(state, handle, ctx);
  await Promise.allSettled(state.handles.all().map(release));
}

/**
 * Makes a mountable filesystem of one that works with paths. It keeps the names and handles that the kernel knows in
 * memory: it is for one mount at a time, with one worker, whose end closes them all. Errors: `TypeError` or `RangeError`
 * for an option, `TypeError` for a method that is no function; `init` fails with several workers.
 */
export function pathFilesystem<Handle = unknown, DirectoryHandle = unknown>(
  fs: PathFilesystem<Handle, DirectoryHandle>,
  options: PathOptions = {},
): Filesystem {
  const state = createState(fs as PathFilesystem, options);
  return {
    ...(options.wishes && { wishes: options.wishes }),
    background: state.options.background,
    init(context) {
      if (context.worker.count > 1) {
        throw new RangeError(`a path-level filesystem is served by one worker, not ${context.worker.count}`);
      }
      return state.fs.init?.(context) as void | Promise<void>;
    },
    async destroy() {
      await releaseAll(state);
      await state.fs.destroy?.();
    },
    ...attributeHandlers(state),
    ...setattrHandlers(state),
    ...entryHandlers(state),
    ...renameHandlers(state),
    ...fileHandlers(state),
    ...directoryHandlers(state),
    ...volumeHandlers(state),
  };
}
