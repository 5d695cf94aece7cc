// Proves ffi/kernel-structs.ts and the constants of ffi/file.ts, ffi/mount.ts and ffi/thread.ts by gcc, for this machine
// and, where a cross compiler with headers is installed, for the other architecture.

import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { AT, AT_FDCWD, F, O, POLL, S, STATX } from "../../ffi/file.ts";
import * as structs from "../../ffi/kernel-structs.ts";
import { MS, UMOUNT } from "../../ffi/mount.ts";
import { defineStruct, type Field, type Struct } from "../../ffi/struct.ts";
import { CAP } from "../../ffi/thread.ts";

const INCLUDES = `#define _GNU_SOURCE
#include <stddef.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <linux/capability.h>
`;

/** C types whose tag is not the table's name. The C library calls the kernel's linux_dirent64 dirent64. */
const TAGS: Readonly<Record<string, string>> = { linux_dirent64: "dirent64", flock: "flock64", rlimit: "rlimit64" };
/** Tables that describe only the first bytes of their type. */
const PREFIXES = new Set(["linux_dirent64"]);
/** Our names for padding, or for fields that an older header spells otherwise: their place follows from the others. */
const UNNAMED = /^__|^f_spare$|^f_type$|^stx_(mnt_id|dio_)|^f_fsid$/;
/** Architectures by their compiler; `arm` selects the values in which the two differ. */
const ARM_VALUES = { DIRECT: 0o200000, DIRECTORY: 0o40000, NOFOLLOW: 0o100000, TMPFILE: 0o20040000 };
const X86_VALUES = { DIRECT: 0o40000, DIRECTORY: 0o200000, NOFOLLOW: 0o400000, TMPFILE: 0o20200000 };

type Assertion = readonly [subject: string, expression: string];

function fieldAssertions(type: string, struct: Struct, field: Field): Assertion[] {
  if (UNNAMED.test(field.name) && !(field.name === "f_type" && struct.name === "statfs")) return [];
  const member = `((${type} *)0)->${field.name}`;
  const subject = `${struct.name}.${field.name}`;
  return [
    [subject, `offsetof(${type}, ${field.name}) == ${field.offset}`],
    [subject, `sizeof(${member}) == ${field.width * field.count}`],
  ];
}

function structAssertions(struct: Struct): Assertion[] {
  const type = `struct ${TAGS[struct.name] ?? struct.name}`;
  const size: Assertion[] = PREFIXES.has(struct.name)
    ? [[struct.name, `offsetof(${type}, d_name) == ${struct.size}`]]
    : [[struct.name, `sizeof(${type}) == ${struct.size}`]];
  return [...size, ...struct.fields.flatMap((field) => fieldAssertions(type, struct, field))];
}

const constants = (prefix: string, values: Readonly<Record<string, number>>): Assertion[] =>
  Object.entries(values).map(([key, value]) => [`${prefix}${key}`, `(long)(${prefix}${key}) == ${value}L`]);

const STRUCTS: readonly Struct[] = Object.values(structs);
const { SYMLINK_NOFOLLOW, REMOVEDIR, EMPTY_PATH, SYMLINK_FOLLOW, EACCESS, ...otherAt } = AT;

// O.SYNC and O.TMPFILE are whole values of several bits, as the macros are.
function assertions(byArchitecture: typeof ARM_VALUES): Assertion[] {
  return [
    ...STRUCTS.flatMap(structAssertions),
    ...constants("O_", { ...O, ...byArchitecture }),
    ...constants("AT_", {
      SYMLINK_NOFOLLOW,
      REMOVEDIR,
      EMPTY_PATH,
      SYMLINK_FOLLOW,
      EACCESS,
      ...otherAt,
      FDCWD: AT_FDCWD,
    }),
    ...constants("S_", S),
    ...constants("F_", F),
    ...constants("STATX_", STATX),
    ...constants("POLL", POLL),
    ...constants("MS_", MS),
    ...constants("CAP_", CAP),
    ...constants("MNT_", { FORCE: UMOUNT.FORCE, DETACH: UMOUNT.DETACH }),
    ["UMOUNT_NOFOLLOW", `UMOUNT_NOFOLLOW == ${UMOUNT.NOFOLLOW}`],
  ];
}

function compile(compiler: string, facts: readonly Assertion[]): { ok: boolean; log: string } {
  const lines = facts.map(([subject, expression]) => `_Static_assert(${expression}, "${subject}: ${expression}");`);
  const { status, error, stderr } = spawnSync(compiler, ["-std=gnu11", "-Werror", "-fsyntax-only", "-x", "c", "-"], {
    input: `${INCLUDES}${lines.join("\n")}\n`,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, log: stderr };
}

const arm = process.arch === "arm64";
const native = arm ? ARM_VALUES : X86_VALUES;

describe("layouts and constants of the C library", () => {
  it("assertions: name every table and every constant", () => {
    const subjects = new Set(assertions(native).map(([subject]) => subject));
    expect(STRUCTS.filter(({ name }) => !subjects.has(name))).toEqual([]);
    const count = [O, AT, S, F, STATX, POLL, MS, CAP].reduce((sum, group) => sum + Object.keys(group).length, 0);
    expect(subjects.size).toBeGreaterThan(count + 80);
  });

  it("values in use here: are those of this architecture", () => {
    const { DIRECT, DIRECTORY, NOFOLLOW, TMPFILE } = O;
    expect({ DIRECT, DIRECTORY, NOFOLLOW, TMPFILE }).toEqual(native);
  });

  it("gcc: proves them all for this machine", () => {
    expect(compile("gcc", assertions(native)).log).toBe("");
  });

  it.each([
    ["flock.l_len", structAssertions(defineStruct("flock", 32, { l_len: "i64", rest: { type: "u64", count: 3 } }))],
    ["pollfd", structAssertions(defineStruct("pollfd", 4, { fd: "i32" }))],
    ["O_TRUNC", constants("O_", { TRUNC: 0o2000 })],
    ["O_DIRECT", constants("O_", { DIRECT: (arm ? X86_VALUES : ARM_VALUES).DIRECT })],
  ] as const)("gcc: refuses a wrong %s", (subject, facts) => {
    const { ok, log } = compile("gcc", facts);
    expect(ok).toBe(false);
    expect(log).toContain(`static assertion failed: "${subject}: `);
  });

  it("cross compiler: proves them for the other architecture", (context) => {
    const compiler = arm ? "x86_64-linux-gnu-gcc" : "aarch64-linux-gnu-gcc";
    const probe = spawnSync(compiler, ["-E", "-x", "c", "-"], { input: "#include <sys/stat.h>\n", encoding: "utf8" });
    if (probe.status !== 0) context.skip(`no ${compiler} with headers of the C library`);
    expect(compile(compiler, assertions(arm ? X86_VALUES : ARM_VALUES)).log).toBe("");
  });
});
