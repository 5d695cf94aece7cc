// The errors of mount: each has its code, says what it is about, and leaves no mount, process or descriptor behind.

import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  client,
  failedMount,
  makePlace,
  mountsAt,
  type StartOptions,
  startDaemon,
  startMount,
  until,
  within,
} from "./harness.ts";

const ALICE = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

/** Runs `body` in a place that is removed afterwards. */
async function inPlace<Value>(body: (place: { dir: string; mountpoint: string }) => Promise<Value>): Promise<Value> {
  const place = makePlace();
  try {
    return await body(place);
  } finally {
    if (mountsAt(place.mountpoint).length === 0) await rm(place.dir, { recursive: true, force: true });
  }
}

describe("mount: refuses the mountpoint", () => {
  const cases: readonly (readonly [what: string, code: string, make: (dir: string) => string])[] = [
    ["that does not exist", "MOUNTPOINT_MISSING", (dir) => join(dir, "none")],
    ["that is empty text", "MOUNTPOINT_MISSING", () => ""],
    ["with a NUL", "MOUNTPOINT_MISSING", (dir) => `${dir}/m\0x`],
    [
      "below a file",
      "MOUNTPOINT_MISSING",
      (dir) => {
        writeFileSync(join(dir, "file"), "");
        return join(dir, "file", "m");
      },
    ],
    [
      "that is a file",
      "MOUNTPOINT_NOT_DIRECTORY",
      (dir) => {
        writeFileSync(join(dir, "file"), "");
        return join(dir, "file");
      },
    ],
    [
      "that has content",
      "MOUNTPOINT_NOT_EMPTY",
      (dir) => {
        mkdirSync(join(dir, "full", "inside"), { recursive: true });
        return join(dir, "full");
      },
    ],
    [
      "that is a loop of links",
      "MOUNTPOINT_UNREADABLE",
      (dir) => {
        symlinkSync(join(dir, "loop"), join(dir, "loop"));
        return join(dir, "loop");
      },
    ],
    ["that is too long a path", "MOUNTPOINT_MISSING", (dir) => join(dir, "n".repeat(300))],
  ];

  it.each(cases)("%s", async (_, code, make) => {
    await inPlace(async ({ dir }) => {
      const mountpoint = make(dir);
      for (const form of ["module", "object"] as const) {
        expect(await failedMount({ form, mountpoint })).toMatchObject({ code, stderr: "" });
      }
    });
  });

  it("that another user may not reach", async () => {
    await inPlace(async ({ dir }) => {
      mkdirSync(join(dir, "closed", "m"), { recursive: true });
      await client("chmod", "700", join(dir, "closed"));
      const failed = await failedMount({ mountpoint: join(dir, "closed", "m"), wrap: ALICE });
      expect(failed).toMatchObject({ code: "MOUNTPOINT_UNREADABLE" });
      await client("chmod", "700", join(dir, "m"));
      expect(await failedMount({ mountpoint: join(dir, "m"), wrap: ALICE })).toMatchObject({
        code: "MOUNTPOINT_UNREADABLE",
      });
    });
  });

  it("that holds a FUSE mount, unless allowNonEmpty", async () => {
    await using lower = await startMount({ options: { name: "lower" } });
    const { mountpoint } = lower;
    const failed = await failedMount({ mountpoint });
    expect(failed.code).toBe("MOUNTPOINT_BUSY");
    expect(failed.message).toContain("lower");
    await using upper = await startMount({ mountpoint, options: { name: "upper", allowNonEmpty: true } });
    expect(mountsAt(mountpoint).map(({ source }) => source)).toEqual(["lower", "upper"]);
    await expect(lower.order("unmount")).rejects.toMatchObject({ code: "UNMOUNT_BUSY" });
    await upper.order("unmount");
    await lower.order("unmount");
    expect(mountsAt(mountpoint)).toEqual([]);
  });

  it("that its own thread serves, without waiting for itself", async () => {
    await using daemon = await startMount({ form: "object" });
    await expect(daemon.order("mountAgain")).rejects.toMatchObject({ code: "MOUNTPOINT_BUSY" });
    expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
    await daemon.order("unmount");
  });

  it("that another call is mounting on", async () => {
    await using daemon = await startMount({ form: "object" });
    await inPlace(async ({ mountpoint }) => {
      expect(await daemon.order("mountBoth", mountpoint)).toEqual(["mounted", "MOUNTPOINT_BUSY"]);
      expect(mountsAt(mountpoint)).toEqual([]);
    });
    await daemon.order("unmount");
  });

  it("that is stale, and takes it again once that was removed", async () => {
    await using dead = await startMount({ options: { guardian: false } });
    dead.kill("SIGKILL");
    await dead.exited;
    const { mountpoint } = dead;
    await until("the stale mount", () => mountsAt(mountpoint).length === 1);
    const failed = await failedMount({ mountpoint });
    expect(failed.code).toBe("MOUNTPOINT_STALE");
    expect(failed.message).toContain("umount -l");
    expect(await client("umount", "-l", mountpoint)).toMatchObject({ status: 0 });
    await using alive = await startMount({ mountpoint });
    await alive.order("unmount");
  });

  it("with content is mounted over when allowNonEmpty", async () => {
    await inPlace(async ({ mountpoint }) => {
      writeFileSync(join(mountpoint, "below"), "");
      await using daemon = await startMount({ mountpoint, options: { allowNonEmpty: true } });
      expect((await client("ls", mountpoint)).stdout).toBe("hello\n");
      await daemon.order("unmount");
      expect(existsSync(join(mountpoint, "below"))).toBe(true);
    });
  });

  it("with blanks, quotes, commas, backslashes and line breaks in its path is none that it refuses", async () => {
    await inPlace(async ({ dir }) => {
      const mountpoint = join(dir, "a b\t\"c'd,e\\f\ng é");
      mkdirSync(mountpoint);
      await using daemon = await startMount({ mountpoint });
      expect((await client("cat", `${mountpoint}/hello`)).stdout).toBe("hello\n");
      daemon.kill("SIGKILL");
      await until("the guardian's unmount", () => mountsAt(mountpoint).length === 0, 2000);
    });
  });
});

