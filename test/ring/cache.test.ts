// The metadata cache and programs of one's own on the real module: answers without the daemon, two clients that are never
// told what is over, and everything that can be wrong with programs. In a guest with rfuse.ko. RFUSE_OPERATIONS=n and
// RFUSE_SEED=n choose how long the clients go on, and how.

import { existsSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import type { OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import { RFUSE_BPF } from "../../src/abi/ring.ts";
import { BpfAssembler } from "../../src/bpf/assembler.ts";
import type { ProgramCounters } from "../../src/bpf/attach.ts";
import { CONTEXT } from "../../src/bpf/context.ts";
import { r1, r6 } from "../../src/bpf/instructions.ts";
import { type CacheStatistics, MountError, type MountStatistics } from "../../src/index.ts";
import { makeSource } from "../mount/features.ts";
import { client, type Daemon, type StartOptions, startClient, startMount, until } from "../mount/harness.ts";
import { exerciseCoherence } from "./coherence.ts";
import { moduleUnloads, nothingHangs, SHORT } from "./inspection.ts";
import { load } from "./storm.ts";

const MEMORY = new URL("../../src/fs/memory/module.ts", import.meta.url);
const PASSTHROUGH = new URL("../../src/fs/passthrough/module.ts", import.meta.url);
const UNTIMED = { attrTimeoutMs: 0, entryTimeoutMs: 0 };
const FOR_EVER = { ttlMs: 1e9 };
const NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
const OPERATIONS = Number(process.env["RFUSE_OPERATIONS"] ?? (SHORT ? 4_000 : 50_000));
/** Time for one exercise, on a machine that emulates other guests as well. */
const EXERCISE_MS = 15 * 60_000 + OPERATIONS * 10;
/** Cases that a short run has no time for: each starts a daemon and loads the module anew. */
const itWhole = SHORT ? () => {} : it;

const mountMemory = (options: StartOptions["options"] = {}, more: Partial<StartOptions> = {}): Promise<Daemon> =>
  startMount({
    ...{ filesystem: MEMORY, ...more },
    options: { allowOther: true, lane: "ring", filesystemOptions: UNTIMED, ...options },
  });
const sh = (script: string, ...words: string[]) => client("sh", "-c", script, ...words);
const stats = (daemon: Daemon) => daemon.order<MountStatistics>("stats");
const answeredBy = async (daemon: Daemon): Promise<CacheStatistics> => (await stats(daemon)).metadataCache;
const requests = async (daemon: Daemon): Promise<Readonly<Record<string, number>>> => (await stats(daemon)).byOpcode;

async function ends(daemon: Daemon): Promise<void> {
  expect(daemon.said.filter(({ event }) => event === "error")).toEqual([]);
  await daemon.order("unmount");
  daemon.hangUp();
  expect((await daemon.exited).status).toBe(0);
  await until("nothing left", () => daemon.leftovers().length === 0); // its guardian ends by itself
}

/** Every request of the opcode ends with `error`. */
const refuser = (error: number): BpfAssembler =>
  new BpfAssembler().mov(r6, r1).mov(r1, error).store("u32", r6, CONTEXT.error, r1).exit(RFUSE_BPF.REPLY);
const attach = (daemon: Daemon, opcode: OpcodeName, code: BpfAssembler | null) =>
  daemon.order("attach", opcode, code === null ? null : Buffer.from(code.assemble()).toString("hex"));

describe.runIf(existsSync("/dev/rfuse"))("metadataCache", () => {
  afterEach(async () => {
    await nothingHangs();
    await moduleUnloads();
  });

  it("answers stat, ls and getfattr without one request to the daemon", async () => {
    await using daemon = await mountMemory({ metadataCache: FOR_EVER });
    const script =
      'cd "$0" && for i in 1 2 3 4 5 6 7 8 9; do stat -c %s f l no >/dev/null 2>&1; getfattr -n user.a f; done';
    await sh('cd "$0" && echo content >f && ln -s f l && setfattr -n user.a -v b f', daemon.mountpoint);
    await sh(script, daemon.mountpoint);
    const before = await requests(daemon);
    expect((await sh(script, daemon.mountpoint)).status).toBe(0);
    expect(await requests(daemon)).toEqual(before);
    const { answered, active } = await answeredBy(daemon);
    expect(active).toBe(true);
    for (const opcode of ["LOOKUP", "GETATTR", "GETXATTR"]) expect(answered[opcode], opcode).toBeGreaterThan(9);
    await ends(daemon);
  });

  itWhole("outside changes: invalidateInode and invalidateEntry end what was kept", async () => {
    const source = makeSource();
    await using daemon = await mountMemory(
      { metadataCache: FOR_EVER, filesystemOptions: { source, cacheMs: 0 } },
      { filesystem: PASSTHROUGH },
    );
    const size = async () => (await client("stat", "-c", "%s %i", `${daemon.mountpoint}/f`)).stdout.trim().split(" ");
    await sh('echo a >"$0/f"', source);
    expect((await size())[0]).toBe("2");
    await sh('rm "$0/f"; echo longer >"$0/f"', source);
    expect((await size())[0]).toBe("2");
    await daemon.order("invalidateEntry", 1, "f");
    expect((await size())[0]).toBe("7");
    await ends(daemon);
  });

  const memory = { filesystem: MEMORY, options: () => UNTIMED };
  const passthrough = { filesystem: PASSTHROUGH, options: () => ({ source: makeSource(), cacheMs: 0 }) };
  const CLIENTS = [
    { name: "memory", ...memory, entries: 32_768 },
    { name: "memory, a cache of 64 entries", ...memory, entries: 64 },
    { name: "passthrough by two workers", ...passthrough, entries: 32_768 },
  ];
  it.each(SHORT ? CLIENTS.slice(0, 1) : CLIENTS)(
    "coherence: two clients on $name",
    async ({ filesystem, options, entries }) => {
      await using daemon = await mountMemory(
        { metadataCache: { ...FOR_EVER, entries }, filesystemOptions: options() },
        { filesystem },
      );
      const seed = Number(process.env["RFUSE_SEED"] ?? Date.now() % 1_000_000);
      const checks = await exerciseCoherence(daemon.mountpoint, OPERATIONS, seed);
      const { metadataCache, byOpcode } = await stats(daemon);
      console.log(`seed ${seed}: ${checks} checks`, JSON.stringify(metadataCache), JSON.stringify(byOpcode));
      expect(checks).toBeGreaterThan(OPERATIONS / 4);
      expect(metadataCache.answered["LOOKUP"]).toBeGreaterThan(100);
      await ends(daemon);
    },
    EXERCISE_MS,
  );

  itWhole(
    "stands aside, with the reason, on another lane, without the right, and where the filesystem judges callers",
    async () => {
      await client("chmod", "666", "/dev/rfuse", "/dev/fuse");
      const cases: [StartOptions["options"], readonly string[], RegExp][] = [
        [{ lane: "dev" }, [], /lane ring; this mount is on lane dev/],
        [{ defaultPermissions: false }, [], /tells callers apart/],
        [{ wishes: { posixAcl: false } }, [], /access control lists/],
        [{ allowOther: false }, NOBODY, /EPERM/],
      ];
      for (const [options, wrap, reason] of cases) {
        await using daemon = await mountMemory({ metadataCache: true, ...options }, { wrap });
        expect(await answeredBy(daemon)).toMatchObject({ active: false, reason: expect.stringMatching(reason) });
        const use = await client(...wrap, "sh", "-c", 'echo x >"$0/f" && cat "$0/f"', daemon.mountpoint);
        expect(use.stdout).toBe("x\n");
        await ends(daemon);
      }
    },
  );

  itWhole(
    "access control lists: hold for what is answered in the kernel, from the moment that they are set",
    async () => {
      const source = makeSource();
      await using daemon = await mountMemory(
        { metadataCache: FOR_EVER, filesystemOptions: { source, cacheMs: 0 } },
        { filesystem: PASSTHROUGH },
      );
      const nobody = async () =>
        (await client(...NOBODY, "stat", "-c", "%s", `${daemon.mountpoint}/d/f`)).stdout.trim();
      // The mode's bits of the group show the mask: they let nobody in, the list does not.
      const closed =
        'mkdir "$0/d"; echo text >"$0/d/f"; chgrp 65534 "$0/d"; chmod 770 "$0/d"; setfacl -m u:1:rwx,g::--- "$0/d"';
      expect((await sh(closed, source)).stderr).toBe("");
      for (let look = 0; look < 3; look++)
        expect((await sh('stat "$0/d/f"; ls -l "$0/d"', daemon.mountpoint)).status).toBe(0);
      expect(await nobody()).toBe("");
      for (const [entry, seen] of [
        ["u:65534:rx", "5"],
        ["u:65534:---", ""],
      ] as const) {
        expect((await sh('setfacl -m "$1" "$0/d"', daemon.mountpoint, entry)).stderr).toBe("");
        for (let look = 0; look < 3; look++) expect(await nobody(), entry).toBe(seen);
      }
      expect((await answeredBy(daemon)).answered["LOOKUP"]).toBeGreaterThan(5);
      await ends(daemon);
    },
  );

  itWhole("options: are checked by name", async () => {
    for (const metadataCache of [{ entries: 7 }, { ttlMs: 0 }, { negativ: true }] as never[]) {
      const said = await startMount({ filesystem: MEMORY, options: { metadataCache } }).then(
        () => "mounted",
        (error: Error) => error.message,
      );
      expect(said).toMatch(/metadataCache\.(entries|ttlMs|negativ)/);
    }
    expect(MountError).toBeDefined();
  });
});

describe.runIf(existsSync("/dev/rfuse"))("programs", () => {
  afterEach(async () => {
    await nothingHangs();
    await moduleUnloads();
  });

  it("are placed, replaced and taken away", async () => {
    await using daemon = await mountMemory();
    const list = () => client("ls", `${daemon.mountpoint}/f`);
    await sh('echo x >"$0/f"', daemon.mountpoint);
    await attach(daemon, "LOOKUP", refuser(-13));
    expect((await list()).stderr).toContain("Permission denied");
    await attach(daemon, "LOOKUP", refuser(-116));
    expect((await list()).stderr).toContain("Stale file handle");
    await attach(daemon, "LOOKUP", null);
    expect((await list()).status).toBe(0);
    const { LOOKUP } = await daemon.order<Record<string, ProgramCounters>>("programs");
    expect(LOOKUP).toMatchObject({ program: 0, replies: expect.any(Number), refused: 0 });
    await ends(daemon);
  });

  it("whose answer is garbage are counted, and the daemon is asked", async () => {
    await using daemon = await mountMemory();
    await sh('echo x >"$0/f"', daemon.mountpoint);
    const unheard = new BpfAssembler().exit(99);
    const empty = new BpfAssembler().exit(RFUSE_BPF.REPLY); // of LOOKUP it says that there is no such name
    for (const code of [refuser(7), refuser(-5000), unheard, empty]) {
      await attach(daemon, "LOOKUP", code === empty ? null : code);
      await attach(daemon, "GETATTR", code);
      expect((await client("cat", `${daemon.mountpoint}/f`)).stdout).toBe("x\n");
    }
    const counters = await daemon.order<Record<string, ProgramCounters>>("programs");
    expect(counters["LOOKUP"]?.refused).toBeGreaterThan(0);
    await ends(daemon);
  });

  itWhole("that the verifier refuses change nothing, and the log says why", async () => {
    await using daemon = await mountMemory();
    const wild = new BpfAssembler().load("u64", r1, r1, 4096).exit();
    const refused = await attach(daemon, "LOOKUP", wild).then(String, (error: Error) => error.message);
    expect(refused).toMatch(/verifier|context/);
    const loop = new BpfAssembler().label("again").goto("again");
    expect(await attach(daemon, "LOOKUP", loop).then(String, (error: Error) => error.message)).toContain("EINVAL");
    expect((await sh('echo x >"$0/f" && cat "$0/f"', daemon.mountpoint)).stdout).toBe("x\n");
    await ends(daemon);
  });

  it("come and go under load, and so does nothing else", async () => {
    await using daemon = await mountMemory();
    const storm = await load(daemon.mountpoint, 8, SHORT ? 2000 : 5000);
    let over = false;
    const counts = storm.counts.finally(() => {
      over = true;
    });
    for (let round = 0; !over && round < 500; round++) {
      await attach(daemon, "GETATTR", round % 2 === 0 ? new BpfAssembler().exit(RFUSE_BPF.UPCALL) : null);
      await attach(daemon, "LOOKUP", round % 3 === 0 ? new BpfAssembler().exit(77) : null);
    }
    expect(await counts).toMatchObject({ dead: 0 });
    await ends(daemon);
  });

  itWhole("of the metadata cache are not anybody else's to replace", async () => {
    await using daemon = await mountMemory({ metadataCache: true });
    for (const opcode of ["LOOKUP", "OPEN", "WRITE", "SETATTR", "UNLINK"] as const) {
      await expect(attach(daemon, opcode, refuser(-13)), opcode).rejects.toMatchObject({ code: "EBUSY" });
    }
    await attach(daemon, "STATFS", refuser(-13));
    expect((await client("df", daemon.mountpoint)).status).not.toBe(0);
    await ends(daemon);
  });

  it("example ebpf-policy: denies, counts, serves its file, and is replaced", async () => {
    const script = [
      "mkdir -p /tmp/policy; cd /rfuse; mkfifo /tmp/policy.in; exec 3<>/tmp/policy.in",
      "bun examples/ebpf-policy.ts /tmp/policy </tmp/policy.in >/tmp/policy.out 2>&1 & ",
      'say() { echo "$1" >&3; for i in $(seq 600); do grep -q "done: $1" /tmp/policy.out && return; sleep 0.1; done; cat /tmp/policy.out; exit 1; }',
      "for i in $(seq 600); do grep -q 'mounted on' /tmp/policy.out && break; sleep 0.1; done",
      "echo x >/tmp/policy/secret; echo x >/tmp/policy/.hidden; cat /tmp/policy/.policy /tmp/policy/secret",
      "say 'deny secret'; cat /tmp/policy/secret 2>&1; say 'allow secret'; cat /tmp/policy/secret",
      "say 'say other words'; cat /tmp/policy/.policy; say strict; cat /tmp/policy/.hidden 2>&1; say plain; cat /tmp/policy/.hidden",
      "say counts; echo quit >&3; wait; cat /tmp/policy.out",
    ].join("\n");
    const { stdout, stderr } = await startClient(["bash", "-c", script], 180_000).ended;
    expect(stderr).toBe("");
    expect(stdout.split("\n").filter((line) => !/^(done|mounted)/.test(line))).toEqual([
      ...["answered in the kernel", "x", "cat: /tmp/policy/secret: Permission denied", "x", "other words"],
      ...["cat: /tmp/policy/.hidden: Permission denied", "x", expect.stringMatching(/^uid 0: \d+$/), ""],
    ]);
  });
});
