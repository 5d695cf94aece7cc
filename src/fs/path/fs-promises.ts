// Owns: `fsPromisesFilesystem`, which mounts any object of the shape of node:fs/promises.
// Must not: follow symlinks itself; the kernel resolves them, and every path here names the file at its end.

import { FuseError } from "../../codec/fuse-error.ts";
import type { Filesystem } from "../filesystem.ts";
import type { FileHandleLike, FsPromisesLike } from "./fs-promises-like.ts";
import { pathFilesystem } from "./path-filesystem.ts";
import { FORMAT, S_IFMT } from "./stats.ts";
import type { PathFilesystem, PathOptions, StatsLike } from "./types.ts";
import { wholeFiles } from "./whole-files.ts";

const O_ACCMODE = 3;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
/** O_SYNC, of which O_DSYNC is a part. O_APPEND must not get through: the kernel says where appended data goes. */
const O_SYNC = 0o4010000;
const KEPT_FLAGS = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_SYNC;
const PERMISSIONS = 0o7777;

type Paths = (path: string) => string;
type Fs = PathFilesystem<FileHandleLike | undefined>;

function pathsUnder(root: string): Paths {
  if (!root.startsWith("/")) throw new TypeError(`root is ${JSON.stringify(root)}; it must be an absolute path`);
  const prefix = root.replace(/\/+$/, "");
  return (path) => (path === "/" ? prefix || "/" : prefix + path);
}

// A whole number of milliseconds is exact as a Date and not as a double; a negative double is "now" to node.
function timeOf(ns: bigint): number | Date {
  const ms = ns / 1_000_000n;
  return ns < 0n || ms * 1_000_000n === ns ? new Date(Number(ms)) : Number(ns) / 1e9;
}

// What a handle cannot do is done by path; "" is the path of a file that has none any more.
function pathOrGone(path: string): string {
  if (path === "") throw new FuseError("ENOENT", "the file is unlinked and its handle cannot do this");
  return path;
}

function statOf(fs: FsPromisesLike, path: string): Promise<StatsLike> {
  if (fs.lstat !== undefined) return fs.lstat(path, { bigint: true });
  if (fs.stat !== undefined) return fs.stat(path, { bigint: true });
  throw new TypeError("the object has neither lstat nor stat");
}

async function isSymlink(fs: FsPromisesLike, path: string): Promise<boolean> {
  const { type, mode } = await statOf(fs, path);
  return type === "symlink" || (Number(mode ?? 0) & S_IFMT) === FORMAT.symlink;
}

