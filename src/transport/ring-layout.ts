// Owns: the answer to SETUP as numbers that can be relied on. It comes from the kernel, and everything later is
// addressed by it, so each field is copied once and checked: alone, against the wishes, and the parts against another.
// Must not: map or open anything.

import { OPCODES, type Opcode } from "../abi/fuse-opcodes.ts";
import { FuseInHeader, FuseOutHeader } from "../abi/fuse-structs.ts";
import {
  RFUSE_FEATURE,
  RFUSE_MAGIC,
  RFUSE_MAX_CHANNELS,
  RFUSE_VERSION,
  RfuseControl,
  RfuseForget,
  RfuseInterrupt,
  RfuseSetup,
  RfuseSlot,
} from "../abi/ring.ts";

/** A field of the answer that no honest module would give. */
export class RingLayoutError extends RangeError {
  override readonly name = "RingLayoutError";
  readonly field: string;
  readonly value: number;

  constructor(field: string, value: number, limit: string) {
    super(`the module's answer to SETUP has ${field} ${value}; it must be ${limit}`);
    this.field = field;
    this.value = value;
  }
}

/** Fields of the answer that later code uses, under their C names; bytes where not counts. */
export type RingLayout = { readonly [Field in (typeof FIELDS)[number]]: number };

// biome-ignore format: one list, read by eye
const FIELDS = [
  "magic", "version", "features", "channels", "depth", "payload_pool", "spin_us", "channel_size", "channel_stride",
  "page_size", "control_offset", "pending_offset", "pending_entries", "forget_offset", "forget_entries",
  "interrupt_offset", "interrupt_entries", "completion_offset", "completion_entries", "slots_offset", "slot_size",
  "slot_in", "slot_in_size", "slot_out", "slot_out_size", "payload_offset",
] as const;

const DEPTH_MAX = 1024;
const ENTRIES_MAX = 65_536;
const POOL_MAX = 64 * 2 ** 20;
const SPIN_MAX_US = 10_000;
const SLOT_MAX = 65_536;
const CHANNEL_MAX = POOL_MAX + 64 * 2 ** 20;
const PAGE = { min: 4096, max: 65_536 } as const;

const rows: readonly Opcode[] = Object.values(OPCODES);
/** Room without which no request, or not every fixed reply, fits into a slot. */
const IN_MIN = FuseInHeader.size + Math.max(...rows.map((row) => row.in?.size ?? 0));
const OUT_MIN = FuseOutHeader.size + Math.max(...rows.map((row) => row.out.reduce((sum, { size }) => sum + size, 0)));

type Check = (value: number, layout: RingLayout) => string | undefined;

const exactly =
  (wanted: number): Check =>
  (value) =>
    value === wanted ? undefined : `${wanted}`;
const range =
  (low: number, high: number, unit = 1): Check =>
  (value) =>
    value >= low && value <= high && value % unit === 0
      ? undefined
      : `in ${low}..${high}${unit > 1 ? `, a multiple of ${unit}` : ""}`;
const powerOfTwo =
  (low: (layout: RingLayout) => number, high: number): Check =>
  (value, layout) =>
    value >= low(layout) && value <= high && (value & (value - 1)) === 0
      ? undefined
      : `a power of two in ${low(layout)}..${high}`;
const paged =
  (low: number, high: number): Check =>
  (value, { page_size }) =>
    range(low, high, page_size)(value, {} as RingLayout);

