// Owns: from what the user asked for to what a guest boots from: kernel, module, sizes and times.
// Must not: run anything in a guest.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildProbe } from "../behaviour/probe.ts";
import { buildCoherence } from "../ring/coherence.ts";
import { buildStorm } from "../ring/storm.ts";
import { builtModule } from "./build-module.ts";
import { locked, ROOT } from "./cache.ts";
import { command } from "./command.ts";
import { debugKernel } from "./debug-kernel.ts";
import type { Boot } from "./initramfs.ts";
import { debianKernel } from "./kernel-files.ts";
import type { Options } from "./options.ts";
import type { Limits } from "./run-guest.ts";

const SUITE = join(ROOT, ".cache/ring");
const DEFAULT_MEMORY_MB = { "6.1": 2048, "6.12": 2048, "7.2": 2048, "7.3": 2048, debug: 4096 } as const;
const BOOT_MS = { "6.1": 90_000, "6.12": 90_000, "7.2": 90_000, "7.3": 90_000, debug: 600_000 } as const;

/** Compiles the module's own suite, statically; its programs become /ring of the guest. */
async function buildSuite(): Promise<void> {
  mkdirSync(SUITE, { recursive: true });
  const make = ["make", "-s", "-C", join(ROOT, "test/ring"), `OUT=${SUITE}`];
  await locked("ring-suite", () => command(make));
}

/** Fetches, builds and finds what the options ask for. */
export async function prepare(options: Options): Promise<{ boot: Boot; limits: Limits }> {
  const { kernel: name, argv, env, load, kmemleak } = options;
  const kernel = name === "debug" ? await debugKernel() : await debianKernel(name);
  // The guest has no compiler; the project's cache comes along.
  await Promise.all([buildProbe(), buildStorm(), buildCoherence(), buildSuite()]);
  const module = await builtModule(kernel, options.module);
  const asked = Object.entries(options.files).map(([to, from]) => [to, resolve(from)]);
  const files: Record<string, string> = { "/ring": SUITE, ...Object.fromEntries(asked) };
  const limits = {
    cpus: options.cpus,
    memoryMb: options.memoryMb ?? DEFAULT_MEMORY_MB[name],
    append: options.append,
    bootMs: BOOT_MS[name],
    commandMs: options.timeoutS * 1000,
  };
  return { boot: { kernel, argv, env, module, load, kmemleak, files }, limits };
}
