// Passthrough: the hot operations leave nothing on the heap, so that the collector has nothing to stop for.
import { heapStats } from "bun:jsc";
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { O } from "../../ffi/file.ts";
import { PassthroughClient } from "./passthrough-client.ts";
import { hotOperations } from "./passthrough-hot.ts";

const WARM_UP = 20_000;
const CALLS = 100_000;
/** Bytes and objects that the engine may keep for itself. */
const SLACK = 64 * 1024;
const OBJECTS = 200;

describe("heap", () => {
  it("each operation keeps a result of 0 and the heap as it is", () => {
    using client = new PassthroughClient();
    writeFileSync(client.path("some-name.txt"), "x".repeat(4096));
    const { nodeid } = client.lookup(1, "some-name.txt");
    const [copy] = client.copies;
    if (copy === undefined) throw new Error("no copy");
    for (const [name, operation] of Object.entries(
      hotOperations(copy, "some-name.txt", nodeid, client.open(nodeid, O.RDWR)),
    )) {
      for (let call = 0; call < WARM_UP; call++) if (operation() !== 0) throw new Error(name);
      Bun.gc(true);
      const before = heapStats();
      for (let call = 0; call < CALLS; call++) if (operation() !== 0) throw new Error(name);
      const after = heapStats();
      expect([name, after.heapSize - before.heapSize < SLACK]).toEqual([name, true]);
      expect([name, after.objectCount - before.objectCount < OBJECTS]).toEqual([name, true]);
    }
  });
});
