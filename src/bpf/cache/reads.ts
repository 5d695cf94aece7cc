// Owns: what replies to requests that change nothing, or no more than a time of access, tell the cache.
// `begin` runs before the handler, `end` before the reply leaves. Hot, all of it.

import { ERRNO } from "../../../ffi/errno.ts";
import type { OPCODES, OpcodeName } from "../../abi/fuse-opcodes.ts";
import { FuseAccessIn, FuseDirentplus, FuseEntryOut, FuseGetxattrIn } from "../../abi/fuse-structs.ts";
import type { Request } from "../../codec/request.ts";
import { KIND, NAME_BYTES } from "./layout.ts";
import { ATTR_SOURCE, ENTRY_SOURCE, isNsec } from "./node-source.ts";
import type { Tables, Visit } from "./visit.ts";

/** What the cache does about one opcode. */
export interface Plan {
  begin(tables: Tables, visit: Visit, request: Request): void;
  /** `error` 0: the reply has `length` bytes. */
  end(tables: Tables, visit: Visit, request: Request, error: number, length: number): void;
}

const ENTRY = FuseEntryOut.at;
const DIRENT = FuseDirentplus.at.dirent;
const DIRENT_AT = FuseDirentplus.spec.dirent.at;
const DIRENT_BYTES = FuseDirentplus.spec.dirent.size;
const ROOT = 1;
const DOT = 0x2e;

// hot
function isDots(bytes: Uint8Array, at: number, length: number): boolean {
  return bytes[at] === DOT && (length === 1 || (length === 2 && bytes[at + 1] === DOT));
}

/**
 * Keeps a name that leads to a node, and the node, from the entry at byte `from` of the reply. `visit.first` is the
 * name; where the request changed neither, both stamps are 0. Result: whether the node was kept. Hot.
 */
export function keepEntry(tables: Tables, visit: Visit, request: Request, from: number, changed = false): boolean {
  const nodeid = request.u64(from + ENTRY.nodeid);
  if (nodeid === ROOT) return false;
  const { nodes, names } = tables;
  const own = visit.stampOf(nodeid);
  const slot = nodes.fill(nodeid, request, from, ENTRY_SOURCE, visit.began, own, changed && own === 0);
  if (slot < 0) return false;
  const silent = !isNsec(request.u32(from + ENTRY.entry_valid_nsec));
  names.fill(visit.first, KIND.NODE, request, from, visit.began, slot, nodes.incarnationOf(slot), silent);
  return true;
}

const LOOKUP: Plan = {
  begin({ names }, { first }, request) {
    names.see(first, request.nodeid, request.arena.bytes, request.payload, request.nameLength);
  },
  end(tables, visit, request, error) {
    const { names, choice } = tables;
    if (isDots(visit.first.bytes, visit.first.at, visit.first.length)) return;
    const silent = !choice.negative;
    if (error === -ERRNO.ENOENT) names.fill(visit.first, KIND.NO_ENTRY, request, -1, visit.began, 0, 0, silent);
    else if (error !== 0) return;
    else if (request.u64(request.opOut + ENTRY.nodeid) !== 0) keepEntry(tables, visit, request, request.opOut);
    else names.fill(visit.first, KIND.NEGATIVE, request, request.opOut, visit.began, 0, 0, silent);
  },
};

const GETATTR: Plan = {
  begin() {},
  end({ nodes, choice }, { began }, request, error) {
    if (error === 0 && choice.attr) nodes.fill(request.nodeid, request, request.opOut, ATTR_SOURCE, began, 0);
  },
};

const ACCESS: Plan = {
  begin() {},
  end({ nodes, choice }, { began }, request, error) {
    if (choice.attr && (error === 0 || error === -ERRNO.EACCES || error === -ERRNO.EPERM)) {
      nodes.fillAccess(request.nodeid, request.u32(request.opIn + FuseAccessIn.at.mask), error, began);
    }
  },
};

/** Errors of GETXATTR that last: the attribute is not there, or the filesystem has none. */
const LASTING: ReadonlySet<number> = new Set([-ERRNO.ENODATA, -ERRNO.EOPNOTSUPP]);

function keepValue({ nodes, values }: Tables, { value, began }: Visit, request: Request, error: number, size: number) {
  if (!values.fits(value, size)) return;
  nodes.whileCurrent(value.node, began, () => values.fill(value, error, request.arena.bytes, request.dataOut, size));
}

const GETXATTR: Plan = {
  begin({ values, choice }, { value }, request) {
    if (choice.xattr) values.see(value, request.nodeid, request.arena.bytes, request.payload, request.nameLength);
  },
  end(tables, visit, request, error, length) {
    if (!tables.choice.xattr) return;
    const asked = request.u32(request.opIn + FuseGetxattrIn.at.size);
    if (LASTING.has(error)) keepValue(tables, visit, request, error, 0);
    else if (error === 0 && asked > 0) keepValue(tables, visit, request, 0, length);
  },
};

/** Reading a link changes its time of access, and nothing else that is kept. */
const READLINK: Plan = {
  begin(tables, visit, request) {
    tables.values.see(visit.value, request.nodeid, request.arena.bytes, 0, 0);
    tables.nodes.touch(request.nodeid);
    visit.began = tables.coherence.now();
  },
  end(tables, visit, request, error, length) {
    if (error === 0) keepValue(tables, visit, request, 0, length);
    tables.nodes.touch(request.nodeid);
  },
};

/** Entries are kept as those of LOOKUP; reading the directory changes its time of access. */
const READDIRPLUS: Plan = {
  begin(tables, visit, request) {
    visit.enterNode(tables, request.nodeid);
  },
  end(tables, visit, request, error, length) {
    const { bytes } = request.arena;
    const end = error === 0 ? request.dataOut + length : 0;
    for (let at = request.dataOut; at + DIRENT + DIRENT_BYTES <= end; ) {
      const nameLength = request.u32(at + DIRENT + DIRENT_AT.namelen);
      const name = at + DIRENT + DIRENT_BYTES;
      const isEntry = request.u64(at + ENTRY.nodeid) !== 0 && !isDots(bytes, name, nameLength);
      if (isEntry && nameLength < NAME_BYTES && name + nameLength <= end) {
        tables.names.see(visit.first, request.nodeid, bytes, name, nameLength);
        keepEntry(tables, visit, request, at);
      }
      at = name + ((nameLength + 7) & ~7);
    }
    visit.leave(tables);
  },
};

/** By opcode. */
export const READS: { readonly [Name in OpcodeName]?: Plan } = {
  LOOKUP,
  GETATTR,
  ACCESS,
  GETXATTR,
  READLINK,
  READDIRPLUS,
} satisfies Partial<Record<keyof typeof OPCODES, Plan>>;
