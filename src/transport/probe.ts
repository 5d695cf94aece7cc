// Owns: which lanes and fast paths can be used on this machine; for each that cannot, why, and what would change that.
// Must not: open a session or change anything. What only INIT can tell is told by `Connection.flags`.

import { ERRNO, errnoName } from "../../ffi/errno.ts";
import { CAP } from "../../ffi/thread.ts";
import { hasCapability, inFirstUserNamespace, kernelIsBefore, type Machine, THIS_MACHINE } from "./machine.ts";
import { RING_DEVICE } from "./ring-setup.ts";
import type { Lane } from "./transport.ts";

/** Why something cannot be used, or READY; stable for programs. */
export type ProbeCode =
  | "READY"
  /** The device file is missing. */
  | "NO_DEVICE"
  /** A kernel module is not loaded. */
  | "NO_MODULE"
  /** The kernel is older than the feature. */
  | "KERNEL_TOO_OLD"
  /** The kernel is recent enough, but was built without it. */
  | "NOT_IN_KERNEL"
  /** It is there, but switched off. */
  | "NOT_ENABLED"
  /** This process lacks a right. */
  | "NO_PERMISSION"
  /** Without privilege mounting needs fusermount3. */
  | "NO_FUSERMOUNT"
  /** The sysctl kernel.io_uring_disabled forbids io_uring. */
  | "IO_URING_DISABLED"
  /** A seccomp filter or a security module forbids io_uring, as containers' default profiles do. */
  | "IO_URING_FORBIDDEN"
  /** RLIMIT_MEMLOCK leaves no room for a ring. */
  | "MEMLOCK"
  /** io_uring fails in another way. */
  | "NO_IO_URING";

/** What was found. `remedy` is a command, or what to do; empty when nothing helps or is needed. */
export interface Finding {
  readonly available: boolean;
  readonly code: ProbeCode;
  readonly reason: string;
  readonly remedy: string;
}

/** A lane's state here. */
export interface LaneReport extends Finding {
  readonly lane: Lane;
}

const URING_SWITCH = "/sys/module/fuse/parameters/enable_uring";
const DEVICE = "/dev/fuse";
const READY: Finding = { available: true, code: "READY", reason: "", remedy: "" };
const LOAD_FUSE = "modprobe fuse";

const missing = (code: ProbeCode, reason: string, remedy = ""): Finding => ({ available: false, code, reason, remedy });

// Why a device cannot be opened, by errno; `load` brings its driver, `allow` lets this process at it.
const deviceErrors = (device: string, load: string, allow: string): Readonly<Record<number, Finding>> => ({
  [ERRNO.ENODEV]: missing("NO_MODULE", `${device} leads to no driver`, load),
  [ERRNO.ENXIO]: missing("NO_MODULE", `${device} leads to no driver`, load),
  [ERRNO.EACCES]: missing("NO_PERMISSION", `${device} may not be opened`, allow),
  [ERRNO.EPERM]: missing(
    "NO_PERMISSION",
    `device rules forbid ${device}`,
    `start the container with --device ${device}`,
  ),
});

const DEVICE_ERRORS: Readonly<Record<number, Finding>> = {
  ...deviceErrors(DEVICE, LOAD_FUSE, `chmod 0666 ${DEVICE}`),
  [ERRNO.ENOENT]: missing("NO_DEVICE", `there is no ${DEVICE}`, `${LOAD_FUSE} (container: --device ${DEVICE})`),
};

// Whoever has CAP_SYS_ADMIN mounts by itself; for others fusermount3 opens the device and mounts with its own rights.
function probeDev(machine: Machine): Finding {
  const opened = machine.open(DEVICE);
  if (opened < 0 && opened !== -ERRNO.EACCES) {
    return DEVICE_ERRORS[-opened] ?? missing("NO_DEVICE", `${DEVICE}: ${errnoName(opened)}`);
  }
  if (opened === 0 && hasCapability(machine, CAP.SYS_ADMIN)) return READY;
  if (machine.which("fusermount3") !== undefined) return helped(machine);
  if (opened < 0) return DEVICE_ERRORS[-opened] as Finding;
  return missing("NO_FUSERMOUNT", "mounting needs CAP_SYS_ADMIN or fusermount3", "apt-get install fuse3");
}

// A set-uid program gets its rights neither under no_new_privs nor beyond the bounding set.
function helped(machine: Machine): Finding {
  const status = machine.text("/proc/self/status") ?? "";
  const bounds = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1];
  const bounded = bounds !== undefined && ((BigInt(`0x${bounds}`) >> BigInt(CAP.SYS_ADMIN)) & 1n) === 0n;
  if (!bounded && !/^NoNewPrivs:\s*1/m.test(status)) return READY;
  const why = bounded ? "CAP_SYS_ADMIN is not in the bounding set" : "no_new_privs is set";
  return missing(
    "NO_PERMISSION",
    `fusermount3 gets no rights here: ${why}`,
    "start the container with --cap-add SYS_ADMIN",
  );
}

const LOAD_RING = "modprobe rfuse (the module is in kmod/)";
const NO_RING = missing("NO_MODULE", `there is no ${RING_DEVICE}`, LOAD_RING);
const RING_ERRORS: Readonly<Record<number, Finding>> = {
  ...deviceErrors(RING_DEVICE, LOAD_RING, `chown or chmod ${RING_DEVICE}`),
  [ERRNO.ENOENT]: NO_RING,
};

