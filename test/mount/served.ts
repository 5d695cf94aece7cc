// Owns: the table of what is judged: filesystems that ship, by the form, the lane and the number of workers that serve
// them. Not every combination, which would take an hour, but every pair of two columns' values that can occur; and for
// the passthrough each lane with one and with several workers, by the daemon and by the kernel.
// Must not: hold an expectation.

import type { Features } from "../behaviour/suite.ts";
import { canPass, MEMORY, PASSED_THROUGH, PASSTHROUGH } from "./features.ts";
import {
  DEV,
  DEV_CORES,
  DEV_DOORBELL,
  isTestable,
  type LaneCase,
  URING,
  URING_DOORBELL,
  URING_SHALLOW,
} from "./lanes.ts";

/** A filesystem that ships. */
export interface Shipped {
  readonly name: string;
  readonly filesystem: URL;
  readonly features: Features;
  /** The kernel reads and writes the source by itself. */
  readonly passed: boolean;
  /** `filesystemOptions`; `source` is an empty directory. */
  options(source: string): Record<string, unknown>;
}

const module = (name: string) => new URL(`../../src/fs/${name}/module.ts`, import.meta.url);

export const MEMORY_FS: Shipped = {
  name: "memory",
  filesystem: module("memory"),
  features: MEMORY,
  passed: false,
  options: () => ({ mode: 0o777 }),
};

export const BY_DAEMON: Shipped = {
  name: "passthrough by the daemon",
  filesystem: module("passthrough"),
  features: PASSTHROUGH,
  passed: false,
  options: (source) => ({ source, passthrough: "off" }),
};

export const BY_KERNEL: Shipped = {
  name: "passthrough by the kernel",
  filesystem: module("passthrough"),
  features: PASSED_THROUGH,
  passed: true,
  options: (source) => ({ source }),
};

/** One combination. */
export interface Row {
  readonly shipped: Shipped;
  readonly form: "module" | "object";
  readonly lane: LaneCase;
}

const row = (shipped: Shipped, form: Row["form"], lane: LaneCase): Row => ({ shipped, form, lane });

const ALL: readonly Row[] = [
  row(MEMORY_FS, "object", DEV),
  row(MEMORY_FS, "module", URING),
  row(BY_DAEMON, "object", DEV),
  row(BY_DAEMON, "module", DEV_DOORBELL),
  row(BY_DAEMON, "module", URING_SHALLOW),
  row(BY_KERNEL, "module", DEV),
  row(BY_KERNEL, "module", DEV_CORES),
  row(BY_KERNEL, "object", URING),
  row(BY_KERNEL, "module", URING_DOORBELL),
];

/** The combinations that this machine and user can have. */
export const ROWS: readonly Row[] = ALL.filter(({ shipped, lane }) => isTestable(lane) && (canPass || !shipped.passed));

export const nameOf = ({ shipped, form, lane }: Row): string => `${shipped.name}, ${form} form, ${lane.name}`;
