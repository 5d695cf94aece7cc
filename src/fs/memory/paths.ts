// Owns: access to the tree by path, for seeding it before it is mounted and for looking at it in tests.
// Must not: be used to change a mounted tree with the default timeouts: the kernel would not hear of it.

import { ERRNO } from "../../../ffi/errno.ts";
import { S } from "../../../ffi/file.ts";
import { errnoName, FuseError } from "../../codec/fuse-error.ts";
import { resize } from "./file-operations.ts";
import type { Inode } from "./inode.ts";
import { addChild, removeDirectory, unlinkChild } from "./tree.ts";
import { type Birth, type DirectoryInode, isDirectory, isFile, type Volume } from "./volume.ts";

/** What a new file gets; the owner is the root directory's unless stated. */
export interface NewFile {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** The tree by absolute path, "/" being the root. Symlinks are not followed. Errors: `FuseError`. */
export class MemoryPaths {
  private readonly volume: Volume;

  constructor(volume: Volume) {
    this.volume = volume;
  }

  /** Makes a directory; its parents too with `recursive`, and then one that is there is fine. Mode default 0o755. */
  mkdir(path: string, options: NewFile & { readonly recursive?: boolean } = {}): void {
    const names = split(path);
    for (let depth = options.recursive ? 1 : names.length; depth <= names.length; depth++) {
      const made = this.add(names.slice(0, depth), { ...this.birth(S.IFDIR, 0o755, options) });
      const fine = options.recursive === true && made === -ERRNO.EEXIST;
      if (typeof made === "number" && !fine) fail(made, path);
    }
  }

  /** Writes a whole file, made with mode 0o644 unless stated or replaced. A string is UTF-8. */
  writeFile(path: string, data: string | Uint8Array, options: NewFile = {}): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : Buffer.from(data.slice().buffer);
    const inode = this.find(path) ?? this.add(split(path), this.birth(S.IFREG, 0o644, options));
    if (typeof inode === "number") fail(inode, path);
    if (!isFile(inode)) fail(isDirectory(inode) ? -ERRNO.EISDIR : -ERRNO.EINVAL, path);
    const emptied = resize(this.volume, inode, 0, false);
    if (emptied < 0 || bytes.length > this.volume.options.maxFileSize) fail(-ERRNO.EFBIG, path);
    inode.size = inode.data.write(bytes, 0, 0, bytes.length);
    if (inode.size < bytes.length) fail(-ERRNO.ENOSPC, path);
  }

  symlink(target: string, path: string, options: NewFile = {}): void {
    const birth = { ...this.birth(S.IFLNK, 0o777, options), target: new Uint8Array(Buffer.from(target)) };
    const made = this.add(split(path), birth);
    if (typeof made === "number") fail(made, path);
  }

  readFile(path: string): Uint8Array {
    const inode = this.find(path);
    if (inode === undefined) return fail(-ERRNO.ENOENT, path);
    if (!isFile(inode)) return fail(isDirectory(inode) ? -ERRNO.EISDIR : -ERRNO.EINVAL, path);
    const bytes = new Uint8Array(inode.size);
    inode.data.read(bytes, 0, 0, bytes.length);
    return bytes;
  }

  /** Names in a directory, in the order of readdir; bytes that are not UTF-8 become U+FFFD. */
  readdir(path: string): string[] {
    const inode = this.find(path);
    if (inode === undefined) return fail(-ERRNO.ENOENT, path);
    if (!isDirectory(inode)) return fail(-ERRNO.ENOTDIR, path);
    return [...inode.directory.entries()].map(({ name }) => Buffer.from(name, "latin1").toString());
  }

  exists(path: string): boolean {
    return this.find(path) !== undefined;
  }

  /** Removes a file or an empty directory. */
  remove(path: string): void {
    const names = split(path);
    const name = names.pop();
    const parent = this.walk(names);
    if (name === undefined || parent === undefined || !isDirectory(parent)) fail(-ERRNO.ENOENT, path);
    const child = parent.directory.find(name)?.inode;
    const remove = child != null && isDirectory(child) ? removeDirectory : unlinkChild;
    const result = remove(this.volume, parent, name);
    if (result < 0) fail(result, path);
  }

  private find(path: string): Inode | undefined {
    return this.walk(split(path));
  }

  private walk(names: readonly string[]): Inode | undefined {
    let inode: Inode = this.volume.root;
    for (const name of names) {
      const next: Inode | null | undefined = inode.directory?.find(name)?.inode;
      if (next == null) return undefined;
      inode = next;
    }
    return inode;
  }

  private add(names: readonly string[], birth: Birth): Inode | number {
    const name = names.at(-1);
    const parent = this.walk(names.slice(0, -1));
    if (name === undefined) return -ERRNO.EEXIST;
    if (parent === undefined) return -ERRNO.ENOENT;
    if (!isDirectory(parent)) return -ERRNO.ENOTDIR;
    return addChild(this.volume, parent satisfies DirectoryInode, name, birth, 0);
  }

  private birth(type: number, mode: number, options: NewFile): Birth {
    const { uid, gid } = this.volume.root;
    return { mode: type | ((options.mode ?? mode) & 0o7777), uid: options.uid ?? uid, gid: options.gid ?? gid };
  }
}

// Names as keys, one character per byte.
function split(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  const odd = !path.startsWith("/") || names.includes(".") || names.includes("..") || path.includes("\0");
  if (odd) throw new FuseError("EINVAL", `${JSON.stringify(path)} is no absolute path without "." and ".."`);
  return names.map((name) => Buffer.from(name).toString("latin1"));
}

function fail(errno: number, path: string): never {
  throw new FuseError(errnoName(errno) as FuseError["code"], path);
}
