// Owns: which lanes can carry a session on this machine, and for each that cannot, why. It opens no session; an io_uring is made and
// closed again to see whether it may be.

import { existsSync, readFileSync } from "node:fs";
import { SyscallError } from "../../ffi/errno.ts";
import { close } from "../../ffi/file.ts";
import { createRing, SETUP } from "../../ffi/io-uring.ts";
import type { Lane } from "./transport.ts";

/** A lane's state here. `code` is stable for programs. */
export interface LaneReport {
  readonly lane: Lane;
  readonly available: boolean;
  readonly code:
    | "READY"
    | "NO_DEVICE"
    | "NO_MODULE"
    | "NOT_IN_KERNEL"
    | "NOT_ENABLED"
    | "NO_IO_URING"
    | "NOT_IN_THIS_VERSION";
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
  try {
    close(createRing(8, SETUP.SUBMIT_ALL | SETUP.SINGLE_ISSUER | SETUP.DEFER_TASKRUN).fd);
  } catch (thrown) {
    const code = thrown instanceof SyscallError ? thrown.code : String(thrown);
    return { lane, available: false, code: "NO_IO_URING", reason: `io_uring_setup: ${code}` };
  }
  return { lane, available: true, code: "READY", reason: "" };
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
