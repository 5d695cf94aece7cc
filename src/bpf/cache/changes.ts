// Owns: which requests change which keys. `begin` ends every answer from those keys before the handler runs, and `end`
// lets new ones in before the reply leaves, so that nobody who saw the reply gets an answer from before it.
// What a name led to changes with it (its links are counted): where nobody knows what that was, all attributes go. After an
// error nobody knows what a name leads to: a handler that ran out of time may have done its work.
// Hot, all of it.

import { FOPEN } from "../../abi/fuse-constants.ts";
import type { OpcodeName } from "../../abi/fuse-opcodes.ts";
import {
  FuseCopyFileRangeIn,
  FuseEntryOut,
  FuseLinkIn,
  FuseOpenIn,
  FuseOpenOut,
  FuseRename2In,
  FuseRenameIn,
} from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import { KIND } from "./layout.ts";
import { NameVisit, UNKNOWN } from "./name-visit.ts";
import type { Names } from "./names.ts";
import { ATTR_SOURCE } from "./node-source.ts";
import { keepEntry, type Plan } from "./reads.ts";
import type { Tables, Visit } from "./visit.ts";

const O_TRUNC = 0o1000;
const EXCHANGE = 2;
const WHITEOUT = 4;
const ENTRY = FuseEntryOut.at;
/** What is known since now. */
const NEW = new NameVisit();

/** A request that changes its own node, and of its extended attributes none, those that are there, or any. */
const onNode = (xattrs: "none" | "present" | "any"): Plan => ({
  begin(tables, visit, request) {
    const { nodeid } = request;
    visit.enterNode(tables, nodeid);
    if (xattrs === "present") tables.values.touchPresent(nodeid);
    else if (xattrs === "any") tables.values.touch(nodeid);
  },
  end(tables, visit) {
    visit.leave(tables);
  },
});

const changed = onNode("present");

/** Its reply says what the attributes are now. */
const SETATTR: Plan = {
  begin: changed.begin,
  end(tables, visit, request, error) {
    const { nodeid } = request;
    if (error === 0 && tables.choice.attr) {
      tables.nodes.fill(nodeid, request, request.opOut, ATTR_SOURCE, visit.began, visit.stampOf(nodeid));
    }
    visit.leave(tables);
  },
};

const COPY_FILE_RANGE: Plan = {
  begin(tables, visit, request) {
    const target = request.u64(request.opIn + FuseCopyFileRangeIn.at.nodeid_out);
    visit.enterNode(tables, request.nodeid);
    visit.enterNode(tables, target);
    tables.values.touchPresent(target);
  },
  end: changed.end,
};

/** While a file is open by passthrough its attributes change without a request: nothing is kept about it. */
function holdOpen({ nodes, opens }: Tables, request: Request, nodeid: number, from: number): void {
  if ((request.u32(from + FuseOpenOut.at.open_flags) & FOPEN.PASSTHROUGH) === 0) return;
  nodes.enter(nodeid);
  opens.add(nodeid, 1); // without room for the number it is never kept again
}

const OPEN: Plan = {
  begin(tables, visit, request) {
    if ((request.u32(request.opIn + FuseOpenIn.at.flags) & O_TRUNC) !== 0) changed.begin(tables, visit, request);
  },
  end(tables, visit, request, error) {
    if (error === 0) holdOpen(tables, request, request.nodeid, request.opOut);
    visit.leave(tables);
  },
};

const RELEASE: Plan = {
  begin() {},
  end({ nodes, opens }, _visit, { nodeid }) {
    if (opens.reduce(nodeid, 1) > 0) nodes.leave(nodeid);
  },
};

// hot
function seeFirst({ names }: Tables, { first }: Visit, request: Request): void {
  names.see(first, request.nodeid, request.arena.bytes, request.payload, request.nameLength);
}

/** What a name led to changes with it. Hot. */
function enterLed(tables: Tables, visit: Visit, { kind, nodeid }: NameVisit): void {
  if (kind === KIND.NODE) visit.enterNode(tables, nodeid);
  else if (kind === UNKNOWN) visit.enterAll(tables);
}

/** A request that makes a name in its node, `existing`: of a node that there is. */
const making = (existing: (request: Request) => number): Plan => ({
  begin(tables, visit, request) {
    const node = existing(request);
    seeFirst(tables, visit, request);
    visit.enterNode(tables, request.nodeid);
    tables.names.enter(visit.first);
    if (visit.first.kind === KIND.NODE) visit.enterNode(tables, visit.first.nodeid);
    if (node !== 0) visit.enterNode(tables, node);
  },
  end(tables, visit, request, error) {
    const { first } = visit;
    const from = request.opOut;
    const nodeid = error === 0 ? request.u64(from + ENTRY.nodeid) : 0;
    // The name may have led there all the time, and a file that was made may be one that was emptied.
    const kept = nodeid !== 0 && keepEntry(tables, visit, request, from, true);
    if (nodeid !== 0 && !kept) tables.nodes.touch(nodeid);
    if (kept) tables.names.leaveAsIs(first);
    else tables.names.leave(first, nodeid === 0 ? UNKNOWN : KIND.NODE, nodeid, NEW);
    visit.leave(tables);
  },
});