const CHECKS: { readonly [Field in keyof RingLayout]: Check } = {
  magic: exactly(RFUSE_MAGIC),
  version: exactly(RFUSE_VERSION),
  features: (value) => (value & RFUSE_FEATURE.EVENTFD ? undefined : `one with EVENTFD (${RFUSE_FEATURE.EVENTFD})`),
  channels: range(1, RFUSE_MAX_CHANNELS),
  depth: range(1, DEPTH_MAX),
  spin_us: range(0, SPIN_MAX_US),
  page_size: powerOfTwo(() => PAGE.min, PAGE.max),
  payload_pool: paged(0, POOL_MAX),
  channel_size: paged(1, CHANNEL_MAX),
  channel_stride: (value, layout) => paged(layout.channel_size, 2 ** 40)(value, layout),
  control_offset: range(0, CHANNEL_MAX, 128),
  pending_offset: range(0, CHANNEL_MAX, 4),
  pending_entries: powerOfTwo(({ depth }) => depth, ENTRIES_MAX),
  forget_offset: range(0, CHANNEL_MAX, 8),
  forget_entries: powerOfTwo(() => 1, ENTRIES_MAX),
  interrupt_offset: range(0, CHANNEL_MAX, 8),
  interrupt_entries: powerOfTwo(() => 1, ENTRIES_MAX),
  completion_offset: range(0, CHANNEL_MAX, 4),
  completion_entries: powerOfTwo(({ depth }) => depth, ENTRIES_MAX),
  slots_offset: range(0, CHANNEL_MAX, 8),
  slot_size: range(RfuseSlot.size + IN_MIN + OUT_MIN, SLOT_MAX, 8),
  slot_in: range(RfuseSlot.size, SLOT_MAX, 8),
  slot_in_size: range(IN_MIN, SLOT_MAX),
  slot_out: range(RfuseSlot.size, SLOT_MAX, 8),
  slot_out_size: range(OUT_MIN, SLOT_MAX),
  payload_offset: paged(0, CHANNEL_MAX),
};

interface Part {
  readonly field: keyof RingLayout;
  readonly at: number;
  readonly bytes: number;
}

/** Parts lie one after another without overlap, and end at or before `size`. */
function checkParts(parts: readonly Part[], size: number, what: string): void {
  let end = 0;
  for (const { field, at, bytes } of [...parts].sort((one, other) => one.at - other.at)) {
    if (at < end) throw new RingLayoutError(field, at, `${end} or more, where the part before it ends`);
    end = at + bytes;
    if (end > size) throw new RingLayoutError(field, at, `at most ${size - bytes}, so that it ends inside the ${what}`);
  }
}

const partsOf = (layout: RingLayout): readonly Part[] => [
  { field: "control_offset", at: layout.control_offset, bytes: RfuseControl.size },
  { field: "pending_offset", at: layout.pending_offset, bytes: layout.pending_entries * 4 },
  { field: "forget_offset", at: layout.forget_offset, bytes: layout.forget_entries * RfuseForget.size },
  { field: "interrupt_offset", at: layout.interrupt_offset, bytes: layout.interrupt_entries * RfuseInterrupt.size },
  { field: "completion_offset", at: layout.completion_offset, bytes: layout.completion_entries * 4 },
  { field: "slots_offset", at: layout.slots_offset, bytes: layout.depth * layout.slot_size },
  { field: "payload_offset", at: layout.payload_offset, bytes: layout.payload_pool },
];

const slotPartsOf = (layout: RingLayout): readonly Part[] => [
  { field: "slot_in", at: layout.slot_in, bytes: layout.slot_in_size },
  { field: "slot_out", at: layout.slot_out, bytes: layout.slot_out_size },
];

function fieldOf(answer: DataView, field: (typeof FIELDS)[number]): number {
  const at = RfuseSetup.at[field];
  return RfuseSetup.spec[field] === "u64" ? Number(answer.getBigUint64(at, true)) : answer.getUint32(at, true);
}

/** The layout in a struct rfuse_setup that SETUP filled. Errors: `RingLayoutError` naming field, value and limit. */
export function readLayout(answer: DataView): RingLayout {
  const layout = Object.fromEntries(FIELDS.map((field) => [field, fieldOf(answer, field)])) as RingLayout;
  for (const [field, check] of Object.entries(CHECKS) as [keyof RingLayout, Check][]) {
    const limit = check(layout[field], layout);
    if (limit !== undefined) throw new RingLayoutError(field, layout[field], limit);
  }
  checkParts(partsOf(layout), layout.channel_size, "channel");
  checkParts(slotPartsOf(layout), layout.slot_size, "slot");
  return Object.freeze(layout);
}
