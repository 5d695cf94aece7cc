// Owns: which lanes can carry a session on this machine, and for each that cannot, why. Reads; opens nothing.

import { existsSync, readFileSync } from "node:fs";
import type { Lane } from "./transport.ts";

/** A lane's state here. `code` is stable for programs. */
export interface LaneReport {
  readonly lane: Lane;
  readonly available: boolean;
  readonly code: "READY" | "NO_DEVICE" | "NO_MODULE" | "NOT_IN_KERNEL" | "NOT_ENABLED" | "NOT_IN_THIS_VERSION";
  readonly reason: string;
}

const URING_SWITCH = "/sys/module/fuse/parameters/enable_uring";

function probeRing(): LaneReport {
  const lane = "ring";
  if (!existsSync("/dev/rfuse")) return { lane, available: false, code: "NO_MODULE", reason: "no /dev/rfuse" };
  return { lane, available: false, code: "NOT_IN_THIS_VERSION", reason: "this version has no ring lane" };
}

function probeUring(): LaneReport {
  const lane = "io_uring";
  if (!existsSync(URING_SWITCH)) {
    return { lane, available: false, code: "NOT_IN_KERNEL", reason: "this kernel has no FUSE-over-io_uring" };
  }
  if (readFileSync(URING_SWITCH, "utf8").trim() !== "Y") {
    return { lane, available: false, code: "NOT_ENABLED", reason: "enable_uring is off" };
  }
  return { lane, available: false, code: "NOT_IN_THIS_VERSION", reason: "this version has no io_uring lane" };
}

function probeDev(): LaneReport {
  const lane = "dev";
  if (!existsSync("/dev/fuse")) return { lane, available: false, code: "NO_DEVICE", reason: "no /dev/fuse" };
  return { lane, available: true, code: "READY", reason: "" };
}

/** Every lane, fastest first. */
export function probe(): LaneReport[] {
  return [probeRing(), probeUring(), probeDev()];
}

/** One phrase that says why no lane faster than `dev` is in use. */
export function whyNotFaster(): string {
  return probe()
    .filter((report) => report.lane !== "dev" && !report.available)
    .map((report) => `${report.lane}: ${report.reason}`)
    .join("; ");
}
