// Owns: the defaults and checks of the path adapter's options. An option of 0 means 0.

import { shown } from "../../codec/shown.ts";
import type { InitWishes } from "../connection.ts";
import type { PathOptions } from "./types.ts";

/** A span as the kernel wants it. */
export interface Timeout {
  readonly seconds: number;
  readonly ns: number;
}

type Choice = (path: string) => boolean;

export interface ResolvedPathOptions {
  readonly attrTimeout: Timeout;
  readonly entryTimeout: Timeout;
  readonly negativeTimeout: Timeout;
  readonly useIno: boolean;
  readonly hideUnlinked: boolean | "auto";
  readonly directIo: Choice;
  readonly keepCache: Choice;
  readonly inPlace: boolean;
  readonly background: boolean;
  readonly wishes: InitWishes | undefined;
}

const KNOWN: Readonly<Record<keyof PathOptions, true>> = {
  attrTimeoutMs: true,
  entryTimeoutMs: true,
  negativeTimeoutMs: true,
  useIno: true,
  hideUnlinked: true,
  directIo: true,
  keepCache: true,
  inPlace: true,
  background: true,
  wishes: true,
};

// A century; longer ones would not be told apart and could overflow the kernel's clock.
const LONGEST_MS = 3_155_760_000_000;

function timeout(key: keyof PathOptions, ms: number): Timeout {
  if (typeof ms !== "number" || !(ms >= 0 && ms <= LONGEST_MS)) {
    throw new RangeError(`option ${key} is ${shown(ms)}; it must be a number of milliseconds in 0..${LONGEST_MS}`);
  }
  const seconds = Math.floor(ms / 1000);
  return { seconds, ns: Math.floor((ms - seconds * 1000) * 1_000_000) };
}

function flag(key: keyof PathOptions, value: boolean): boolean {
  if (typeof value !== "boolean") throw new TypeError(`option ${key} is ${shown(value)}; it must be true or false`);
  return value;
}

function choice(key: keyof PathOptions, value: boolean | Choice): Choice {
  if (typeof value === "function") return value;
  const fixed = flag(key, value);
  return () => fixed;
}

/** Options with defaults. Errors: `TypeError` or `RangeError` naming the option and the value. */
export function resolveOptions(options: PathOptions): ResolvedPathOptions {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(KNOWN, key))
      throw new TypeError(`option ${key} is not known; known are ${Object.keys(KNOWN).join(", ")}`);
  }
  const { hideUnlinked = "auto" } = options;
  return {
    attrTimeout: timeout("attrTimeoutMs", options.attrTimeoutMs ?? 1000),
    entryTimeout: timeout("entryTimeoutMs", options.entryTimeoutMs ?? 1000),
    negativeTimeout: timeout("negativeTimeoutMs", options.negativeTimeoutMs ?? 0),
    useIno: flag("useIno", options.useIno ?? false),
    hideUnlinked: hideUnlinked === "auto" ? "auto" : flag("hideUnlinked", hideUnlinked),
    directIo: choice("directIo", options.directIo ?? false),
    keepCache: choice("keepCache", options.keepCache ?? false),
    inPlace: flag("inPlace", options.inPlace ?? false),
    background: flag("background", options.background ?? true),
    wishes: options.wishes,
  };
}
