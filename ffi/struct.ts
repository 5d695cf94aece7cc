// Owns: turning a C struct description into offsets (natural alignment, little endian hosts only).
// Must not: read or write memory. A description with implicit padding or a wrong stated size is refused
// at load time, so that a table that does not describe the kernel's layout never runs.

/** Scalar field types, named after the kernel's own (`__u32` is `u32`). */
export type Scalar = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64";

/** One field: a scalar, a nested struct, or either with a repeat count and the minor version it appeared in. */
export type FieldSpec = Scalar | Struct | { type: Scalar | Struct; count?: number; since?: number };

/** A field with its place. `width` is bytes of one element; `count` elements follow each other. */
export interface Field {
  readonly name: string;
  readonly type: Scalar | Struct;
  readonly offset: number;
  readonly width: number;
  readonly count: number;
  readonly since: number;
}

/** A struct of `size` bytes. `at.FIELD` is the byte offset of a field from the start of the struct. */
export interface Struct<Spec extends Record<string, FieldSpec> = Record<string, FieldSpec>> {
  readonly name: string;
  readonly size: number;
  readonly since: number;
  readonly spec: Spec;
  readonly fields: readonly Field[];
  readonly at: { readonly [Name in keyof Spec]: number };
}

const WIDTH: Record<Scalar, number> = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

function isStruct(type: Scalar | Struct): type is Struct {
  return typeof type !== "string";
}

function alignmentOf(type: Scalar | Struct): number {
  return isStruct(type) ? Math.max(1, ...type.fields.map((field) => alignmentOf(field.type))) : WIDTH[type];
}

function normalize(spec: FieldSpec): { type: Scalar | Struct; count: number; since: number } {
  if (typeof spec === "string" || "fields" in spec) return { type: spec as Scalar | Struct, count: 1, since: 0 };
  return { type: spec.type, count: spec.count ?? 1, since: spec.since ?? 0 };
}

/**
 * Describes a C struct. Fields are laid out in order; `size` is the size stated by the header and must equal
 * the computed one. Errors: `TypeError` naming the struct, the field and both numbers.
 */
export function defineStruct<const Spec extends Record<string, FieldSpec>>(
  name: string,
  size: number,
  spec: Spec,
  options: { since?: number } = {},
): Struct<Spec> {
  const fields: Field[] = [];
  const at: Record<string, number> = {};
  let offset = 0;
  for (const [fieldName, fieldSpec] of Object.entries(spec)) {
    const { type, count, since } = normalize(fieldSpec);
    const width = isStruct(type) ? type.size : WIDTH[type];
    const misaligned = offset % alignmentOf(type);
    if (misaligned !== 0) {
      throw new TypeError(
        `${name}.${fieldName}: offset ${offset} needs padding to ${alignmentOf(type)}; name it as a field`,
      );
    }
    fields.push(Object.freeze({ name: fieldName, type, offset, width, count, since }));
    at[fieldName] = offset;
    offset += width * count;
  }
  if (offset !== size) throw new TypeError(`${name}: stated size ${size}, computed ${offset}`);
  return Object.freeze({
    name,
    size,
    since: options.since ?? 0,
    spec,
    fields: Object.freeze(fields),
    at: Object.freeze(at) as Struct<Spec>["at"],
  });
}
