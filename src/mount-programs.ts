// Owns: the eBPF programs of a mount: the metadata cache, if it was asked for and can be, and those of the user. Both
// are placed on the ring; an opcode has one program.
// Must not: fail a mount because of the cache: without it everything works the ordinary way.

import type { OpcodeName } from "./abi/fuse-opcodes.ts";
import { OPCODES } from "./abi/fuse-opcodes.ts";
import { RFUSE_FEATURE } from "./abi/ring.ts";
import { type ProgramCounters, placeProgram, programCounters } from "./bpf/attach.ts";
import { changesKept } from "./bpf/cache/changes.ts";
import { MetadataCache } from "./bpf/cache/metadata-cache.ts";
import { type CachedOpcode, type OpenCache, openCache } from "./bpf/cache/open-cache.ts";
import { BpfError } from "./bpf/errors.ts";
import type { BpfProgram } from "./bpf/program.ts";
import { messageOf } from "./codec/shown.ts";
import type { Connection } from "./fs/connection.ts";
import { resolveCacheOptions } from "./mounting/cache-options.ts";
import type { ResolvedOptions } from "./mounting/options.ts";
import type { LaneChoice } from "./queue-settings.ts";
import type { Ring } from "./transport/ring-setup.ts";

/** eBPF programs that answer requests of a mount in the kernel; lane ring. */
export interface MountBpf {
  /** Why no program can be placed; empty when they can. */
  readonly reason: string;
  /**
   * Places a program that is asked for every request of `opcode` from now on, before the filesystem. It replaces an
   * earlier one at once, while the mount is in use; the program may be closed afterwards. Errors: `BpfError`: EOPNOTSUPP
   * (`reason`), EBUSY (the metadata cache answers this opcode, or has to see each such change), EINVAL, EPERM, ENOTCONN, ETIMEDOUT (it is
   * done, but the program before still runs after 10 s).
   */
  attach(opcode: OpcodeName, program: BpfProgram): void;
  /** Takes the opcode's program away; when it returns, none runs any more. Errors: as above. */
  detach(opcode: OpcodeName): void;
  /** What became of the requests of opcodes that can have a program. Errors: as above. */
  counters(): Readonly<Record<string, ProgramCounters>>;
}

/** The state of a mount's metadata cache. */
export interface CacheStatistics {
  readonly active: boolean;
  /** Why it is not. */
  readonly reason: string;
  /** Requests that the kernel answered by itself, by opcode. */
  readonly answered: Readonly<Record<string, number>>;
  /** Answers that were kept for the kernel, and those that a change had overtaken. */
  readonly filled: number;
  readonly overtaken: number;
  /** How often a change concerned nobody knew what, so that all attributes were dropped. */
  readonly emptied: number;
}

/** What was agreed with the kernel, and which methods the filesystem has. */
export interface Agreed {
  readonly flags: Connection["flags"];
  readonly methods: ReadonlySet<string>;
}

/** Why a mount can have no cache; undefined: it can. What only the filesystem knows about callers, no program asks for. */
export function cacheRefusal(
  { allowOther, defaultPermissions }: Pick<ResolvedOptions, "allowOther" | "defaultPermissions">,
  { flags, methods }: Agreed,
): string | undefined {
  if (!allowOther) return undefined; // all callers are one user, the daemon's
  if (!defaultPermissions) {
    return "with allowOther and without defaultPermissions the filesystem itself tells callers apart";
  }
  if (methods.has("getxattr") && !flags.includes("POSIX_ACL")) {
    return "with allowOther and without posixAcl the kernel does not check access control lists, which extended attributes may hold";
  }
  return undefined;
}

export class MountPrograms implements MountBpf {
  readonly reason: string;
  readonly cache: OpenCache | undefined;
  private readonly cacheReason: string;
  private last: CacheStatistics | undefined;
  private answered: Record<string, number> = {};

