// Owns: the decision at INIT: what the kernel offers and the filesystem wishes in, the agreement out. Pure functions.
// Must not: read or write descriptors. Sizes of requests that depend on the agreement are decided here as well.

import { PAGE_SIZE } from "../../ffi/memory.ts";
import { KERNEL, OLDEST_MINOR, PAGES } from "../abi/fuse-constants.ts";
import { flagNames, flagWords, hasFlag, type InitFlag } from "../abi/fuse-init-flags.ts";
import { OPCODES, type Opcode } from "../abi/fuse-opcodes.ts";
import { FuseInitIn, FuseInitInCompat, FuseInitOut, FuseOutHeader } from "../abi/fuse-structs.ts";
import type { Connection, InitWishes } from "../fs/connection.ts";
import { checkWishes } from "./wish-checks.ts";

/** INIT as the kernel sent it. */
export interface KernelOffer {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
  readonly flags2: number;
}

/** What else the decision depends on. */
export interface InitFacts {
  /** Methods that the filesystem has. */
  readonly methods: ReadonlySet<string>;
  /** The kernel's limit of pages per request (fs.fuse.max_pages_limit, or 256). */
  readonly maxPagesLimit: number;
  /** Whether the session is going to register io_uring queues. Default false. */
  readonly overIoUring?: boolean;
  /** Whether the session is going to have rings of our module. Default false. */
  readonly overRing?: boolean;
}

/** The session cannot be served; the mount is given up. */
export class NegotiationError extends Error {
  override readonly name = "NegotiationError";
  readonly code = "EPROTO";
}