describe("mount: refuses the option", () => {
  const wrong: readonly (readonly [key: string, value: unknown])[] = [
    ...["no,comma", "no\\backslash", "no\nline", "no\0nul", "no\x7fdel", "", "n".repeat(256), 7].map(
      (value) => ["name", value] as const,
    ),
    ...["a,b", "a\\b", "a\tb", "", false].map((value) => ["subtype", value] as const),
    ...[
      "readOnly",
      "allowOther",
      "defaultPermissions",
      "allowSuid",
      "allowDevices",
      "noExec",
      "allowNonEmpty",
      "guardian",
    ].map((key) => [key, "yes"] as const),
    ["via", "magic"],
    ...["fast", "RING", true].map((value) => ["lane", value] as const),
    ...["per-cpu", "", 1].map((value) => ["placement", value] as const),
    ...[-1, 1_000_001, "none", "10", null, true].map((value) => ["spinUs", value] as const),
    ...[0, 257, 1.5, "2"].map((value) => ["workers", value] as const),
    ...[-1, 2 ** 31, 0.5, null].map((value) => ["requestTimeoutMs", value] as const),
    ...[-1, "1"].map((value) => ["slowMs", value] as const),
    ...[15, 4097].map((value) => ["maxInFlight", value] as const),
    ["debug", "loud"],
    ["wishes", 7],
    ["unheardOf", true],
    ["toString", true],
    ["__proto__x", true],
  ];

  it("with a wrong value, naming key, value and limit, and every unknown key", async () => {
    // One process tries them all: what a refusal would leave is counted at its end.
    await inPlace(async ({ mountpoint }) => {
      const script = new URL("./fixtures/refusals.ts", import.meta.url).pathname;
      const ended = await client(process.execPath, script, JSON.stringify({ mountpoint, wrong }));
      expect(ended.stderr).toBe("");
      const { results, fdsBefore, fdsAfter } = JSON.parse(ended.stdout);
      for (const [index, [key]] of wrong.entries()) {
        expect(results[index]).toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(key) });
      }
      expect(results).toHaveLength(wrong.length);
      expect(fdsAfter).toBe(fdsBefore);
      expect(mountsAt(mountpoint)).toEqual([]);
    });
  });

  const wishes: readonly (readonly [name: string, value: unknown])[] = [
    ["maxWrite", 100],
    ["maxWrite", Number.MAX_SAFE_INTEGER],
    ["maxBackground", 0],
    ["maxBackground", 65_536],
    ["timeGranularityNs", 0],
    ["timeGranularityNs", 2e9],
  ];
  it.each(wishes)("wishes.%s of %s", async (name, value) => {
    const failed = await failedMount({ options: { wishes: { [name]: value } } });
    expect(failed).toMatchObject({ code: "INIT_FAILED", message: expect.stringContaining(name) });
    const own = await failedMount({ options: { filesystemOptions: { wishes: { [name]: value } } } });
    expect(own).toMatchObject({
      code: "INIT_FAILED",
      message: expect.stringContaining(name),
    });
  });
});

