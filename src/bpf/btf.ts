// Owns: reading the type information (BTF) of an object as far as maps need it: names, sizes, members of structs.
// Must not: know maps. Source: the kernel's Documentation/bpf/btf.

import { BpfError } from "./errors.ts";

const MAGIC = 0xeb9f;
const KIND = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;
/** Bytes after the 12 of each type: fixed, and for each of its elements. */
const EXTRA: Readonly<Record<number, readonly [fixed: number, each: number]>> = {
  [KIND.INT]: [4, 0],
  [KIND.ARRAY]: [12, 0],
  [KIND.STRUCT]: [0, 12],
  [KIND.UNION]: [0, 12],
  [KIND.ENUM]: [0, 8],
  [KIND.FUNC_PROTO]: [0, 8],
  [KIND.VAR]: [4, 0],
  [KIND.DATASEC]: [0, 12],
  [KIND.DECL_TAG]: [4, 0],
  [KIND.ENUM64]: [0, 12],
};
const ALIASES: ReadonlySet<number> = new Set([KIND.TYPEDEF, KIND.VOLATILE, KIND.CONST, KIND.RESTRICT, KIND.TYPE_TAG]);
const POINTER_BYTES = 8;

interface BtfType {
  readonly name: string;
  readonly kind: number;
  readonly length: number;
  /** Size in bytes, or the type that it leads to. */
  readonly sizeOrType: number;
  /** Offset of what follows. */
  readonly extra: number;
}

/** The types of one object; ids count from 1, 0 is void. */
export class Btf {
  private readonly view: DataView;
  private readonly strings: Uint8Array;
  private readonly types: BtfType[] = [];

  /** Errors: `BpfError` EINVAL for a section that lies about its parts, or has a kind that is not known. */
  constructor(section: Uint8Array) {
    this.view = new DataView(section.buffer, section.byteOffset, section.length);
    if (section.length < 24 || this.view.getUint16(0, true) !== MAGIC) this.refuse("it does not begin with its magic");
    const header = this.u32(4);
    const [typeAt, typeBytes, stringAt, stringBytes] = [8, 12, 16, 20].map((at) => this.u32(at)) as [
      number,
      number,
      number,
      number,
    ];
    const end = header + typeAt + typeBytes;
    if (end > section.length || header + stringAt + stringBytes > section.length)
      this.refuse("its parts lie beyond it");
    this.strings = section.subarray(header + stringAt, header + stringAt + stringBytes);
    for (let at = header + typeAt; at < end; ) {
      const info = this.u32(at + 4);
      const [kind, length] = [(info >> 24) & 31, info & 0xffff];
      if (kind > KIND.ENUM64) this.refuse(`it has a type of kind ${kind}`);
      this.types.push({ name: this.text(this.u32(at)), kind, length, sizeOrType: this.u32(at + 8), extra: at + 12 });
      const [fixed, each] = EXTRA[kind] ?? [0, 0];
      at += 12 + fixed + each * length;
    }
  }

  /** Types of the variables of a section such as ".maps", by their names. */
  variables(section: string): Map<string, number> {
    const found = new Map<string, number>();
    const datasec = this.types.find(({ kind, name }) => kind === KIND.DATASEC && name === section);
    for (let index = 0; datasec !== undefined && index < datasec.length; index++) {
      const variable = this.type(this.u32(datasec.extra + index * 12));
      found.set(variable.name, variable.sizeOrType);
    }
    return found;
  }

  /** Types of a struct's members, by their names; undefined when it is no struct. */
  members(id: number): Map<string, number> | undefined {
    const type = this.plain(id);
    if (type.kind !== KIND.STRUCT) return undefined;
    const member = (index: number) => type.extra + index * 12;
    return new Map(
      Array.from({ length: type.length }, (_, index) => [
        this.text(this.u32(member(index))),
        this.u32(member(index) + 4),
      ]),
    );
  }

  /** How the macro `__uint(name, N)` writes a number: a pointer to an array of N. Undefined for anything else. */
  number(id: number): number | undefined {
    const pointer = this.plain(id);
    const array = pointer.kind === KIND.PTR ? this.plain(pointer.sizeOrType) : undefined;
    return array?.kind === KIND.ARRAY ? this.u32(array.extra + 8) : undefined;
  }

  /** Bytes of what `__type(name, T)` names: a pointer to it. Undefined for anything else. */
  pointedSize(id: number): number | undefined {
    const pointer = this.plain(id);
    return pointer.kind === KIND.PTR ? this.size(pointer.sizeOrType, 0) : undefined;
  }

  private size(id: number, depth: number): number | undefined {
    const type = this.plain(id);
    if (depth > 32) this.refuse("its types go in a circle");
    if (type.kind === KIND.PTR) return POINTER_BYTES;
    if (type.kind !== KIND.ARRAY) {
      const sized: readonly number[] = [KIND.INT, KIND.STRUCT, KIND.UNION, KIND.ENUM, KIND.ENUM64, KIND.FLOAT];
      return sized.includes(type.kind) ? type.sizeOrType : undefined;
    }
    const element = this.size(this.u32(type.extra), depth + 1);
    return element === undefined ? undefined : element * this.u32(type.extra + 8);
  }

  private plain(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; ALIASES.has(type.kind); depth++) {
      if (depth > this.types.length) this.refuse("its types go in a circle");
      type = this.type(type.sizeOrType);
    }
    return type;
  }

  private type(id: number): BtfType {
    return this.types[id - 1] ?? this.refuse(`it names type ${id} of ${this.types.length}`);
  }

  private u32(at: number): number {
    if (at < 0 || at + 4 > this.view.byteLength) this.refuse("a type lies beyond it");
    return this.view.getUint32(at, true);
  }

  private text(at: number): string {
    const end = this.strings.indexOf(0, at);
    if (end < 0) this.refuse(`a name lies at ${at} of ${this.strings.length} bytes`);
    return Buffer.from(this.strings.subarray(at, end)).toString("utf8");
  }

  private refuse(what: string): never {
    throw new BpfError(`BTF: ${what}`, "EINVAL");
  }
}
