// Owns: golden rows of the opcodes that work on open files and directories, on the filesystem and on the session.

import { ENTRY, fillEntry, fillOpen, type Golden, golden, OPEN } from "./golden-row.ts";
import { chars, hex, u32, u64, zeros } from "./wire.ts";

const FH = u64(0x1_0000_0006);
const OWNER = u64(0xfedcba9876543210n);
const OWNER_VALUE = 0xfedcba9876543210n;
const FH_VALUE = 0x1_0000_0006;

/** struct fuse_read_in, 40 bytes: fh, offset, size, read_flags, lock_owner, flags, padding. */
const readIn = (offset: number | bigint, size: number) => [
  FH,
  u64(offset),
  u32(size),
  u32(2),
  OWNER,
  u32(0x8000),
  u32(0),
];

export const FILE_ROWS: readonly Golden[] = [
  golden("OPEN", 14, {
    body: [u32(0x8001), u32(1)],
    sees: (req) => [req.flags, req.open_flags],
    seen: [0x8001, 1],
    does: (req) => fillOpen(req.open),
    reply: [OPEN],
  }),
  golden("READ", 15, {
    body: readIn(2 ** 53 - 1, 4),
    sees: (req) => [req.fh, req.offset, req.size, req.read_flags, req.lock_owner, req.flags],
    seen: [FH_VALUE, 2 ** 53 - 1, 4, 2, OWNER_VALUE, 0x8000],
    does: (req) => {
      req.buffer.set([0xde, 0xad, 0xbe, 0xef, 0x99]);
      return 4;
    },
    reply: [hex("de ad be ef")],
  }),
  golden("READ", 15, { about: "end of file", body: readIn(0, 4096) }),
  golden("WRITE", 16, {
    body: [FH, u64(0x1_0000_0000), u32(5), u32(4), OWNER, u32(0x8401), u32(0), hex("00 01 02 03 ff")],
    sees: (req) => [
      req.fh,
      req.offset,
      req.size,
      req.write_flags,
      req.lock_owner,
      req.flags,
      [...req.data],
      req.dataSize,
    ],
    seen: [FH_VALUE, 2 ** 32, 5, 4, OWNER_VALUE, 0x8401, [0, 1, 2, 3, 255], 5],
    does: () => 3,
    reply: [u32(3), u32(0)],
  }),
  golden("STATFS", 17, {
    does: (req) => {
      const { st } = req.out;
      st.blocks = 2 ** 40;
      st.bfree = 2;
      st.bavail = 3;
      st.files = 4;
      st.ffree = 5;
      st.bsize = 4096;
      st.namelen = 255;
      st.frsize = 512;
      return 0;
    },
    reply: [u64(2 ** 40), u64(2), u64(3), u64(4), u64(5), u32(4096), u32(255), u32(512), zeros(28)],
  }),
  golden("RELEASE", 18, {
    body: [FH, u32(0x8002), u32(3), OWNER],
    sees: (req) => [req.fh, req.flags, req.release_flags, req.lock_owner],
    seen: [FH_VALUE, 0x8002, 3, OWNER_VALUE],
  }),
  golden("FSYNC", 20, {
    body: [FH, u32(1), u32(0)],
    sees: (req) => [req.fh, req.fsync_flags],
    seen: [FH_VALUE, 1],
    does: () => -5,
    error: -5,
  }),
  golden("FLUSH", 25, {
    body: [FH, u32(0), u32(0), OWNER],
    sees: (req) => [req.fh, req.lock_owner],
    seen: [FH_VALUE, OWNER_VALUE],
  }),
  golden("OPENDIR", 27, {
    body: [u32(0x18800), u32(0)],
    sees: (req) => req.flags,
    seen: 0x18800,
    does: (req) => fillOpen(req.open),
    reply: [OPEN],
  }),
  golden("READDIR", 28, {
    body: readIn(0xffff_ffff_ffff_fff0n, 80),
    sees: (req) => [req.fh, req.size, req.offset],
    seen: [FH_VALUE, 80, Number(0xffff_ffff_ffff_fff0n)],
    does: (req) => {
      req.entries.add("a", 1, 4, 1);
      req.entries.add(chars("12345678"), 0xffff_ffff_ffff_ffffn, 8, 2 ** 53 - 1);
      req.entries.add("no room", 3, 8, 3);
      return req.entries.length;
    },
    // Each: ino, off, namelen, type, name, zeros to a multiple of 8.
    // biome-ignore format: one record per line
    reply: [
      u64(1), u64(1), u32(1), u32(4), hex("61 00 00 00 00 00 00 00"),
      u64(0xffff_ffff_ffff_ffffn), u64(2 ** 53 - 1), u32(8), u32(8), hex("31 32 33 34 35 36 37 38"),
    ],
  }),
  golden("RELEASEDIR", 29, {
    body: [FH, u32(0x8000), u32(0), OWNER],
    sees: (req) => [req.fh, req.flags, req.release_flags],
    seen: [FH_VALUE, 0x8000, 0],
  }),
  golden("FSYNCDIR", 30, { body: [FH, u32(0), u32(0)], sees: (req) => [req.fh, req.fsync_flags], seen: [FH_VALUE, 0] }),
  golden("GETLK", 31, {
    body: [FH, OWNER, u64(0), u64(0x7fff_ffff_ffff_ffffn), u32(1), u32(77), u32(0), u32(0)],
    sees: (req) => [req.fh, req.owner, req.lk.start, req.lk.end, req.lk.type, req.lk.pid, req.lk_flags],
    seen: [FH_VALUE, OWNER_VALUE, 0, 2 ** 63, 1, 77, 0],
    does: (req) => {
      req.out.lk.start = 100;
      req.out.lk.end = req.lk.end;
      req.out.lk.type = 1;
      req.out.lk.pid = 55;
      return 0;
    },
    reply: [u64(100), u64(0x7fff_ffff_ffff_ffffn), u32(1), u32(55)],
  }),
  golden("SETLK", 32, {
    body: [FH, OWNER, u64(10), u64(19), u32(0), u32(77), u32(1), u32(0)],
    sees: (req) => [req.fh, req.owner, req.lk.start, req.lk.end, req.lk.type, req.lk.pid, req.lk_flags],
    seen: [FH_VALUE, OWNER_VALUE, 10, 19, 0, 77, 1],
    does: () => -11,
    error: -11,
  }),
  golden("SETLKW", 33, {
    body: [FH, OWNER, u64(10), u64(19), u32(2), u32(77), u32(0), u32(0)],
    sees: (req) => [req.owner, req.lk.start, req.lk.end, req.lk.type],
    seen: [OWNER_VALUE, 10, 19, 2],
  }),
  golden("BMAP", 37, {
    body: [u64(0x1_0000_0001), u32(512), u32(0)],
    sees: (req) => [req.block, req.blocksize],
    seen: [2 ** 32 + 1, 512],
    does: () => 2 ** 33 + 3,
    reply: [u64(0x2_0000_0003)],
  }),
  golden("IOCTL", 39, {
    body: [FH, u32(0x18), u32(0xc004_6601), u64(0xffff_8000_0000_0001n), u32(4), u32(4), hex("0a 0b 0c 0d")],
    sees: (req) => [req.fh, req.flags, req.cmd, req.arg, req.in_size, req.out_size, [...req.data]],
    seen: [FH_VALUE, 0x18, 0xc004_6601, 0xffff_8000_0000_0001n, 4, 4, [10, 11, 12, 13]],
    does: (req) => {
      req.out.result = -7;
      req.buffer.set([1, 2, 3, 4]);
      return 4;
    },
    reply: [u32(-7), u32(0), u32(0), u32(0), hex("01 02 03 04")],
  }),
  golden("POLL", 40, {
    body: [FH, u64(0xffff_ffff_0000_0001n), u32(1), u32(5)],
    sees: (req) => [req.fh, req.kh, req.flags, req.events],
    seen: [FH_VALUE, 0xffff_ffff_0000_0001n, 1, 5],
    does: () => 4,
    reply: [u32(4), u32(0)],
  }),
  golden("FALLOCATE", 43, {
    body: [FH, u64(4096), u64(2 ** 40), u32(3), u32(0)],
    sees: (req) => [req.fh, req.offset, req.length, req.mode],
    seen: [FH_VALUE, 4096, 2 ** 40, 3],
    does: () => -28,
    error: -28,
  }),
  golden("READDIRPLUS", 44, {
    body: readIn(7, 4096),
    sees: (req) => [req.offset, req.size],
    seen: [7, 4096],
    does: (req) => {
      req.entries.add("file", 99, 8, 8);
      const at = req.entries.entryOut;
      req.request.setU64(at, 0x99);
      req.entries.add("..", 1, 4, 9);
      return req.entries.length;
    },
    // Each: fuse_entry_out of 128 bytes, then a dirent as in READDIR.
    // biome-ignore format: one record per line
    reply: [
      u64(0x99), zeros(120), u64(99), u64(8), u32(4), u32(8), hex("66 69 6c 65 00 00 00 00"),
      zeros(128), u64(1), u64(9), u32(2), u32(4), hex("2e 2e 00 00 00 00 00 00"),
    ],
  }),
  golden("LSEEK", 46, {
    body: [FH, u64(2 ** 40), u32(3), u32(0)],
    sees: (req) => [req.fh, req.offset, req.whence],
    seen: [FH_VALUE, 2 ** 40, 3],
    does: () => 2 ** 53 - 1,
    reply: [u64(0x1f_ffff_ffff_ffff)],
  }),
  golden("COPY_FILE_RANGE", 47, {
    body: [FH, u64(1), u64(0x22), u64(8), u64(2), u64(0x7fff_f000), u64(0)],
    sees: (req) => [req.fh_in, req.off_in, req.nodeid_out, req.fh_out, req.off_out, req.len, req.nodeid],
    seen: [FH_VALUE, 1, 0x22, 8, 2, 0x7fff_f000, 0x21],
    does: () => 0x7fff_f000,
    reply: [u32(0x7fff_f000), u32(0)],
  }),
  golden("COPY_FILE_RANGE_64", 53, {
    about: "by copyFileRange",
    body: [FH, u64(1), u64(0x22), u64(8), u64(2), u64(2 ** 40), u64(0)],
    sees: (req) => [req.fh_in, req.off_in, req.nodeid_out, req.fh_out, req.off_out, req.len],
    seen: [FH_VALUE, 1, 0x22, 8, 2, 2 ** 40],
    does: () => 2 ** 33 + 1,
    reply: [u64(0x2_0000_0001)],
  }),
  golden("SYNCFS", 50, { body: [u64(0)], sees: (req) => req.nodeid, seen: 0x21 }),
  golden("CREATE", 35, {
    about: "after a reply of another opcode in the same memory",
    body: [u32(0x42), u32(0o100600), u32(0), u32(0), chars("x\0")],
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY, zeros(16)],
  }),
];

/** Replies where the filesystem has no method, by code: -errno, or the bytes after the header. */
export const MISSING: Readonly<Record<number, number | Uint8Array>> = {
  ...Object.fromEntries([...Array(53).keys()].map((index) => [index + 1, -38])),
  14: zeros(16),
  17: hex(`${"00".repeat(40)} 00100000 ff000000 00100000 ${"00".repeat(28)}`),
  18: zeros(0),
  27: zeros(16),
  29: zeros(0),
  38: zeros(0),
};
