// Owns: reading an ELF object for eBPF: sections, symbols, relocations. Every offset and length of the file is checked
// before it is used; a file that lies gets a `BpfError` that names the field.
// Must not: know maps or programs. Source: the System V ABI, and the kernel's documentation of eBPF relocations.

import { BpfError } from "./errors.ts";

export const EM_BPF = 247;
export const SHT = { PROGBITS: 1, SYMTAB: 2, STRTAB: 3, NOBITS: 8, REL: 9 } as const;
export const SHF_EXECINSTR = 4;
export const STT = { NOTYPE: 0, OBJECT: 1, FUNC: 2, SECTION: 3 } as const;
/** Relocation of a 64-bit load, and of a call. */
export const R_BPF = { LOAD: 1, CALL: 10 } as const;

const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
const REL_BYTES = 16;

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly link: number;
  /** For relocations: the section that they change. */
  readonly info: number;
  readonly size: number;
  /** Zeros where the file holds none (.bss). */
  readonly data: Uint8Array;
}

export interface ElfSymbol {
  readonly name: string;
  readonly type: number;
  readonly global: boolean;
  /** 0: undefined. */
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

export interface ElfRelocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: ElfSymbol;
}

export interface Elf {
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Relocations of a section, by its index. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

function refuse(what: string): never {
  throw new BpfError(`ELF object: ${what}`, "EINVAL");
}

// A file of 2^53 bytes is beyond any buffer; a larger number is out of bounds in any case.
const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

function piece(file: Uint8Array, offset: number, size: number, what: string): Uint8Array {
  if (offset < 0 || size < 0 || offset + size > file.length) {
    refuse(`${what} lies at ${offset}..${offset + size}, the file has ${file.length} bytes`);
  }
  return file.subarray(offset, offset + size);
}

function textAt(strings: Uint8Array, offset: number): string {
  const end = strings.indexOf(0, offset);
  if (offset >= strings.length || end < 0) refuse(`a name lies at ${offset} of ${strings.length} bytes`);
  return Buffer.from(strings.subarray(offset, end)).toString("utf8");
}

function checkHeader(file: Uint8Array, view: DataView): void {
  if (file.length < HEADER_BYTES) refuse(`it has ${file.length} bytes, a header alone has ${HEADER_BYTES}`);
  if (view.getUint32(0, false) !== 0x7f454c46) refuse("it does not begin with the ELF magic");
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1) refuse("it is not of 64 bits and little endian");
  const machine = view.getUint16(18, true);
  if (machine !== EM_BPF) refuse(`it is for machine ${machine}, not for eBPF (${EM_BPF})`);
}

function readSections(file: Uint8Array, view: DataView): ElfSection[] {
  const start = u64(view, 40);
  const count = view.getUint16(60, true);
  const each = view.getUint16(58, true);
  if (each !== SECTION_BYTES) refuse(`a section header has ${each} bytes, not ${SECTION_BYTES}`);
  piece(file, start, count * SECTION_BYTES, "the table of sections");
  const raw = Array.from({ length: count }, (_, index) => {
    const at = start + index * SECTION_BYTES;
    const type = view.getUint32(at + 4, true);
    const size = u64(view, at + 32);
    if (type === SHT.NOBITS && size > 2 ** 26) refuse(`section ${index} has ${size} bytes of zeros`);
    const data = type === SHT.NOBITS ? new Uint8Array(size) : piece(file, u64(view, at + 24), size, `section ${index}`);
    const [link, info] = [view.getUint32(at + 40, true), view.getUint32(at + 44, true)];
    return { index, nameAt: view.getUint32(at, true), type, flags: u64(view, at + 8), link, info, size, data };
  });
  const names = raw[view.getUint16(62, true)]?.data ?? refuse("it has no table of section names");
  return raw.map(({ nameAt, ...section }) => ({ ...section, name: textAt(names, nameAt) }));
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function readSymbols(sections: readonly ElfSection[]): ElfSymbol[] {
  const table = sections.find(({ type }) => type === SHT.SYMTAB);
  if (table === undefined) return [];
  const strings = sections[table.link]?.data ?? refuse("its symbols have no names");
  const view = viewOf(table.data);
  return Array.from({ length: Math.floor(table.size / SYMBOL_BYTES) }, (_, index) => {
    const at = index * SYMBOL_BYTES;
    const info = view.getUint8(at + 4);
    const section = view.getUint16(at + 6, true);
    const name = textAt(strings, view.getUint32(at, true));
    const type = info & 15;
    return { name, type, global: info >> 4 !== 0, section, value: u64(view, at + 8), size: u64(view, at + 16) };
  });
}

function readRelocations(section: ElfSection, symbols: readonly ElfSymbol[]): ElfRelocation[] {
  const view = viewOf(section.data);
  return Array.from({ length: Math.floor(section.size / REL_BYTES) }, (_, index) => {
    const at = index * REL_BYTES;
    const number = view.getUint32(at + 12, true);
    const symbol = symbols[number] ?? refuse(`${section.name} names symbol ${number} of ${symbols.length}`);
    return { offset: u64(view, at), type: view.getUint32(at + 8, true), symbol };
  });
}

/** Reads an object that clang or gcc has made for eBPF. Errors: `BpfError` EINVAL. */
export function readElf(file: Uint8Array): Elf {
  const view = viewOf(file);
  checkHeader(file, view);
  const sections = readSections(file, view);
  const symbols = readSymbols(sections);
  const relocations = new Map<number, readonly ElfRelocation[]>();
  for (const section of sections) {
    if (section.type === SHT.REL) relocations.set(section.info, readRelocations(section, symbols));
  }
  return { sections, symbols, relocations };
}
