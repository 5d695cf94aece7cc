// Owns: which maps an object defines: in section ".maps" by type information, in section "maps" by the older struct of
// five words, and one array for each section of global data. It opens none.
// Must not: load programs.

import type { MapShape } from "../../ffi/bpf.ts";
import { BPF_MAP_FLAG, BPF_MAP_TYPE } from "../../ffi/bpf-structs.ts";
import { Btf } from "./btf.ts";
import type { Elf, ElfSection, ElfSymbol } from "./elf.ts";
import { SHT, STT } from "./elf.ts";
import { BpfError } from "./errors.ts";

/** One map of an object. */
export interface MapDefinition {
  readonly shape: MapShape;
  /** Where it is defined: a load that is relocated to there means this map. */
  readonly section: number;
  readonly offset: number;
  /** Global data: what the one value holds at first. */
  readonly data: Uint8Array | undefined;
}

const LEGACY_BYTES = 20;
const NUMBERS = ["type", "max_entries", "map_flags", "key_size", "value_size"] as const;
const SIZED = { key: "key_size", value: "value_size" } as const;

function refuse(name: string, what: string): never {
  throw new BpfError(`map "${name}": ${what}`, "EINVAL");
}

function shapeOf(name: string, fields: Readonly<Partial<Record<(typeof NUMBERS)[number], number>>>): MapShape {
  const { type = 0, max_entries = 0, map_flags = 0, key_size = 0, value_size = 0 } = fields;
  if (type === 0) refuse(name, "it has no type");
  return { name, type, keySize: key_size, valueSize: value_size, maxEntries: max_entries, flags: map_flags };
}

function readTyped(btf: Btf, name: string, type: number): MapShape {
  const members = btf.members(type) ?? refuse(name, "its definition is no struct");
  const fields: Partial<Record<(typeof NUMBERS)[number], number>> = {};
  for (const [member, id] of members) {
    if (member === "key" || member === "value") {
      fields[SIZED[member]] = btf.pointedSize(id) ?? refuse(name, `${member} has no size`);
    } else if ((NUMBERS as readonly string[]).includes(member)) {
      fields[member as (typeof NUMBERS)[number]] = btf.number(id) ?? refuse(name, `${member} is no number`);
    } else refuse(name, `"${member}" is not supported; ${[...NUMBERS, ...Object.keys(SIZED)].join(", ")} are`);
  }
  return shapeOf(name, fields);
}

function readLegacy({ name, value }: ElfSymbol, section: ElfSection): MapShape {
  if (value + LEGACY_BYTES > section.size) refuse(name, `it lies at ${value} of ${section.size} bytes`);
  const view = new DataView(section.data.buffer, section.data.byteOffset + value, LEGACY_BYTES);
  const [type, key_size, value_size, max_entries, map_flags] = [0, 4, 8, 12, 16].map((at) => view.getUint32(at, true));
  return shapeOf(name, {
    ...{ type: type as number, key_size: key_size as number, value_size: value_size as number },
    ...{ max_entries: max_entries as number, map_flags: map_flags as number },
  });
}

const GLOBAL_DATA = /^\.(rodata|data|bss)(\.|$)/;

function globalData({ name, index, size, data }: ElfSection): MapDefinition {
  const flags = name.startsWith(".rodata") ? BPF_MAP_FLAG.RDONLY_PROG : 0;
  const shape = { name, type: BPF_MAP_TYPE.ARRAY, keySize: 4, valueSize: size, maxEntries: 1, flags };
  return { shape, section: index, offset: -1, data };
}

/** Every map that an object defines, by name. Errors: `BpfError` EINVAL naming the map and the field. */
export function mapsOf({ sections, symbols }: Elf): Map<string, MapDefinition> {
  const found = new Map<string, MapDefinition>();
  const inSection = (section: ElfSection) =>
    symbols.filter((symbol) => symbol.section === section.index && symbol.type !== STT.SECTION && symbol.name !== "");
  const types = sections.find(({ name }) => name === ".BTF");
  for (const section of sections) {
    if (section.type !== SHT.PROGBITS && section.type !== SHT.NOBITS) continue;
    if (section.name === ".maps") {
      const btf = new Btf((types ?? refuse(".maps", "the object has no BTF: compile it with -g")).data);
      const variables = btf.variables(".maps");
      for (const symbol of inSection(section)) {
        const type = variables.get(symbol.name) ?? refuse(symbol.name, "it is not in the object's BTF");
        const shape = readTyped(btf, symbol.name, type);
        found.set(symbol.name, { shape, section: section.index, offset: symbol.value, data: undefined });
      }
    } else if (section.name === "maps") {
      for (const symbol of inSection(section)) {
        const place = { section: section.index, offset: symbol.value, data: undefined };
        found.set(symbol.name, { shape: readLegacy(symbol, section), ...place });
      }
    } else if (GLOBAL_DATA.test(section.name) && section.size > 0) found.set(section.name, globalData(section));
  }
  return found;
}
