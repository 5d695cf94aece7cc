// Owns: a small path-level filesystem in memory that is keyed by path and ignores handles, for the tests of names; and
// a gate that holds one of its methods until the test lets it go on.

import type { PathFilesystem } from "../../src/fs/path/types.ts";
import { failure } from "./path-client.ts";

/** Content by path; null is a directory. */
export type Files = Map<string, string | null>;

const above = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";

function move(files: Files, from: string, to: string): void {
  if (!files.has(from)) throw failure("ENOENT");
  for (const [path, content] of [...files]) {
    if (path !== from && !path.startsWith(`${from}/`)) continue;
    files.delete(path);
    files.set(to + path.slice(from.length), content);
  }
}

function read(files: Files, path: string): string {
  const content = files.get(path);
  if (content === undefined) throw failure("ENOENT");
  if (content === null) throw failure("EISDIR");
  return content;
}

/** Makes the filesystem over `files`; "/" is there always. */
export function memory(files: Files): PathFilesystem {
  return {
    getattr(path) {
      const content = path === "/" ? null : files.get(path);
      if (content === undefined) throw failure("ENOENT");
      return content === null ? { type: "directory" } : { type: "file", size: content.length };
    },
    readdir: (path) =>
      [...files.keys()].filter((name) => above(name) === path).map((name) => name.slice(name.lastIndexOf("/") + 1)),
    create: (path) => void files.set(path, ""),
    mkdir: (path) => void files.set(path, null),
    read: (path, _fh, buffer, offset) => read(files, path).slice(offset, offset + buffer.length),
    write(path, _fh, data, offset) {
      files.set(path, read(files, path).slice(0, offset).padEnd(offset, "\0") + Buffer.from(data).toString());
    },
    unlink(path) {
      read(files, path);
      files.delete(path);
    },
    rmdir: (path) => void files.delete(path),
    rename: (from, to) => move(files, from, to),
  };
}

/** A method that waits: `calls` are those that have begun, `release` lets the oldest one go on. */
export function held<Arguments extends unknown[], Result>(method: (...args: Arguments) => Result) {
  const calls: Arguments[] = [];
  const waiting: (() => void)[] = [];
  return {
    calls,
    release: () => waiting.shift()?.(),
    method: async (...args: Arguments): Promise<Awaited<Result>> => {
      calls.push(args);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return await method(...args);
    },
  };
}