/** Reads INIT's in-struct, in its short form (before 7.36) or the long one. `bytes` starts behind the header. */
export function parseOffer(bytes: Uint8Array): KernelOffer {
  if (bytes.length < FuseInitInCompat.size) {
    throw new NegotiationError(`INIT carries ${bytes.length} bytes, fewer than ${FuseInitInCompat.size}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = FuseInitIn.at;
  const flags = view.getUint32(at.flags, true);
  const extended = hasFlag({ flags, flags2: 0 }, "INIT_EXT") && bytes.length >= at.flags2 + 4;
  return {
    major: view.getUint32(at.major, true),
    minor: view.getUint32(at.minor, true),
    maxReadahead: view.getUint32(at.max_readahead, true),
    flags,
    flags2: extended ? view.getUint32(at.flags2, true) : 0, // without INIT_EXT it means nothing
  };
}

type Rule = readonly [
  flag: InitFlag,
  wanted: (wishes: InitWishes, methods: ReadonlySet<string>, overRing: boolean) => boolean,
];

/** When each flag is asked for. A flag without a rule never is: splice, DAX, submounts, security contexts, idmap. */
const RULES: readonly Rule[] = [
  ["ASYNC_READ", () => true],
  ["BIG_WRITES", () => true],
  ["MAX_PAGES", () => true],
  ["ABORT_ERROR", () => true],
  ["INIT_EXT", () => true],
  ["HAS_EXPIRE_ONLY", () => true],
  ["HAS_RESEND", () => true],
  ["DIRECT_IO_ALLOW_MMAP", () => true],
  ["POSIX_LOCKS", (wishes, methods) => wishes.posixLocks ?? methods.has("setlk")],
  ["FLOCK_LOCKS", (wishes, methods) => wishes.flockLocks ?? methods.has("setlk")],
  ["ATOMIC_O_TRUNC", (wishes) => wishes.atomicOTrunc ?? false],
  ["EXPORT_SUPPORT", (wishes) => wishes.exportSupport ?? false],
  ["DONT_MASK", (wishes) => wishes.dontMask ?? false],
  ["HAS_IOCTL_DIR", (_, methods) => methods.has("ioctl")],
  ["AUTO_INVAL_DATA", (wishes) => wishes.invalidateData !== "explicit"],
  ["EXPLICIT_INVAL_DATA", (wishes) => wishes.invalidateData === "explicit"],
  ["DO_READDIRPLUS", (wishes, methods) => methods.has("readdirplus") && wishes.readdirplus !== "never"],
  ["READDIRPLUS_AUTO", (wishes, methods) => methods.has("readdirplus") && (wishes.readdirplus ?? "auto") === "auto"],
  // Asynchronous, also read(2) is a background request, whose caller sleeps; a ring's caller had better poll.
  ["ASYNC_DIO", (wishes, _, overRing) => wishes.asyncDirectIo ?? !overRing],
  ["WRITEBACK_CACHE", (wishes) => wishes.writebackCache ?? false],
  ["NO_OPEN_SUPPORT", (wishes, methods) => (wishes.noOpen ?? false) && !methods.has("open")],
  ["NO_OPENDIR_SUPPORT", (wishes, methods) => (wishes.noOpendir ?? false) && !methods.has("opendir")],
  ["PARALLEL_DIROPS", (wishes) => wishes.parallelDirops ?? true],
  ["HANDLE_KILLPRIV_V2", (wishes) => wishes.handleKillpriv ?? false],
  ["POSIX_ACL", (wishes) => wishes.posixAcl ?? false],
  ["CACHE_SYMLINKS", (wishes) => wishes.cacheSymlinks ?? false],
  ["PASSTHROUGH", ({ maxStackDepth = 0, writebackCache = false }) => maxStackDepth > 0 && !writebackCache],
  ["SETXATTR_EXT", (wishes) => wishes.setxattrExt ?? true],
];

/** What the answer to INIT is: an agreement, or "ask again with our major version". */
export type Negotiation = { readonly kind: "agreed"; readonly connection: Connection } | { readonly kind: "retry" };

// A lock that waits holds an entry of its CPU's queue, and once all of them wait, the unlock cannot get through. So on
// this lane locks are left to the kernel. HAS_IO_URING_BUFPOOL needs no answer; there it says that pools are agreed.
function overIoUring(flags: InitFlag[], offered: ReadonlySet<InitFlag>): void {
  for (const lock of ["POSIX_LOCKS", "FLOCK_LOCKS"] as const) {
    const at = flags.indexOf(lock);
    if (at >= 0) flags.splice(at, 1);
  }
  flags.push("OVER_IO_URING");
  if (offered.has("HAS_IO_URING_BUFPOOL")) flags.push("HAS_IO_URING_BUFPOOL");
}

/**
 * Decides. Errors: `NegotiationError` when the kernel's protocol is too old, `TypeError` or `RangeError`
 * for a wish, see `checkWishes`.
 */
export function negotiate(offer: KernelOffer, wishes: InitWishes, facts: InitFacts): Negotiation {
  checkWishes(wishes);
  if (offer.major > KERNEL.VERSION) return { kind: "retry" };
  if (offer.major < KERNEL.VERSION || offer.minor < OLDEST_MINOR) {
    throw new NegotiationError(
      `the kernel speaks FUSE ${offer.major}.${offer.minor}; the oldest served is ${KERNEL.VERSION}.${OLDEST_MINOR}`,
    );
  }
  const offered = new Set(flagNames(offer.flags, offer.flags2));
  const wanted = RULES.filter(([, wants]) => wants(wishes, facts.methods, facts.overRing ?? false));
  const flags = wanted.map(([flag]): InitFlag => flag).filter((flag) => offered.has(flag));
  if (facts.overIoUring && offered.has("OVER_IO_URING")) overIoUring(flags, offered);
  const pagesLimit = flags.includes("MAX_PAGES") ? facts.maxPagesLimit : PAGES.DEFAULT;
  const maxPages = Math.min(pagesLimit, Math.ceil((wishes.maxWrite ?? 2 ** 20) / PAGE_SIZE));
  const connection: Connection = {
    minor: Math.min(offer.minor, KERNEL.MINOR_VERSION),
    kernelMinor: offer.minor,
    flags,
    maxPages,
    maxWrite: Math.min(wishes.maxWrite ?? 2 ** 20, maxPages * PAGE_SIZE),
    maxReadahead: Math.min(wishes.maxReadahead ?? offer.maxReadahead, offer.maxReadahead),
    maxBackground: wishes.maxBackground ?? 64,
    timeGranularityNs: wishes.timeGranularityNs ?? 1,
    maxStackDepth: flags.includes("PASSTHROUGH") ? (wishes.maxStackDepth ?? 0) : 0,
  };
  return { kind: "agreed", connection };
}

/** The whole reply to INIT, header included, for the request `unique`. */
export function encodeInitReply(unique: bigint, negotiation: Negotiation): Uint8Array {
  const bytes = new Uint8Array(FuseOutHeader.size + FuseInitOut.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(FuseOutHeader.at.len, bytes.length, true);
  view.setBigUint64(FuseOutHeader.at.unique, unique, true);
  const put16 = (field: keyof typeof FuseInitOut.at, value: number) =>
    view.setUint16(FuseOutHeader.size + FuseInitOut.at[field], value, true);
  const put32 = (field: keyof typeof FuseInitOut.at, value: number) =>
    view.setUint32(FuseOutHeader.size + FuseInitOut.at[field], value, true);
  put32("major", KERNEL.VERSION);
  if (negotiation.kind === "retry") {
    put32("minor", KERNEL.MINOR_VERSION);
    return bytes;
  }
  const { connection } = negotiation;
  const words = flagWords(connection.flags);
  put32("minor", connection.minor);
  put32("max_readahead", connection.maxReadahead);
  put32("flags", words.flags);
  put32("flags2", words.flags2);
  put16("max_background", connection.maxBackground);
  put16("congestion_threshold", Math.ceil((connection.maxBackground * 3) / 4));
  put32("max_write", connection.maxWrite);
  put32("time_gran", connection.timeGranularityNs);
  put16("max_pages", connection.maxPages);
  put32("max_stack_depth", connection.maxStackDepth);
  return bytes;
}

/** Bytes of the op struct by opcode number, as this connection's kernel sends them. */
export function inputSizes(connection: Connection): Uint16Array {
  const rows: readonly Opcode[] = Object.values(OPCODES);
  const sizes = new Uint16Array(1 + Math.max(...rows.map((row) => row.code)));
  const short = new Set<number>();
  if (!connection.flags.includes("SETXATTR_EXT")) short.add(OPCODES.SETXATTR.code);
  if (connection.kernelMinor < 36) short.add(OPCODES.INIT.code);
  for (const row of rows) {
    sizes[row.code] = (short.has(row.code) ? row.inCompat : row.in)?.size ?? 0;
  }
  return sizes;
}