describe("unmount: refuses the option", () => {
  it.each([{ lazzy: true }, { lazy: 1 }, { force: "yes" }, "SIGINT", null])(
    "%j, and the mount lives on",
    async (wrong) => {
      await using daemon = await startMount();
      await expect(daemon.order("unmount", wrong)).rejects.toMatchObject({ code: "INVALID_OPTION" });
      expect((await client("cat", `${daemon.mountpoint}/hello`)).stdout).toBe("hello\n");
      await daemon.order("unmount");
    },
  );
});

describe("mount: refuses the filesystem", () => {
  const fixture = (name: string) => new URL(`./fixtures/${name}.ts`, import.meta.url);
  const modules: readonly (readonly [what: string, options: StartOptions, says: string])[] = [
    ["whose module does not exist", { filesystem: fixture("nowhere") }, "nowhere"],
    ["whose module throws at import", { filesystem: fixture("broken-import") }, "thrown at import"],
    ["whose module has no default export", { filesystem: fixture("broken-no-default") }, "default export"],
    ["whose factory throws", { filesystem: fixture("broken-factory") }, "thrown by the factory"],
    ["whose init throws", { options: { filesystemOptions: { initError: "no init today" } } }, "no init today"],
    [
      "that has a method that is no function",
      { options: { filesystemOptions: { broken: "read" } } },
      "filesystem.read",
    ],
  ];
  it.each(modules)("%s", async (_, options, says) => {
    const failed = await failedMount(options);
    expect(failed).toMatchObject({ code: "FILESYSTEM_FAILED", stderr: "" });
    expect(failed.message).toContain(says);
  });

  it.each(modules.slice(4))("object %s", async (_, options, says) => {
    const failed = await failedMount({ ...options, form: "object" });
    expect(failed).toMatchObject({ code: "FILESYSTEM_FAILED", stderr: "" });
    expect(failed.message).toContain(says);
  });

  it("whose init fails in one of four workers", async () => {
    const failed = await failedMount({
      filesystem: "special-init",
      options: { workers: 4, filesystemOptions: { index: 2 } },
    });
    expect(failed).toMatchObject({
      code: "FILESYSTEM_FAILED",
      message: expect.stringContaining("worker 2"),
      stderr: "",
    });
  });

  it("that fails when its mount is gone already, and leaves what was mounted there before", async () => {
    await inPlace(async ({ mountpoint }) => {
      expect((await client("mount", "-t", "tmpfs", "below", mountpoint)).status).toBe(0);
      try {
        const filesystemOptions = { mountpoint };
        const failed = await failedMount({ mountpoint, filesystem: "unmounted-init", options: { filesystemOptions } });
        expect(failed.message).toContain("unmounted meanwhile: 0");
        expect(mountsAt(mountpoint).map(({ source }) => source)).toEqual(["below"]);
      } finally {
        await client("umount", "-l", mountpoint);
      }
    });
  });

  it.each([
    ["workers", { workers: 2 }],
    ["placement", { placement: "per-core" }],
    ["placement", { placement: "dedicated" }],
  ] as const)("object, whose thread is the caller's, with its own %s %o", async (key, options) => {
    const failed = await failedMount({ form: "object", options });
    expect(failed).toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(key), stderr: "" });
  });

  it("that is not parallel, with more than one worker", async () => {
    const failed = await failedMount({ options: { workers: 2, filesystemOptions: { parallel: false } } });
    expect(failed).toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining("workers"), stderr: "" });
    await using daemon = await startMount({ options: { workers: 1, filesystemOptions: { parallel: false } } });
    await daemon.order("unmount");
  });

  it("whose module never loads, when the signal aborts", async () => {
    const failed = await failedMount({ filesystem: fixture("broken-endless"), abortAfterMs: 300 });
    expect(failed.code).toMatch(/ABORT|20/);
  });
});

