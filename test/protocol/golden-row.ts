// Owns: the shape of a golden row (a request, what its handler sees and does, and its reply, byte for byte) and the
// structs that many rows share. Bytes are written by hand from <linux/fuse.h>, never by src.

import type { InitFlag } from "../../src/abi/fuse-init-flags.ts";
import type { OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import type { RequestHeader, RequestView } from "../../src/codec/request-view.ts";
import type { Result } from "../../src/fs/filesystem.ts";
import { join, u32, u64 } from "./wire.ts";

export interface Golden {
  readonly name: OpcodeName;
  readonly code: number;
  /** What is special, for the test's title. */
  readonly about: string;
  /** Request after its header. */
  readonly body: Uint8Array;
  /** What the handler reads from its view, and what that must be. */
  readonly sees: (req: RequestHeader) => unknown;
  readonly seen: unknown;
  readonly does: (req: RequestHeader) => Result;
  /** `error` of the reply's header. */
  readonly error: number;
  /** Reply after its header. */
  readonly reply: Uint8Array;
  /** INIT flags in force besides INIT_EXT. */
  readonly flags: readonly InitFlag[];
}

interface Given<Name extends OpcodeName> {
  readonly about?: string;
  readonly body?: readonly Uint8Array[];
  readonly sees?: (req: RequestView<Name>) => unknown;
  readonly seen?: unknown;
  readonly does?: (req: RequestView<Name>) => Result;
  readonly error?: number;
  readonly reply?: readonly Uint8Array[];
  readonly flags?: readonly InitFlag[];
}

/** One row. */
export function golden<Name extends OpcodeName>(name: Name, code: number, given: Given<Name>): Golden {
  return {
    name,
    code,
    about: given.about ?? "success",
    body: join(...(given.body ?? [])),
    sees: (given.sees ?? (() => undefined)) as Golden["sees"],
    seen: given.seen,
    does: (given.does ?? (() => 0)) as Golden["does"],
    error: given.error ?? 0,
    reply: join(...(given.reply ?? [])),
    flags: given.flags ?? ["SETXATTR_EXT"],
  };
}

type Attr = RequestView<"GETATTR">["attrOut"]["attr"];
type Entry = RequestView<"LOOKUP">["entry"];

/** struct fuse_attr, 88 bytes, every field with a value of its own. */
// biome-ignore format: one field per column
export const ATTR = join(
  u64(0x1112131415161718n), u64(8_589_934_597), u64(9), // ino, size, blocks
  u64(-1), u64(1_700_000_000), u64(-2_208_988_800), // atime, mtime, ctime
  u32(1), u32(2), u32(999_999_999), // nanoseconds of them
  u32(0o100644), u32(3), u32(1000), u32(4_294_967_295), u32(0x801), u32(4096), u32(1), // mode nlink uid gid rdev blksize flags
);

export function fillAttr(attr: Attr): number {
  attr.ino = 0x1112131415161718n;
  attr.size = 8_589_934_597;
  attr.blocks = 9;
  attr.atime = -1;
  attr.mtime = 1_700_000_000;
  attr.ctime = -2_208_988_800;
  attr.atimensec = 1;
  attr.mtimensec = 2;
  attr.ctimensec = 999_999_999;
  attr.mode = 0o100644;
  attr.nlink = 3;
  attr.uid = 1000;
  attr.gid = 4_294_967_295;
  attr.rdev = 0x801;
  attr.blksize = 4096;
  attr.flags = 1;
  return 0;
}

/** struct fuse_entry_out, 128 bytes: nodeid, generation, entry_valid, attr_valid, their nanoseconds, attr. */
export const ENTRY = join(u64(0x123456789a), u64(7), u64(60), u64(30), u32(500_000_000), u32(250_000_000), ATTR);

export function fillEntry(entry: Entry): number {
  entry.nodeid = 0x123456789a;
  entry.generation = 7;
  entry.entry_valid = 60;
  entry.attr_valid = 30;
  entry.entry_valid_nsec = 500_000_000;
  entry.attr_valid_nsec = 250_000_000;
  return fillAttr(entry.attr);
}

/** struct fuse_open_out, 16 bytes: fh, open_flags (KEEP_CACHE and STREAM), backing_id. */
export const OPEN = join(u64(0x1f_ffff_ffff_fff0), u32(0x12), u32(-5));

export function fillOpen(open: RequestView<"OPEN">["open"]): number {
  open.fh = 0x1f_ffff_ffff_fff0;
  open.open_flags = 0x12;
  open.backing_id = -5;
  return 0;
}
