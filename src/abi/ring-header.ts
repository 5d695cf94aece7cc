// Owns: the text of kmod/uapi/rfuse.h and kmod/abi-assert.c, made from the tables of ring.ts.
// Must not: read or write files (write-ring-header.ts does), or know a number that the tables do not hold.

import type { Field } from "../../ffi/struct.ts";
import { FuseInHeader, FuseOutHeader } from "./fuse-structs.ts";
import {
  RFUSE_IOC_MAGIC,
  RING_CONSTANTS,
  RING_IOCTLS,
  RING_STRUCTS,
  type RingConstants,
  type RingIoctl,
  type RingStruct,
  ringIoctlNumber,
} from "./ring.ts";

const WIDTH = 80;
const TAB = 8;
const GENERATED = "Generated from src/abi/ring.ts by src/abi/write-ring-header.ts; edit the tables there.";
const IOC_MACRO = { none: "_IO", write: "_IOW", readwrite: "_IOWR" } as const;

/** `text` in lines of at most `WIDTH` columns; the first begins with `first`, the others with `rest`. */
function wrap(text: string, first: string, rest: string): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(" ")) {
    const columns = line.replace(/\t/g, " ".repeat(TAB)).length + 1 + word.length;
    if (!empty && columns > WIDTH) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}

/** `text` as a comment: on one line if it fits. */
function comment(text: string): string[] {
  const line = `/* ${text} */`;
  return line.length <= WIDTH ? [line] : ["/*", ...wrap(text, " * ", " * "), " */"];
}

/** `left`, then `right` at column `column`; tabs only, one at least. */
function tabbed(left: string, column: number, right: string): string {
  return left + "\t".repeat(Math.max(1, Math.ceil((column - left.length) / TAB))) + right;
}

function declaration({ name, type, count }: Field): string {
  if (typeof type !== "string") throw new TypeError(`${name}: a struct inside a struct of the ring has no C form here`);
  const cType = type.startsWith("i") ? `__s${type.slice(1)}` : `__${type}`;
  return `\t${cType} ${name}${count > 1 ? `[${count}]` : ""};`;
}

function structText(struct: RingStruct): string[] {
  const said = struct.fields.filter(({ name }) => !name.startsWith("reserved"));
  return [
    "/**",
    ...wrap(`struct ${struct.name} - ${struct.doc}`, " * ", " *\t"),
    ...said.flatMap(({ name }) => wrap(`@${name}: ${struct.docs[name]}`, " * ", " *\t")),
    " *",
    ` * ${struct.size} bytes. Reserved fields are 0.`,
    " */",
    `struct ${struct.name} {`,
    ...struct.fields.map(declaration),
    "};",
    "",
  ];
}

function valueText(name: string, value: number): string {
  return value > 0xffff || name.includes("FEATURE") ? `0x${value.toString(16)}U` : `${value}`;
}

function constantsText({ prefix, doc, values, docs }: RingConstants): string[] {
  const rows = Object.entries(values).flatMap(([key, value]) => {
    const name = prefix + key;
    return [...comment(docs[key] ?? ""), tabbed(`#define ${name}`, 40, valueText(name, value))];
  });
  return [`/* --- ${doc} --- */`, "", ...rows, ""];
}

function ioctlText([name, { nr, direction, struct, doc }]: [string, RingIoctl]): string[] {
  const argument = struct === undefined ? "" : `, struct ${struct.name}`;
  const macro = `${IOC_MACRO[direction]}(RFUSE_IOC_MAGIC, ${nr}${argument})`;
  const left = tabbed(`#define RFUSE_IOC_${name}`, 32, macro);
  return [...comment(doc), left];
}

/** The header that a daemon and the module include. */
export function ringHeader(): string {
  return [
    "/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */",
    "/*",
    ...wrap(
      "The ABI of /dev/rfuse: ring channels between a FUSE connection and its daemon. docs/ring-abi.md of the project tells the protocol.",
      " * ",
      " * ",
    ),
    " *",
    ...wrap(GENERATED, " * ", " * "),
    " *",
    ...wrap(
      "In the field lists K is the kernel and D the daemon: the one that writes. Offsets and sizes are bytes, 64-bit fields little endian.",
      " * ",
      " * ",
    ),
    " */",
    "#ifndef _UAPI_LINUX_RFUSE_H",
    "#define _UAPI_LINUX_RFUSE_H",
    "",
    "#include <linux/types.h>",
    "#include <linux/ioctl.h>",
    "",
    ...RING_CONSTANTS.flatMap(constantsText),
    ...RING_STRUCTS.flatMap(structText),
    tabbed("#define RFUSE_IOC_MAGIC", 32, `0x${RFUSE_IOC_MAGIC.toString(16)}`),
    "",
    ...Object.entries(RING_IOCTLS).flatMap(ioctlText),
    "",
    "#endif /* _UAPI_LINUX_RFUSE_H */",
    "",
  ].join("\n");
}

function fieldAssertions(struct: { readonly name: string }, field: Field): string[] {
  const type = `struct ${struct.name}`;
  return [
    `static_assert(offsetof(${type}, ${field.name}) == ${field.offset});`,
    `static_assert(sizeof_field(${type}, ${field.name}) == ${field.width * field.count});`,
  ];
}

/** A C file whose compilation proves that the header, the module and the tables agree. */
export function ringAssertions(): string {
  const foreign = [FuseInHeader, FuseOutHeader];
  return [
    "// SPDX-License-Identifier: GPL-2.0-only",
    "/*",
    ...wrap(
      "Nothing but assertions: the layouts that the TypeScript side computes are the ones that this compiler gives.",
      " * ",
      " * ",
    ),
    ...wrap(GENERATED, " * ", " * "),
    " */",
    "#include <linux/build_bug.h>",
    "#include <linux/stddef.h>",
    "#include <linux/fuse.h>",
    "",
    '#include "uapi/rfuse.h"',
    "",
    ...RING_STRUCTS.flatMap((struct) => [
      `static_assert(sizeof(struct ${struct.name}) == ${struct.size});`,
      ...struct.fields.flatMap((field) => fieldAssertions(struct, field)),
      "",
    ]),
    ...foreign.map((struct) => `static_assert(sizeof(struct ${struct.name}) == ${struct.size});`),
    ...foreign.flatMap((struct) =>
      struct.fields.filter(({ since }) => since === 0).flatMap((field) => fieldAssertions(struct, field)),
    ),
    "",
    ...RING_CONSTANTS.flatMap(({ prefix, values }) =>
      Object.entries(values).map(
        ([key, value]) => `static_assert(${prefix}${key} == ${valueText(prefix + key, value)});`,
      ),
    ),
    "",
    ...Object.entries(RING_IOCTLS).map(
      ([name, row]) => `static_assert(RFUSE_IOC_${name} == 0x${ringIoctlNumber(row).toString(16)});`,
    ),
    "",
  ].join("\n");
}
