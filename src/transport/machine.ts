// Owns: the view of the machine that the probe judges by; a test puts another in its place. It changes nothing: what it
// opens or makes is closed again at once.

import { readFileSync, statSync } from "node:fs";
import { SyscallError } from "../../ffi/errno.ts";
import { AT_FDCWD, close, O, openat } from "../../ffi/file.ts";
import { closeRing, createRing, createRingMemory, SETUP } from "../../ffi/io-uring.ts";
import { addressOf, cString } from "../../ffi/memory.ts";

export interface Machine {
  /** Content of a file; undefined when it is not there or may not be read. */
  text(path: string): string | undefined;
  exists(path: string): boolean;
  /** Mode bits of a file; 0 when it is not there. */
  mode(path: string): number;
  /** Opens a device for reading and writing. Result 0 or -errno. */
  open(path: string): number;
  /** Makes an io_uring as the lane does. Result 0 or -errno. */
  uring(): number;
  /** Path of a command on PATH. */
  which(command: string): string | undefined;
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Entries of the ring that is made to see whether one can be. */
const PROBED_ENTRIES = 8;

/** The machine that this runs on. */
export const THIS_MACHINE: Machine = {
  text: (path) => attempt(() => readFileSync(path, "utf8")),
  exists: (path) => attempt(() => statSync(path)) !== undefined,
  mode: (path) => attempt(() => statSync(path).mode) ?? 0,
  open(path) {
    const name = cString(path);
    const fd = openat(AT_FDCWD, addressOf(name), O.RDWR, 0);
    return fd < 0 ? fd : close(fd);
  },
  uring() {
    const memory = createRingMemory(PROBED_ENTRIES);
    try {
      const flags = SETUP.SUBMIT_ALL | SETUP.SINGLE_ISSUER | SETUP.DEFER_TASKRUN;
      closeRing(createRing(memory.buffer, PROBED_ENTRIES, flags));
      return 0;
    } catch (thrown) {
      if (thrown instanceof SyscallError) return thrown.errno;
      throw thrown;
    } finally {
      memory.unmap();
    }
  },
  which: (command) => Bun.which(command) ?? undefined,
};

/** `[major, minor]` of the running kernel; [0, 0] when it cannot be read. */
export function kernelVersion(machine: Machine): readonly [number, number] {
  const found = /^(\d+)\.(\d+)/.exec(machine.text("/proc/sys/kernel/osrelease") ?? "");
  return [Number(found?.[1] ?? 0), Number(found?.[2] ?? 0)];
}

export function kernelIsBefore(machine: Machine, major: number, minor: number): boolean {
  const [have, haveMinor] = kernelVersion(machine);
  return have !== 0 && (have < major || (have === major && haveMinor < minor));
}

/** Whether this process has an effective capability, by its number. */
export function hasCapability(machine: Machine, capability: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(machine.text("/proc/self/status") ?? "")?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
}

/** Whether this process is in the first user namespace, where every id is mapped to itself. */
export function inFirstUserNamespace(machine: Machine): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test((machine.text("/proc/self/uid_map") ?? "0 0 4294967295").trimEnd());
}
