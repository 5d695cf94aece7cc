// Proves the probe's judgement over machines that are made up; test/mount/doctor.test.ts has real ones.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import type { Machine } from "./machine.ts";
import { type Finding, probe, probePassthrough } from "./probe.ts";

const SWITCH = "/sys/module/fuse/parameters/enable_uring";
const OSRELEASE = "/proc/sys/kernel/osrelease";
const ALL_CAPABILITIES = "CapEff:\t000001ffffffffff\nSeccomp:\t0\n";
const NO_CAPABILITIES = "CapEff:\t0000000000000000\nSeccomp:\t0\n";
const FILTERED = "CapEff:\t000001ffffffffff\nSeccomp:\t2\n";

interface Facts {
  readonly files?: Readonly<Record<string, string>>;
  readonly commands?: readonly string[];
  readonly open?: number;
  readonly uring?: number;
}

/** A machine on which everything works, but for what `facts` say; a file whose text is empty is missing. */
function machine({ files = {}, commands = ["fusermount3"], open = 0, uring = 0 }: Facts = {}): Machine {
  const all: Record<string, string> = {
    [OSRELEASE]: "6.18.44\n",
    [SWITCH]: "Y\n",
    "/sys/module/fuse": "directory",
    "/proc/self/status": ALL_CAPABILITIES,
    "/proc/self/uid_map": "         0          0 4294967295\n",
    ...files,
  };
  const text = (path: string) => (all[path] === "" ? undefined : all[path]);
  return {
    text,
    exists: (path) => text(path) !== undefined,
    mode: (path) => (text(path) === undefined ? 0 : 0o100755),
    open: () => open,
    uring: () => uring,
    which: (command) => (commands.includes(command) ? `/usr/bin/${command}` : undefined),
  };
}

function found(name: "ring" | "io_uring" | "dev", facts?: Facts): Finding {
  const report = probe(machine(facts)).find(({ lane }) => lane === name);
  if (report === undefined) throw new Error(`no report of ${name}`);
  return report;
}

/** A refusal always says why, and what helps where something does. */
function refuses(finding: Finding, code: Finding["code"], remedy: RegExp): void {
  expect(finding).toMatchObject({ available: false, code });
  expect(finding.reason).not.toBe("");
  expect(finding.remedy).toMatch(remedy);
}

describe("probe of io_uring", () => {
  it("is READY where the switch is on and a ring can be made", () => {
    for (const state of ["Y", "Y\n", "1"]) {
      expect(found("io_uring", { files: { [SWITCH]: state } })).toMatchObject({
        available: true,
        code: "READY",
        reason: "",
      });
    }
  });

  const cases: readonly (readonly [code: Finding["code"], when: string, facts: Facts, remedy: RegExp])[] = [
    ["NOT_ENABLED", "the switch is off", { files: { [SWITCH]: "N\n" } }, /echo Y > \/sys\/module\/fuse/],
    ["KERNEL_TOO_OLD", "on 6.13", { files: { [SWITCH]: "", [OSRELEASE]: "6.13.9-cloud" } }, /6\.14/],
    ["KERNEL_TOO_OLD", "on 5.15", { files: { [SWITCH]: "", [OSRELEASE]: "5.15.0" } }, /6\.14/],
    ["NO_MODULE", "the module is not loaded", { files: { [SWITCH]: "", "/sys/module/fuse": "" } }, /modprobe fuse/],
    ["NOT_IN_KERNEL", "it is not built in", { files: { [SWITCH]: "" } }, /CONFIG_FUSE_IO_URING/],
    ["NOT_IN_KERNEL", "on 7.0 without it", { files: { [SWITCH]: "", [OSRELEASE]: "7.0.1" } }, /CONFIG_FUSE_IO_URING/],
    ["MEMLOCK", "no memory may be locked", { uring: -ERRNO.ENOMEM }, /ulimit -l/],
    [
      "IO_URING_DISABLED",
      "the sysctl forbids it",
      { uring: -ERRNO.EPERM, files: { "/proc/sys/kernel/io_uring_disabled": "2\n" } },
      /sysctl -w kernel\.io_uring_disabled=0/,
    ],
    ["IO_URING_FORBIDDEN", "a policy forbids it", { uring: -ERRNO.EPERM }, /profile/],
    [
      "IO_URING_FORBIDDEN",
      "a filter hides it",
      { uring: -ERRNO.ENOSYS, files: { "/proc/self/status": FILTERED } },
      /profile/,
    ],
    ["NO_IO_URING", "the kernel has none", { uring: -ERRNO.ENOSYS }, /CONFIG_IO_URING/],
    ["NO_IO_URING", "it fails in another way", { uring: -ERRNO.EINVAL }, /^$/],
  ];
  it.each(cases)("is %s when %s", (code, _, facts, remedy) => refuses(found("io_uring", facts), code, remedy));

  it("names the limit of locked memory", () => {
    const limits = "Max locked memory         65536                8388608              bytes     \n";
    expect(found("io_uring", { uring: -ERRNO.ENOMEM, files: { "/proc/self/limits": limits } }).reason).toContain(
      "65536",
    );
  });
});

