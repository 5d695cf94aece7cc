// Owns: checks of option values, each an error that names the key, the value and the limit.
// Must not: know which options there are.

import { shown } from "../codec/shown.ts";
import { MountError } from "./errors.ts";

/** Throws for a value that the option `key` cannot have. */
export type Check = (key: string, value: unknown) => void;

/** Errors: `MountError` INVALID_OPTION with key, value and limit. */
export function refuse(key: string, value: unknown, limit: string): never {
  throw new MountError("INVALID_OPTION", `option ${key} is ${shown(value)}; it must be ${limit}`);
}

export const boolean: Check = (key, value) => {
  if (typeof value !== "boolean") refuse(key, value, "true or false");
};
export const integer =
  (low: number, high: number, otherwise = ""): Check =>
  (key, value) => {
    if (!(Number.isInteger(value) && (value as number) >= low && (value as number) <= high)) {
      refuse(key, value, `an integer in ${low}..${high}${otherwise}`);
    }
  };
export const autoOr =
  (low: number, high: number): Check =>
  (key, value) => {
    if (value !== "auto") integer(low, high, ', or "auto"')(key, value);
  };
export const oneOf =
  (...choices: readonly string[]): Check =>
  (key, value) => {
    if (!choices.includes(value as string)) refuse(key, value, `one of ${choices.join(", ")}`);
  };
// Commas and backslashes separate and escape mount options; control characters would forge mount table lines.
export const mountString: Check = (key, value) => {
  const fine = typeof value === "string" && value.length > 0 && Buffer.byteLength(value) <= 255;
  if (!fine || hasForbidden(value)) {
    refuse(key, value, "a string of 1..255 bytes without commas, backslashes and control characters");
  }
};
export const object: Check = (key, value) => {
  if (typeof value !== "object" || value === null) refuse(key, value, "an object");
};

function hasForbidden(text: string): boolean {
  return [...text].some((char) => char === "," || char === "\\" || char < " " || char === "\x7f");
}

/** Those options that are given, checked; `prefix` goes before their keys in errors. Errors: `MountError` INVALID_OPTION. */
export function checkEach(
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  prefix: string,
): Record<string, unknown> {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new MountError("INVALID_OPTION", `the options are ${shown(options)}; they must be an object`);
  }
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined) {
      const known = Object.keys(checks).join(", ");
      throw new MountError("INVALID_OPTION", `option ${prefix}${key} is not known; known are ${known}`);
    }
    check(`${prefix}${key}`, value);
    given[key] = value;
  }
  return given;
}
