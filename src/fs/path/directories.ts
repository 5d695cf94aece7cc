// Owns: open directories: opendir, readdir, readdirplus, releasedir, fsyncdir.
// An entry of readdirplus gives the kernel attributes and a reference only when the filesystem gave `stat` and nothing
// that this mount did since the listing began can have made it untrue; else the kernel looks the name up itself.

import { FSYNC_FLAGS } from "../../abi/fuse-constants.ts";
import { FuseEntryOut } from "../../abi/fuse-structs.ts";
import { DIRENT_NAME_MAX } from "../../codec/dirents.ts";
import { errno } from "../../codec/fuse-error.ts";
import type { Request } from "../../codec/request.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { shown } from "../../codec/shown.ts";
import { type ViewOf, viewClass } from "../../codec/struct-view.ts";
import type { Filesystem } from "../filesystem.ts";
import { fillEntry, identityOf } from "./attributes.ts";
import { type Awaitable, chain, finish, settle } from "./chain.ts";
import { DirectoryStream } from "./directory-stream.ts";
import type { Handle } from "./handles.ts";
import { contextOf, isAnswered, lastTargetOf, onNode, onPath, type State } from "./state.ts";
import { type Attributes, attributesOf, formatOf, integer } from "./stats.ts";
import type { Node } from "./tree.ts";
import type { DirectoryEntries, DirentLike, FileType, PathContext } from "./types.ts";

/** d_ino of an entry whose inode number nobody knows; 0 would hide it from old readers. */
const UNKNOWN_INO = 0xffff_ffff;

const TYPE_METHODS: readonly (readonly [
  method: Exclude<keyof DirentLike, "name" | "type" | "ino" | "stat">,
  FileType,
])[] = [
  ["isFile", "file"],
  ["isDirectory", "directory"],
  ["isSymbolicLink", "symlink"],
  ["isFIFO", "fifo"],
  ["isSocket", "socket"],
  ["isCharacterDevice", "character-device"],
  ["isBlockDevice", "block-device"],
];

const EntryView = viewClass(FuseEntryOut, "opOut");

type ListRequest = RequestView<"READDIR"> | RequestView<"READDIRPLUS">;

function typeBitsOf(dirent: DirentLike, attributes: Attributes | undefined): number {
  if (attributes !== undefined) return attributes.mode;
  const type = dirent.type ?? TYPE_METHODS.find(([method]) => dirent[method]?.())?.[1];
  return type === undefined ? 0 : formatOf(type);
}

function checkName(name: string | Uint8Array): string {
  const text = typeof name === "string" ? name : Buffer.from(name).toString("utf8");
  const fits = text !== "" && Buffer.byteLength(text) <= DIRENT_NAME_MAX;
  if (!fits || text.includes("/") || text.includes("\0") || !text.isWellFormed()) {
    throw new TypeError(
      `readdir gave the name ${shown(text)}, which is no file name of 1..${DIRENT_NAME_MAX} bytes without "/" and NUL`,
    );
  }
  return text;
}

function inoOf(state: State, directory: Node, name: string, dirent: DirentLike, child: Node | undefined) {
  if (name === ".") return directory.ino;
  if (name === "..") return (directory.parent ?? state.tree.root).ino;
  const ino = dirent.ino ?? dirent.stat?.ino ?? child?.ino;
  if (ino === undefined) return UNKNOWN_INO;
  return typeof ino === "bigint" ? ino : integer(ino, "ino") || UNKNOWN_INO;
}

