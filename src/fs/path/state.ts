// Owns: what the parts of the path adapter share, and the two ways from a request to a path: of a node, of a name in a
// directory. Every handler of the adapter goes through one of them, so that renames and unlinks are minded everywhere.

import { errno, FuseError } from "../../codec/fuse-error.ts";
import type { RequestHeader } from "../../codec/request-view.ts";
import type { Awaitable } from "./chain.ts";
import { type Handle, Handles } from "./handles.ts";
import { methodsOf } from "./methods.ts";
import { type ResolvedPathOptions, resolveOptions } from "./options.ts";
import { RenameGate } from "./rename-gate.ts";
import { type AttributeDefaults, attributeDefaults } from "./stats.ts";
import { type Node, Tree } from "./tree.ts";
import type { PathContext, PathFilesystem, PathOptions } from "./types.ts";

export interface State {
  readonly fs: PathFilesystem;
  readonly options: ResolvedPathOptions;
  readonly tree: Tree;
  readonly handles: Handles;
  readonly gate: RenameGate;
  readonly defaults: AttributeDefaults;
  /** Negative errno for a change that the filesystem has no method for: EROFS when it has none at all, else EPERM. */
  readonly unsupported: number;
}

/** Methods that change something; see `PathFilesystem`. */
// biome-ignore format: one list
const WRITING = [
  "create", "mknod", "mkdir", "unlink", "rmdir", "rename", "symlink", "link", "write", "truncate", "chmod", "chown",
  "utimes", "fallocate", "copyFileRange",
] as const satisfies readonly (keyof PathFilesystem)[];

/** Errors: `TypeError` or `RangeError` for an option, or for what should be a method. */
export function createState(given: PathFilesystem, options: PathOptions): State {
  const fs = methodsOf(given);
  const tree = new Tree();
  return {
    fs,
    options: resolveOptions(options),
    tree,
    handles: new Handles(),
    gate: new RenameGate(tree),
    defaults: attributeDefaults(),
    unsupported: errno(WRITING.some((name) => fs[name] !== undefined) ? "EPERM" : "EROFS"),
  };
}

class RequestContext implements PathContext {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly umask?: number;
  #request: RequestHeader;

  constructor(request: RequestHeader, umask: number | undefined) {
    this.uid = request.uid;
    this.gid = request.gid;
    this.pid = request.pid;
    if (umask !== undefined) this.umask = umask;
    this.#request = request;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }
}

export function contextOf(request: RequestHeader, umask?: number): PathContext {
  return new RequestContext(request, umask);
}

/** True when the request was answered while the handler still ran: the kernel took neither references nor handles. */
export function isAnswered({ request }: RequestHeader): boolean {
  return request.answered;
}

/** Where an operation goes: `value` is the filesystem's handle, `path` "" when only that is left. */
export interface Target {
  readonly path: string;
  readonly node: Node;
  readonly value: unknown;
}

/**
 * Runs an operation on a node, by its handle when `fh` names one. Errors: EBADF; ESTALE: not known, or unlinked with
 * no handle left. At ESTALE the kernel resolves the caller's path again: a name that a rename has just replaced is
 * never seen as missing, and one that is gone is ENOENT to the caller.
 */
export function onNode<T>(
  state: State,
  nodeid: number,
  fh: number,
  run: (target: Target) => Awaitable<T>,
): Awaitable<T> {
  const node = state.tree.get(nodeid);
  const value = state.handles.get(fh)?.value;
  const go = () => run(targetOf(state, node, value));
  return value === undefined ? state.gate.share(node, go) : go();
}

function targetOf(state: State, node: Node, value: unknown): Target {
  const path = state.tree.path(node);
  if (path !== undefined) return { path, node, value };
  const left = value ?? state.handles.anyOf(node)?.value;
  if (left === undefined) throw new FuseError("ESTALE", `nodeid ${node.id} is unlinked`);
  return { path: "", node, value: left };
}

/** As `onNode` for operations that cannot do without a path. */
export function onPath<T>(state: State, nodeid: number, run: (path: string, node: Node) => Awaitable<T>): Awaitable<T> {
  return onNode(state, nodeid, 0, ({ path, node }) => {
    if (path === "") throw new FuseError("ESTALE", `nodeid ${nodeid} is unlinked`);
    return run(path, node);
  });
}

/** As `onNode` for an open file's last operations: an unlinked one without handle gives "" and undefined. */
export function lastTargetOf(state: State, handle: Handle): Target {
  return { path: state.tree.path(handle.node) ?? "", node: handle.node, value: handle.value };
}

/** Runs an operation on a name. Errors: ESTALE: the directory is not known or unlinked. */
export function onName<T>(
  state: State,
  nodeid: number,
  name: string,
  run: (path: string, parent: Node) => Awaitable<T>,
): Awaitable<T> {
  const parent = state.tree.get(nodeid);
  const go = () => run(pathOfName(state, parent, name), parent);
  return state.gate.share(parent.children.get(name) ?? parent, go);
}

/** Errors: EINVAL for "." and ".."; ESTALE: the directory is unlinked. */
export function pathOfName(state: State, parent: Node, name: string): string {
  if (name === "." || name === "..") throw new FuseError("EINVAL", `${name} is no name`);
  const path = state.tree.childPath(parent, name);
  if (path === undefined) throw new FuseError("ESTALE", `directory ${parent.id} is unlinked`);
  return path;
}
