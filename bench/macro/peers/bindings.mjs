// @ts-check
// A passthrough filesystem for the callback API that fuse-native and fuse-napi share, run by Node.
//   node bindings.mjs PACKAGE SOURCE MOUNTPOINT
// Handlers make synchronous system calls: on a directory in memory nothing is faster. Timeouts are zero.
import fs from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const [packagePath = "", source = "", mountpoint = ""] = process.argv.slice(2);
const Fuse = createRequire(import.meta.url)(packagePath);
const POLL_MS = 500;
/** The kernel says where each piece goes, and hands over buffers that are not aligned. */
const DROPPED_FLAGS = fs.constants.O_APPEND | fs.constants.O_DIRECT;

/** @param {string} path */
const real = (path) => join(source, path);

/**
 * A handler that replies with what `call` makes of the arguments, or with the negative errno that it failed with.
 * @param {(...args: any[]) => unknown} call
 */
function handler(call, counts = false) {
  return (/** @type {any[]} */ ...args) => {
    const reply = args.pop();
    let value;
    try {
      value = call(...args);
    } catch (error) {
      const { errno } = /** @type {{ errno?: number }} */ (error);
      return reply(errno ?? Fuse.EIO);
    }
    if (counts) reply(value);
    else reply(0, value);
  };
}

const handlers = {
  getattr: handler((path) => fs.lstatSync(real(path))),
  fgetattr: handler((_path, fd) => fs.fstatSync(fd)),
  readdir: handler((path) => [".", "..", ...fs.readdirSync(real(path))]),
  readlink: handler((path) => fs.readlinkSync(real(path))),
  open: handler((path, flags) => fs.openSync(real(path), flags & ~DROPPED_FLAGS)),
  create: handler((path, mode) => fs.openSync(real(path), "wx+", mode)),
  release: handler((_path, fd) => fs.closeSync(fd)),
  read: handler((_path, fd, buffer, length, offset) => fs.readSync(fd, buffer, 0, length, offset), true),
  write: handler((_path, fd, buffer, length, offset) => fs.writeSync(fd, buffer, 0, length, offset), true),
  truncate: handler((path, size) => fs.truncateSync(real(path), size)),
  ftruncate: handler((_path, fd, size) => fs.ftruncateSync(fd, size)),
  unlink: handler((path) => fs.unlinkSync(real(path))),
  mkdir: handler((path, mode) => fs.mkdirSync(real(path), mode)),
  rmdir: handler((path) => fs.rmdirSync(real(path))),
  rename: handler((from, to) => fs.renameSync(real(from), real(to))),
  symlink: handler((target, path) => fs.symlinkSync(target, real(path))),
  link: handler((from, to) => fs.linkSync(real(from), real(to))),
  chmod: handler((path, mode) => fs.chmodSync(real(path), mode)),
};

// fuse-native drops a zero that is a number, and fuse-napi refuses one that is a string.
const zero = basename(packagePath) === "fuse-native" ? "0" : 0;
const fuse = new Fuse(mountpoint, handlers, { entryTimeout: zero, attrTimeout: zero });
let mounted = false;

fuse.mount((/** @type {Error | undefined} */ error) => {
  if (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  mounted = true;
});

// Keeps the process alive, which fuse-napi does not, and ends it once somebody has unmounted.
setInterval(() => {
  const table = fs.readFileSync("/proc/self/mountinfo", "utf8");
  if (mounted && !table.split("\n").some((line) => line.split(" ")[4] === mountpoint)) process.exit(0);
}, POLL_MS);
process.on("SIGTERM", () => fuse.unmount(() => process.exit(0)));
