// Owns: the options of the passthrough filesystem, their defaults and the check of what users pass.
// Must not: touch the source.

/** How long the kernel may trust what it was told, in milliseconds each. */
export interface CacheTimes {
  /** That a name leads where it led. */
  readonly entry: number;
  /** Attributes. */
  readonly attr: number;
  /** That there is no such name; 0 asks again each time. */
  readonly negative: number;
}

/** Options of `PassthroughFilesystem`. */
export interface PassthroughOptions {
  /** The directory that is passed through. */
  readonly source: string;
  /**
   * How long the kernel may trust names and attributes, in milliseconds: one number for both, or each by itself.
   * Default 1000, names that do not exist 0. Data stays in the page cache over opens when attributes are cached.
   */
  readonly cacheMs?: number | Partial<CacheTimes>;
  /** Reads and writes bypass the page cache of the mount. Default false. */
  readonly directIo?: boolean;
  /** Every change is refused with EROFS. Default false. */
  readonly readOnly?: boolean;
  /** Writes gather in the page cache of the mount; changes of the source are seen late. Default false. */
  readonly writebackCache?: boolean;
  /**
   * FUSE passthrough: the kernel reads and writes the source by itself. "auto" (default) uses it where it can be had, as
   * `stats()` tells, and where nobody can tell the difference. "on" makes the mount fail where it cannot be had
   * (CAP_SYS_ADMIN, Linux 6.9), and passes files through that are open for writing with O_APPEND or O_DIRECT as well: the
   * kernel then does not follow a later fcntl(F_SETFL) that takes these flags away. "on" does not go with `directIo` and
   * `writebackCache`; beside them "auto" means "off".
   */
  readonly passthrough?: "auto" | "on" | "off";
  /**
   * Locks (fcntl and flock): "source" takes them on the source too, so that they hold against programs there; "local"
   * leaves them to the kernel, among users of the mount. Default "source".
   */
  readonly locks?: "source" | "local";
  /** Most inodes held at once; one descriptor each. Default: the limit of open files, which is raised as far as it may. */
  readonly maxNodes?: number;
}

/** Options with their defaults in place; cache times in seconds and nanoseconds, as replies carry them. */
export interface ResolvedOptions {
  readonly source: string;
  readonly entryValid: readonly [seconds: number, nanoseconds: number];
  readonly attrValid: readonly [seconds: number, nanoseconds: number];
  readonly negativeValid: readonly [seconds: number, nanoseconds: number];
  readonly caching: boolean;
  readonly directIo: boolean;
  readonly readOnly: boolean;
  readonly writebackCache: boolean;
  readonly passthrough: "auto" | "on" | "off";
  readonly locks: "source" | "local";
  readonly maxNodes: number | undefined;
}

const KEYS: ReadonlySet<string> = new Set([
  "source",
  "cacheMs",
  "directIo",
  "readOnly",
  "writebackCache",
  "passthrough",
  "locks",
  "maxNodes",
]);
const CACHE_KEYS: ReadonlySet<string> = new Set(["entry", "attr", "negative"]);
const DEFAULT_CACHE_MS = 1000;

function refuse(name: string, value: unknown, expected: string): never {
  throw new TypeError(`passthrough option ${name} is ${JSON.stringify(value) ?? String(value)}, not ${expected}`);
}

function checkKeys(given: object, known: ReadonlySet<string>, prefix: string): void {
  for (const key of Object.keys(given)) {
    if (!known.has(key)) throw new TypeError(`passthrough has no option ${prefix}${key}`);
  }
}

function flag(options: PassthroughOptions, name: "directIo" | "readOnly" | "writebackCache"): boolean {
  const value: unknown = options[name];
  if (value === undefined) return false;
  return typeof value === "boolean" ? value : refuse(name, value, "a boolean");
}

function time(name: string, ms: unknown): readonly [number, number] {
  if (typeof ms !== "number" || !(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
    return refuse(name, ms, "milliseconds of at least 0");
  }
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6) % 1e9];
}

function cacheTimes(cacheMs: PassthroughOptions["cacheMs"]): CacheTimes {
  const whole = { entry: DEFAULT_CACHE_MS, attr: DEFAULT_CACHE_MS, negative: 0 };
  if (typeof cacheMs === "number") return { ...whole, entry: cacheMs, attr: cacheMs };
  if (cacheMs === undefined) return whole;
  if (typeof cacheMs !== "object" || cacheMs === null) return refuse("cacheMs", cacheMs, "a number or an object");
  checkKeys(cacheMs, CACHE_KEYS, "cacheMs.");
  return { ...whole, ...cacheMs };
}

function passthroughChoice({ passthrough = "auto", ...options }: PassthroughOptions): "auto" | "on" | "off" {
  if (passthrough !== "auto" && passthrough !== "on" && passthrough !== "off") {
    refuse("passthrough", passthrough, '"auto", "on" or "off"');
  }
  for (const name of ["directIo", "writebackCache"] as const) {
    if (options[name] !== true || passthrough === "off") continue;
    if (passthrough === "on") refuse("passthrough", passthrough, `"auto" or "off" beside ${name}`);
    return "off";
  }
  return passthrough;
}

/** Checks options and fills in defaults. Errors: `TypeError` that names the option. */
export function resolvePassthroughOptions(given: unknown): ResolvedOptions {
  if (typeof given !== "object" || given === null) return refuse("list", given, "an object with a `source`");
  checkKeys(given, KEYS, "");
  const options = given as PassthroughOptions;
  const { source, locks = "source", maxNodes } = options;
  if (typeof source !== "string" || source === "" || source.includes("\0")) refuse("source", source, "a path");
  if (locks !== "source" && locks !== "local") refuse("locks", locks, '"source" or "local"');
  if (maxNodes !== undefined && !(Number.isInteger(maxNodes) && maxNodes >= 1 && maxNodes <= 2 ** 22)) {
    refuse("maxNodes", maxNodes, "an integer in 1..4194304");
  }
  const times = cacheTimes(options.cacheMs);
  return {
    source,
    entryValid: time("cacheMs.entry", times.entry),
    attrValid: time("cacheMs.attr", times.attr),
    negativeValid: time("cacheMs.negative", times.negative),
    caching: times.attr > 0,
    directIo: flag(options, "directIo"),
    readOnly: flag(options, "readOnly"),
    writebackCache: flag(options, "writebackCache"),
    passthrough: passthroughChoice(options),
    locks,
    maxNodes,
  };
}
