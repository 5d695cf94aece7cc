// `rfuse doctor` on real machines: this one, and what namespaces, users, limits and filters make of it. The switch of
// FUSE-over-io_uring is covered by a file of the test's own in a mount namespace, never changed.

import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Diagnosis } from "../../src/index.ts";
import { client } from "./harness.ts";

const CLI = new URL("../../src/cli.ts", import.meta.url).pathname;
const FILTERED = new URL("./fixtures/without-io-uring.ts", import.meta.url).pathname;
const NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
const SWITCH = "/sys/module/fuse/parameters/enable_uring";

/** Runs a command in a mount namespace that `script` changed. */
const inside = (script: string): string[] => [
  ...["unshare", "-m", "--propagation", "private", "sh", "-c"],
  `set -e; ${script}; exec "$@"`,
  "sh",
];
const SWITCHED_ON = `mount -t tmpfs none /mnt; echo Y > /mnt/on; chmod 644 /mnt/on; mount --bind /mnt/on ${SWITCH}`;
const DOCTOR = [process.execPath, CLI, "doctor", "--json"];

async function diagnosis(wrap: readonly string[], command: readonly string[] = DOCTOR) {
  const ended = await client(...wrap, ...command);
  expect(ended.stderr).toBe("");
  const found = JSON.parse(ended.stdout) as Diagnosis;
  expect(ended.status).toBe(found.ok ? 0 : 1);
  const lane = (name: string) => found.lanes.find((report) => report.lane === name);
  const path = (name: string) => found.fastPaths.find((report) => report.name === name);
  return { found, lane, path };
}

describe.runIf(process.getuid?.() === 0)("rfuse doctor", () => {
  it("says of every lane and fast path whether it works, and in words why not", async () => {
    const { found, lane } = await diagnosis([]);
    expect(found.lanes.map((report) => report.lane)).toEqual(["ring", "io_uring", "dev"]);
    expect(found.fastPaths.map(({ name }) => name)).toEqual(["passthrough", "ebpf"]);
    expect(lane("dev")).toMatchObject({ available: true, code: "READY" });
    for (const { available, code, reason } of [...found.lanes, ...found.fastPaths]) {
      expect([available, reason === ""]).toEqual([code === "READY", code === "READY"]);
    }
    const { stdout, status } = await client(process.execPath, CLI, "doctor");
    expect(status).toBe(0);
    for (const { code, reason, remedy } of [...found.lanes, ...found.fastPaths]) {
      for (const part of [code, reason, remedy]) expect(stdout).toContain(part);
    }
    for (const { name, value } of found.settings) expect(stdout).toMatch(new RegExp(`${name} +(fine|note) +${value}`));
  });

  it("fails when there is no /dev/fuse, or when it may not be opened and nobody helps", async () => {
    const bare = "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9";
    const missing = await diagnosis(inside(bare));
    expect(missing.found.ok).toBe(false);
    expect(missing.lane("dev")).toMatchObject({ code: "NO_DEVICE", remedy: expect.stringContaining("modprobe fuse") });
    const closed = inside(`${bare} && chmod 666 /dev/null /dev/urandom && mknod -m 000 /dev/fuse c 10 229`);
    const refused = await diagnosis([...closed, ...NOBODY, "env", "PATH=/nowhere"]);
    expect(refused.lane("dev")).toMatchObject({ code: "NO_PERMISSION", remedy: "chmod 0666 /dev/fuse" });
  });

  it("a user without fusermount3: NO_FUSERMOUNT; with it: READY, but no passthrough", async () => {
    const without = await diagnosis([...NOBODY, "env", "PATH=/nowhere"]);
    expect(without.lane("dev")).toMatchObject({ code: "NO_FUSERMOUNT", remedy: "apt-get install fuse3" });
    const user = await diagnosis(NOBODY);
    expect(user.lane("dev")).toMatchObject({ code: "READY" });
    expect(user.path("passthrough")).toMatchObject({ available: false, code: "NO_PERMISSION" });
  });

  it.each([
    ["no_new_privs", "--no-new-privs"],
    ["an empty bounding set", "--bounding-set=-all"],
  ])("a user under %s: fusermount3 cannot help", async (_, flag) => {
    const { found, lane } = await diagnosis([...NOBODY, flag]);
    expect(found.ok).toBe(false);
    expect(lane("dev")).toMatchObject({ code: "NO_PERMISSION", reason: expect.stringContaining("fusermount3") });
  });

  it("in a user namespace root has no passthrough", async () => {
    const { path } = await diagnosis(["unshare", "-U", "--map-root-user"]);
    expect(path("passthrough")).toMatchObject({ code: "NO_PERMISSION", reason: expect.stringContaining("namespace") });
  });

  describe.runIf(existsSync(SWITCH))("io_uring", () => {
    it("switched on: READY", async () => {
      expect((await diagnosis(inside(SWITCHED_ON))).lane("io_uring")).toMatchObject({ available: true, code: "READY" });
    });

    it("switched off: NOT_ENABLED", async () => {
      const off = SWITCHED_ON.replace("echo Y", "echo N");
      const { lane } = await diagnosis(inside(off));
      expect(lane("io_uring")).toMatchObject({ code: "NOT_ENABLED", remedy: `echo Y > ${SWITCH}` });
    });

    it("without the module's directory in /sys: NO_MODULE", async () => {
      const { lane } = await diagnosis(inside("mount -t tmpfs none /sys/module"));
      expect(lane("io_uring")).toMatchObject({ code: "NO_MODULE", remedy: "modprobe fuse" });
    });

    it("no memory may be locked: MEMLOCK", async () => {
      const { lane } = await diagnosis([...inside(SWITCHED_ON), "prlimit", "--memlock=0", ...NOBODY]);
      expect(lane("io_uring")).toMatchObject({
        code: "MEMLOCK",
        reason: expect.stringContaining("RLIMIT_MEMLOCK is 0"),
      });
    });

    it("a seccomp filter in force: IO_URING_FORBIDDEN", async () => {
      const { lane } = await diagnosis(inside(SWITCHED_ON), [process.execPath, FILTERED, CLI, "doctor", "--json"]);
      expect(lane("io_uring")).toMatchObject({
        code: "IO_URING_FORBIDDEN",
        reason: expect.stringContaining("seccomp"),
      });
    });
  });

  it("wrong usage: is status 2 with the usage", async () => {
    for (const words of [[], ["cure"], ["doctor", "now"], ["doctor", "--loud"]]) {
      const ended = await client(process.execPath, CLI, ...words);
      expect(ended).toMatchObject({ status: 2, stdout: "", stderr: expect.stringContaining("usage: rfuse doctor") });
    }
    expect(await client(process.execPath, CLI, "--help")).toMatchObject({ status: 0, stderr: "" });
  });
});
