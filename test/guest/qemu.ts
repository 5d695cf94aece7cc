// Owns: one QEMU process: its command line, the console and the three ports, and its end.
// Software emulation only, so that a run means the same on every machine. Without cx16, which QEMU 7.2 emulates in a
// way that some kernels do not survive, early in their boot; and without erms and fsrm, which make kernels copy and clear
// by instructions that QEMU carries out byte by byte.
// Must not: know what is run in the guest, or what counts as a failure.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The machine. */
export interface Machine {
  readonly image: string;
  readonly initramfs: Uint8Array;
  /** The system disk, used read-only. */
  readonly disk: string;
  readonly cpus: number;
  readonly memoryMb: number;
  /** More of the kernel's command line. */
  readonly append: string;
}

/** A machine that runs. */
export interface Guest {
  /** The console so far. */
  console(): string;
  /** Sends a line to the guest's control port. */
  tell(line: string): void;
  /** Ends the machine at once. */
  kill(): void;
  /** Resolves when QEMU has ended, to what it said itself. */
  readonly ended: Promise<{ status: number | null; said: string }>;
}

/** Who reads the ports. */
export interface Listeners {
  out(bytes: Buffer): void;
  err(bytes: Buffer): void;
  /** A line of the control port. */
  control(line: string): void;
}

const PORTS = ["control", "out", "err"] as const;
/**
 * Complaints reach the console (loglevel 5 prints warnings), a panic ends QEMU, and a vCPU that this machine has not
 * scheduled for a while is no stall of the guest's kernel. QEMU's CPUs share one time stamp counter, which kernels take
 * for unreliable without being told; with any other clock each reading of the time would be a system call and an exit.
 */
const KERNEL_LINE = [
  "console=ttyS0 panic=-1 loglevel=5 oops=panic mitigations=off random.trust_cpu=on tsc=reliable",
  "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 net.ifnames=0",
].join(" ");

function commandLine(machine: Machine, folder: string): string[] {
  const ports = PORTS.flatMap((name) => [
    ...["-chardev", `socket,id=${name},path=${join(folder, name)}`],
    ...["-device", `virtserialport,chardev=${name},name=${name}`],
  ]);
  return [
    ...[
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "max,-cx16,-erms,-fsrm",
      "-machine",
      "pc",
      "-nodefaults",
      "-no-user-config",
    ],
    ...["-smp", String(machine.cpus), "-m", String(machine.memoryMb), "-display", "none", "-no-reboot"],
    ...["-kernel", machine.image, "-initrd", join(folder, "initramfs")],
    ...["-append", `${KERNEL_LINE} ${machine.append}`.trim()],
    ...["-drive", `file=${machine.disk},format=raw,if=virtio,readonly=on,cache=unsafe`],
    ...["-serial", "stdio", "-device", "virtio-serial-pci", ...ports],
  ];
}

/** Listens for QEMU at `folder`/`name`; QEMU is the one that connects. */
function listen(folder: string, name: string, onSocket: (socket: Socket) => void): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer(onSocket);
  server.on("error", reject);
  server.listen(join(folder, name), () => resolve(server));
  return promise;
}

/** Starts a machine. Errors: when a port cannot be made; everything later shows in `ended`. */
export async function startGuest(machine: Machine, listeners: Listeners): Promise<Guest> {
  const folder = mkdtempSync(join(tmpdir(), "rfuse-guest-"));
  let control: Socket | undefined;
  let rest = "";
  const onControl = (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) listeners.control(line);
  };
  const readers = { control: onControl, out: listeners.out, err: listeners.err };
  const servers = await Promise.all(
    PORTS.map((name) =>
      listen(folder, name, (socket) => {
        if (name === "control") control = socket;
        socket.on("error", () => undefined); // QEMU ended; `ended` says how
        socket.on("data", readers[name]);
      }),
    ),
  );
  writeFileSync(join(folder, "initramfs"), machine.initramfs);
  const child = spawn("qemu-system-x86_64", commandLine(machine, folder), { stdio: ["ignore", "pipe", "pipe"] });
  const tidy = () => rmSync(folder, { recursive: true, force: true });
  const kill = () => void child.kill("SIGKILL");
  const abandon = () => {
    kill();
    tidy();
  };
  process.once("exit", abandon);
  let text = "";
  let said = "";
  child.stdout.setEncoding("latin1").on("data", (more: string) => {
    text += more.replaceAll("\r", "");
  });
  child.stderr.on("data", (more: Buffer) => {
    said += more.toString();
  });
  const { promise, resolve } = Promise.withResolvers<{ status: number | null; said: string }>();
  const end = (status: number | null) => {
    process.off("exit", abandon);
    for (const server of servers) server.close();
    tidy();
    resolve({ status, said });
  };
  child.on("error", (error) => {
    said += `qemu-system-x86_64 cannot be run: ${error.message}; Debian: apt-get install qemu-system-x86`;
    end(null);
  });
  child.on("close", (status) => end(status));
  return { console: () => text, tell: (line) => void control?.write(`${line}\n`), kill, ended: promise };
}