const MAKE = making(() => 0);
const LINK = making((request) => request.u64(request.opIn + FuseLinkIn.at.oldnodeid));

const CREATE: Plan = {
  begin: MAKE.begin,
  end(tables, visit, request, error, length) {
    if (error === 0) {
      holdOpen(tables, request, request.u64(request.opOut + ENTRY.nodeid), request.opOut + FuseEntryOut.size);
    }
    MAKE.end(tables, visit, request, error, length);
  },
};

/** Its file has no name. */
const TMPFILE: Plan = {
  begin() {},
  end(tables, _visit, request, error) {
    if (error !== 0) return;
    holdOpen(tables, request, request.u64(request.opOut + ENTRY.nodeid), request.opOut + FuseEntryOut.size);
  },
};

const UNLINK: Plan = {
  begin(tables, visit, request) {
    seeFirst(tables, visit, request);
    visit.enterNode(tables, request.nodeid);
    tables.names.enter(visit.first);
    enterLed(tables, visit, visit.first);
  },
  end(tables, visit, _request, error) {
    tables.names.leave(visit.first, error === 0 ? KIND.NO_ENTRY : UNKNOWN, 0, NEW);
    visit.leave(tables);
  },
};

/** After a rename: what each of the two names leads to. Hot. */
function leaveRenamed(names: Names, first: NameVisit, second: NameVisit, flags: number): void {
  const known = (name: NameVisit): number => (name.kind === KIND.NODE ? KIND.NODE : UNKNOWN);
  if ((flags & EXCHANGE) !== 0) names.leave(first, known(second), second.nodeid, second);
  else names.leave(first, (flags & WHITEOUT) !== 0 ? UNKNOWN : KIND.NO_ENTRY, 0, NEW);
  names.leave(second, known(first), first.nodeid, first);
}

const renaming = (newdirAt: number, flagsAt: number): Plan => ({
  begin(tables, visit, request) {
    const { first, second } = visit;
    const newdir = request.u64(request.opIn + newdirAt);
    seeFirst(tables, visit, request);
    tables.names.see(second, newdir, request.arena.bytes, request.secondName, request.secondNameLength);
    visit.enterNode(tables, request.nodeid);
    visit.enterNode(tables, newdir);
    tables.names.enter(first);
    tables.names.enter(second);
    enterLed(tables, visit, first);
    enterLed(tables, visit, second);
  },
  end(tables, visit, request, error) {
    const { names } = tables;
    const { first, second } = visit;
    if (error === 0) leaveRenamed(names, first, second, flagsAt < 0 ? 0 : request.u32(request.opIn + flagsAt));
    else {
      names.leave(first, UNKNOWN, 0, NEW);
      names.leave(second, UNKNOWN, 0, NEW);
    }
    visit.leave(tables);
  },
});

const ATIME = onNode("none");
const XATTRS = onNode("any");

/** By opcode; those that are not here change nothing that is kept. */
export const CHANGES: { readonly [Name in OpcodeName]?: Plan } = {
  SETATTR,
  WRITE: changed,
  FALLOCATE: changed,
  COPY_FILE_RANGE,
  COPY_FILE_RANGE_64: COPY_FILE_RANGE,
  READ: ATIME,
  READDIR: ATIME,
  SETXATTR: XATTRS,
  REMOVEXATTR: XATTRS,
  IOCTL: XATTRS,
  OPEN,
  RELEASE,
  MKNOD: MAKE,
  MKDIR: MAKE,
  SYMLINK: MAKE,
  LINK,
  CREATE,
  TMPFILE,
  UNLINK,
  RMDIR: UNLINK,
  RENAME: renaming(FuseRenameIn.at.newdir, -1),
  RENAME2: renaming(FuseRename2In.at.newdir, FuseRename2In.at.flags),
};

/**
 * Whether a request of the opcode changes what is kept of more than times of access: whoever answers it in the filesystem's
 * place, or opens a file by FUSE passthrough, keeps the change from the cache.
 */
export const changesKept = (opcode: OpcodeName): boolean => CHANGES[opcode] !== undefined && CHANGES[opcode] !== ATIME;
