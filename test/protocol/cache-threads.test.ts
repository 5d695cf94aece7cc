// Several threads change one file and ask for it through one metadata cache: no answer of the program is older than what
// was acknowledged before it was asked. Needs root.

import { expect, it } from "vitest";
import { openCache } from "../../src/bpf/cache/open-cache.ts";
import type { HammerOrder, HammerReport } from "./cache-hammer.ts";

const THREADS = 4;
const ROUNDS = 50_000;

function run(order: HammerOrder): Promise<HammerReport> {
  const worker = new Worker(new URL("./cache-hammer.ts", import.meta.url));
  return new Promise<HammerReport>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<HammerReport>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(order);
  }).finally(() => worker.terminate());
}

it.runIf(process.getuid?.() === 0)(
  "MetadataCache: four threads get no answer from before an acknowledgement",
  async () => {
    const ttlMs = Number.POSITIVE_INFINITY;
    const opened = openCache({ entries: 64, negative: true, attr: true, xattr: true, ttlMs });
    try {
      const words = new Int32Array(new SharedArrayBuffer(8));
      const program = opened.programs.get("GETATTR")?.fd ?? -1;
      const orders = Array.from({ length: THREADS }, (_, seed) => ({
        settings: opened.settings,
        program,
        words,
        rounds: ROUNDS,
        seed,
      }));
      const reports = await Promise.all(orders.map(run));
      expect(reports.map(({ fault }) => fault)).toEqual(reports.map(() => undefined));
      expect(Math.min(...reports.map(({ answered }) => answered))).toBeGreaterThan(ROUNDS / 20);
      expect(Math.min(...reports.map(({ asked }) => asked))).toBeGreaterThan(0);
    } finally {
      opened.close();
    }
  },
);
