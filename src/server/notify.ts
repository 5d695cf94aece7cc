// Owns: notifications: messages that the daemon writes by itself, with unique 0 and the notify code in `error`.
// Any thread may send them on any descriptor of the connection; each is one write(2).
// Beware: INVAL_ENTRY and DELETE take the parent directory's lock, which the kernel holds during requests on it.

import { ERRNO } from "../../ffi/errno.ts";
import { write } from "../../ffi/file.ts";
import { addressOf } from "../../ffi/memory.ts";
import type { Struct } from "../../ffi/struct.ts";
import { INVAL_ENTRY_FLAGS, NOTIFY } from "../abi/fuse-constants.ts";
import {
  FuseNotifyDeleteOut,
  FuseNotifyInvalEntryOut,
  FuseNotifyInvalInodeOut,
  FuseNotifyPollWakeupOut,
  FuseNotifyPruneOut,
  FuseNotifyRetrieveOut,
  FuseNotifyStoreOut,
  FuseOutHeader,
} from "../abi/fuse-structs.ts";
import type { Notifier } from "../fs/filesystem.ts";

/** The notifications of the session's owner: also RETRIEVE, whose answer comes as a request. */
export interface SessionNotifier extends Notifier {
  /** Asks for `size` cached bytes; the answer bears `unique`. Result 0 or -errno. */
  retrieve(unique: bigint, nodeid: number, offset: number, size: number): number;
}

type Values<Table extends Struct> = { readonly [Field in keyof Table["at"]]?: number | bigint };

// A whole message: header, struct, tail.
function message<Table extends Struct>(
  code: number,
  table: Table,
  values: Values<Table>,
  tail: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(FuseOutHeader.size + table.size + tail.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(FuseOutHeader.at.len, bytes.length, true);
  view.setInt32(FuseOutHeader.at.error, code, true);
  for (const field of table.fields) {
    const value = values[field.name as keyof Table["at"]];
    if (value === undefined) continue;
    const at = FuseOutHeader.size + field.offset;
    if (field.width === 8) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    else view.setUint32(at, Number(value), true);
  }
  bytes.set(tail, FuseOutHeader.size + table.size);
  return bytes;
}

const NOTHING = new Uint8Array(0);
const EMPTY: Struct = { name: "none", size: 0, since: 0, spec: {}, fields: [], at: {} };

// A name with its NUL, or undefined when it is no file name.
function terminated(name: string | Uint8Array): Uint8Array | undefined {
  const bytes = typeof name === "string" ? Buffer.from(name) : name;
  if (bytes.length === 0 || bytes.length > 1024 || bytes.includes(0) || bytes.includes(0x2f)) return undefined;
  const out = new Uint8Array(bytes.length + 1);
  out.set(bytes);
  return out;
}

function nodeidTail(nodeids: readonly number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(nodeids, (nodeid) => BigInt(nodeid)).buffer);
}

const isOffset = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Notifications over a descriptor of the connection. */
export function createNotifier(fd: number): SessionNotifier {
  function send(bytes: Uint8Array): number {
    const sent = write(fd, addressOf(bytes), bytes.length);
    return sent < 0 ? sent : 0;
  }

  return {
    invalidateInode: (nodeid, offset = 0, length = 0) =>
      send(message(NOTIFY.INVAL_INODE, FuseNotifyInvalInodeOut, { ino: nodeid, off: offset, len: length }, NOTHING)),
    invalidateEntry(parent, name, options) {
      const tail = terminated(name);
      if (tail === undefined) return -ERRNO.EINVAL;
      const flags = options?.expireOnly === true ? INVAL_ENTRY_FLAGS.EXPIRE_ONLY : 0;
      const values = { parent, namelen: tail.length - 1, flags };
      return send(message(NOTIFY.INVAL_ENTRY, FuseNotifyInvalEntryOut, values, tail));
    },
    deleteEntry(parent, child, name) {
      const tail = terminated(name);
      if (tail === undefined) return -ERRNO.EINVAL;
      return send(message(NOTIFY.DELETE, FuseNotifyDeleteOut, { parent, child, namelen: tail.length - 1 }, tail));
    },
    store(nodeid, offset, data) {
      if (!isOffset(offset)) return -ERRNO.EINVAL;
      return send(message(NOTIFY.STORE, FuseNotifyStoreOut, { nodeid, offset, size: data.length }, data));
    },
    retrieve: (unique, nodeid, offset, size) =>
      send(message(NOTIFY.RETRIEVE, FuseNotifyRetrieveOut, { notify_unique: unique, nodeid, offset, size }, NOTHING)),
    incrementEpoch: () => send(message(NOTIFY.INC_EPOCH, EMPTY, {}, NOTHING)),
    prune: (nodeids) => send(message(NOTIFY.PRUNE, FuseNotifyPruneOut, { count: nodeids.length }, nodeidTail(nodeids))),
    resend: () => send(message(NOTIFY.RESEND, EMPTY, {}, NOTHING)),
    pollWakeup: (kh) => send(message(NOTIFY.POLL, FuseNotifyPollWakeupOut, { kh }, NOTHING)),
  };
}
