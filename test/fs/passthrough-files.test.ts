// Passthrough: who makes a file and with which mode, when set-id bits go, and what happens to data. Run as root it
// covers other callers; as another user only what that user may do.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, it } from "vitest";
import { O } from "../../ffi/file.ts";
import { effectiveCapabilities, setfsgid, setfsuid, umask } from "../../ffi/thread.ts";
import { FATTR, OPEN_FLAGS, WRITE_FLAGS } from "../../src/abi/fuse-constants.ts";
import { attrAt, entryAt, openDescriptors, PassthroughClient, ROOT } from "./passthrough-client.ts";

const isRoot = process.getuid?.() === 0;
const ALICE = { uid: 61_001, gid: 61_101 };
const NOBODY = 0xffffffff;

const mine = (): PassthroughClient => {
  const client = new PassthroughClient();
  if (!isRoot) client.caller = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return client;
};

const identity = () => {
  const ids = [setfsuid(NOBODY), setfsgid(NOBODY)];
  const mask = umask(0);
  umask(mask);
  return [...ids, mask, effectiveCapabilities()];
};

describe.skipIf(!isRoot)("callers", () => {
  it("create, mknod, mkdir, symlink, tmpfile: belong to the caller, and the thread is itself again", () => {
    using client = new PassthroughClient();
    const before = identity();
    client.caller = ALICE;
    const made = [
      entryAt(client.ask("CREATE", 1, { flags: 0o102, mode: 0o100666, umask: 0o027 }, "f\0").body),
      entryAt(client.ask("MKNOD", 1, { mode: 0o010666, umask: 0o027 }, "p\0").body),
      entryAt(client.ask("MKDIR", 1, { mode: 0o777, umask: 0o027 }, "d\0").body),
      entryAt(client.ask("SYMLINK", 1, {}, "l\0target\0").body),
      entryAt(client.ask("TMPFILE", 1, { flags: 2, mode: 0o100666, umask: 0o027 }, "t\0").body),
    ];
    expect(made.map(({ mode }) => mode.toString(8))).toEqual(["100640", "10640", "40750", "120777", "100640"]);
    for (const entry of made) expect(entry).toMatchObject(ALICE);
    expect(identity()).toEqual(before);
  });

  it("create: in a set-group-id directory takes the directory's group", () => {
    using client = new PassthroughClient();
    mkdirSync(client.path("d"));
    chownSync(client.path("d"), 0, 61_103);
    chmodSync(client.path("d"), 0o2777);
    const d = client.lookup(1, "d").nodeid;
    client.caller = ALICE;
    expect(client.create(d, "f", { flags: 0o101, mode: 0o100644 })).toMatchObject({ uid: ALICE.uid, gid: 61_103 });
    expect(entryAt(client.ask("MKDIR", d, { mode: 0o755 }, "e\0").body).mode.toString(8)).toBe("42755");
  });

  it("create: a default access list takes the place of the mask", () => {
    using client = new PassthroughClient();
    mkdirSync(client.path("d"));
    const acl = "0200000001000700ffffffff04000700ffffffff20000500ffffffff";
    const d = client.lookup(1, "d").nodeid;
    const value = Buffer.from(acl, "hex").toString("latin1");
    const set = client.ask("SETXATTR", d, { size: 28 }, `system.posix_acl_default\0${value}`);
    expect(set.error).toBe("");
    expect(client.create(d, "f", { flags: 0o101, mode: 0o100666, umask: 0o077 }).mode.toString(8)).toBe("100664");
  });

  it("create: of a file that somebody made meanwhile is opened with the caller's rights only", () => {
    using client = new PassthroughClient();
    chmodSync(client.source, 0o777);
    writeFileSync(client.path("secret"), "secret", { mode: 0o600 });
    writeFileSync(client.path("open"), "open", { mode: 0o644 });
    client.caller = ALICE;
    const before = openDescriptors();
    expect(client.ask("CREATE", 1, { flags: 0o100, mode: 0o100644 }, "secret\0").error).toBe("EACCES");
    expect(client.ask("CREATE", 1, { flags: 0o300, mode: 0o100644 }, "open\0").error).toBe("EEXIST");
    expect(openDescriptors()).toEqual(before);
    const { nodeid, fh } = client.create(1, "open", { flags: 0o100, mode: 0o100644 });
    expect(client.read(nodeid, fh, 0, 10)).toBe("open");
  });

  const clearing: ReadonlyArray<readonly [what: string, kill: boolean, mode: number]> = [
    ["write", true, 0o755],
    ["write", false, 0o6755],
    ["truncate", true, 0o755],
    ["truncate", false, 0o6755],
    ["open", true, 0o755],
    ["open", false, 0o6755],
    ["fallocate", true, 0o755],
    ["fallocate", false, 0o6755],
  ];
  it.each(clearing)("%s: asked to clear set-id bits (%j) leaves mode %o", (what, kill, mode) => {
    using client = new PassthroughClient();
    writeFileSync(client.path("f"), "text");
    chownSync(client.path("f"), ALICE.uid, ALICE.gid);
    chmodSync(client.path("f"), 0o6755);
    const { nodeid } = client.lookup(1, "f");
    const fh = client.open(nodeid, O.RDWR);
    client.caller = kill ? ALICE : ROOT;
    if (what === "write") client.write(nodeid, fh, 0, "x", { write_flags: kill ? WRITE_FLAGS.KILL_SUIDGID : 0 });
    if (what === "open") {
      client.ask("OPEN", nodeid, { flags: O.WRONLY | O.TRUNC, open_flags: kill ? OPEN_FLAGS.KILL_SUIDGID : 0 });
    }
    if (what === "truncate") {
      client.ask("SETATTR", nodeid, { valid: FATTR.SIZE | (kill ? FATTR.KILL_SUIDGID : 0), size: 1 });
    }
    if (what === "fallocate") client.ask("FALLOCATE", nodeid, { fh, length: 100 });
    expect((statSync(client.path("f")).mode & 0o7777).toString(8)).toBe(mode.toString(8));
    expect(identity()[3]).toBe(effectiveCapabilities());
  });

  it("setattr: an owner and a mode in one request leave the mode's set-id bits", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("f"), "text", { mode: 0o755 });
    const { nodeid } = client.lookup(1, "f");
    const valid = FATTR.UID | FATTR.GID | FATTR.MODE | FATTR.SIZE | FATTR.MTIME;
    const reply = client.ask("SETATTR", nodeid, {
      valid,
      uid: 5,
      gid: 6,
      mode: 0o104755,
      size: 2,
      mtime: -5,
      mtimensec: 7,
    });
    const { body } = reply;
    expect(attrAt(body, 16)).toMatchObject({ uid: 5, gid: 6, mode: 0o104755, size: 2, mtime: -5n, mtimensec: 7 });
  });

  it("mknod: a device number of 32 bits goes through and comes back", () => {
    using client = new PassthroughClient();
    const rdev = ((0xabcde & ~0xff) << 12) | (0xfed << 8) | (0xabcde & 0xff);
    const { body } = client.ask("MKNOD", 1, { mode: 0o020600, rdev: rdev >>> 0 }, "dev\0");
    expect(attrAt(body, 40).rdev).toBe(rdev >>> 0);
    expect(execFileSync("stat", ["-c", "%t %T", client.path("dev")], { encoding: "utf8" })).toBe("fed abcde\n");
  });
});

