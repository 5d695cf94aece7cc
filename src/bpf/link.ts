// Owns: making a function of an object loadable: its instructions, the functions that it calls behind them, and every
// relocated load and call pointing to where it belongs.
// Must not: open maps or load programs.

import { type Elf, type ElfRelocation, type ElfSection, type ElfSymbol, R_BPF, STT } from "./elf.ts";
import { BpfError } from "./errors.ts";
import { CALL, CLASS, INSTRUCTION_BYTES, LOAD_64, PSEUDO } from "./instructions.ts";
import type { MapDefinition } from "./object-maps.ts";

const CALL_CODE = CLASS.JMP | CALL;
/** Source register of a call within the program. */
const PSEUDO_CALL = 1;

/** Descriptors of the maps that were opened. */
export type OpenedMaps = ReadonlyMap<string, { readonly fd: number }>;

interface Part {
  readonly name: string;
  readonly section: ElfSection;
  /** Bytes from the section's start. */
  readonly from: number;
  readonly to: number;
  /** Number of its first instruction in the program. */
  readonly at: number;
}

class Linker {
  private readonly parts: Part[] = [];
  private length = 0;

  constructor(
    private readonly elf: Elf,
    private readonly definitions: ReadonlyMap<string, MapDefinition>,
    private readonly opened: OpenedMaps,
    private readonly name: string,
  ) {}

  link(entry: ElfSymbol): Uint8Array {
    this.place(entry.section, entry.value);
    const code: Uint8Array[] = [];
    // Parts that calls add are placed behind the last one, and linked in their turn.
    for (let index = 0; index < this.parts.length; index++) code.push(this.relocate(this.parts[index] as Part));
    return new Uint8Array(Buffer.concat(code));
  }

  // The number of the first instruction of the function that begins there.
  private place(sectionIndex: number, from: number): number {
    const section = this.elf.sections[sectionIndex] ?? this.refuse(`it is in section ${sectionIndex}`);
    const known = this.parts.find((part) => part.section === section && part.from <= from && from < part.to);
    if (known !== undefined) return known.at + (from - known.from) / INSTRUCTION_BYTES;
    const starts = this.elf.symbols
      .filter(({ section: where, type }) => where === sectionIndex && type === STT.FUNC)
      .map(({ value }) => value);
    const to = Math.min(section.size, ...starts.filter((start) => start > from));
    if (from % INSTRUCTION_BYTES !== 0 || to % INSTRUCTION_BYTES !== 0 || from >= to) {
      this.refuse(`a function at ${from}..${to} of ${section.name} is no row of instructions`);
    }
    const at = this.length;
    this.parts.push({ name: section.name, section, from, to, at });
    this.length += (to - from) / INSTRUCTION_BYTES;
    return at;
  }

  private relocate(part: Part): Uint8Array {
    const code = Uint8Array.from(part.section.data.subarray(part.from, part.to)); // a Buffer's slice would be no copy
    const view = new DataView(code.buffer);
    const relocations = this.elf.relocations.get(part.section.index) ?? [];
    const byOffset = new Map(relocations.map((relocation) => [relocation.offset - part.from, relocation]));
    for (let at = 0; at < code.length; at += INSTRUCTION_BYTES) {
      const relocation = byOffset.get(at);
      const number = view.getUint8(at);
      if (number === LOAD_64) {
        if (at + INSTRUCTION_BYTES >= code.length) this.refuse(`a load at ${at} of ${part.name} has no second half`);
        if (relocation !== undefined) this.load(view, at, relocation);
        at += INSTRUCTION_BYTES;
      } else if (number === CALL_CODE && view.getUint8(at + 1) >> 4 === PSEUDO_CALL) {
        this.call(view, at, part, relocation);
      } else if (relocation !== undefined) {
        this.refuse(`relocation ${relocation.type} at ${at} of ${part.name} is of no load and no call`);
      }
    }
    return code;
  }

  private load(view: DataView, at: number, { type, symbol }: ElfRelocation): void {
    if (type !== R_BPF.LOAD) this.refuse(`relocation ${type} of a load is not supported`);
    const addend = view.getInt32(at + 4, true);
    for (const [name, { section, offset, data }] of this.definitions) {
      if (section !== symbol.section || (data === undefined && offset !== symbol.value)) continue;
      const fd = this.opened.get(name)?.fd ?? this.refuse(`map "${name}" is not open`);
      const pseudo = data === undefined ? PSEUDO.MAP_FD : PSEUDO.MAP_VALUE;
      view.setUint8(at + 1, (view.getUint8(at + 1) & 15) | (pseudo << 4));
      view.setInt32(at + 4, fd, true);
      view.setInt32(at + 12, data === undefined ? 0 : symbol.value + addend, true);
      return;
    }
    this.refuse(`"${symbol.name}" is neither a map nor global data of the object`);
  }

  // Without a relocation the distance counts from the next instruction of the same section.
  private call(view: DataView, at: number, part: Part, relocation: ElfRelocation | undefined): void {
    const imm = view.getInt32(at + 4, true);
    let target: number;
    if (relocation === undefined) {
      target = this.place(part.section.index, part.from + at + (imm + 1) * INSTRUCTION_BYTES);
    } else {
      const { type, symbol } = relocation;
      if (type !== R_BPF.CALL || symbol.section === 0) this.refuse(`a call of "${symbol.name}", which is not here`);
      const within = symbol.type === STT.SECTION ? (imm + 1) * INSTRUCTION_BYTES : 0;
      target = this.place(symbol.section, symbol.value + within);
    }
    view.setInt32(at + 4, target - (part.at + at / INSTRUCTION_BYTES) - 1, true);
  }

  private refuse(what: string): never {
    throw new BpfError(`program "${this.name}": ${what}`, "EINVAL");
  }
}

/** The instructions of function `entry`, ready to be loaded. Errors: `BpfError` EINVAL. */
export function linkProgram(
  elf: Elf,
  entry: ElfSymbol,
  definitions: ReadonlyMap<string, MapDefinition>,
  opened: OpenedMaps,
): Uint8Array {
  return new Linker(elf, definitions, opened, entry.name).link(entry);
}
