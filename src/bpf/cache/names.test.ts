// Proves that a name which no slot can hold is written to none: slots of a bucket follow one another without a gap.

import { expect, it } from "vitest";
import { Coherence } from "./coherence.ts";
import { KIND, NAME_BYTES, NameSlot, WAYS } from "./layout.ts";
import { Lifetime } from "./lifetime.ts";
import { NameVisit } from "./name-visit.ts";
import { Names } from "./names.ts";
import { NodeEpochs } from "./node-epochs.ts";

/** What is written by a change of a name of `length` bytes that ends well. */
function written(length: number): number {
  const memory = new SharedArrayBuffer(NameSlot.size * WAYS);
  const [control, epochs] = [new Int32Array(4), new NodeEpochs(new Int32Array(4))];
  const coherence = new Coherence(new SharedArrayBuffer(Coherence.byteLength(1)), 0);
  const names = new Names(memory, 1, control, epochs, coherence, new Lifetime(1000));
  const visit = new NameVisit();
  names.see(visit, 1, new Uint8Array(length).fill(0x61), 0, length);
  names.enter(visit);
  names.leave(visit, KIND.NO_ENTRY, 0, new NameVisit());
  return new Uint8Array(memory).findLastIndex((byte) => byte !== 0) + 1;
}

it("Names.leave: writes a name within its slot, and one that is too long nowhere", () => {
  expect(written(NAME_BYTES - 1)).toBe(NameSlot.at.name + NAME_BYTES - 1);
  for (const length of [NAME_BYTES, NAME_BYTES + 1, 1024]) expect(written(length), `${length} bytes`).toBe(0);
});
