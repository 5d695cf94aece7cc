// The option `metadataCache` and `mount.bpf` where there is no ring: the mount works, and both say why they do not.

import { describe, expect, it } from "vitest";
import type { MountStatistics } from "../../src/index.ts";
import { client, startMount } from "./harness.ts";

describe("metadataCache on lane dev", () => {
  it("stands aside and says why; the mount works", async () => {
    await using daemon = await startMount({ options: { lane: "dev", metadataCache: { entries: 1000 } } });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    const { metadataCache } = await daemon.order<MountStatistics>("stats");
    const reason = expect.stringMatching(/^eBPF programs need lane ring; this mount is on lane dev/);
    expect(metadataCache).toEqual({ active: false, reason, answered: {}, filled: 0, overtaken: 0, emptied: 0 });
    await daemon.order("unmount");
  });

  it("is not there when it was not asked for, and programs are refused", async () => {
    await using daemon = await startMount({ options: { lane: "dev" } });
    const { metadataCache } = await daemon.order<MountStatistics>("stats");
    expect(metadataCache).toMatchObject({ active: false, reason: "it was not asked for" });
    await expect(daemon.order("attach", "LOOKUP", null)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await expect(daemon.order("programs")).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await daemon.order("unmount");
  });

  it.each([
    [{ entries: 7 }, "option metadataCache.entries is 7; it must be an integer in 8..1048576"],
    [{ ttlMs: 0 }, "option metadataCache.ttlMs is 0; it must be a number above 0, or Infinity"],
    [{ negativ: true }, "option metadataCache.negativ is not known; known are entries, negative, attr, xattr, ttlMs"],
    ["yes", 'option metadataCache is "yes"; it must be true, false or an object'],
  ])("refuses %j", async (metadataCache, message) => {
    await expect(startMount({ options: { metadataCache } as never })).rejects.toThrow(message);
  });
});
