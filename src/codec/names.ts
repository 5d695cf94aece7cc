// Owns: names and other strings of a request: where they lie, whether they are well formed, how they are read.
// Names are bytes; a string is decoded only when somebody asks. Positions come from dispatch, checked once.

import { isUtf8 } from "node:buffer";
import { FuseError } from "./fuse-error.ts";
import type { Request } from "./request.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** Longest name that the protocol carries, in bytes. */
export const NAME_MAX = 1024;

/** One string of a request in its four forms. */
export type NameForms<Name extends string> = {
  /** Decoded as UTF-8. Reading it throws EILSEQ when the bytes are not UTF-8. */
  readonly [Key in Name]: string;
} & {
  /** A private copy of the bytes, without the NUL. */
  readonly [Key in `${Name}Bytes`]: Uint8Array;
} & {
  /** One character per byte (Latin-1): a lossless key for maps. */
  readonly [Key in `${Name}Key`]: string;
} & {
  /** Address of the NUL-terminated bytes, valid until the reply is written. */
  readonly [Key in `${Name}Address`]: number;
};

interface Holder {
  readonly request: Request;
}
type Locate = (request: Request) => number;

const first: { start: Locate; length: Locate } = {
  start: (request) => request.payload,
  length: (request) => request.nameLength,
};
const second: { start: Locate; length: Locate } = {
  start: (request) => request.secondName,
  length: (request) => request.secondNameLength,
};

function decode(request: Request, start: number, end: number): string {
  const text = request.arena.text.toString("utf8", start, end);
  if (text.includes("\ufffd") && !isUtf8(request.arena.bytes.slice(start, end))) {
    throw new FuseError("EILSEQ", "the name is not UTF-8; read its Bytes or Key form");
  }
  return text;
}

/** Adds the four forms of the first or second string of a request to a view's prototype. */
export function addName(target: object, name: string, which: "first" | "second"): void {
  const { start, length } = which === "first" ? first : second;
  const define = (key: string, get: (request: Request) => unknown) =>
    Object.defineProperty(target, key, {
      get(this: Holder) {
        return get(this.request);
      },
      enumerable: true,
    });
  define(name, (request) => decode(request, start(request), start(request) + length(request)));
  define(
    `${name}Bytes`,
    (request) => new Uint8Array(request.arena.bytes.slice(start(request), start(request) + length(request))),
  );
  define(`${name}Key`, (request) =>
    request.arena.text.toString("latin1", start(request), start(request) + length(request)),
  );
  define(`${name}Address`, (request) => request.address(start(request)));
}

/** Length of the NUL-terminated string at `start`, at most `limit` bytes with its NUL; -1 when it has no NUL. Hot. */
export function stringLength(bytes: Uint8Array, start: number, limit: number): number {
  for (let length = 0; length < limit; length++) if (bytes[start + length] === 0) return length;
  return -1;
}

/** True for one path component: not empty, no slash, at most `NAME_MAX` bytes. `.` and `..` pass. Hot. */
export function isComponent(bytes: Uint8Array, start: number, length: number): boolean {
  if (length === 0 || length > NAME_MAX) return false;
  for (let index = start; index < start + length; index++) if (bytes[index] === SLASH) return false;
  return true;
}

/** True for `.` and `..`. Hot. */
export function isDotOrDotDot(bytes: Uint8Array, start: number, length: number): boolean {
  return bytes[start] === DOT && (length === 1 || (length === 2 && bytes[start + 1] === DOT));
}
