// Owns: how keys and values of maps are written and read: fixed sizes, little endian.
// Must not: know maps.

/** A fixed number of bytes that stand for a `Value`. `write` gets zeroed memory. */
export interface Codec<Value> {
  readonly bytes: number;
  write(view: DataView, at: number, value: Value): void;
  read(view: DataView, at: number): Value;
}

export const u32: Codec<number> = {
  bytes: 4,
  write: (view, at, value) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} is not a u32`);
    view.setUint32(at, value, true);
  },
  read: (view, at) => view.getUint32(at, true),
};

export const u64: Codec<bigint> = {
  bytes: 8,
  write: (view, at, value) => {
    if (value < 0n || value >= 1n << 64n) throw new RangeError(`${value} is not a u64`);
    view.setBigUint64(at, value, true);
  },
  read: (view, at) => view.getBigUint64(at, true),
};

/** Exactly `size` bytes. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    bytes: size,
    write(view, at, value) {
      if (value.length !== size) throw new RangeError(`${value.length} bytes where ${size} are due`);
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
    },
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
  };
}

/** UTF-8 text of at most `size` bytes, zeros after it, as `name` in the context of a program. */
export function text(size: number): Codec<string> {
  return {
    bytes: size,
    write(view, at, value) {
      const encoded = Buffer.from(value);
      if (encoded.length > size || encoded.includes(0)) {
        throw new RangeError(`${JSON.stringify(value)} has a NUL or more than ${size} bytes`);
      }
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(encoded);
    },
    read(view, at) {
      const held = Buffer.from(view.buffer, view.byteOffset + at, size);
      const end = held.indexOf(0);
      return held.toString("utf8", 0, end < 0 ? size : end);
    },
  };
}

type Values<Fields> = { readonly [Name in keyof Fields]: Fields[Name] extends Codec<infer Value> ? Value : never };

/** Fields one after another, without padding between them: as a packed struct. */
export function record<const Fields extends Readonly<Record<string, Codec<unknown>>>>(
  fields: Fields,
): Codec<Values<Fields>> {
  const rows = Object.entries(fields) as [keyof Fields & string, Codec<unknown>][];
  return {
    bytes: rows.reduce((sum, [, codec]) => sum + codec.bytes, 0),
    write(view, at, value) {
      let offset = at;
      for (const [name, codec] of rows) {
        codec.write(view, offset, (value as Readonly<Record<string, unknown>>)[name]);
        offset += codec.bytes;
      }
    },
    read(view, at) {
      let offset = at;
      const value: Record<string, unknown> = {};
      for (const [name, codec] of rows) {
        value[name] = codec.read(view, offset);
        offset += codec.bytes;
      }
      return value as Values<Fields>;
    },
  };
}
