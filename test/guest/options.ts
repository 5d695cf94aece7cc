// Owns: the command line of `bun run guest`.
// Must not: do what it asks for.
import { isKernel, KERNELS, type KernelName } from "./kernels.ts";

/** What the user asked for. */
export interface Options {
  readonly kernel: KernelName;
  readonly argv: readonly string[];
  readonly cpus: number;
  readonly memoryMb: number | undefined;
  readonly timeoutS: number;
  readonly append: string;
  /** Folder of the module's sources, "none", or undefined for the project's own where it exists. */
  readonly module: string | undefined;
  readonly load: boolean;
  readonly kmemleak: boolean;
  readonly console: boolean;
  readonly refresh: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

/** What is said about the command line. */
export const USAGE = `usage: bun run guest -- [OPTION]... KERNEL [COMMAND [ARGUMENT]...]
Boots KERNEL (${KERNELS.join(", ")}) in QEMU with the project and its module inside and runs COMMAND there as root,
in the project's folder. Exit status: the command's; 99 when the kernel complained; 98 when there is none.
Without COMMAND it prepares what a boot needs: kernel, module, disk.
  --smp N         CPUs (2)                        --env NAME=VALUE   environment of the command
  --memory MB     memory (2048; debug: 4096)      --file PATH=FILE   FILE of this machine as PATH in the guest
  --timeout S     for the command (900)           --module DIR|none  sources of the module (kmod/, when it exists)
  --append TEXT   more of the kernel's line       --no-load          do not load it; its path is $RFUSE_MODULE
  --console       print the whole console         --refresh          take the newest kernel of the archive
  --no-kmemleak   no look for leaks at the end (debug)`;

/** A command line that cannot be obeyed. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${name} wants a whole number from 1, not "${text}"`);
  return value;
}

function pair(name: string, text: string): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`${name} wants NAME=VALUE, not "${text}"`);
  return { [text.slice(0, at)]: text.slice(at + 1) };
}

const FLAGS: Readonly<Record<string, Partial<Options>>> = {
  "--no-load": { load: false },
  "--no-kmemleak": { kmemleak: false },
  "--console": { console: true },
  "--refresh": { refresh: true },
};

const VALUES: Readonly<Record<string, (value: string, name: string, before: Options) => Partial<Options>>> = {
  "--smp": (value, name) => ({ cpus: positive(name, value) }),
  "--memory": (value, name) => ({ memoryMb: positive(name, value) }),
  "--timeout": (value, name) => ({ timeoutS: positive(name, value) }),
  "--append": (value, _name, { append }) => ({ append: `${append} ${value}`.trim() }),
  "--module": (value) => ({ module: value }),
  "--env": (value, name, { env }) => ({ env: { ...env, ...pair(name, value) } }),
  "--file": (value, name, { files }) => ({ files: { ...files, ...pair(name, value) } }),
};

const DEFAULTS: Options = {
  ...{ kernel: "6.1", argv: [], cpus: 2, memoryMb: undefined, timeoutS: 900, append: "", module: undefined },
  ...{ load: true, kmemleak: true, console: false, refresh: false, env: {}, files: {} },
};

/** Reads the command line. Errors: UsageError. */
export function parseOptions(args: readonly string[]): Options {
  const rest = args[0] === "--" ? args.slice(1) : [...args];
  let options = DEFAULTS;
  while (rest[0]?.startsWith("--") === true) {
    const name = rest.shift() ?? "";
    const valued = VALUES[name];
    const patch = FLAGS[name] ?? (rest.length > 0 ? valued?.(rest.shift() ?? "", name, options) : undefined);
    if (patch === undefined) throw new UsageError(valued ? `${name} wants a value` : `unknown option ${name}`);
    options = { ...options, ...patch };
  }
  const kernel = rest.shift();
  if (kernel === undefined) throw new UsageError("no kernel was named");
  if (!isKernel(kernel)) throw new UsageError(`no kernel "${kernel}"; there are ${KERNELS.join(", ")}`);
  return { ...options, kernel, argv: rest };
}
