// Owns: SETATTR as chmod, chown, truncate and utimes, in this order, then the attributes as they are after it.
// A time or owner that the kernel does not change is handed on as it is, since these calls set both at once.

import { FATTR } from "../../abi/fuse-constants.ts";
import { errno } from "../../codec/fuse-error.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Filesystem } from "../filesystem.ts";
import { ask, fillAttrOut } from "./attributes.ts";
import { type Awaitable, chain, settle } from "./chain.ts";
import { contextOf, onNode, type State, type Target } from "./state.ts";
import { type Attributes, nsOf } from "./stats.ts";
import type { PathContext } from "./types.ts";

const ENOENT = errno("ENOENT");
const OWNER = FATTR.UID | FATTR.GID;
const TIMES = FATTR.ATIME | FATTR.MTIME;

/** One part of setattr: 0 when done or not asked for, else -errno. `present` asks for the attributes as they are. */
type Change = (
  state: State,
  req: RequestView<"SETATTR">,
  target: Target,
  ctx: PathContext,
  present: () => Awaitable<Attributes | undefined>,
) => Awaitable<number>;

const readOnly = (state: State) => state.unsupported === errno("EROFS");
const done = () => 0;

const changeMode: Change = (state, req, { path, value }, ctx) => {
  if ((req.valid & FATTR.MODE) === 0) return 0;
  if (state.fs.chmod === undefined) return readOnly(state) ? state.unsupported : 0;
  return chain(state.fs.chmod(path, req.mode & 0o7777, value, ctx), done);
};

const changeOwner: Change = (state, req, { path, value }, ctx, present) => {
  if ((req.valid & OWNER) === 0) return 0;
  return chain(present(), (old) => {
    if (old === undefined) return ENOENT;
    const uid = (req.valid & FATTR.UID) === 0 ? old.uid : req.newuid;
    const gid = (req.valid & FATTR.GID) === 0 ? old.gid : req.newgid;
    if (state.fs.chown !== undefined) return chain(state.fs.chown(path, uid, gid, value, ctx), done);
    return uid === old.uid && gid === old.gid && !readOnly(state) ? 0 : state.unsupported;
  });
};

const changeSize: Change = (state, req, { path, value }, ctx, present) => {
  if ((req.valid & FATTR.SIZE) === 0) return 0;
  const { size } = req;
  if (state.fs.truncate !== undefined) return chain(state.fs.truncate(path, size, value, ctx), done);
  if (readOnly(state)) return state.unsupported;
  return chain(present(), (old) => (old?.size === size ? 0 : state.unsupported));
};

const changeTimes: Change = (state, req, { path, value }, ctx, present) => {
  const { valid } = req;
  const { utimes } = state.fs;
  if ((valid & TIMES) === 0) return 0;
  if (utimes === undefined) return readOnly(state) ? state.unsupported : 0;
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  const asked = (bit: number, nowBit: number, seconds: number, ns: number) =>
    (valid & bit) === 0 ? undefined : (valid & nowBit) === 0 ? nsOf({ seconds, ns }) : now;
  const atime = asked(FATTR.ATIME, FATTR.ATIME_NOW, req.atime, req.atimensec);
  const mtime = asked(FATTR.MTIME, FATTR.MTIME_NOW, req.mtime, req.mtimensec);
  const set = (atimeNs: bigint, mtimeNs: bigint) =>
    chain(utimes.call(state.fs, path, atimeNs, mtimeNs, value, ctx), done);
  if (atime !== undefined && mtime !== undefined) return set(atime, mtime);
  return chain(present(), (old) =>
    old === undefined ? ENOENT : set(atime ?? nsOf(old.atime), mtime ?? nsOf(old.mtime)),
  );
};

const STEPS: readonly Change[] = [changeMode, changeOwner, changeSize, changeTimes];

function setattr(state: State, req: RequestView<"SETATTR">): Awaitable<number> {
  const fh = (req.valid & FATTR.FH) === 0 ? 0 : req.fh;
  return onNode(state, req.nodeid, fh, (target) => {
    const ctx = contextOf(req);
    const present = () => ask(state, target.path, target.value, ctx);
    const run = (step: number): Awaitable<number> => {
      const next = STEPS[step];
      if (next === undefined) return chain(present(), (found) => fillAttrOut(state, req.attrOut, target.node, found));
      return chain(next(state, req, target, ctx, present), (error) => (error === 0 ? run(step + 1) : error));
    };
    return chain(run(0), (result) => {
      state.tree.touch(target.node);
      return result;
    });
  });
}

/** Handler of SETATTR. */
export function setattrHandlers(state: State) {
  return { setattr: (req) => settle(setattr(state, req)) } satisfies Filesystem;
}
