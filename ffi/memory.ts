// Owns: memory that C code sees: arenas (one SharedArrayBuffer with one view of each kind), C strings, addresses.
// An arena is kept referenced by whoever gives its addresses to the kernel; it never moves and is never detached.

import { ptr } from "bun:ffi";
import { checked, SyscallError } from "./errno.ts";
import { libc } from "./libc.ts";

export const PAGE_SIZE = 4096;

/** Address of a buffer's first byte. The caller keeps the buffer alive while C code may use the address. */
export function addressOf(view: ArrayBufferView): number {
  return ptr(view as Uint8Array) as unknown as number;
}

/** One region of memory shared between threads and with the kernel. Offsets are bytes from `address`. */
export interface Arena {
  readonly buffer: SharedArrayBuffer;
  readonly size: number;
  readonly address: number;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** The same bytes with Node's string slicing methods. */
  readonly text: Buffer;
}

/** Views over an existing buffer, for example one received by another thread. */
export function arenaOver(buffer: SharedArrayBuffer): Arena {
  const bytes = new Uint8Array(buffer);
  return {
    buffer,
    size: buffer.byteLength,
    address: addressOf(bytes),
    view: new DataView(buffer),
    bytes,
    words: new Int32Array(buffer, 0, buffer.byteLength >> 2),
    text: Buffer.from(buffer as unknown as ArrayBuffer),
  };
}

/**
 * A zeroed, page-aligned arena of `size` bytes, rounded up to whole pages. Untouched pages cost no memory.
 * Errors: `RangeError` when the engine cannot give so much, or gives it unaligned.
 */
export function createArena(size: number): Arena {
  const rounded = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  const arena = arenaOver(new SharedArrayBuffer(rounded));
  if (arena.address % PAGE_SIZE !== 0) throw new RangeError(`arena of ${rounded} bytes is not page-aligned`);
  return arena;
}

const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const MAP = { SHARED: 1, PRIVATE: 2, FIXED: 0x10, ANONYMOUS: 0x20 } as const;
/** Mapped buffers stay referenced here: one that is collected would give its address to somebody else. */
const mapped = new Set<SharedArrayBuffer>();

/** Pages under a buffer that every thread can be given, of a descriptor (whose open file it keeps) or the kernel's. */
export interface Mapping {
  readonly buffer: SharedArrayBuffer;
  /** Puts memory of our own back in its place, zeroed: whoever still has the buffer may use it. Once. */
  unmap(): void;
}

/**
 * Maps `size` bytes of `fd` from `offset` over a new buffer, shared and writable; both are whole pages.
 * Errors: `SyscallError` of mmap, `RangeError` when the engine cannot give so much memory.
 */
export function mapDescriptor(fd: number, size: number, offset: number): Mapping {
  return mapWith(PROT_READ_WRITE, fd, size, offset);
}

/** The same for reading alone: until `unmap` a store into the buffer ends the process, and so does Atomics.load. */
export function mapReadOnly(fd: number, size: number, offset: number): Mapping {
  return mapWith(PROT_READ, fd, size, offset);
}

function mapWith(protection: number, fd: number, size: number, offset: number): Mapping {
  const { buffer, address } = createArena(size);
  const result = checked(libc.mmap(address, size, protection, MAP.SHARED | MAP.FIXED, fd, offset));
  if (result < 0) throw new SyscallError("mmap", -result);
  return keep(buffer, address, size);
}

/**
 * Zeroed memory for the kernel to keep: `unmap` parts its pages from the buffer, so that they are nobody's else, however
 * long the kernel still writes to them. Errors: `RangeError` when the engine cannot give so much memory.
 */
export function createKernelMemory(size: number): Mapping {
  const arena = createArena(size);
  return keep(arena.buffer, arena.address, arena.size);
}

function keep(buffer: SharedArrayBuffer, address: number, size: number): Mapping {
  mapped.add(buffer);
  return {
    buffer,
    unmap() {
      if (!mapped.has(buffer)) return;
      // Should this fail, the buffer stays in `mapped`, and so its address in use.
      const back = libc.mmap(address, size, PROT_READ_WRITE, MAP.PRIVATE | MAP.FIXED | MAP.ANONYMOUS, -1, 0);
      if (back >= 0) mapped.delete(buffer);
    },
  };
}

/** A NUL-terminated copy of `text` for C. Errors: `TypeError` on an embedded NUL. */
export function cString(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  if (bytes.includes(0)) throw new TypeError(`string with an embedded NUL: ${JSON.stringify(String(text))}`);
  const out = new Uint8Array(bytes.length + 1);
  out.set(bytes);
  return out;
}
