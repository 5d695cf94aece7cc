// The programs of examples/ebpf-policy.ts, run by BPF_PROG_TEST_RUN over contexts as rfuse.ko fills them. Needs root.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMaps, FILE_PROGRAMS, fileProgram, lookupPolicy, type PolicyMaps } from "../../examples/ebpf-policy.ts";
import { OPCODES } from "../../src/abi/fuse-opcodes.ts";
import { RFUSE_BPF, RfuseBpfContext } from "../../src/abi/ring.ts";
import type { BpfAssembler } from "../../src/bpf/assembler.ts";
import { BpfProgram } from "../../src/bpf/program.ts";

const AT = RfuseBpfContext.at;
const EACCES = -13;
const FILE = 2n ** 40n;

interface Asked {
  readonly nodeid?: bigint;
  readonly uid?: number;
  readonly name?: string;
  readonly dataMax?: number;
  readonly offset?: bigint;
}

function run(code: BpfAssembler, { nodeid = 1n, uid = 0, name = "", dataMax = 0, offset = 0n }: Asked) {
  const context = new Uint8Array(RfuseBpfContext.size);
  const view = new DataView(context.buffer);
  view.setBigUint64(AT.nodeid, nodeid, true);
  view.setUint32(AT.uid, uid, true);
  view.setUint32(AT.name_len, name.length, true);
  view.setUint32(AT.data_max, dataMax, true);
  view.setBigUint64(AT.arg + OPCODES.READ.in.at.offset, offset, true);
  context.set(Buffer.from(name), AT.name);
  using program = BpfProgram.load(code, { name: "policy" });
  const verdict = program.run(context);
  const data = context.subarray(AT.data, AT.data + view.getUint32(AT.data_size, true));
  return { verdict, error: view.getInt32(AT.error, true), view, text: Buffer.from(data).toString() };
}

describe.runIf(process.getuid?.() === 0)("ebpf-policy", () => {
  let maps: PolicyMaps;
  beforeEach(() => {
    maps = createMaps();
    maps.page.set(0, { length: 6, reserved: 0, text: "hello\n" });
  });
  afterEach(() => {
    for (const map of Object.values(maps)) map.close();
  });

  it("lookupPolicy: leaves other names to the filesystem, and counts them by user", () => {
    for (let count = 0; count < 3; count++) {
      expect(run(lookupPolicy(maps, false), { uid: 7, name: "file" })).toMatchObject({ verdict: RFUSE_BPF.UPCALL });
    }
    run(lookupPolicy(maps, false), { uid: 8, name: "n".repeat(255) });
    expect(new Map(maps.counts.entries())).toEqual(
      new Map([
        [7, 3n],
        [8, 1n],
      ]),
    );
  });

  it("lookupPolicy: denies names and users that the maps hold, now", () => {
    const denied = { verdict: RFUSE_BPF.REPLY, error: EACCES };
    maps.denied.set("secret", 1);
    maps.banned.set(1000, 1);
    expect(run(lookupPolicy(maps, false), { name: "secret" })).toMatchObject(denied);
    expect(run(lookupPolicy(maps, false), { name: "secrets" }).verdict).toBe(RFUSE_BPF.UPCALL);
    expect(run(lookupPolicy(maps, false), { name: "file", uid: 1000 })).toMatchObject(denied);
    maps.denied.delete("secret");
    expect(run(lookupPolicy(maps, false), { name: "secret" }).verdict).toBe(RFUSE_BPF.UPCALL);
    expect(run(lookupPolicy(maps, false), { name: ".hidden" }).verdict).toBe(RFUSE_BPF.UPCALL);
    expect(run(lookupPolicy(maps, true), { name: ".hidden" })).toMatchObject(denied);
  });

  it("lookupPolicy: finds the file in the root alone", () => {
    const found = run(lookupPolicy(maps, true), { name: ".policy" });
    expect([found.verdict, found.error]).toEqual([RFUSE_BPF.REPLY, 0]);
    expect(found.view.getBigUint64(AT.out, true)).toBe(FILE);
    expect(found.view.getBigUint64(AT.out + 40 + 8, true)).toBe(6n);
    expect(run(lookupPolicy(maps, false), { name: ".policy", nodeid: 5n }).verdict).toBe(RFUSE_BPF.UPCALL);
  });

  it("fileProgram: serves the file, and no other", () => {
    for (const opcode of Object.keys(FILE_PROGRAMS) as (keyof typeof FILE_PROGRAMS)[]) {
      expect(run(fileProgram(opcode, maps), { nodeid: 5n, dataMax: 100 }).verdict).toBe(RFUSE_BPF.UPCALL);
      expect(run(fileProgram(opcode, maps), { nodeid: FILE, dataMax: 100 }).verdict).toBe(RFUSE_BPF.REPLY);
    }
    expect(run(fileProgram("READ", maps), { nodeid: FILE, dataMax: 100 }).text).toBe("hello\n");
    expect(run(fileProgram("READ", maps), { nodeid: FILE, dataMax: 3 }).text).toBe("hel");
    expect(run(fileProgram("READ", maps), { nodeid: FILE, dataMax: 100, offset: 6n }).text).toBe("");
    expect(run(fileProgram("GETATTR", maps), { nodeid: FILE }).view.getUint32(AT.out + 16 + 60, true)).toBe(0o100444);
  });
});
