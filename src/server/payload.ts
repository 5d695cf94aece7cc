// Owns: the checks of a request before a handler sees it: lengths, names, and 64-bit fields that must stay below 2^53.
// One parser per kind of tail; each returns 0 and fills the request's name fields, or the -errno to answer.
// Must not: allocate. EIO is for what no honest kernel sends; honest values out of range get their own errno.

import { ERRNO } from "../../ffi/errno.ts";
import type { Opcode, Tail } from "../abi/fuse-opcodes.ts";
import { FuseForgetOne } from "../abi/fuse-structs.ts";
import { isComponent, isDotOrDotDot, NAME_MAX, stringLength } from "../codec/names.ts";
import type { Request } from "../codec/request.ts";

/** High word of 2^53. */
const HIGH_LIMIT = 0x20_0000;
/** High words from here on are of negative offsets and lengths. */
const NEGATIVE = 0x8000_0000;
const MALFORMED = -ERRNO.EIO;

/** How a request of one opcode is checked; made once. */
export interface PayloadCheck {
  readonly parse: (request: Request, check: PayloadCheck) => number;
  readonly bounded: readonly { readonly offset: number; readonly errno: number }[];
  /** Offset of the `size` field of the op struct, -1 when it has none. */
  readonly sizeAt: number;
  /** Names are path components (not names of extended attributes). */
  readonly components: boolean;
  /** `.` and `..` are served. */
  readonly dots: boolean;
}

// hot
function firstName(request: Request, length: number, check: PayloadCheck): number {
  const { bytes } = request.arena;
  if (length < 0) return MALFORMED;
  request.nameLength = length;
  if (!check.components) return length === 0 ? MALFORMED : 0;
  if (length > NAME_MAX) return -ERRNO.ENAMETOOLONG;
  if (!isComponent(bytes, request.payload, length)) return -ERRNO.EINVAL;
  return !check.dots && isDotOrDotDot(bytes, request.payload, length) ? -ERRNO.EINVAL : 0;
}

// hot
function parseName(request: Request, check: PayloadCheck): number {
  return firstName(request, stringLength(request.arena.bytes, request.payload, request.payloadLength), check);
}

function parseSecond(request: Request): number {
  request.secondName = request.payload + request.nameLength + 1;
  const limit = request.payloadLength - request.nameLength - 1;
  request.secondNameLength = stringLength(request.arena.bytes, request.secondName, limit);
  return request.secondNameLength < 0 ? MALFORMED : 0;
}

function parseNames(request: Request, check: PayloadCheck): number {
  const result = parseName(request, check) || parseSecond(request);
  if (result !== 0) return result;
  const { bytes } = request.arena;
  const { secondName, secondNameLength } = request;
  if (secondNameLength > NAME_MAX) return -ERRNO.ENAMETOOLONG;
  const valid = isComponent(bytes, secondName, secondNameLength) && !isDotOrDotDot(bytes, secondName, secondNameLength);
  return valid ? 0 : -ERRNO.EINVAL;
}

function parseNameAndTarget(request: Request, check: PayloadCheck): number {
  return parseName(request, check) || parseSecond(request);
}

function parseNameAndValue(request: Request, check: PayloadCheck): number {
  const result = parseName(request, check);
  if (result !== 0) return result;
  request.secondName = request.payload + request.nameLength + 1;
  request.secondNameLength = request.u32(request.opIn + check.sizeAt);
  return request.secondNameLength === request.payloadLength - request.nameLength - 1 ? 0 : MALFORMED;
}

// hot
function parseData(request: Request, check: PayloadCheck): number {
  request.secondName = 0;
  return check.sizeAt < 0 || request.u32(request.opIn + check.sizeAt) === request.payloadLength ? 0 : MALFORMED;
}

function parseForgets(request: Request, check: PayloadCheck): number {
  return request.u32(request.opIn + check.sizeAt) * FuseForgetOne.size === request.payloadLength ? 0 : MALFORMED;
}

const PARSERS: Record<Tail, PayloadCheck["parse"]> = {
  none: () => 0,
  extensions: () => 0,
  name: parseName,
  "name+extensions": parseName,
  names: parseNames,
  "name+target": parseNameAndTarget,
  "name+value": parseNameAndValue,
  data: parseData,
  forgets: parseForgets,
};

/** Offsets and lengths of honest callers may be beyond what we serve; handles and nodeids may not. */
const boundErrno = (field: string): number =>
  /^(off|size|len|block)/.test(field) ? -ERRNO.EOVERFLOW : /^fh/.test(field) ? -ERRNO.EBADF : -ERRNO.ESTALE;

const DATA_SIZE_FIELD: Record<string, string> = { IOCTL: "in_size", BATCH_FORGET: "count" };
/** Names of extended attributes may hold slashes, and TMPFILE's name is "/", which means none. */
const NOT_COMPONENTS = new Set(["GETXATTR", "SETXATTR", "REMOVEXATTR", "LISTXATTR", "TMPFILE"]);

/** The checks of an opcode. `dots`: whether LOOKUP of `.` and `..` was agreed (EXPORT_SUPPORT). */
export function payloadCheck(opcode: Opcode, dots: boolean): PayloadCheck {
  const at: Readonly<Record<string, number>> = opcode.in?.at ?? {};
  return {
    parse: PARSERS[opcode.tail],
    bounded: opcode.bounded.map((field) => ({ offset: at[field] ?? 0, errno: boundErrno(field) })),
    sizeAt: at[DATA_SIZE_FIELD[opcode.name] ?? "size"] ?? -1,
    components: !NOT_COMPONENTS.has(opcode.name),
    dots: dots && opcode.name === "LOOKUP",
  };
}

/** 0, or the -errno that refuses the request, whose op struct is known to be whole. Hot. */
export function checkPayload(request: Request, check: PayloadCheck): number {
  if (request.u32(request.inHeader + 20) >= HIGH_LIMIT) return -ERRNO.ESTALE; // nodeid, high word
  for (let index = 0; index < check.bounded.length; index++) {
    const field = check.bounded[index] as { offset: number; errno: number };
    const high = request.u32(request.opIn + field.offset + 4);
    if (high >= HIGH_LIMIT) return high >= NEGATIVE && field.errno === -ERRNO.EOVERFLOW ? -ERRNO.EINVAL : field.errno;
  }
  return check.parse(request, check);
}
