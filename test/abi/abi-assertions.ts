// Owns: turning the tables of src/abi into C static assertions about <linux/fuse.h>.
// Must not: run a compiler. An assertion about something newer than 7.N carries that N and is compiled only
// against headers that have it.

import type { Field, Scalar, Struct } from "../../ffi/struct.ts";
import { CONSTANT_GROUPS, type ConstantGroup, UNIQUE_RESEND_HIGH } from "../../src/abi/fuse-constants.ts";
import { INIT_FLAGS, type InitFlagRow } from "../../src/abi/fuse-init-flags.ts";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import * as structModule from "../../src/abi/fuse-structs.ts";

/** The tables under proof; a test hands in a wrong one to see gcc refuse it. */
export interface AbiTables {
  readonly structs: readonly Struct[];
  readonly constants: readonly ConstantGroup[];
  readonly opcodes: readonly { readonly name: string; readonly code: number; readonly since: number }[];
  readonly initFlags: Readonly<Record<string, InitFlagRow>>;
}

/** One C expression that must hold; `subject` is the C name that it is about ("fuse_attr.ino", "FUSE_READ"). */
export interface Assertion {
  readonly subject: string;
  readonly since: number;
  readonly expression: string;
}

/** The tables as the project uses them. */
export const FUSE_TABLES: AbiTables = {
  structs: Object.values(structModule).filter(
    (value): value is Exclude<typeof value, number> => typeof value !== "number",
  ),
  constants: CONSTANT_GROUPS,
  opcodes: Object.values(OPCODES),
  initFlags: INIT_FLAGS,
};

// Structs whose C type is not `struct NAME`. A prefix describes the first bytes of its C type only.
const C_TYPES: Readonly<Record<string, { readonly tag: string; readonly type?: string; readonly prefix?: boolean }>> = {
  fuse_setxattr_in_compat: { tag: "fuse_setxattr_in", prefix: true },
  fuse_init_in_compat: { tag: "fuse_init_in", prefix: true },
  fuse_uring_cmd_req: { tag: "fuse_uring_cmd_req", prefix: true },
  fuse_uring_cmd_req_bufpool: { tag: "fuse_uring_cmd_req" },
  fuse_uring_bufpool: { tag: "fuse_uring_cmd_req", type: "__typeof__(((struct fuse_uring_cmd_req *)0)->bufpool)" },
};

// Part of 7.38 by the changelog (Linux 6.3), but absent from the 7.38 header of Linux 6.1 and 6.2.
const LATE_IN_HEADER: ReadonlySet<string> = new Set([
  "FUSE_CREATE_SUPP_GROUP",
  "FUSE_EXT_GROUPS",
  "fuse_supp_groups",
  "fuse_supp_groups.nr_groups",
]);

function assertion(subject: string, since: number, expression: string): Assertion {
  return { subject, since: LATE_IN_HEADER.has(subject) ? Math.max(since, 39) : since, expression };
}

function cTypeOf(struct: Struct): { tag: string; type: string; prefix: boolean } {
  const { tag = struct.name, type = `struct ${tag}`, prefix = false } = C_TYPES[struct.name] ?? {};
  return { tag, type, prefix };
}

function typeExpression(member: string, type: Scalar | Struct): string | null {
  if (typeof type !== "string") return `__builtin_types_compatible_p(__typeof__(${member}), ${cTypeOf(type).type})`;
  if (type === "u8") return null; // plain char in C: its sign depends on the machine
  return `((__typeof__(${member}))-1 < 0) == ${type.startsWith("i") ? 1 : 0}`;
}

function fieldAssertions(struct: Struct, field: Field): Assertion[] {
  const { tag, type } = cTypeOf(struct);
  const member = `((${type} *)0)->${field.name}`;
  const expressions = [
    `offsetof(${type}, ${field.name}) == ${field.offset}`,
    `sizeof(${member}) == ${field.width * field.count}`,
  ];
  if (field.count > 1) expressions.push(`sizeof(${member}[0]) == ${field.width}`);
  const typed = field.count === 1 && !field.name.startsWith("__spare") ? typeExpression(member, field.type) : null;
  if (typed !== null) expressions.push(typed);
  const since = Math.max(struct.since, field.since);
  return expressions.map((expression) => assertion(`${tag}.${field.name}`, since, expression));
}

function structAssertions(struct: Struct): Assertion[] {
  const { tag, type, prefix } = cTypeOf(struct);
  const last = struct.fields.at(-1);
  if (last === undefined) throw new TypeError(`${struct.name}: no fields`);
  const size = prefix ? `offsetof(${type}, ${last.name}) + sizeof(((${type} *)0)->${last.name})` : `sizeof(${type})`;
  return [
    assertion(tag, struct.since, `${size} == ${struct.size}`),
    ...struct.fields.flatMap((field) => fieldAssertions(struct, field)),
  ];
}

function constantAssertions({ prefix, values, since }: ConstantGroup): Assertion[] {
  return Object.entries(values).map(([key, value]) =>
    assertion(`${prefix}${key}`, since[key] ?? 0, `(uint32_t)(${prefix}${key}) == ${value}u`),
  );
}

function initFlagAssertion([name, { bit, since }]: [string, InitFlagRow]): Assertion {
  // The low 32 flags are int in C, and 1 << 31 is negative there.
  const value = bit < 32 ? `(uint32_t)FUSE_${name}` : `FUSE_${name}`;
  return assertion(`FUSE_${name}`, since, `${value} == 1ULL << ${bit}`);
}

const SINGLE_ASSERTIONS: readonly Assertion[] = [
  assertion("FUSE_UNIQUE_RESEND", 40, `FUSE_UNIQUE_RESEND == (uint64_t)${UNIQUE_RESEND_HIGH}u << 32`),
  assertion(
    "fuse_uring_cmd_req.ent_zero_copy_buf_index",
    46,
    `offsetof(struct fuse_uring_cmd_req, ent_zero_copy_buf_index) == ${structModule.URING_ENT_ZERO_COPY_BUF_INDEX_AT}`,
  ),
];

/** Every assertion that the tables imply, in the tables' order. */
export function abiAssertions(tables: AbiTables): Assertion[] {
  return [
    ...tables.structs.flatMap(structAssertions),
    ...tables.constants.flatMap(constantAssertions),
    ...tables.opcodes.map(({ name, code, since }) => assertion(`FUSE_${name}`, since, `FUSE_${name} == ${code}`)),
    ...Object.entries(tables.initFlags).map(initFlagAssertion),
    ...SINGLE_ASSERTIONS,
  ];
}

/** A C file with the assertions; the header itself is given to the compiler by `-include`. */
export function assertionSource(assertions: readonly Assertion[]): string {
  const lines = assertions.map(
    ({ subject, since, expression }) =>
      `#if FUSE_KERNEL_MINOR_VERSION >= ${since}\n_Static_assert(${expression}, "${subject}: ${expression}");\n#endif`,
  );
  return `#include <stddef.h>\n#include <stdint.h>\n#include <sys/ioctl.h>\n${lines.join("\n")}\n`;
}
