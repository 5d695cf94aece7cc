// Owns: which method of a filesystem serves which opcode, and what is answered where it has none.
// Most rows follow from the opcode's `method`; the few that do not are listed with their reason.

import { ERRNO } from "../../ffi/errno.ts";
import { OPCODES, type Opcode, type OpcodeName } from "../abi/fuse-opcodes.ts";
import type { RequestHeader, RequestView } from "../codec/request-view.ts";
import type { Connection } from "../fs/connection.ts";
import type { Filesystem, Result } from "../fs/filesystem.ts";

type Method = (view: RequestHeader) => Result;

/** One opcode's handler, or null and the answer for its absence (0: success with zeroed structs). */
export interface Served {
  readonly method: Method | null;
  readonly missing: number;
}

function bound(filesystem: Filesystem, name: string): Method | null {
  const method = (filesystem as Readonly<Record<string, unknown>>)[name];
  if (method === undefined || method === null) return null;
  if (typeof method !== "function") throw new TypeError(`filesystem.${name} is ${typeof method}, not a function`);
  return method.bind(filesystem) as Method;
}

/** Opcodes that the session answers itself, whatever methods the filesystem has by that name. */
const OWN: readonly OpcodeName[] = ["INIT", "DESTROY"];

/** Methods that stand in for missing ones; the request's shape fits both. */
const SUBSTITUTES: Partial<Record<OpcodeName, (filesystem: Filesystem) => Method | null>> = {
  COPY_FILE_RANGE_64: (filesystem) => bound(filesystem, "copyFileRange"),
  RENAME: (filesystem) => renameByRename2(filesystem),
};

// A filesystem with `rename2` alone serves plain renames as well: flags 0.
function renameByRename2(filesystem: Filesystem): Method | null {
  const rename2 = bound(filesystem, "rename2");
  if (rename2 === null) return null;
  return (view) => rename2(Object.create(view, { flags: { value: 0 } }) as RequestView<"RENAME2">);
}

// Without SETXATTR_EXT the op struct ends before `setxattr_flags`; the name lies there.
function withoutSetxattrFlags(method: Method): Method {
  return (view) => method(Object.create(view, { setxattr_flags: { value: 0 } }) as RequestHeader);
}

/** Opcodes whose absence is answered by ENOSYS only when the kernel offered to take that as "never ask again". */
const SWITCHED: Partial<Record<OpcodeName, Connection["flags"][number]>> = {
  OPEN: "NO_OPEN_SUPPORT",
  OPENDIR: "NO_OPENDIR_SUPPORT",
};

/** The served methods of a filesystem. Errors: `TypeError` naming a property that is not a function. */
export function methodTable(filesystem: Filesystem, connection: Connection): Readonly<Record<OpcodeName, Served>> {
  const table = {} as Record<OpcodeName, Served>;
  for (const [name, opcode] of Object.entries(OPCODES) as [OpcodeName, Opcode][]) {
    const flag = SWITCHED[name];
    const missing = flag !== undefined && connection.flags.includes(flag) ? -ERRNO.ENOSYS : opcode.missing;
    const own = OWN.includes(name) || !opcode.served;
    const method = own ? null : (bound(filesystem, opcode.method) ?? SUBSTITUTES[name]?.(filesystem) ?? null);
    const short = name === "SETXATTR" && !connection.flags.includes("SETXATTR_EXT");
    table[name] = { method: short && method !== null ? withoutSetxattrFlags(method) : method, missing };
  }
  return table;
}

/** Names of the methods that a filesystem has, for INIT. */
export function methodNames(filesystem: Filesystem): Set<string> {
  const rows: readonly Opcode[] = Object.values(OPCODES);
  return new Set(rows.map((row) => row.method).filter((name) => bound(filesystem, name) !== null));
}