describe("mount: a lane asked for by name", () => {
  it.skipIf(existsSync("/dev/rfuse"))("is LANE_UNAVAILABLE with its reason when it is not there", async () => {
    const failed = await failedMount({ options: { lane: "ring" } });
    expect(failed).toMatchObject({ code: "LANE_UNAVAILABLE", message: expect.stringContaining("lane ring: ") });
    expect(failed.message.length).toBeGreaterThan("lane ring: ".length);
  });
});

describe("mount: without the right to", () => {
  const unshared = (script: string): readonly string[] => [
    "unshare",
    "-m",
    "--propagation",
    "private",
    "sh",
    "-c",
    `${script}; exec "$@"`,
    "sh",
  ];
  const noDevice = "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9";

  it("reports NO_DEVICE when /dev/fuse is missing", async () => {
    const failed = await failedMount({ wrap: unshared(noDevice) });
    expect(failed.code).toBe("NO_DEVICE");
    expect(failed.message).toContain("modprobe fuse");
  });

  it("reports NO_PERMISSION when /dev/fuse may not be opened", async () => {
    const closed = `${noDevice} && mknod -m 000 /dev/fuse c 10 229`;
    const failed = await failedMount({
      wrap: [
        ...unshared(closed),
        "setpriv",
        "--bounding-set",
        "-dac_override,-dac_read_search",
        "--inh-caps",
        "-dac_override",
      ],
      options: { via: "mount" },
    });
    expect(failed.code).toBe("NO_PERMISSION");
    expect(failed.message).toContain("chmod 0666");
  });

  it("reports NO_FUSERMOUNT when there is none on PATH", async () => {
    const failed = await failedMount({ wrap: ALICE, env: { PATH: "/nonexistent" }, options: { guardian: false } });
    expect(failed.code).toBe("NO_FUSERMOUNT");
    expect(failed.message).toContain("fuse3");
  });

  it("reports NO_PERMISSION when mount(2) is refused", async () => {
    const failed = await failedMount({ wrap: ALICE, options: { via: "mount" } });
    expect(failed.code).toBe("NO_PERMISSION");
  });

  it("reports NO_PERMISSION when fusermount3 refuses allow_other", async () => {
    const conf = [
      "unshare",
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      `mount --bind /dev/null /etc/fuse.conf; exec "$@"`,
      "sh",
    ];
    const failed = await failedMount({ wrap: [...conf, ...ALICE], options: { allowOther: true } });
    expect(failed.code).toBe("NO_PERMISSION");
    expect(failed.message).toContain("user_allow_other");
  });
});

describe("mount: gives up", () => {
  it.each(["module", "object"] as const)("when the signal was aborted before, %s form", async (form) => {
    const failed = await failedMount({ form, abortAfterMs: -1 });
    expect(failed.message).toMatch(/abort/i);
  });

  it("leaves no mount when the signal aborts while it mounts, at any moment", async () => {
    for (const abortAfterMs of [0, 1, 3, 6, 10, 15, 20, 30, 45, 60]) {
      const place = makePlace();
      await using daemon = startDaemon({ mountpoint: place.mountpoint, abortAfterMs });
      await until("an outcome", () => daemon.said.some(({ event }) => event === "failed" || event === "closed"));
      daemon.hangUp();
      await within("the daemon's end", daemon.exited);
      await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
      await rm(place.dir, { recursive: true, force: true });
    }
  });
});
