// Owns: the part of node:fs/promises that `fsPromisesFilesystem` uses, as an interface for objects of the same shape.
// Types only. A method that is missing makes its operation fail as `PathFilesystem` says.

import type { DirectoryEntries, StatFsLike, StatsLike } from "./types.ts";

/** node's `FileHandle`, as far as it is used. Positions and lengths in bytes. */
export interface FileHandleLike {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  close(): Promise<unknown>;
  stat?(options: { bigint: true }): Promise<StatsLike>;
  truncate?(length: number): Promise<unknown>;
  chmod?(mode: number): Promise<unknown>;
  chown?(uid: number, gid: number): Promise<unknown>;
  utimes?(atime: number | Date, mtime: number | Date): Promise<unknown>;
  sync?(): Promise<unknown>;
  datasync?(): Promise<unknown>;
}

/**
 * `fs.promises` of node, memfs, zenfs and others. Needed: `lstat` or `stat`, and `readdir`. Files are opened by `open`;
 * without it they are read and written as a whole by `readFile` and `writeFile`, which is slow for large ones.
 */
export interface FsPromisesLike {
  lstat?(path: string, options: { bigint: true }): Promise<StatsLike>;
  stat?(path: string, options: { bigint: true }): Promise<StatsLike>;
  readdir(path: string, options: { withFileTypes: true }): Promise<DirectoryEntries>;
  open?(path: string, flags: number, mode?: number): Promise<FileHandleLike>;
  readFile?(path: string): Promise<Uint8Array | string>;
  writeFile?(path: string, data: Uint8Array, options?: { mode?: number; flag?: string }): Promise<unknown>;
  mkdir?(path: string, options: { mode: number }): Promise<unknown>;
  rmdir?(path: string): Promise<unknown>;
  unlink?(path: string): Promise<unknown>;
  rename?(from: string, to: string): Promise<unknown>;
  symlink?(target: string, path: string): Promise<unknown>;
  readlink?(path: string): Promise<string | Uint8Array>;
  link?(existing: string, path: string): Promise<unknown>;
  truncate?(path: string, length: number): Promise<unknown>;
  chmod?(path: string, mode: number): Promise<unknown>;
  chown?(path: string, uid: number, gid: number): Promise<unknown>;
  lchown?(path: string, uid: number, gid: number): Promise<unknown>;
  /** Seconds since 1970, or a Date. */
  utimes?(path: string, atime: number | Date, mtime: number | Date): Promise<unknown>;
  lutimes?(path: string, atime: number | Date, mtime: number | Date): Promise<unknown>;
  statfs?(path: string): Promise<StatFsLike>;
}
