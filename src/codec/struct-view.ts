// Owns: typed access to structs of the request in flight: a class of getters and setters per struct, made once from
// its table. Offsets are constants of the accessors; the base (in-struct or reply) is read from the request.
// Must not: copy or cache values; a view shows whatever its tag holds now.

import type { FieldSpec, Scalar, Struct } from "../../ffi/struct.ts";
import type { Request } from "./request.ts";

/** u64 fields that are opaque to us and move as BigInt when somebody looks at them. */
const OPAQUE = ["unique", "lock_owner", "owner", "kh", "arg", "notify_unique"] as const;
/** 64-bit fields that the protocol declares unsigned but that hold signed seconds. */
const SIGNED = new Set(["atime", "mtime", "ctime", "tv_sec"]);
/** The "end of file" of locks. As a number it reads as 2^63, and a number that large is stored as it. */
const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn;
const opaque: ReadonlySet<string> = new Set(OPAQUE);

type Opaque = (typeof OPAQUE)[number];
type Padding = `padding${string}` | `unused${string}` | `dummy${string}` | `reserved${string}` | `spare${string}`;
type TypeOf<Spec> = Spec extends { type: infer Type } ? Type : Spec;
type Value<Spec, Name> =
  TypeOf<Spec> extends Struct<infer Nested>
    ? View<Nested>
    : TypeOf<Spec> extends "u64" | "i64"
      ? Name extends Opaque
        ? bigint
        : Name extends "ino"
          ? number | bigint
          : number
      : number;

/** Fields of a struct as properties; 64-bit numbers are exact below 2^53, opaque ones are bigint. */
export type View<Spec> = {
  -readonly [Name in keyof Spec as Name extends Padding ? never : Name]: Value<Spec[Name], Name>;
};

/** The properties of a struct table's view. */
export type ViewOf<Table> = Table extends Struct<infer Spec> ? View<Spec> : unknown;

/** Which cursor offset a view starts from. */
export type Base = "opIn" | "opOut";

interface Holder {
  readonly request: Request;
}
type Accessor = { get(this: Holder): unknown; set(this: Holder, value: never): void };

function wide(base: Base, offset: number, signed: boolean): Accessor {
  return {
    get() {
      const at = this.request[base] + offset;
      const high = this.request.words[(at + 4) >> 2] as number;
      return (signed ? high : high >>> 0) * 0x1_0000_0000 + this.request.u32(at);
    },
    set(value: number | bigint) {
      const at = this.request[base] + offset;
      if (typeof value === "number" && value < 2 ** 63) this.request.setU64(at, value);
      else if (typeof value === "number") this.request.arena.view.setBigUint64(at, OFFSET_MAX, true);
      else this.request.arena.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    },
  };
}

function wideOpaque(base: Base, offset: number): Accessor {
  return {
    get() {
      return this.request.arena.view.getBigUint64(this.request[base] + offset, true);
    },
    set(value: bigint) {
      this.request.arena.view.setBigUint64(this.request[base] + offset, BigInt.asUintN(64, BigInt(value)), true);
    },
  };
}

function word(base: Base, offset: number, signed: boolean): Accessor {
  return {
    get() {
      const value = this.request.words[(this.request[base] + offset) >> 2] as number;
      return signed ? value : value >>> 0;
    },
    set(value: number) {
      this.request.words[(this.request[base] + offset) >> 2] = value;
    },
  };
}

function short(base: Base, offset: number, type: "u16" | "i16" | "u8" | "i8"): Accessor {
  const method = { u16: "Uint16", i16: "Int16", u8: "Uint8", i8: "Int8" }[type] as "Uint16";
  return {
    get() {
      return this.request.arena.view[`get${method}`](this.request[base] + offset, true);
    },
    set(value: number) {
      this.request.arena.view[`set${method}`](this.request[base] + offset, value, true);
    },
  };
}

function scalar(name: string, type: Scalar, base: Base, offset: number): Accessor {
  switch (type) {
    case "u64":
    case "i64":
      return opaque.has(name) ? wideOpaque(base, offset) : wide(base, offset, type === "i64" || SIGNED.has(name));
    case "u32":
    case "i32":
      return word(base, offset, type === "i32");
    default:
      return short(base, offset, type);
  }
}

/**
 * Adds one property per field of `table` to `target` (a prototype whose instances hold `request`), under the names that
 * `renamed` gives. Nested structs become one view object each, made at the first look at them.
 */
export function addFields(
  target: object,
  table: Struct,
  base: Base,
  start = 0,
  renamed: Readonly<Record<string, string>> = {},
): void {
  for (const field of table.fields) {
    if (field.count !== 1) continue; // arrays are padding in every struct that handlers see
    const offset = start + field.offset;
    const accessor =
      typeof field.type === "string"
        ? scalar(field.name, field.type, base, offset)
        : nested(viewClass(field.type, base, offset), field.name);
    Object.defineProperty(target, renamed[field.name] ?? field.name, {
      ...accessor,
      enumerable: true,
      configurable: true,
    });
  }
}

function nested(make: new (request: Request) => object, name: string): { get(this: Holder): object } {
  return {
    get() {
      const view = new make(this.request);
      Object.defineProperty(this, name, { value: view, enumerable: true });
      return view;
    },
  };
}

/** A class whose instances show `table` at `start` bytes after the request's `base`. */
export function viewClass<Spec extends Record<string, FieldSpec>>(
  table: Struct<Spec>,
  base: Base,
  start = 0,
): new (
  request: Request,
) => View<Spec> {
  const made = class {
    readonly request: Request;
    constructor(request: Request) {
      this.request = request;
    }
  };
  addFields(made.prototype, table as Struct, base, start);
  return made as unknown as new (
    request: Request,
  ) => View<Spec>;
}
