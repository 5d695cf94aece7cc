// Proves that nothing of the module's answer to SETUP is believed unseen: every field that is out of bounds, and every two
// parts that overlap, is refused by an error that names the field and its value.
import { describe, expect, it } from "vitest";
import { RingLayoutError, readLayout } from "../../src/transport/ring-layout.ts";
import { honestFields, setupAnswer } from "./ring-kernel.ts";

type Field = keyof ReturnType<typeof honestFields>;

/** The field that an answer with this one change is refused for. */
function refused(change: Partial<Record<Field, number>>): { field: string; value: number; message: string } {
  try {
    readLayout(setupAnswer(change));
  } catch (thrown) {
    if (thrown instanceof RingLayoutError) return thrown;
    throw thrown;
  }
  throw new Error(`${JSON.stringify(change)} was believed`);
}

const honest = honestFields();
const PAGE = 4096;

describe("readLayout", () => {
  it("takes an honest answer as it is", () => {
    expect(readLayout(setupAnswer({}))).toMatchObject({ channels: 1, depth: 8, slot_in: 512, payload_pool: 64 * PAGE });
    expect(Object.isFrozen(readLayout(setupAnswer({})))).toBe(true);
  });

  const cases: readonly (readonly [Field, readonly number[]])[] = [
    ["magic", [0, honest.magic + 1]],
    ["version", [0, 2, 0xffffffff]],
    ["features", [0, 0b1111]],
    ["channels", [0, 1025, 0xffffffff]],
    ["depth", [0, 1025, 0x80000000]],
    ["spin_us", [10_001, 0xffffffff]],
    ["page_size", [0, 2048, 4095, 6144, 131_072]],
    ["payload_pool", [1, PAGE + 1, 65 * 2 ** 20, 0xfffff000]],
    ["channel_size", [0, PAGE - 1, honest.channel_size + 1, 2 ** 31, Number.MAX_SAFE_INTEGER]],
    ["channel_stride", [0, honest.channel_size - PAGE, honest.channel_size + 1]],
    ["control_offset", [64, 2 ** 31]],
    ["pending_offset", [PAGE + 1]],
    ["pending_entries", [0, 4, 9, 2 ** 17, 0xffffffff]],
    ["forget_offset", [4 * PAGE + 4]],
    ["forget_entries", [0, 3, 2 ** 17]],
    ["interrupt_offset", [3 * PAGE + 4]],
    ["interrupt_entries", [0, 5, 0x80000000]],
    ["completion_offset", [2 * PAGE + 2]],
    ["completion_entries", [0, 4, 24]],
    ["slots_offset", [16 * PAGE + 4]],
    ["slot_size", [0, 64, 1023, 65_544]],
    ["slot_in", [0, 56, 516]],
    ["slot_in_size", [0, 100, 65_537]],
    ["slot_out", [32, 68]],
    ["slot_out_size", [0, 100]],
    ["payload_offset", [honest.payload_offset + 8, 2 ** 31]],
  ];
  it.each(cases.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    "%s %d: is refused by name",
    (field, value) => {
      expect(refused({ [field]: value })).toMatchObject({ field, value });
      expect(refused({ [field]: value }).message).toContain(`${field} ${value}; it must be`);
    },
  );

  it.each<[string, Field, Partial<Record<Field, number>>]>([
    ["rings over the control page", "pending_offset", { pending_offset: 0 }],
    ["a ring inside another", "forget_offset", { forget_offset: 3 * PAGE + 32 }],
    ["slots over the rings", "slots_offset", { slots_offset: 4 * PAGE + 16 }],
    ["payload over the slots", "payload_offset", { payload_offset: honest.payload_offset - PAGE }],
    ["payload beyond the end", "payload_offset", { payload_offset: honest.payload_offset + PAGE }],
    ["more slots than there is room for", "payload_offset", { depth: 16, pending_entries: 16 }],
    ["a channel that ends before its parts", "payload_offset", { channel_size: 70 * PAGE }],
    ["request over reply", "slot_in", { slot_in: 504 }],
    ["a request beyond its slot", "slot_in", { slot_in_size: 4 * PAGE }],
  ])("%s: is refused", (_, field, change) => expect(refused(change).field).toBe(field));
});
