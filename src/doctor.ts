// Owns: `rfuse doctor`: what this machine can do, as data and as a table. Settings are judged here; lanes and fast paths
// by the probe. Must not: change anything, or need more rights than a mount does.

import { type Machine, THIS_MACHINE } from "./transport/machine.ts";
import { type Finding, type LaneReport, probe, probeBpf, probePassthrough } from "./transport/probe.ts";

/** A setting that mounts depend on; `advice` is empty when it is fine. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly fine: boolean;
  readonly advice: string;
  readonly remedy: string;
}

/** Everything that the doctor found; `ok`: filesystems can be mounted. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly kernel: string;
  readonly bun: string;
  /** Fastest first. */
  readonly lanes: readonly LaneReport[];
  readonly fastPaths: readonly (Finding & { readonly name: "passthrough" | "ebpf" })[];
  readonly settings: readonly Setting[];
}

type Judge = (machine: Machine) => Setting;

const fine = (name: string, value: string): Setting => ({ name, value, fine: true, advice: "", remedy: "" });
const poor = (name: string, value: string, advice: string, remedy: string): Setting => ({
  name,
  value,
  fine: false,
  advice,
  remedy,
});

const MAX_PAGES = "/proc/sys/fs/fuse/max_pages_limit";
const ENOUGH_PAGES = 256;
const ENOUGH_FILES = 65_536;
const ENOUGH_LOCKED = 8 << 20;

function limit(machine: Machine, name: string): readonly [soft: number, hard: number] {
  const found = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(machine.text("/proc/self/limits") ?? "");
  const number = (word: string | undefined) => (word === "unlimited" ? Number.POSITIVE_INFINITY : Number(word ?? 0));
  return [number(found?.[1]), number(found?.[2])];
}

const shown = (value: number): string => (Number.isFinite(value) ? String(value) : "unlimited");

const fusermount: Judge = (machine) => {
  const path = machine.which("fusermount3");
  if (path === undefined) {
    return poor("fusermount3", "missing", "needed to mount without CAP_SYS_ADMIN", "apt-get install fuse3");
  }
  if ((machine.mode(path) & 0o4000) !== 0) return fine("fusermount3", path);
  return poor("fusermount3", path, "it is not set-uid, so it can mount for root alone", `chmod u+s ${path}`);
};

const allowOther: Judge = (machine) => {
  const allowed = /^\s*user_allow_other\s*$/m.test(machine.text("/etc/fuse.conf") ?? "");
  if (allowed) return fine("user_allow_other", "on");
  const advice = "without it fusermount3 refuses the option allowOther to everybody but root";
  return poor("user_allow_other", "off", advice, "echo user_allow_other >> /etc/fuse.conf");
};

const maxPages: Judge = (machine) => {
  const text = machine.text(MAX_PAGES)?.trim();
  if (text === undefined) return fine("max_pages_limit", `${ENOUGH_PAGES} (fixed before Linux 6.13)`);
  if (Number(text) >= ENOUGH_PAGES) return fine("max_pages_limit", text);
  const advice = `requests carry at most ${Number(text) * 4} KiB`;
  return poor("max_pages_limit", text, advice, `echo ${ENOUGH_PAGES} > ${MAX_PAGES}`);
};

// A passthrough keeps a descriptor for each inode that the kernel knows; it raises the soft limit by itself.
const openFiles: Judge = (machine) => {
  const [, hard] = limit(machine, "Max open files");
  if (hard >= ENOUGH_FILES) return fine("open files", shown(hard));
  const advice = "a passthrough holds a descriptor for each inode that the kernel knows";
  return poor(
    "open files",
    shown(hard),
    advice,
    `ulimit -Hn ${ENOUGH_FILES} (as root), or LimitNOFILE= of the service`,
  );
};

const lockedMemory: Judge = (machine) => {
  const [soft] = limit(machine, "Max locked memory");
  if (soft >= ENOUGH_LOCKED) return fine("locked memory", shown(soft));
  const advice = "the rings of lane io_uring count against it, unless the daemon has CAP_IPC_LOCK";
  return poor(
    "locked memory",
    shown(soft),
    advice,
    `ulimit -l ${ENOUGH_LOCKED >> 10}, or LimitMEMLOCK= of the service`,
  );
};

const shell: Judge = (machine) => {
  if ((machine.mode("/bin/sh") & 0o111) !== 0) return fine("guardian's shell", "/bin/sh");
  const advice = "without it nobody unmounts when the daemon is killed";
  return poor("guardian's shell", "missing", advice, "install a shell as /bin/sh");
};

const control: Judge = (machine) => {
  const path = "/sys/fs/fuse/connections";
  if (/^\S+ \/sys\/fs\/fuse\/connections fusectl /m.test(machine.text("/proc/self/mounts") ?? ""))
    return fine("fusectl", path);
  const advice = "without it unmounting by force cannot abort requests that hang";
  return poor("fusectl", "not mounted", advice, `mount -t fusectl fusectl ${path}`);
};

const JUDGES: readonly Judge[] = [fusermount, allowOther, maxPages, openFiles, lockedMemory, shell, control];

/** Examines a machine. */
export function diagnose(machine: Machine = THIS_MACHINE): Diagnosis {
  const lanes = probe(machine);
  return {
    ok: lanes.some(({ lane, available }) => lane === "dev" && available),
    kernel: (machine.text("/proc/sys/kernel/osrelease") ?? "unknown").trim(),
    bun: Bun.version,
    lanes,
    fastPaths: [
      { name: "passthrough", ...probePassthrough(machine) },
      { name: "ebpf", ...probeBpf(machine) },
    ],
    settings: JUDGES.map((judge) => judge(machine)),
  };
}

function rows(cells: readonly (readonly string[])[], notes: readonly (readonly string[])[]): string[] {
  const widths = (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.flatMap((row, index) => {
    const line = row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ");
    return [
      `  ${line.trimEnd()}`,
      ...(notes[index] ?? []).filter((note) => note !== "").map((note) => `      ${note}`),
    ];
  });
}

function findings(named: readonly (Finding & { readonly name: string })[]): string[] {
  return rows(
    named.map(({ name, available, code }) => [name, available ? "yes" : "no", code]),
    named.map(({ reason, remedy }) => [reason, remedy === "" ? "" : `to enable it: ${remedy}`]),
  );
}

/** The diagnosis as text for people. */
export function table({ ok, kernel, bun, lanes, fastPaths, settings }: Diagnosis): string {
  return [
    `rfuse doctor: Linux ${kernel}, Bun ${bun}`,
    "",
    "Lanes, fastest first",
    ...findings(lanes.map((report) => ({ name: report.lane, ...report }))),
    "",
    "Fast paths beside them",
    ...findings(fastPaths),
    "",
    "Settings",
    ...rows(
      settings.map(({ name, value, fine: good }) => [name, good ? "fine" : "note", value]),
      settings.map(({ advice, remedy }) => [advice, remedy === "" ? "" : `to change it: ${remedy}`]),
    ),
    "",
    ok ? "Filesystems can be mounted." : "Filesystems cannot be mounted.",
    "",
  ].join("\n");
}
