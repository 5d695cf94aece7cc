// Owns: reading and writing parts of files over an object that has `readFile` and `writeFile` but no `open`.
// Invariant: changes of one mount come one after the other, each reading the whole file and writing it back, so that
// none is lost. Nothing is kept in between.

import type { FsPromisesLike } from "./fs-promises-like.ts";
import type { PathFilesystem } from "./types.ts";

type WholeFileMethods = Pick<PathFilesystem<undefined>, "read" | "write" | "truncate" | "create">;

async function contentOf(fs: FsPromisesLike, path: string): Promise<Uint8Array> {
  const content = await fs.readFile?.(path);
  return typeof content === "string" ? Buffer.from(content) : (content ?? new Uint8Array(0));
}

/** Methods over whole files; `full` makes the object's path of a mount's path. */
export function wholeFiles(fs: FsPromisesLike, full: (path: string) => string): WholeFileMethods {
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = last.then(run);
    last = result.catch(() => {});
    return result;
  }

  // Writes back what `edit` makes of the content.
  const change = (path: string, edit: (content: Uint8Array) => Uint8Array) =>
    inTurn(async () => {
      await fs.writeFile?.(full(path), edit(await contentOf(fs, full(path))));
    });

  const writing: WholeFileMethods = {
    write: (path, _fh, data, offset) =>
      change(path, (old) => {
        const content = new Uint8Array(Math.max(old.length, offset + data.length));
        content.set(old);
        content.set(data, offset);
        return content;
      }),
    truncate: (path, size) =>
      change(path, (old) => {
        const content = new Uint8Array(size);
        content.set(old.subarray(0, size));
        return content;
      }),
    create: async (path, mode) => {
      await fs.writeFile?.(full(path), new Uint8Array(0), { mode, flag: "wx" });
      return undefined;
    },
  };
  return {
    read: async (path, _fh, buffer, offset) =>
      (await contentOf(fs, full(path))).subarray(offset, offset + buffer.length),
    ...(fs.writeFile && writing),
  };
}