describe("probe of dev", () => {
  it.each([
    ["root without fusermount3", { commands: [] }],
    ["a user with fusermount3", { files: { "/proc/self/status": NO_CAPABILITIES } }],
    [
      "a user whose device is closed, with fusermount3",
      { open: -ERRNO.EACCES, files: { "/proc/self/status": NO_CAPABILITIES } },
    ],
  ] as const)("is READY for %s", (_, facts) =>
    expect(found("dev", facts)).toMatchObject({ available: true, code: "READY" }),
  );

  const cases: readonly (readonly [code: Finding["code"], when: string, facts: Facts, remedy: RegExp])[] = [
    ["NO_DEVICE", "there is no /dev/fuse", { open: -ERRNO.ENOENT }, /modprobe fuse/],
    [
      "NO_PERMISSION",
      "fusermount3 may not get rights",
      { files: { "/proc/self/status": `${NO_CAPABILITIES}NoNewPrivs:\t1\n` } },
      /SYS_ADMIN/,
    ],
    [
      "NO_PERMISSION",
      "CAP_SYS_ADMIN is out of bounds",
      { files: { "/proc/self/status": `${NO_CAPABILITIES}CapBnd:\t0000000000000001\n` } },
      /SYS_ADMIN/,
    ],
    ["NO_MODULE", "no driver is behind it", { open: -ERRNO.ENODEV }, /modprobe fuse/],
    ["NO_PERMISSION", "it may not be opened and nobody helps", { open: -ERRNO.EACCES, commands: [] }, /chmod 0666/],
    ["NO_PERMISSION", "device rules forbid it", { open: -ERRNO.EPERM }, /--device/],
    [
      "NO_FUSERMOUNT",
      "a user has no fusermount3",
      { commands: [], files: { "/proc/self/status": NO_CAPABILITIES } },
      /apt-get install fuse3/,
    ],
  ];
  it.each(cases)("is %s when %s", (code, _, facts, remedy) => refuses(found("dev", facts), code, remedy));
});

describe("probe of ring", () => {
  const RING = { "/dev/rfuse": "device" };
  it("is READY where the device can be opened", () => expect(found("ring", { files: RING }).code).toBe("READY"));
  it("is NO_MODULE without /dev/rfuse", () => refuses(found("ring"), "NO_MODULE", /modprobe rfuse/));

  it.each([
    ["NO_MODULE", "no driver is behind it", -ERRNO.ENODEV, /modprobe rfuse/],
    ["NO_PERMISSION", "it may not be opened", -ERRNO.EACCES, /chmod/],
    ["NO_PERMISSION", "device rules forbid it", -ERRNO.EPERM, /--device/],
  ] as const)("is %s when %s", (code, _, open, remedy) => refuses(found("ring", { files: RING, open }), code, remedy));
});

describe("probePassthrough", () => {
  it("is READY for root on 6.9", () => {
    expect(probePassthrough(machine({ files: { [OSRELEASE]: "6.9.0" } }))).toMatchObject({ available: true });
  });

  const cases: readonly (readonly [code: Finding["code"], when: string, files: Record<string, string>])[] = [
    ["KERNEL_TOO_OLD", "on 6.8", { [OSRELEASE]: "6.8.12" }],
    ["NOT_IN_KERNEL", "it is not built in", { "/boot/config-6.18.44": "# CONFIG_FUSE_PASSTHROUGH is not set\n" }],
    ["NO_PERMISSION", "CAP_SYS_ADMIN is missing", { "/proc/self/status": NO_CAPABILITIES }],
    ["NO_PERMISSION", "in a user namespace", { "/proc/self/uid_map": "0 1000 1\n" }],
  ];
  it.each(cases)("is %s when %s", (code, _, files) => refuses(probePassthrough(machine({ files })), code, /./));
});
