// Owns: a compiled object, loaded: its maps by name, its programs by the names of their functions. All of it or nothing.
// Programs are global functions outside of ".text"; what they call may be there. The section named "license" counts.
// Must not: decide what a program is attached to.

import { readFileSync } from "node:fs";
import { possibleCpus } from "../../ffi/affinity.ts";
import { updateElement } from "../../ffi/bpf.ts";
import { BPF_MAP_TYPE, BPF_UPDATE } from "../../ffi/bpf-structs.ts";
import type { MapReference } from "./assembler.ts";
import { bytes, type Codec } from "./codecs.ts";
import { type Elf, type ElfSymbol, readElf, SHF_EXECINSTR, STT } from "./elf.ts";
import { BpfError, bpfResult } from "./errors.ts";
import { linkProgram } from "./link.ts";
import { BpfMap, openMap } from "./map.ts";
import { type MapDefinition, mapsOf } from "./object-maps.ts";
import { BpfProgram } from "./program.ts";

/** How an object is loaded. */
export interface ObjectOptions {
  /** Maps to be used in place of the object's own, by name: shared with other programs, or kept over a replacement. */
  readonly maps?: Readonly<Record<string, MapReference>>;
}

type RawMap = BpfMap<Uint8Array, Uint8Array>;

const PER_CPU: ReadonlySet<number> = new Set([BPF_MAP_TYPE.PERCPU_HASH, BPF_MAP_TYPE.PERCPU_ARRAY]);

function openDefined({ shape, data }: MapDefinition): RawMap {
  const fd = openMap(shape);
  const perCpu = PER_CPU.has(shape.type);
  const valueBytes = perCpu ? Math.ceil(shape.valueSize / 8) * 8 * possibleCpus().length : shape.valueSize;
  const map = new BpfMap(fd, shape.name, bytes(shape.keySize), bytes(valueBytes));
  if (data !== undefined && shape.name !== ".bss") {
    const result = updateElement(fd, new Uint8Array(4), data, BPF_UPDATE.ANY);
    if (result < 0) map.close();
    bpfResult(result, `global data "${shape.name}"`);
  }
  return map;
}

function licenseOf({ sections }: Elf): string {
  const section = sections.find(({ name }) => name === "license");
  return section === undefined ? "" : Buffer.from(section.data).toString("utf8").replace(/\0.*$/s, "");
}

function entriesOf({ sections, symbols }: Elf): ElfSymbol[] {
  return symbols.filter(({ type, global, section }) => {
    const { name, flags } = sections[section] ?? { name: ".text", flags: 0 };
    return type === STT.FUNC && global && name !== ".text" && (flags & SHF_EXECINSTR) !== 0;
  });
}

export class BpfObject implements Disposable {
  /** By the names of their functions. */
  readonly programs: ReadonlyMap<string, BpfProgram>;
  /** The object's own maps, with raw keys and values; those given in the options are not among them. */
  readonly maps: ReadonlyMap<string, RawMap>;

  private constructor(programs: ReadonlyMap<string, BpfProgram>, maps: ReadonlyMap<string, RawMap>) {
    this.programs = programs;
    this.maps = maps;
  }

  /** Loads a file's path, or its bytes. Errors: `BpfError`, with the verifier's log where that refused a program. */
  static load(source: string | Uint8Array, options: ObjectOptions = {}): BpfObject {
    const elf = readElf(typeof source === "string" ? readFileSync(source) : source);
    const definitions = mapsOf(elf);
    const license = licenseOf(elf);
    const maps = new Map<string, RawMap>();
    const programs = new Map<string, BpfProgram>();
    const object = new BpfObject(programs, maps);
    try {
      const opened = new Map<string, MapReference>(Object.entries(options.maps ?? {}));
      for (const [name, definition] of definitions) {
        if (opened.has(name)) continue;
        maps.set(name, openDefined(definition));
        opened.set(name, maps.get(name) as RawMap);
      }
      for (const entry of entriesOf(elf)) {
        const code = linkProgram(elf, entry, definitions, opened);
        programs.set(entry.name, BpfProgram.load(code, { name: entry.name, license }));
      }
    } catch (thrown) {
      object.close();
      throw thrown;
    }
    return object;
  }

  /** A program. Errors: `BpfError` ENOENT naming those that there are. */
  program(name: string): BpfProgram {
    const found = this.programs.get(name);
    if (found !== undefined) return found;
    throw new BpfError(`no program "${name}"; there are ${[...this.programs.keys()].join(", ")}`, "ENOENT");
  }

  /** A map with types; its descriptor is the object's, and closed with it. Errors: `BpfError` ENOENT. */
  map<Key, Value>(name: string, key: Codec<Key>, value: Codec<Value>): BpfMap<Key, Value> {
    const found = this.maps.get(name);
    if (found !== undefined) return new BpfMap(found.fd, name, key, value, true);
    throw new BpfError(`no map "${name}"; there are ${[...this.maps.keys()].join(", ")}`, "ENOENT");
  }

  close(): void {
    for (const program of this.programs.values()) program.close();
    for (const map of this.maps.values()) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
