// Owns: a metadata cache's maps and programs, made by the thread that mounts and closed by it at the end. The maps are
// arrays whose memory is mapped here: the daemon fills and ends slots by stores, without system calls.
// Must not: decide when a mount has one.

import { BPF_MAP_FLAG, BPF_MAP_TYPE } from "../../../ffi/bpf-structs.ts";
import { close } from "../../../ffi/file.ts";
import { type Mapping, mapDescriptor } from "../../../ffi/memory.ts";
import type { BpfAssembler } from "../assembler.ts";
import { openMap } from "../map.ts";
import { BpfProgram } from "../program.ts";
import type { CacheMaps } from "./emit.ts";
import { type CacheMemory, type Extent, extentsOf, type Geometry, geometryOf } from "./layout.ts";
import { lookupProgram } from "./lookup-program.ts";
import { type CacheSettings, createCacheState } from "./metadata-cache.ts";
import { accessProgram, getattrProgram } from "./node-programs.ts";
import { getxattrProgram, readlinkProgram } from "./value-programs.ts";
import type { CacheChoice } from "./visit.ts";

/** Opcodes that a cache can answer. */
export type CachedOpcode = "LOOKUP" | "GETATTR" | "ACCESS" | "GETXATTR" | "READLINK";

/** What a cache shall hold. */
export interface CacheOptions extends CacheChoice {
  /** Names at least, and as many nodes and values. */
  readonly entries: number;
  /** Milliseconds that an answer is given at most; Infinity: until it is changed. */
  readonly ttlMs: number;
}

/** An open cache. */
export interface OpenCache {
  /** For the workers. */
  readonly settings: CacheSettings;
  /** To be placed; opcodes that the options leave out have none. */
  readonly programs: ReadonlyMap<CachedOpcode, BpfProgram>;
  close(): void;
}

type Emit = (maps: CacheMaps, geometry: Geometry) => BpfAssembler;

const programsFor = ({ attr, xattr }: CacheChoice): [CachedOpcode, Emit][] => [
  ["LOOKUP", lookupProgram],
  ["READLINK", readlinkProgram],
  ...(attr
    ? ([
        ["GETATTR", getattrProgram],
        ["ACCESS", accessProgram],
      ] as [CachedOpcode, Emit][])
    : []),
  ...(xattr ? ([["GETXATTR", getxattrProgram]] as [CachedOpcode, Emit][]) : []),
];

const wholeElements = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Makes maps and programs; nothing answers yet. Errors: `BpfError`, `SyscallError`; then nothing is left. */
export function openCache(options: CacheOptions): OpenCache {
  const { entries, negative, attr, xattr, ttlMs } = options;
  const choice = { negative, attr, xattr };
  const geometry = geometryOf(entries, xattr);
  const fds: number[] = [];
  const mappings: Mapping[] = [];
  const programs = new Map<CachedOpcode, BpfProgram>();
  const closeAll = () => {
    for (const program of programs.values()) program.close();
    for (const mapping of mappings) mapping.unmap();
    for (const fd of fds.splice(0)) close(fd);
  };
  const open = (name: string, { bytes, count }: Extent): SharedArrayBuffer => {
    const shape = { type: BPF_MAP_TYPE.ARRAY, keySize: 4, valueSize: bytes, maxEntries: count };
    const fd = openMap({ ...shape, flags: BPF_MAP_FLAG.MMAPABLE, name: `rfuse_${name}` });
    fds.push(fd);
    const mapping = mapDescriptor(fd, wholeElements(bytes) * count, 0);
    mappings.push(mapping);
    return mapping.buffer;
  };
  try {
    const extents = Object.entries(extentsOf(geometry)) as [keyof CacheMaps, Extent][];
    const buffers = Object.fromEntries(extents.map(([name, extent]) => [name, open(name, extent)]));
    const maps = Object.fromEntries(extents.map(([name], index) => [name, { fd: fds[index] as number }]));
    for (const [opcode, emit] of programsFor(choice)) {
      const code = emit(maps as unknown as CacheMaps, geometry);
      programs.set(opcode, BpfProgram.load(code, { name: `rfuse_${opcode}`, license: "Dual MIT/GPL" }));
    }
    const memory = { ...buffers, state: createCacheState(geometry) } as unknown as CacheMemory;
    return { settings: { memory, geometry, choice, ttlMs }, programs, close: closeAll };
  } catch (thrown) {
    closeAll();
    throw thrown;
  }
}
