// Owns: which test file belongs to which of the three projects, and how each project may run.
// Must not: run anything by itself; `test/run.ts` is the gate that runs and counts; the project "ring" runs in a guest (docs/guest.md).
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const resolve = { alias: { rfuse: fileURLToPath(new URL("./src/index.ts", import.meta.url)) } };

export default defineConfig({
  test: {
    teardownTimeout: 30_000,
    silent: "passed-only",
    reporters: ["default", "./test/gate/vitest-reporter.ts"],
    projects: [
      {
        resolve,
        test: {
          name: "unit",
          include: [
            "ffi/**/*.test.ts",
            "src/**/*.test.ts",
            "bench/**/*.test.ts",
            "test/*.test.ts",
            "test/{abi,gate,protocol,fs}/*.test.ts",
          ],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        resolve,
        test: {
          name: "mount",
          include: ["test/mount/**/*.test.ts", "test/behaviour/*.test.ts"],
          globalSetup: ["./test/gate/leftovers.ts"],
          fileParallelism: false,
          maxConcurrency: 3, // of the tests that say so: those that mostly wait, or leave a CPU idle
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        test: {
          name: "ring",
          include: ["test/ring/**/*.test.ts"],
          globalSetup: ["./test/gate/leftovers.ts"],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
