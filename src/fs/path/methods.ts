// Owns: the methods of a path-level filesystem as the adapter calls them: bound, and refused where they are no functions
// or answer by a negative number, as handlers of other libraries do. Taken for success, that would lose data silently.

import { shown } from "../../codec/shown.ts";
import { type Awaitable, chain } from "./chain.ts";
import type { PathFilesystem } from "./types.ts";

type Name = keyof PathFilesystem;
type Method = (...args: readonly unknown[]) => Awaitable<unknown>;

/** Every method, and whether its result is looked at where it is used; that of the others says nothing. */
const RESULT: Readonly<Record<Name, boolean>> = {
  ...{ init: true, destroy: true, getattr: true, readlink: true, access: false, statfs: true },
  ...{ opendir: true, readdir: true, fsyncdir: false, releasedir: false },
  ...{ open: true, create: true, read: true, write: true, flush: false, fsync: false, release: false },
  ...{ fallocate: false, lseek: true, copyFileRange: true },
  ...{ truncate: false, chmod: false, chown: false, utimes: false },
  ...{ mknod: false, mkdir: false, unlink: false, rmdir: false, rename: false, exchange: false, symlink: false },
  ...{ link: false, setxattr: false, getxattr: true, listxattr: true, removexattr: false },
};

function refuseErrno(name: Name, result: unknown): void {
  if (typeof result === "number" && result < 0) {
    throw new RangeError(`${name} returned ${result}; to fail, throw an error with a code such as "ENOENT"`);
  }
}

/** The methods of `fs`. Errors: `TypeError` naming what is no function. */
export function methodsOf(fs: PathFilesystem): PathFilesystem {
  if (typeof fs !== "object" || fs === null) throw new TypeError(`the filesystem is ${shown(fs)}, not an object`);
  const methods: Partial<Record<Name, Method>> = {};
  for (const [name, looked] of Object.entries(RESULT) as [Name, boolean][]) {
    const method: unknown = fs[name];
    if (method === undefined || method === null) continue;
    if (typeof method !== "function") throw new TypeError(`filesystem.${name} is ${shown(method)}, not a function`);
    const bound = method.bind(fs) as Method;
    methods[name] = looked ? bound : (...args) => chain(bound(...args), (result) => refuseErrno(name, result));
  }
  return methods as PathFilesystem;
}
