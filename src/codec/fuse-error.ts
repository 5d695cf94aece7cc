// Owns: errors that carry an errno, and the rule that turns any thrown value into one.
// The rule reads `code` and `errno`, never a message.

import { ERRNO, type ErrnoName, errnoName, errnoNumber } from "../../ffi/errno.ts";

/** Largest errno that the kernel accepts in a reply (its limit is 512, exclusive). */
export const MAX_ERRNO = 511;

/** Throw it from a handler to answer with that errno: `throw new FuseError("ENOENT")`. */
export class FuseError extends Error {
  override readonly name = "FuseError";
  readonly code: ErrnoName;
  /** Negative, as in node's system errors. */
  readonly errno: number;

  constructor(code: ErrnoName, message?: string, options?: ErrorOptions) {
    super(message === undefined ? code : `${code}: ${message}`, options);
    this.code = code;
    this.errno = -ERRNO[code];
  }
}

/** The error of a negative errno. */
export function fuseErrorOf(negative: number, message?: string): FuseError {
  const name = errnoName(negative);
  return new FuseError(errnoNumber(name) === undefined ? "EIO" : (name as ErrnoName), message ?? `errno ${-negative}`);
}

// undefined also when the thrown value's own getter throws.
function property(value: unknown, key: "code" | "errno" | "name"): unknown {
  try {
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Negative errno that a thrown value stands for: by its `code` when that is an errno name, else by a negative
 * integer `errno` in range, EINTR for an AbortError; undefined when it stands for none (a programming error).
 */
export function errnoOf(thrown: unknown): number | undefined {
  const code = property(thrown, "code");
  const byName: unknown = typeof code === "string" ? errnoNumber(code) : undefined;
  if (typeof byName === "number") return -byName; // a code such as "constructor" finds no number
  const errno = property(thrown, "errno");
  if (typeof errno === "number" && Number.isInteger(errno) && errno < 0 && errno >= -MAX_ERRNO) return errno;
  if (property(thrown, "name") === "AbortError") return -ERRNO.EINTR;
  return undefined;
}

/** Negative errno of an errno name, for handlers that return instead of throwing: `return errno("ENOENT")`. */
export function errno(code: ErrnoName): number {
  return -ERRNO[code];
}

export { ERRNO, type ErrnoName, errnoName };