/** One READDIR or READDIRPLUS: puts entries into its reply. */
function createFiller(state: State, req: ListRequest, directory: Node, stream: DirectoryStream, plus: boolean) {
  const cursor = plus ? cursorOf(req.request) : undefined;

  function isFresh(name: string, attributes: Attributes): boolean {
    const since = stream.startedAt;
    const child = directory.children.get(name);
    if (directory.changed > since || (child?.changed ?? 0) > since) return false;
    return child !== undefined || !state.options.useIno || attributes.nlink < 2;
  }

  function giveEntry(name: string, attributes: Attributes): void {
    if (cursor === undefined || isAnswered(req) || !isFresh(name, attributes)) return;
    const node = state.tree.acquire(directory, name, identityOf(state, attributes));
    cursor.move(req.entries.entryOut);
    fillEntry(state, cursor.entry, node, attributes);
  }

  return (dirent: DirentLike, cookie: number): boolean => {
    const name = checkName(dirent.name);
    const child = directory.children.get(name);
    if (child?.hidden) return true;
    const attributes = dirent.stat === undefined ? undefined : attributesOf(dirent.stat, state.defaults);
    const ino = inoOf(state, directory, name, dirent, child);
    if (!req.entries.add(dirent.name, ino, typeBitsOf(dirent, attributes) >> 12, cookie)) return false;
    if (attributes !== undefined && !name.includes("\ufffd")) giveEntry(name, attributes);
    return true;
  };
}

// A view of a fuse_entry_out anywhere in the request's memory: the request with another place for its reply struct.
function cursorOf(request: Request): { readonly entry: ViewOf<typeof FuseEntryOut>; move(offset: number): void } {
  const moved = Object.create(request) as Request;
  return {
    entry: new EntryView(moved),
    move: (offset) => Object.defineProperty(moved, "opOut", { value: offset, configurable: true }),
  };
}

function list(state: State, req: ListRequest, plus: boolean): Awaitable<number> {
  const handle = state.handles.get(req.fh);
  if (handle === undefined) return errno("EBADF");
  const { node, value } = handle;
  handle.stream ??= new DirectoryStream(() => state.tree.clock);
  const start = () =>
    state.gate.share(node, () => {
      const path = state.tree.path(node);
      if (path === undefined && value === undefined) return []; // removed while open
      return state.fs.readdir?.(path ?? "", value, contextOf(req)) as Awaitable<DirectoryEntries>;
    });
  const take = createFiller(state, req, node, handle.stream, plus);
  return chain(handle.stream.read(req.offset, start, take), () => req.entries.length);
}

function opendir(state: State, req: RequestView<"OPENDIR">): Awaitable<number> {
  const { fs } = state;
  const ctx = contextOf(req);
  return onPath(state, req.nodeid, (path, node) =>
    chain(fs.opendir?.(path, ctx), (value) => {
      if (isAnswered(req)) return chain(fs.releasedir?.(path, value, ctx), () => 0);
      req.open.fh = state.handles.open(node, value).fh;
      req.open.open_flags = 0;
      return 0;
    }),
  );
}

function releasedir(state: State, req: RequestView<"RELEASEDIR">): Awaitable<number> {
  const handle = state.handles.get(req.fh);
  return handle === undefined ? 0 : releaseDirectory(state, handle, contextOf(req));
}

/** Gives a handle back to the filesystem; it is gone whether that succeeds or not. */
export function releaseDirectory(state: State, handle: Handle, ctx: PathContext): Awaitable<number> {
  const { path, value } = lastTargetOf(state, handle);
  handle.stream?.close();
  const released = finish(
    () => state.fs.releasedir?.(path, value, ctx),
    () => close(state, handle),
  );
  return chain(released, () => 0);
}

function close(state: State, handle: Handle): void {
  state.handles.close(handle);
  state.tree.reap(handle.node);
}

function fsyncdir(state: State, req: RequestView<"FSYNCDIR">): Awaitable<number> {
  const datasync = (req.fsync_flags & FSYNC_FLAGS.FDATASYNC) !== 0;
  return onNode(state, req.nodeid, req.fh, ({ path, value }) =>
    chain(state.fs.fsyncdir?.(path, value, datasync, contextOf(req)), () => 0),
  );
}

/** Handlers of open directories. */
export function directoryHandlers(state: State): Filesystem {
  const { fs } = state;
  if (fs.readdir === undefined) return {};
  return {
    opendir: (req) => settle(opendir(state, req)),
    readdir: (req) => settle(list(state, req, false)),
    readdirplus: (req) => settle(list(state, req, true)),
    releasedir: (req) => settle(releasedir(state, req)),
    ...(fs.fsyncdir && { fsyncdir: (req) => settle(fsyncdir(state, req)) }),
  } satisfies Filesystem;
}