describe("data", () => {
  it("write: goes to its offset; with O_APPEND in the request to the end, wherever that is by now", () => {
    using client = mine();
    const { nodeid, fh } = client.create(1, "f", { flags: O.CREAT | O.RDWR | O.APPEND, mode: 0o100644 });
    client.write(nodeid, fh, 0, "one ", { flags: O.APPEND });
    appendFileSync(client.path("f"), "two ");
    client.write(nodeid, fh, 4, "three", { flags: O.APPEND });
    client.write(nodeid, fh, 0, "O"); // after F_SETFL without O_APPEND
    client.write(nodeid, fh, 1, "N", { flags: O.APPEND, write_flags: WRITE_FLAGS.CACHE }); // a page written back
    expect(readFileSync(client.path("f"), "utf8")).toBe("ONe two three");
  });

  it("read, write: offsets beyond 2^32 are exact", () => {
    using client = mine();
    const { nodeid, fh } = client.create(1, "f", { flags: O.CREAT | O.RDWR, mode: 0o100644 });
    const offset = 2 ** 40 + 4097;
    expect(client.write(nodeid, fh, offset, "far")).toBe(3);
    expect(client.read(nodeid, fh, offset - 1, 10)).toBe("\0far");
    const seek = client.ask("LSEEK", nodeid, { fh, offset: 0, whence: 3 });
    expect(Number(seek.body.getBigUint64(0, true))).toBe(offset - 4097 + 4096);
    expect(client.ask("LSEEK", nodeid, { fh, offset: offset + 3, whence: 3 }).error).toBe("ENXIO");
  });

  it("copyFileRange: copies from and to offsets and stops at the end", () => {
    using client = mine();
    writeFileSync(client.path("from"), "0123456789");
    const from = client.lookup(1, "from").nodeid;
    const to = client.create(1, "to", { flags: O.CREAT | O.RDWR, mode: 0o100644 });
    const fields = {
      fh_in: client.open(from, 0),
      off_in: 5,
      nodeid_out: to.nodeid,
      fh_out: to.fh,
      off_out: 2,
      len: 100,
    };
    expect(client.ask("COPY_FILE_RANGE", from, fields).body.getUint32(0, true)).toBe(5);
    expect(client.read(to.nodeid, to.fh, 0, 10)).toBe("\0\x0056789");
  });

  it("open: O_DIRECT where it does not fit the request falls back to the page cache", () => {
    using client = mine();
    writeFileSync(client.path("f"), "text");
    const { nodeid } = client.lookup(1, "f");
    const fh = client.open(nodeid, O.RDWR | O.DIRECT);
    expect(client.write(nodeid, fh, 1, "EX")).toBe(2);
    expect(client.read(nodeid, fh, 0, 3)).toBe("tEX");
  });

  it("link: gives a file without a name one", () => {
    using client = mine();
    const { body } = client.ask("TMPFILE", 1, { flags: O.RDWR, mode: 0o100600 }, "x\0");
    const { nodeid, nlink } = entryAt(body);
    expect(nlink).toBe(0);
    const linked = entryAt(client.ask("LINK", 1, { oldnodeid: nodeid }, "named\0").body);
    expect(linked).toMatchObject({ nodeid, nlink: 1 });
    client.forget(nodeid, 1);
    expect(client.getattr(nodeid).nlink).toBe(1);
    client.forget(nodeid, 1);
    expect(client.ask("GETATTR", nodeid).error).toBe("ESTALE");
  });

  it("ioctl: flags of a safe set only", () => {
    using client = mine();
    writeFileSync(client.path("f"), "text");
    const { nodeid } = client.lookup(1, "f");
    const fh = client.open(nodeid, 0);
    const flags = client.ask("IOCTL", nodeid, { fh, cmd: 0x80086601, out_size: 4 });
    expect([flags.error, flags.body.getInt32(0, true), flags.body.byteLength]).toEqual(["", 0, 20]);
    expect(client.ask("IOCTL", nodeid, { fh, cmd: 0x5401, out_size: 60 }).error).toBe("ENOTTY");
    expect(client.ask("IOCTL", nodeid, { fh, cmd: 0x40086602, in_size: 16 }, "0123456789abcdef").error).toBe("EINVAL");
  });

  it("getxattr: asked for its length, read, too long, listed", () => {
    using client = mine();
    writeFileSync(client.path("f"), "text");
    const { nodeid } = client.lookup(1, "f");
    expect(client.ask("SETXATTR", nodeid, { size: 5 }, "user.a\0value").error).toBe("");
    expect(client.ask("GETXATTR", nodeid, { size: 0 }, "user.a\0").body.getUint32(0, true)).toBe(5);
    const read = client.ask("GETXATTR", nodeid, { size: 100 }, "user.a\0").body;
    expect(Buffer.from(read.buffer, read.byteOffset, read.byteLength).toString()).toBe("value");
    expect(client.ask("GETXATTR", nodeid, { size: 4 }, "user.a\0").error).toBe("ERANGE");
    expect(client.ask("SETXATTR", nodeid, { size: 1, flags: 1 }, "user.a\0x").error).toBe("EEXIST");
    expect(client.ask("LISTXATTR", nodeid, { size: 0 }).body.getUint32(0, true)).toBeGreaterThanOrEqual(7);
    expect(client.ask("REMOVEXATTR", nodeid, {}, "user.a\0").error).toBe("");
    expect(client.ask("REMOVEXATTR", nodeid, {}, "user.a\0").error).toBe("ENODATA");
  });

  it("readOnly: every change is EROFS, and reading goes on", () => {
    using client = new PassthroughClient({ readOnly: true });
    writeFileSync(client.path("f"), "text");
    const { nodeid } = client.lookup(1, "f");
    const fh = client.open(nodeid, 0);
    const changes = [
      client.ask("OPEN", nodeid, { flags: O.WRONLY }),
      client.ask("OPEN", nodeid, { flags: O.RDONLY | O.TRUNC }),
      client.ask("CREATE", 1, { flags: 0o101, mode: 0o100644 }, "n\0"),
      client.ask("MKNOD", 1, { mode: 0o100644 }, "n\0"),
      client.ask("MKDIR", 1, { mode: 0o755 }, "n\0"),
      client.ask("SYMLINK", 1, {}, "n\0t\0"),
      client.ask("LINK", 1, { oldnodeid: nodeid }, "n\0"),
      client.ask("UNLINK", 1, {}, "f\0"),
      client.ask("RENAME", 1, { newdir: 1 }, "f\0g\0"),
      client.ask("SETATTR", nodeid, { valid: FATTR.MODE, mode: 0 }),
      client.ask("SETXATTR", nodeid, { size: 1 }, "user.a\0x"),
      client.ask("REMOVEXATTR", nodeid, {}, "user.a\0"),
      client.ask("WRITE", nodeid, { fh, size: 1 }, "x"),
      client.ask("FALLOCATE", nodeid, { fh, length: 1 }),
      client.ask("IOCTL", nodeid, { fh, cmd: 0x40086602, in_size: 4 }, "\0\0\0\0"),
    ];
    expect(new Set(changes.map(({ error }) => error))).toEqual(new Set(["EROFS"]));
    expect(client.read(nodeid, fh, 0, 10)).toBe("text");
    truncateSync(client.path("f"), 1);
    expect(client.getattr(nodeid).size).toBe(1);
  });
});
