// Owns: golden rows of the opcodes that work on names and attributes.

import { ATTR, ENTRY, fillAttr, fillEntry, fillOpen, type Golden, golden, OPEN } from "./golden-row.ts";
import { chars, hex, u16, u32, u64, z, zeros } from "./wire.ts";

const MODE = u32(0o100640);
const UMASK = u32(0o22);

export const NAME_ROWS: readonly Golden[] = [
  golden("LOOKUP", 1, {
    body: [hex("64 61 74 61 2e 74 78 74 00")],
    sees: (req) => [req.name, req.nameKey, [...req.nameBytes], req.nodeid, req.uid, req.gid, req.pid, req.unique],
    seen: [
      "data.txt",
      "data.txt",
      [0x64, 0x61, 0x74, 0x61, 0x2e, 0x74, 0x78, 0x74],
      0x21,
      1000,
      1001,
      77,
      0x0102030405060708n,
    ],
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY],
  }),
  golden("LOOKUP", 1, {
    about: "negative entry to cache for a second",
    body: [z("absent")],
    does: (req) => {
      req.entry.entry_valid = 1;
      return 0;
    },
    reply: [zeros(16), u64(1), zeros(104)],
  }),
  golden("LOOKUP", 1, { about: "returned -ENOENT", body: [z("absent")], does: () => -2, error: -2 }),
  golden("GETATTR", 3, {
    body: [u32(1), u32(0), u64(0x1f_ffff_ffff_ffff)],
    sees: (req) => [req.getattr_flags, req.fh],
    seen: [1, 2 ** 53 - 1],
    does: (req) => {
      req.attrOut.attr_valid = 2 ** 33;
      req.attrOut.attr_valid_nsec = 5;
      fillAttr(req.attrOut.attr);
      return 0;
    },
    reply: [u64(0x2_0000_0000), u32(5), u32(0), ATTR],
  }),
  golden("SETATTR", 4, {
    // biome-ignore format: struct fuse_setattr_in, 88 bytes, by rows of the header
    body: [
      u32(0x7ff), u32(0), u64(6), u64(2 ** 40), u64(0xfedcba9876543210n),
      u64(-1), u64(1_700_000_000), u64(-(2 ** 40)), u32(10), u32(20), u32(30),
      u32(0o104755), u32(0), u32(4_294_967_294), u32(12), u32(0),
    ],
    sees: (req) => [
      [req.valid, req.fh, req.size, req.lock_owner],
      [req.atime, req.mtime, req.ctime, req.atimensec, req.mtimensec, req.ctimensec],
      [req.mode, req.newuid, req.newgid, req.uid, req.gid],
    ],
    seen: [
      [0x7ff, 6, 2 ** 40, 0xfedcba9876543210n],
      [-1, 1_700_000_000, -(2 ** 40), 10, 20, 30],
      [0o104755, 4_294_967_294, 12, 1000, 1001],
    ],
    does: (req) => fillAttr(req.attrOut.attr),
    reply: [zeros(16), ATTR],
  }),
  golden("READLINK", 5, {
    sees: (req) => [req.capacity >= 4096, req.nodeid],
    seen: [true, 0x21],
    does: (req) => {
      req.buffer.set(chars("../to/target"));
      return 12;
    },
    reply: [hex("2e 2e 2f 74 6f 2f 74 61 72 67 65 74")],
  }),
  golden("SYMLINK", 6, {
    body: [z("link"), z("/far/away")],
    sees: (req) => [req.name, req.target, req.targetKey],
    seen: ["link", "/far/away", "/far/away"],
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY],
  }),
  golden("MKNOD", 8, {
    body: [u32(0o20666), u32(0x103), UMASK, u32(0), z("null")],
    sees: (req) => [req.mode, req.rdev, req.umask, req.name],
    seen: [0o20666, 0x103, 0o22, "null"],
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY],
  }),
  golden("MKDIR", 9, {
    body: [u32(0o755), UMASK, z("dir")],
    sees: (req) => [req.mode, req.umask, req.name],
    seen: [0o755, 0o22, "dir"],
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY],
  }),
  golden("MKDIR", 9, {
    about: "security context behind the name",
    body: [u32(0o755), UMASK, z("dir"), zeros(4), u32(24), u32(1), u32(0), u32(0), z("selinux"), zeros(0)],
    sees: (req) => req.name,
    seen: "dir",
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY],
  }),
  golden("UNLINK", 10, { body: [z("a b\n\u00ff")], sees: (req) => req.nameKey, seen: "a b\n\u00ff" }),
  golden("RMDIR", 11, { body: [z("dir")], sees: (req) => req.name, seen: "dir", does: () => -39, error: -39 }),
  golden("RENAME", 12, {
    body: [u64(0x22), z("old"), z("new")],
    sees: (req) => [req.newdir, req.name, req.newname, [...req.newnameBytes]],
    seen: [0x22, "old", "new", [0x6e, 0x65, 0x77]],
  }),
  golden("LINK", 13, {
    body: [u64(0x99), z("hard")],
    sees: (req) => [req.oldnodeid, req.name, req.nodeid],
    seen: [0x99, "hard", 0x21],
    does: (req) => fillEntry(req.entry),
    reply: [ENTRY],
  }),
  golden("SETXATTR", 21, {
    about: "with SETXATTR_EXT",
    body: [u32(3), u32(2), u32(1), u32(0), z("user.k"), hex("00 ff 00")],
    sees: (req) => [req.flags, req.setxattr_flags, req.name, [...req.data], req.dataSize, req.size],
    seen: [2, 1, "user.k", [0, 255, 0], 3, 3],
  }),
  golden("SETXATTR", 21, {
    about: "short struct without SETXATTR_EXT",
    flags: [],
    body: [u32(3), u32(2), z("user.k"), hex("00 ff 00")],
    sees: (req) => [req.flags, req.setxattr_flags, req.name, [...req.data], req.dataSize, req.size],
    seen: [2, 0, "user.k", [0, 255, 0], 3, 3],
  }),
  golden("SETXATTR", 21, {
    about: "empty value",
    body: [u32(0), u32(0), u32(0), u32(0), z("user.k")],
    sees: (req) => [req.name, req.dataSize],
    seen: ["user.k", 0],
  }),
  golden("GETXATTR", 22, {
    about: "the value",
    body: [u32(64), u32(0), z("user.k")],
    sees: (req) => [req.size, req.name],
    seen: [64, "user.k"],
    does: (req) => {
      req.buffer.set([1, 0, 2]);
      return 3;
    },
    reply: [hex("01 00 02")],
  }),
  golden("GETXATTR", 22, {
    about: "the length alone",
    body: [u32(0), u32(0), z("user.k")],
    does: () => 65_536,
    reply: [u32(65_536), u32(0)],
  }),
  golden("GETXATTR", 22, {
    about: "value longer than asked",
    body: [u32(2), u32(0), z("k")],
    does: () => 3,
    error: -34,
  }),
  golden("LISTXATTR", 23, {
    about: "the list",
    body: [u32(100), u32(0)],
    does: (req) => {
      req.buffer.set(chars("user.a\0user.b\0"));
      return 14;
    },
    reply: [z("user.a"), z("user.b")],
  }),
  golden("LISTXATTR", 23, {
    about: "the length alone",
    body: [u32(0), u32(0)],
    does: () => 14,
    reply: [u32(14), u32(0)],
  }),
  golden("REMOVEXATTR", 24, {
    body: [z("user.k")],
    sees: (req) => req.name,
    seen: "user.k",
    does: () => -61,
    error: -61,
  }),
  golden("ACCESS", 34, { body: [u32(5), u32(0)], sees: (req) => req.mask, seen: 5, does: () => -13, error: -13 }),
  golden("CREATE", 35, {
    body: [u32(0x8242), MODE, UMASK, u32(1), z("fresh")],
    sees: (req) => [req.flags, req.mode, req.umask, req.open_flags, req.name],
    seen: [0x8242, 0o100640, 0o22, 1, "fresh"],
    does: (req) => {
      fillEntry(req.entry);
      fillOpen(req.open);
      return 0;
    },
    reply: [ENTRY, OPEN],
  }),
  golden("RENAME2", 45, {
    body: [u64(0x22), u32(2), u32(0), z("old"), z("new")],
    sees: (req) => [req.newdir, req.flags, req.name, req.newname],
    seen: [0x22, 2, "old", "new"],
  }),
  golden("TMPFILE", 51, {
    body: [u32(0x410002), MODE, UMASK, u32(0), z("#12")],
    sees: (req) => [req.flags, req.mode, req.umask, req.name],
    seen: [0x410002, 0o100640, 0o22, "#12"],
    does: (req) => {
      fillEntry(req.entry);
      fillOpen(req.open);
      return 0;
    },
    reply: [ENTRY, OPEN],
  }),
  golden("STATX", 52, {
    body: [u32(1), u32(0), u64(6), u32(0x4000), u32(0xfff)],
    sees: (req) => [req.getattr_flags, req.fh, req.sx_flags, req.sx_mask],
    seen: [1, 6, 0x4000, 0xfff],
    does: (req) => {
      const { out } = req;
      out.attr_valid = 3;
      out.attr_valid_nsec = 4;
      const { stat } = out;
      stat.mask = 0x8000_0fff;
      stat.blksize = 512;
      stat.attributes = 0x10;
      stat.nlink = 2;
      stat.uid = 4_294_967_294;
      stat.gid = 8;
      stat.mode = 0o100600;
      stat.ino = 99;
      stat.size = 2 ** 52;
      stat.blocks = 3;
      stat.attributes_mask = 0x30;
      stat.atime.tv_sec = -3;
      stat.atime.tv_nsec = 1;
      stat.btime.tv_sec = 2 ** 33;
      stat.btime.tv_nsec = 2;
      stat.ctime.tv_sec = 5;
      stat.mtime.tv_sec = 6;
      stat.rdev_major = 7;
      stat.rdev_minor = 8;
      stat.dev_major = 9;
      stat.dev_minor = 10;
      return 0;
    },
    // biome-ignore format: struct fuse_statx_out, 288 bytes, by rows of the header
    reply: [
      u64(3), u32(4), u32(0), zeros(16),
      u32(0x8000_0fff), u32(512), u64(0x10), u32(2), u32(4_294_967_294), u32(8), u16(0o100600), u16(0),
      u64(99), u64(2 ** 52), u64(3), u64(0x30),
      u64(-3), u32(1), u32(0), u64(2 ** 33), u32(2), u32(0), u64(5), u32(0), u32(0), u64(6), u32(0), u32(0),
      u32(7), u32(8), u32(9), u32(10), zeros(112),
    ],
  }),
];