// Which version the module speaks is only told to a mounted connection.
function probeRing(machine: Machine): Finding {
  if (!machine.exists(RING_DEVICE)) return NO_RING;
  const opened = machine.open(RING_DEVICE);
  if (opened >= 0) return READY;
  return RING_ERRORS[-opened] ?? missing("NO_MODULE", `${RING_DEVICE}: ${errnoName(opened)}`, LOAD_RING);
}

function uringError(machine: Machine, error: number): Finding {
  const reason = `io_uring_setup: ${errnoName(error)}`;
  const disabled = (machine.text("/proc/sys/kernel/io_uring_disabled") ?? "0").trim();
  if (error === -ERRNO.ENOMEM) {
    const limit = /^Max locked memory\s+(\S+)/m.exec(machine.text("/proc/self/limits") ?? "")?.[1] ?? "unknown";
    return missing("MEMLOCK", `${reason}; RLIMIT_MEMLOCK is ${limit} bytes`, "ulimit -l unlimited");
  }
  if (error === -ERRNO.EPERM && (disabled === "1" || disabled === "2")) {
    const why = `${reason}; kernel.io_uring_disabled is ${disabled}`;
    return missing("IO_URING_DISABLED", why, "sysctl -w kernel.io_uring_disabled=0");
  }
  const filtered = /^Seccomp:\s*2/m.test(machine.text("/proc/self/status") ?? "");
  if (error === -ERRNO.EPERM || error === -ERRNO.EACCES || (error === -ERRNO.ENOSYS && filtered)) {
    const who = filtered ? "a seccomp filter is in force" : "a security policy forbids it";
    return missing(
      "IO_URING_FORBIDDEN",
      `${reason}; ${who}`,
      "start the container with a profile that allows io_uring",
    );
  }
  if (error === -ERRNO.ENOSYS)
    return missing("NO_IO_URING", `${reason}; the kernel has no io_uring`, "CONFIG_IO_URING=y");
  return missing("NO_IO_URING", reason);
}

function probeUring(machine: Machine): Finding {
  const state = machine.text(URING_SWITCH)?.trim();
  if (state === undefined) {
    if (kernelIsBefore(machine, 6, 14)) {
      return missing("KERNEL_TOO_OLD", "FUSE-over-io_uring needs Linux 6.14", "boot Linux 6.14 or later");
    }
    if (!machine.exists("/sys/module/fuse")) return missing("NO_MODULE", "the fuse module is not loaded", LOAD_FUSE);
    return missing("NOT_IN_KERNEL", "this kernel has no FUSE-over-io_uring", "a kernel with CONFIG_FUSE_IO_URING=y");
  }
  if (state !== "Y" && state !== "1") return missing("NOT_ENABLED", "enable_uring is off", `echo Y > ${URING_SWITCH}`);
  const made = machine.uring();
  return made < 0 ? uringError(machine, made) : READY;
}

/** Every lane, fastest first. */
export function probe(machine: Machine = THIS_MACHINE): LaneReport[] {
  return [
    { lane: "ring", ...probeRing(machine) },
    { lane: "io_uring", ...probeUring(machine) },
    { lane: "dev", ...probeDev(machine) },
  ];
}

/** Whether the kernel may read and write files of the daemon by itself (FUSE passthrough). */
export function probePassthrough(machine: Machine = THIS_MACHINE): Finding {
  if (kernelIsBefore(machine, 6, 9)) {
    return missing("KERNEL_TOO_OLD", "FUSE passthrough needs Linux 6.9", "boot Linux 6.9 or later");
  }
  const config = machine.text(`/boot/config-${(machine.text("/proc/sys/kernel/osrelease") ?? "").trim()}`);
  if (config?.includes("# CONFIG_FUSE_PASSTHROUGH is not set") === true) {
    return missing("NOT_IN_KERNEL", "this kernel has no FUSE passthrough", "a kernel with CONFIG_FUSE_PASSTHROUGH=y");
  }
  if (!hasCapability(machine, CAP.SYS_ADMIN)) {
    return missing("NO_PERMISSION", "files are registered with CAP_SYS_ADMIN only", "run the daemon as root");
  }
  if (!inFirstUserNamespace(machine)) {
    return missing(
      "NO_PERMISSION",
      "CAP_SYS_ADMIN counts in the first user namespace only",
      "run outside of user namespaces",
    );
  }
  return READY;
}

/** Whether eBPF programs may answer requests in the kernel; what the module itself can is told by a mount. */
export function probeBpf(machine: Machine = THIS_MACHINE): Finding {
  if (!machine.exists(RING_DEVICE)) {
    return missing("NO_MODULE", `the hook is in rfuse.ko, and there is no ${RING_DEVICE}`, LOAD_RING);
  }
  if (!hasCapability(machine, CAP.SYS_ADMIN) && !hasCapability(machine, CAP.BPF)) {
    return missing("NO_PERMISSION", "programs are loaded with CAP_BPF or CAP_SYS_ADMIN only", "run the daemon as root");
  }
  const ring = probeRing(machine);
  return ring.available ? READY : ring;
}
