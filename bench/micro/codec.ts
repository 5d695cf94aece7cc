// Owns: reading and writing fields through views, names, and directory entries.

import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import { createRequestView } from "../../src/codec/request-view.ts";
import { fakeRequest } from "./fake.ts";
import { type MicroTask, repeat } from "./task.ts";

/** Fields of op structs that views show under another name. Source: RENAMED of request-view.ts. */
const RENAMED: Readonly<Record<string, string>> = { uid: "newuid", gid: "newgid", unique: "interrupted" };

// Every field of the op struct of an opcode, read through its view.
function fieldTasks(): MicroTask[] {
  const names = Object.keys(OPCODES) as OpcodeName[];
  return names.flatMap((opcode) => {
    const request = OPCODES[opcode].in;
    if (request === null) return [];
    const view: object = createRequestView(opcode, fakeRequest(opcode, 1, {}, "name\0"));
    const fields = Object.keys(request.at).map((field) => RENAMED[field] ?? field);
    const known = fields.filter((field) => field in view);
    if (known.length === 0) return [];
    // A function of its own per opcode: through a loop over names all opcodes would share one slow access.
    const read = new Function("view", known.map((field) => `view.${field};`).join(" ")) as (from: object) => void;
    return [repeat(`codec: ${opcode}, all ${known.length} fields`, 1000, () => read(view))];
  });
}

export function codecTasks(): MicroTask[] {
  const read = createRequestView("READ", fakeRequest("READ", 2, { 0: 3, 8: 4096, 16: 4096 }));
  const lookup = createRequestView("LOOKUP", fakeRequest("LOOKUP", 1, {}, "hello.txt\0"));
  const readdirRequest = fakeRequest("READDIR", 1, { 16: 4096 });
  const readdir = createRequestView("READDIR", readdirRequest);
  const name = Buffer.from("hello.txt");
  const sink = { sum: 0 }; // keeps the reads from being optimised away
  return [
    repeat("codec: READ fields fh, offset, size", 1000, () => {
      sink.sum += read.fh + read.offset + read.size;
    }),
    repeat("codec: LOOKUP fills an entry (8 fields)", 1000, (index) => {
      const { entry } = lookup;
      entry.nodeid = index;
      entry.entry_valid = 1;
      entry.attr_valid = 1;
      const { attr } = entry;
      attr.ino = index;
      attr.mode = 0o100644;
      attr.nlink = 1;
      attr.size = index;
      attr.mtime = index;
    }),
    repeat("codec: name as a string", 1000, () => {
      sink.sum += lookup.name.length;
    }),
    repeat("codec: name as a Latin-1 key", 1000, () => {
      sink.sum += lookup.nameKey.length;
    }),
    repeat("codec: one directory entry", 64, (index) => {
      if (index === 0) readdirRequest.dataLength = 0;
      readdir.entries.add(name, index + 1, 8, index + 1);
    }),
    ...fieldTasks(),
  ];
}
