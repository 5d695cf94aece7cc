// Owns: bytes of the protocol written by hand, field by field, little endian. For the tests that state what the wire
// holds. Must not: import anything of src, which would make the code under test its own witness.

const little = (width: 2 | 4 | 8, value: number | bigint): Uint8Array => {
  const bytes = new Uint8Array(width);
  let rest = BigInt.asUintN(width * 8, BigInt(value));
  for (let index = 0; index < width; index++, rest >>= 8n) bytes[index] = Number(rest & 0xffn);
  return bytes;
};

export const u16 = (value: number): Uint8Array => little(2, value);
export const u32 = (value: number): Uint8Array => little(4, value);
export const u64 = (value: number | bigint): Uint8Array => little(8, value);
/** Characters as bytes, one each (Latin-1). */
export const chars = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
/** A string that ends in NUL. */
export const z = (text: string): Uint8Array => chars(`${text}\0`);
export const zeros = (count: number): Uint8Array => new Uint8Array(count);
/** Bytes from hex digits; blanks are for the eye. */
export const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits.replace(/\s/g, ""), "hex"));

export const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Bytes as hex, eight to a group. */
export const shown = (bytes: Uint8Array | undefined): string =>
  bytes === undefined
    ? "nothing"
    : (
        Buffer.from(bytes)
          .toString("hex")
          .match(/.{1,16}/g) ?? []
      ).join(" ");

export interface Header {
  readonly code: number;
  readonly unique?: bigint;
  readonly nodeid?: number | bigint;
  /** Stated length; the true one when left out. */
  readonly length?: number;
}

/** The unique of requests that do not name one: every byte differs. */
export const UNIQUE = 0x0102030405060708n;

/** A whole request: fuse_in_header of 40 bytes from uid 1000, gid 1001, pid 77, then the parts. */
export function request(header: Header, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = join(...parts);
  return join(
    u32(header.length ?? 40 + body.length),
    u32(header.code),
    u64(header.unique ?? UNIQUE),
    u64(header.nodeid ?? 0x21),
    u32(1000),
    u32(1001),
    u32(77),
    u16(0),
    u16(0),
    body,
  );
}

/** A whole reply: fuse_out_header of 16 bytes, then the parts. */
export function reply(error: number, unique: bigint = UNIQUE, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = join(...parts);
  return join(u32(16 + body.length), u32(error), u64(unique), body);
}
