// Owns: one readable line per request and reply, printed from the struct tables. For `debug`; never on by default.

import { errnoName } from "../../ffi/errno.ts";
import type { Field, Struct } from "../../ffi/struct.ts";
import type { Opcode } from "../abi/fuse-opcodes.ts";
import type { Request } from "./request.ts";

const PADDING = /^(padding|unused|dummy|reserved|spare)/;
const OCTAL = /^(mode|umask)$/;
const SHOWN = 64;

function scalar(request: Request, field: Field, at: number): string {
  const { view } = request.arena;
  if (field.width === 8) return String(view.getBigUint64(at, true));
  const value =
    field.width === 4 ? view.getUint32(at, true) : field.width === 2 ? view.getUint16(at, true) : view.getUint8(at);
  return OCTAL.test(field.name) ? `0o${value.toString(8)}` : String(value);
}

function fields(request: Request, table: Struct, start: number): string[] {
  return table.fields.flatMap((field) => {
    if (PADDING.test(field.name) || field.count !== 1) return [];
    const at = start + field.offset;
    if (typeof field.type !== "string") return fields(request, field.type, at);
    const shown = scalar(request, field, at);
    return shown === "0" || shown === "0o0" ? [] : [`${field.name}=${shown}`];
  });
}

// Bytes as text; anything unprintable is escaped, so that a name cannot forge a line.
function quoted(request: Request, start: number, length: number): string {
  const shown = Math.min(length, SHOWN);
  const text = request.arena.text.toString("latin1", start, start + shown);
  const escaped = text.replace(/[^ -~]|["\\]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `"${escaped}"${length > shown ? `+${length - shown}` : ""}`;
}

function tail(request: Request, opcode: Opcode): string[] {
  const length = request.payloadLength;
  if (opcode.tail === "none" || length <= 0) return [];
  if (opcode.tail === "data" || opcode.tail === "forgets") return [`${length} B`];
  const strings: string[] = [];
  let at = request.payload;
  const end = at + length;
  const wanted = opcode.tail === "names" || opcode.tail === "name+target" ? 2 : 1;
  while (at < end && strings.length < wanted) {
    const nul = request.arena.bytes.indexOf(0, at);
    const stop = nul < 0 || nul > end ? end : nul;
    strings.push(quoted(request, at, stop - at));
    at = stop + 1;
  }
  return strings;
}

/** A request: `> 42 LOOKUP nodeid=1 "name" uid=0 pid=77`. */
export function traceRequest(opcode: Opcode | undefined, request: Request): string {
  const name = opcode?.name ?? `OPCODE_${request.opcode}`;
  const details = opcode === undefined ? [`${request.length} B`] : tail(request, opcode);
  const own = opcode === undefined || opcode.in === null ? [] : fields(request, opcode.in, request.opIn);
  const caller = [`uid=${request.uid}`, `pid=${request.pid}`];
  return [">", request.unique, name, `nodeid=${request.nodeid}`, ...details, ...own, ...caller].join(" ");
}

/** Its reply: `< 42 LOOKUP ok nodeid=2 ... 0.041 ms` or `< 42 LOOKUP ENOENT 0.040 ms`. */
export function traceReply(opcode: Opcode | undefined, request: Request, error: number, length: number): string {
  const name = opcode?.name ?? `OPCODE_${request.opcode}`;
  const elapsed = `${((Bun.nanoseconds() - request.startedNs) / 1e6).toFixed(3)} ms`;
  if (error !== 0) return ["<", request.unique, name, errnoName(error), elapsed].join(" ");
  const shown: string[] = [];
  let at = request.opOut;
  const structs = opcode === undefined || (opcode.either && request.u32(request.opIn) > 0) ? [] : opcode.out;
  for (const table of structs) {
    shown.push(...fields(request, table, at));
    at += table.size;
  }
  const data = length - (at - request.opOut);
  if (data > 0) shown.push(`${data} B`);
  return ["<", request.unique, name, "ok", ...shown, elapsed].join(" ");
}
