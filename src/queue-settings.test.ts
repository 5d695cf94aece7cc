// Proves which lane a session gets, from what a machine can do and what was asked for.
import { describe, expect, it } from "vitest";
import type { MountOptions } from "./index.ts";
import { resolveOptions } from "./mounting/options.ts";
import { chooseLane } from "./queue-settings.ts";
import type { LaneReport } from "./transport/probe.ts";
import type { Lane } from "./transport/transport.ts";

const report = (lane: Lane, reason = ""): LaneReport => ({
  ...{ lane, available: reason === "", reason, remedy: reason === "" ? "" : "a remedy" },
  code: reason === "" ? "READY" : "NO_MODULE",
});
const ALL = [report("ring"), report("io_uring"), report("dev")];
const WITHOUT_RING = [report("ring", "no module"), report("io_uring"), report("dev")];

const choose = (options: MountOptions, reports: readonly LaneReport[] = ALL, failed: readonly [Lane, string][] = []) =>
  chooseLane(resolveOptions(options), new Map(failed), reports);

describe("chooseLane", () => {
  it("auto: takes the first lane that works, and says why not one before", () => {
    expect(choose({})).toEqual({ lane: "ring", reason: "" });
    expect(choose({}, WITHOUT_RING)).toEqual({ lane: "io_uring", reason: "ring: no module" });
    expect(choose({}, ALL, [["ring", "ring: EBUSY"]])).toEqual({ lane: "io_uring", reason: "ring: EBUSY" });
  });

  it("auto: takes the device where answers need time-outs", () => {
    const reason = "ring: it has no time-outs; io_uring: it has no time-outs";
    expect(choose({ requestTimeoutMs: 5 })).toEqual({ lane: "dev", reason });
  });

  it("auto: takes no lane whose queues cannot be so deep", () => {
    expect(choose({ queueDepth: 256 }, WITHOUT_RING).lane).toBe("io_uring");
    expect(choose({ queueDepth: 257 }).lane).toBe("ring");
    const reason = "ring: no module; io_uring: its queueDepth is at most 256, not 257";
    expect(choose({ queueDepth: 257 }, WITHOUT_RING)).toEqual({ lane: "dev", reason });
  });

  it("by name: is LANE_UNAVAILABLE with reason and remedy where it does not work", () => {
    expect(choose({ lane: "io_uring" })).toEqual({ lane: "io_uring", reason: "as asked" });
    expect(() => choose({ lane: "ring" }, WITHOUT_RING)).toThrow(/lane ring: no module; to enable it: a remedy/);
  });
});

describe("resolveOptions, queueDepth", () => {
  it("is INVALID_OPTION, with value and limit, beyond what the lane asked by name can have", () => {
    expect(() => resolveOptions({ lane: "io_uring", queueDepth: 257 })).toThrow(/queueDepth is 257; .* in 1\.\.256/);
    expect(() => resolveOptions({ lane: "ring", queueDepth: 1025 })).toThrow(/queueDepth is 1025; .* in 1\.\.1024/);
    expect(resolveOptions({ lane: "io_uring", queueDepth: 256 }).queueDepth).toBe(256);
  });
});