  constructor(
    private readonly ring: Ring | undefined,
    lane: LaneChoice,
    options: ResolvedOptions,
    agreed: Agreed,
  ) {
    this.reason = programRefusal(ring, lane);
    const wanted = resolveCacheOptions(options.metadataCache);
    const refused = wanted === undefined ? "it was not asked for" : this.reason || cacheRefusal(options, agreed);
    const opened = wanted === undefined || refused !== undefined ? refused : this.open(wanted);
    this.cache = typeof opened === "object" ? opened : undefined;
    this.cacheReason = typeof opened === "string" ? opened : "";
  }

  attach(opcode: OpcodeName, program: BpfProgram): void {
    this.place(opcode, program.fd);
  }

  detach(opcode: OpcodeName): void {
    this.place(opcode, -1);
  }

  counters(): Record<string, ProgramCounters> {
    const ring = this.usable();
    const found: Record<string, ProgramCounters> = {};
    for (const opcode of Object.keys(OPCODES) as OpcodeName[]) {
      const counters = programCounters(ring, opcode);
      if (counters !== undefined) found[opcode] = counters;
    }
    return found;
  }

  statistics(): CacheStatistics {
    if (this.last !== undefined) return this.last;
    const { cache, ring } = this;
    const none = { active: false, reason: this.cacheReason, answered: {}, filled: 0, overtaken: 0, emptied: 0 };
    if (cache === undefined || ring === undefined) return none;
    this.look(cache, ring);
    return { active: true, reason: "", answered: this.answered, ...new MetadataCache(cache.settings).counters() };
  }

  /** The session has ended: its numbers stay, its maps and programs go. Before the ring is closed. */
  end(): void {
    this.last = this.statistics();
    this.cache?.close();
  }

  // A connection that has ended counts no more: what was counted before stays.
  private look({ programs }: OpenCache, ring: Ring): void {
    try {
      this.answered = Object.fromEntries(
        [...programs.keys()].map((opcode) => [opcode, programCounters(ring, opcode)?.replies ?? 0]),
      );
    } catch (thrown) {
      if (!(thrown instanceof BpfError)) throw thrown;
    }
  }

  private open(options: Parameters<typeof openCache>[0]): OpenCache | string {
    let cache: OpenCache | undefined;
    try {
      cache = openCache(options);
      for (const [opcode, { fd }] of cache.programs) placeProgram(this.ring as Ring, opcode, fd);
      return cache;
    } catch (thrown) {
      for (const opcode of cache?.programs.keys() ?? []) this.giveUp(opcode);
      cache?.close();
      return messageOf(thrown);
    }
  }

  private giveUp(opcode: CachedOpcode): void {
    try {
      placeProgram(this.ring as Ring, opcode, -1);
    } catch {
      // It is not there, for the reason that is reported.
    }
  }

  private place(opcode: OpcodeName, fd: number): void {
    const ring = this.usable();
    const conflict = this.cache === undefined ? undefined : conflictWith(this.cache, opcode);
    if (conflict !== undefined)
      throw new BpfError(`eBPF program for ${opcode}: the metadata cache ${conflict}`, "EBUSY");
    placeProgram(ring, opcode, fd);
  }

  private usable(): Ring {
    if (this.last !== undefined) throw new BpfError("eBPF programs: the mount has ended", "ENOTCONN");
    if (this.reason !== "" || this.ring === undefined) throw new BpfError(this.reason, "EOPNOTSUPP");
    return this.ring;
  }
}

/** Why the opcode can have no program of the user's beside the cache. */
function conflictWith({ programs }: OpenCache, opcode: OpcodeName): string | undefined {
  if (programs.has(opcode as CachedOpcode)) return "of this mount answers it";
  if (changesKept(opcode)) return "of this mount would not learn of the change; mount without metadataCache";
  return undefined;
}

function programRefusal(ring: Ring | undefined, lane: LaneChoice): string {
  if (ring === undefined) {
    const why = lane.reason === "" ? "" : ` (${lane.reason})`;
    return `eBPF programs need lane ring; this mount is on lane ${lane.lane}${why}`;
  }
  if ((ring.layout.features & RFUSE_FEATURE.BPF) === 0) return "this rfuse.ko has no eBPF";
  return "";
}