// Reads until the buffer is full or the file ends: a short count would mean the end to the kernel.
async function readFully(handle: FileHandleLike, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function handleOf(fh: FileHandleLike | undefined): FileHandleLike {
  if (fh === undefined) throw new FuseError("EBADF", "the file is not open");
  return fh;
}

// The limit of the object's own arguments is the limit of its files.
function tooLarge(thrown: unknown): never {
  const isLimit = thrown instanceof RangeError && "code" in thrown && thrown.code === "ERR_OUT_OF_RANGE";
  throw isLimit ? new FuseError("EFBIG", thrown.message, { cause: thrown }) : thrown;
}

type Open = NonNullable<FsPromisesLike["open"]>;

function openFiles(fs: FsPromisesLike, open: Open, full: Paths, modes: Modes): Fs {
  return {
    open: (path, flags) => open(full(path), flags & KEPT_FLAGS),
    async create(path, mode, flags) {
      const handle = await open(full(path), (flags & KEPT_FLAGS) | O_CREAT, mode);
      await modes.restore(full(path), mode);
      return handle;
    },
    read: (_path, fh, buffer, offset) => readFully(handleOf(fh), buffer, offset),
    write: async (_path, fh, data, offset) => (await handleOf(fh).write(data, 0, data.length, offset)).bytesWritten,
    release: async (_path, fh) => void (await fh?.close()),
    async fsync(_path, fh, datasync) {
      await ((datasync && fh?.datasync?.()) || fh?.sync?.());
    },
    async truncate(path, size, fh) {
      if (fh?.truncate !== undefined) return void (await fh.truncate(size).catch(tooLarge));
      if (fs.truncate !== undefined) return void (await fs.truncate(full(pathOrGone(path)), size).catch(tooLarge));
      const handle = await open(full(pathOrGone(path)), 2);
      try {
        if (handle.truncate === undefined) throw new FuseError("EPERM", "neither the object nor its handles truncate");
        await handle.truncate(size);
      } finally {
        await handle.close();
      }
    },
  };
}

interface Modes {
  /** Gives a new file the mode bits that the process's umask took away: the caller's has been applied already. */
  restore(path: string, mode: number): Promise<void>;
}

function modesOf(fs: FsPromisesLike): Modes {
  const umask = process.umask();
  return {
    async restore(path, mode) {
      if ((mode & umask) !== 0) await fs.chmod?.(path, mode & PERMISSIONS);
    },
  };
}

function names(fs: FsPromisesLike, full: Paths, modes: Modes): Fs {
  const { mkdir, rmdir, unlink, rename, symlink, readlink, link } = fs;
  return {
    ...(mkdir && {
      async mkdir(path, mode) {
        await fs.mkdir?.(full(path), { mode });
        await modes.restore(full(path), mode);
      },
    }),
    ...(rmdir && { rmdir: async (path) => void (await fs.rmdir?.(full(path))) }),
    ...(unlink && { unlink: async (path) => void (await fs.unlink?.(full(path))) }),
    ...(rename && { rename: async (from, to) => void (await fs.rename?.(full(from), full(to))) }),
    ...(symlink && { symlink: async (target, path) => void (await fs.symlink?.(target, full(path))) }),
    ...(link && { link: async (existing, path) => void (await fs.link?.(full(existing), full(path))) }),
    ...(readlink && { readlink: (path) => fs.readlink?.(full(path)) ?? "" }),
  };
}

function metadata(fs: FsPromisesLike, full: Paths): Fs {
  const { chmod, chown, lchown, utimes, lutimes, statfs } = fs;
  const byPath = (path: string) => full(pathOrGone(path));
  return {
    ...(chmod && {
      chmod: async (path, mode, fh) =>
        void (await (path === "" && fh?.chmod ? fh.chmod(mode) : fs.chmod?.(byPath(path), mode))),
    }),
    ...((lchown ?? chown) && {
      async chown(path, uid, gid, fh) {
        if (path === "" && fh?.chown !== undefined) return void (await fh.chown(uid, gid));
        if (fs.lchown !== undefined) return void (await fs.lchown(byPath(path), uid, gid));
        if (!(await isSymlink(fs, byPath(path)))) await fs.chown?.(full(path), uid, gid);
      },
    }),
    ...((lutimes ?? utimes) && {
      async utimes(path, atimeNs, mtimeNs, fh) {
        const times = [timeOf(atimeNs), timeOf(mtimeNs)] as const;
        if (path === "" && fh?.utimes !== undefined) return void (await fh.utimes(...times));
        if (fs.lutimes !== undefined) return void (await fs.lutimes(byPath(path), ...times));
        if (!(await isSymlink(fs, byPath(path)))) await fs.utimes?.(full(path), ...times);
      },
    }),
    ...(statfs && { statfs: async (path) => (await fs.statfs?.(full(path))) ?? {} }),
  };
}

/**
 * Makes a mountable filesystem of an object of the shape of node:fs/promises: what it has below the absolute path
 * `root` is the mount. New files belong to whom the object gives them. Times of whole milliseconds are set exactly,
 * others to the precision of a double (0.2 us), before 1970 to the millisecond. Inode numbers count (`useIno`) unless
 * the options say otherwise. Errors: `TypeError` for a relative root.
 */
export function fsPromisesFilesystem(fs: FsPromisesLike, root = "/", options: PathOptions = {}): Filesystem {
  const full = pathsUnder(root);
  const modes = modesOf(fs);
  const open = fs.open?.bind(fs);
  const paths: Fs = {
    getattr: (path, fh) => (fh?.stat ? fh.stat({ bigint: true }) : statOf(fs, full(pathOrGone(path)))),
    readdir: (path) => fs.readdir(full(path), { withFileTypes: true }),
    ...(open === undefined ? wholeFiles(fs, full) : openFiles(fs, open, full, modes)),
    ...names(fs, full, modes),
    ...metadata(fs, full),
  };
  return pathFilesystem(paths, { useIno: true, ...options });
}
