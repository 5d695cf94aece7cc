// Owns: the reply of READDIR and READDIRPLUS: records of fuse_dirent or fuse_direntplus, 8-byte aligned.
// Invariant: never writes past the requested size; an entry that does not fit changes nothing.

import { S } from "../../ffi/file.ts";
import { Dirent64 } from "../../ffi/kernel-structs.ts";
import { FuseDirent, FuseDirentplus, FuseEntryOut, FuseReadIn } from "../abi/fuse-structs.ts";
import { FuseError } from "./fuse-error.ts";
import type { Request } from "./request.ts";

/** Longest name of an entry in bytes; the kernel refuses longer ones. */
export const DIRENT_NAME_MAX = 1024;

export { Dirent64 };

/** d_type of a file mode: 4 for a directory, 8 for a regular file, and so on. */
export function direntType(mode: number): number {
  return (mode & S.IFMT) >> 12;
}

/** Fills one reply. `length` is the bytes written so far, which is what the handler returns. */
export class DirentWriter {
  private readonly request: Request;
  private readonly plus: boolean;
  private readonly fixed: number;
  /** Offset in the arena of the fuse_entry_out of the entry added last (READDIRPLUS). */
  entryOut = 0;

  constructor(request: Request, plus: boolean) {
    this.request = request;
    this.plus = plus;
    this.fixed = (plus ? FuseEntryOut.size : 0) + FuseDirent.size;
  }

  /** Bytes written so far; dispatch sets it to 0 for each request. */
  get length(): number {
    return this.request.dataLength;
  }

  /** Bytes that the caller's buffer can still take. */
  get room(): number {
    const { request } = this;
    return Math.min(request.u32(request.opIn + FuseReadIn.at.size), request.dataCapacity) - this.length;
  }

  /**
   * Adds an entry; false when it does not fit, and then the reply is full. `offset` is the cookie from which the
   * next READDIR goes on after this entry (an integer in 1..2^53-1). For READDIRPLUS the entry's fuse_entry_out is
   * zeroed (nodeid 0: "no attributes"); fill it at `entryOut`. Errors: `FuseError` EINVAL for a bad name or offset.
   */
  add(name: string | Uint8Array, ino: number | bigint, type: number, offset: number): boolean {
    const bytes = typeof name === "string" ? Buffer.from(name) : name;
    if (bytes.length === 0 || bytes.length > DIRENT_NAME_MAX || bytes.includes(0) || bytes.includes(0x2f)) {
      throw new FuseError("EINVAL", `directory entry ${JSON.stringify(String(name))} is no file name of 1..1024 bytes`);
    }
    if (!Number.isSafeInteger(offset) || offset <= 0) {
      throw new FuseError("EINVAL", `directory offset ${offset} is not an integer in 1..2^53-1`);
    }
    const at = this.claim(bytes.length);
    if (at < 0) return false;
    const { view } = this.request.arena;
    view.setBigUint64(at + FuseDirent.at.ino, BigInt.asUintN(64, BigInt(ino)), true);
    this.request.setU64(at + FuseDirent.at.off, offset);
    view.setUint32(at + FuseDirent.at.type, type, true);
    this.request.arena.bytes.set(bytes, at + FuseDirent.size);
    return true;
  }

  /**
   * Takes room for an entry whose name has `nameLength` bytes: zeroes its record and sets `namelen`. Result: offset
   * in the arena of its fuse_dirent (the caller fills ino, off, type and the name behind it), or -1 when it does not
   * fit. Hot.
   */
  claim(nameLength: number): number {
    const size = (this.fixed + nameLength + 7) & ~7;
    if (size > this.room) return -1;
    const { request } = this;
    const start = request.dataOut + request.dataLength;
    request.words.fill(0, start >> 2, (start + size) >> 2);
    request.dataLength += size;
    this.entryOut = start;
    const dirent = this.plus ? start + FuseDirentplus.at.dirent : start;
    request.setU32(dirent + FuseDirent.at.namelen, nameLength);
    return dirent;
  }
}
