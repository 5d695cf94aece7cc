// examples/passthrough.ts as a user runs it: what its flags choose, what it says about it, and what it refuses.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeSource } from "./features.ts";
import { type Client, client, makePlace, mountsAt, startClient, until } from "./harness.ts";
import { uringTestable, whileSwitched } from "./lanes.ts";

const EXAMPLE = new URL("../../examples/passthrough.ts", import.meta.url).pathname;

describe("examples/passthrough.ts", () => {
  const source = makeSource();
  writeFileSync(join(source, "file"), "text\n");
  const { dir, mountpoint } = makePlace();
  const said = join(dir, "said");
  const run = (...flags: string[]) => client(process.execPath, EXAMPLE, ...flags, source, mountpoint);
  let running: Client | undefined;

  afterEach(async () => {
    running?.kill("SIGKILL");
    await until("the unmount", () => mountsAt(mountpoint).length === 0);
  });

  /** Starts it, reads a file on its mount, interrupts it; what it said when it had mounted. */
  async function banner(...flags: string[]): Promise<string> {
    writeFileSync(said, "");
    const script = `exec "$@" > ${said}`;
    running = startClient(["sh", "-c", script, "sh", process.execPath, EXAMPLE, ...flags, source, mountpoint], 20_000);
    await until("the banner", () => readFileSync(said, "utf8").endsWith("\n"));
    expect(await client("cat", join(mountpoint, "file"))).toMatchObject({ stdout: "text\n" });
    running.kill("SIGINT");
    expect(await running.ended).toMatchObject({ status: 0, stderr: expect.stringContaining("unmounted") });
    return readFileSync(said, "utf8");
  }

  it("flags: choose lane, workers, placement, spinning and passthrough, and the banner says what came of it", async () => {
    const placed = ["--workers", "2", "--placement", "per-core", "--spin-us", "50", "--passthrough", "off"];
    expect(await banner("--lane", "dev", ...placed)).toBe(
      `${source} is mounted on ${mountpoint} through lane dev (as asked); FUSE passthrough is off\n`,
    );
  });

  it("without flags: the banner says why no faster lane was taken", async () => {
    const said = await banner();
    expect(said).toMatch(
      /through lane (io_uring \(ring: .+\)|dev \(ring: .+; io_uring: .+\)); FUSE passthrough is (on|off)\n$/,
    );
  });

  it.runIf(uringTestable)(
    "--lane io_uring: is taken while it is switched on, and refused with a remedy otherwise",
    async () => {
      expect(await whileSwitched("Y", () => banner("--lane", "io_uring"))).toContain(
        "through lane io_uring (as asked)",
      );
      const refused = await whileSwitched("N", () => run("--lane", "io_uring"));
      expect(refused).toMatchObject({ status: 1, stdout: "" });
      expect(refused.stderr).toMatch(/LANE_UNAVAILABLE: lane io_uring: .+echo Y > /);
    },
  );

  it.skipIf(existsSync("/dev/rfuse"))("--lane ring: is refused with the reason", async () => {
    expect((await run("--lane", "ring")).stderr).toMatch(/LANE_UNAVAILABLE: lane ring: there is no \/dev\/rfuse/);
  });

  const wrong: readonly (readonly [flag: string, value: string, says: string])[] = [
    ["--lane", "fast", "one of auto, ring, io_uring, dev"],
    ["--workers", "0", "auto or an integer in 1..256"],
    ["--workers", "1.5", "auto or an integer in 1..256"],
    ["--placement", "here", "one of auto, per-core, dedicated, none"],
    ["--spin-us", "1000001", "auto or an integer in 0..1000000"],
    ["--spin-us", "", "auto or an integer in 0..1000000"],
    ["--passthrough", "maybe", "one of auto, on, off"],
  ];
  it.each(wrong)("%s %j: is refused by name, with what is allowed", async (flag, value, says) => {
    const refused = await run(flag, value);
    expect(refused).toMatchObject({ status: 2, stdout: "" });
    expect(refused.stderr).toContain(`${flag} is ${JSON.stringify(value)}; it must be ${says}`);
  });

  it("--help: names every flag", async () => {
    const { stdout, status } = await run("--help");
    expect(status).toBe(0);
    for (const flag of ["--lane", "--workers", "--placement", "--spin-us", "--passthrough"])
      expect(stdout).toContain(flag);
  });
});
