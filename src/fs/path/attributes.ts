// Owns: attributes: asking the filesystem for them, and the entries of names that give the kernel references.
// Invariant: a reference of the kernel (nlookup) is counted in the same turn in which the reply is complete.

import { GETATTR_FLAGS } from "../../abi/fuse-constants.ts";
import type { FuseAttrOut, FuseEntryOut } from "../../abi/fuse-structs.ts";
import { errno, errnoOf } from "../../codec/fuse-error.ts";
import type { RequestHeader, RequestView } from "../../codec/request-view.ts";
import type { ViewOf } from "../../codec/struct-view.ts";
import type { Filesystem } from "../filesystem.ts";
import { type Awaitable, chain, recover, settle } from "./chain.ts";
import type { Timeout } from "./options.ts";
import { contextOf, isAnswered, onName, onNode, type State } from "./state.ts";
import { type Attributes, attributesOf, fillAttr, S_IFMT } from "./stats.ts";
import type { Identity, Node } from "./tree.ts";
import type { PathContext, StatsLike } from "./types.ts";

const ENOENT = errno("ENOENT");
const ROOT: StatsLike = { type: "directory" };

/** What the filesystem says of a path; undefined: no such file. */
export function ask(state: State, path: string, value: unknown, ctx: PathContext): Awaitable<Attributes | undefined> {
  const { fs, defaults } = state;
  if (fs.getattr === undefined) return path === "/" ? attributesOf(ROOT, defaults) : undefined;
  return chain(fs.getattr(path, value, ctx), (stats) => {
    if (stats !== undefined && stats !== null) return attributesOf(stats, defaults);
    return path === "/" ? attributesOf(ROOT, defaults) : undefined;
  });
}

/** As `ask`, with an ENOENT that the filesystem throws as undefined. */
export function find(state: State, path: string, ctx: PathContext): Awaitable<Attributes | undefined> {
  return recover(
    () => ask(state, path, undefined, ctx),
    (thrown) => {
      if (errnoOf(thrown) === ENOENT) return undefined;
      throw thrown;
    },
  );
}

/** What tells this file from others. */
export function identityOf(state: State, { mode, ino, dev, nlink }: Attributes): Identity {
  const key = state.options.useIno && ino !== undefined ? `${dev ?? ""}:${ino}` : undefined;
  return { format: mode & S_IFMT, key, nlink };
}

function setValid(out: { attr_valid: number; attr_valid_nsec: number }, { seconds, ns }: Timeout): void {
  out.attr_valid = seconds;
  out.attr_valid_nsec = ns;
}

function setEntryValid(out: { entry_valid: number; entry_valid_nsec: number }, { seconds, ns }: Timeout): void {
  out.entry_valid = seconds;
  out.entry_valid_nsec = ns;
}

/** A request whose reply has an entry. */
export type EntryRequest = RequestHeader & { readonly entry: ViewOf<typeof FuseEntryOut> };

/** Gives the kernel a reference to the file of that name, in `req.entry`. Result: its node; undefined: answered. */
export function give(
  state: State,
  req: EntryRequest,
  parent: Node,
  name: string,
  attributes: Attributes,
): Node | undefined {
  if (isAnswered(req)) return undefined;
  const node = state.tree.acquire(parent, name, identityOf(state, attributes));
  fillEntry(state, req.entry, node, attributes);
  return node;
}

/** Fills an entry for a node that the caller has acquired. */
export function fillEntry(state: State, entry: ViewOf<typeof FuseEntryOut>, node: Node, attributes: Attributes): void {
  node.ino = attributes.ino ?? node.id;
  entry.nodeid = node.id;
  entry.generation = 0;
  setEntryValid(entry, state.options.entryTimeout);
  setValid(entry, state.options.attrTimeout);
  fillAttr(entry.attr, attributes, node.id);
}

// The hidden name of an unlinked file is no name that anybody knows.
export function fillAttrOut(
  state: State,
  out: ViewOf<typeof FuseAttrOut>,
  node: Node,
  attributes: Attributes | undefined,
): number {
  if (attributes === undefined) return ENOENT;
  // A type never changes: the name means another file now.
  if ((attributes.mode & S_IFMT) !== node.format) return errno("ESTALE");
  node.ino = attributes.ino ?? node.id;
  setValid(out, state.options.attrTimeout);
  const nlink = node.removed !== undefined ? 0 : Math.max(0, attributes.nlink - (node.hidden ? 1 : 0));
  fillAttr(out.attr, { ...attributes, nlink }, node.id);
  return 0;
}

function lookup(state: State, req: RequestView<"LOOKUP">): Awaitable<number> {
  const { name } = req;
  return onName(state, req.nodeid, name, (path, parent) => {
    if (parent.children.get(name)?.hidden) return answerNegative(state, req);
    return chain(find(state, path, contextOf(req)), (attributes) => {
      if (attributes === undefined) return answerNegative(state, req);
      give(state, req, parent, name, attributes);
      return 0;
    });
  });
}

function answerNegative({ options: { negativeTimeout } }: State, req: RequestView<"LOOKUP">): number {
  if (negativeTimeout.seconds === 0 && negativeTimeout.ns === 0) return ENOENT;
  req.entry.nodeid = 0;
  setEntryValid(req.entry, negativeTimeout);
  return 0;
}

function getattr(state: State, req: RequestView<"GETATTR">): Awaitable<number> {
  const fh = (req.getattr_flags & GETATTR_FLAGS.FH) === 0 ? 0 : req.fh;
  const { removed } = state.tree.get(req.nodeid);
  if (removed !== undefined) return fillAttrOut(state, req.attrOut, state.tree.get(req.nodeid), removed);
  return onNode(state, req.nodeid, fh, ({ path, node, value }) =>
    chain(ask(state, path, value, contextOf(req)), (found) => fillAttrOut(state, req.attrOut, node, found)),
  );
}

/** Handlers of LOOKUP, FORGET and GETATTR. */
export function attributeHandlers(state: State) {
  return {
    lookup: (req) => settle(lookup(state, req)),
    forget: (nodeid, nlookup) => state.tree.forget(nodeid, nlookup),
    getattr: (req) => settle(getattr(state, req)),
  } satisfies Filesystem;
}
