// Owns: the bytes of notifications: messages that the daemon writes by itself, with unique 0 and the notify code in
// `error`; and the one write(2) that sends each, on any descriptor of the connection and from any thread.
// An encoder gives the message, or -EINVAL for arguments that no message can carry.

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

/** A message, or -errno. */
export type Encoded = Uint8Array | number;

type Values<Table extends Struct> = { readonly [Field in keyof Table["at"]]?: number | bigint };

const NOTHING = new Uint8Array(0);
const EMPTY: Struct = { name: "none", size: 0, since: 0, spec: {}, fields: [], at: {} };
const BAD = -ERRNO.EINVAL;
const NAME_MAX = 1024;
const U32_MAX = 2 ** 32 - 1;

// A whole message: header, struct, tail.
function message<Table extends Struct>(
  code: number,
  table: Table,
  values: Values<Table>,
  tail: Uint8Array = NOTHING,
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

// A name with its NUL, or undefined when it is no file name.
function terminated(name: string | Uint8Array): Uint8Array | undefined {
  const bytes = typeof name === "string" ? Buffer.from(name) : name;
  if (bytes.length === 0 || bytes.length > NAME_MAX || bytes.includes(0) || bytes.includes(0x2f)) return undefined;
  const out = new Uint8Array(bytes.length + 1);
  out.set(bytes);
  return out;
}

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

export function encodeInvalidateInode(nodeid: number, offset: number, length: number): Encoded {
  if (!isSize(nodeid) || !Number.isSafeInteger(offset) || !isSize(length)) return BAD;
  return message(NOTIFY.INVAL_INODE, FuseNotifyInvalInodeOut, { ino: nodeid, off: offset, len: length });
}

export function encodeInvalidateEntry(parent: number, name: string | Uint8Array, expireOnly: boolean): Encoded {
  const tail = terminated(name);
  if (tail === undefined || !isSize(parent)) return BAD;
  const flags = expireOnly ? INVAL_ENTRY_FLAGS.EXPIRE_ONLY : 0;
  return message(NOTIFY.INVAL_ENTRY, FuseNotifyInvalEntryOut, { parent, namelen: tail.length - 1, flags }, tail);
}

export function encodeDeleteEntry(parent: number, child: number, name: string | Uint8Array): Encoded {
  const tail = terminated(name);
  if (tail === undefined || !isSize(parent) || !isSize(child)) return BAD;
  return message(NOTIFY.DELETE, FuseNotifyDeleteOut, { parent, child, namelen: tail.length - 1 }, tail);
}

export function encodeStore(nodeid: number, offset: number, data: Uint8Array): Encoded {
  if (!isSize(nodeid) || !isSize(offset) || data.length > U32_MAX) return BAD;
  return message(NOTIFY.STORE, FuseNotifyStoreOut, { nodeid, offset, size: data.length }, data);
}

export function encodeRetrieve(unique: bigint, nodeid: number, offset: number, size: number): Encoded {
  if (!isSize(nodeid) || !isSize(offset) || !isSize(size) || size > U32_MAX) return BAD;
  return message(NOTIFY.RETRIEVE, FuseNotifyRetrieveOut, { notify_unique: unique, nodeid, offset, size });
}

export function encodePrune(nodeids: readonly number[]): Encoded {
  if (!nodeids.every(isSize)) return BAD;
  const tail = new Uint8Array(BigUint64Array.from(nodeids, (nodeid) => BigInt(nodeid)).buffer);
  return message(NOTIFY.PRUNE, FuseNotifyPruneOut, { count: nodeids.length }, tail);
}

export const encodeIncrementEpoch = (): Encoded => message(NOTIFY.INC_EPOCH, EMPTY, {});

export const encodeResend = (): Encoded => message(NOTIFY.RESEND, EMPTY, {});

export const encodePollWakeup = (kh: bigint): Encoded => message(NOTIFY.POLL, FuseNotifyPollWakeupOut, { kh });

/** Sends a message. Result 0 or -errno. It may wait in the kernel for requests that the daemon has not answered. */
export function sendNotification(fd: number, encoded: Encoded): number {
  if (typeof encoded === "number") return encoded;
  const sent = write(fd, addressOf(encoded), encoded.length);
  return sent < 0 ? sent : 0;
}
