// Owns: where replies hold what a node's slot keeps, and whether the kernel module would take it from a program: a LOOKUP
// that it refuses was counted all the same, and the node would stay for ever. The same as kmod/bpf-reply.c judges.
// Must not: know slots.

import { FuseAttrOut, FuseEntryOut } from "../../abi/fuse-structs.ts";

/** Byte offsets from the start of a reply's struct; `generation` -1: none. */
export interface NodeSource {
  readonly attrValid: number;
  readonly attrValidNsec: number;
  readonly attr: number;
  readonly generation: number;
}

const ENTRY = FuseEntryOut.at;
const ATTR = FuseAttrOut.at;
const FIELD = FuseAttrOut.spec.attr.at;

export const ENTRY_SOURCE: NodeSource = {
  attrValid: ENTRY.attr_valid,
  attrValidNsec: ENTRY.attr_valid_nsec,
  attr: ENTRY.attr,
  generation: ENTRY.generation,
};
export const ATTR_SOURCE: NodeSource = {
  attrValid: ATTR.attr_valid,
  attrValidNsec: ATTR.attr_valid_nsec,
  attr: ATTR.attr,
  generation: -1,
};

const NS_PER_S = 1_000_000_000;
/** Types of files, as S_IFMT >> 12: FIFO, character device, directory, block device, file, link, socket. */
const TYPES = (1 << 1) | (1 << 2) | (1 << 4) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 12);

/** Whether a word is a part of a second in nanoseconds. Hot. */
export const isNsec = (word: number): boolean => word >>> 0 < NS_PER_S;

/** The type in a mode; 0: none. Hot. */
export const typeOf = (mode: number): number => (mode >>> 12) & 0xf;

/** The mode in a struct at byte `from` of a reply's words. Hot. */
export const modeIn = (words: Int32Array, from: number, { attr }: NodeSource): number =>
  words[(from + attr + FIELD.mode) >> 2] as number;

/** Whether a program may answer what the struct at byte `from` says. Hot. */
export function isLegal(words: Int32Array, from: number, source: NodeSource): boolean {
  const attr = from + source.attr;
  return (
    ((TYPES >>> typeOf(modeIn(words, from, source))) & 1) !== 0 &&
    (words[(attr + FIELD.size + 4) >> 2] as number) >= 0 &&
    isNsec(words[(from + source.attrValidNsec) >> 2] as number) &&
    isNsec(words[(attr + FIELD.atimensec) >> 2] as number) &&
    isNsec(words[(attr + FIELD.mtimensec) >> 2] as number) &&
    isNsec(words[(attr + FIELD.ctimensec) >> 2] as number)
  );
}
