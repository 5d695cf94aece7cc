// Shows: eBPF programs of one's own on a mount (lane ring, as root): they count lookups by user, deny names and users, and
// serve a file that exists nowhere else, all in the kernel; and a program replaced while the mount is in use.
// Run: bun examples/ebpf-policy.ts MOUNTPOINT, then type a command a line: deny NAME, allow NAME, ban UID, unban UID,
// say TEXT (the content of .policy), strict (no hidden names), plain, counts, quit.
// Owns: the programs and the commands. The files are those of the filesystem in memory.

import { createInterface } from "node:readline";
import { bpf, ERRNO, FOPEN, MemoryFilesystem, mount, type RequestView } from "rfuse";

const { Assembler, argAt, CONTEXT, outAt, r0, r1, r2, r3, r4, r6, r10, Table, VERDICT } = bpf;
const NAME_BYTES = 64;
const FILE = { name: ".policy", nodeid: 2 ** 40, bytes: 128 } as const;
const DIRECTORY = 1;
/** Places on the stack: the user, a name, and 1 as a map's value. */
const STACK = { uid: -8, one: -16, name: -16 - NAME_BYTES } as const;

/** What programs and this process share. */
export function createMaps() {
  const page = bpf.record({ length: bpf.u32, reserved: bpf.u32, text: bpf.text(FILE.bytes) });
  return {
    counts: Table.create({ kind: "lru-hash", key: bpf.u32, value: bpf.u64, maxEntries: 1024, name: "counts" }),
    denied: Table.create({ kind: "hash", key: bpf.text(NAME_BYTES), value: bpf.u32, maxEntries: 1024, name: "denied" }),
    banned: Table.create({ kind: "hash", key: bpf.u32, value: bpf.u32, maxEntries: 1024, name: "banned" }),
    page: Table.create({ kind: "array", key: bpf.u32, value: page, maxEntries: 1, name: "page" }),
  };
}
export type PolicyMaps = ReturnType<typeof createMaps>;

type Code = InstanceType<typeof Assembler>;

/** r0 = what `map` has under the key at `key` on the stack, or 0. */
const find = (code: Code, map: bpf.MapReference, key: number): Code =>
  code.loadMap(r1, map).mov(r2, r10).alu("add", r2, key).call("map_lookup_elem");

function countUser(code: Code, { counts }: PolicyMaps): void {
  code.load("u32", r1, r6, CONTEXT.uid).store("u32", r10, STACK.uid, r1);
  find(code, counts, STACK.uid).jump("eq", r0, 0, "first");
  code.mov(r1, 1).atomic("add", "u64", r0, 0, r1).goto("counted").label("first");
  code.store("u64", r10, STACK.one, 1).loadMap(r1, counts).mov(r2, r10).alu("add", r2, STACK.uid);
  code.mov(r3, r10).alu("add", r3, STACK.one).mov(r4, 0).call("map_update_elem").label("counted");
}

function denyName(code: Code, { denied }: PolicyMaps): void {
  code.load("u32", r1, r6, CONTEXT.name_len).jump("gt", r1, NAME_BYTES, "named");
  for (let at = 0; at < NAME_BYTES; at += 8) {
    code.load("u64", r1, r6, CONTEXT.name + at).store("u64", r10, STACK.name + at, r1);
  }
  find(code, denied, STACK.name).jump("ne", r0, 0, "denied").label("named");
}

const setField = (code: Code, size: "u32" | "u64", at: number, value: number): Code =>
  code.load64(r1, BigInt(value)).store(size, r6, at, r1);

const nameWord = (name: string): bigint => Buffer.from(name.padEnd(8, "\0")).readBigUInt64LE(0);

/** Attributes of the file that only programs know, for LOOKUP or GETATTR. */
function fileAttributes(code: Code, opcode: "LOOKUP" | "GETATTR", { page }: PolicyMaps): void {
  setField(code, "u64", outAt(opcode, "attr.ino"), FILE.nodeid);
  setField(code, "u32", outAt(opcode, "attr.mode"), 0o100444);
  setField(code, "u32", outAt(opcode, "attr.nlink"), 1);
  code.loadMapValue(r2, page).load("u32", r1, r2, 0).store("u64", r6, outAt(opcode, "attr.size"), r1);
}

/** LOOKUP: counts, denies, finds the file that only programs know; everything else is the filesystem's. */
export function lookupPolicy(maps: PolicyMaps, strict: boolean): Code {
  const code = new Assembler().mov(r6, r1);
  countUser(code, maps);
  find(code, maps.banned, STACK.uid).jump("ne", r0, 0, "denied");
  code.load("u64", r1, r6, CONTEXT.nodeid).jump("ne", r1, DIRECTORY, "elsewhere");
  code.load("u64", r1, r6, CONTEXT.name).load64(r2, nameWord(FILE.name)).jump("eq", r1, r2, "file").label("elsewhere");
  if (strict) code.load("u8", r1, r6, CONTEXT.name).jump("eq", r1, ".".charCodeAt(0), "denied");
  denyName(code, maps);
  code.exit(VERDICT.UPCALL).label("file");
  setField(code, "u64", outAt("LOOKUP", "nodeid"), FILE.nodeid);
  fileAttributes(code, "LOOKUP", maps);
  code.exit(VERDICT.REPLY).label("denied");
  return code.mov(r1, -ERRNO.EACCES).store("u32", r6, CONTEXT.error, r1).exit(VERDICT.REPLY);
}

/** What there is to do with that file. */
export const FILE_PROGRAMS = {
  GETATTR: (code: Code, maps: PolicyMaps) => fileAttributes(code, "GETATTR", maps),
  OPEN: (code: Code) => void setField(code, "u32", outAt("OPEN", "open_flags"), FOPEN.DIRECT_IO),
  FLUSH: () => {},
  // As much as was asked for, from the start: the file is short, and whoever has read it all gets 0 bytes.
  READ: (code: Code, { page }: PolicyMaps) => {
    code.load("u64", r1, r6, argAt("READ", "offset")).jump("ne", r1, 0, "end").loadMapValue(r2, page);
    for (let at = 0; at < FILE.bytes; at += 8) {
      code.load("u64", r1, r2, 8 + at).store("u64", r6, CONTEXT.data + at, r1);
    }
    code.load("u32", r1, r2, 0).load("u32", r3, r6, CONTEXT.data_max).jump("le", r1, r3, "fits").mov(r1, r3);
    code.label("fits").store("u32", r6, CONTEXT.data_size, r1).label("end");
  },
} as const;

/** A program for one opcode of the file; other files are the filesystem's. */
export function fileProgram(opcode: keyof typeof FILE_PROGRAMS, maps: PolicyMaps): Code {
  const code = new Assembler().mov(r6, r1);
  code.load("u64", r1, r6, CONTEXT.nodeid).load64(r2, BigInt(FILE.nodeid)).jump("eq", r1, r2, "mine");
  code.exit(VERDICT.UPCALL).label("mine");
  FILE_PROGRAMS[opcode](code, maps);
  return code.exit(VERDICT.REPLY);
}

/** The kernel forgets and releases the file, too, but the filesystem never knew it. */
class PolicyFilesystem extends MemoryFilesystem {
  override forget(nodeid: number, nlookup: number): void {
    if (nodeid !== FILE.nodeid) super.forget(nodeid, nlookup);
  }
  override release(req: RequestView<"RELEASE">): number {
    return req.nodeid === FILE.nodeid ? 0 : super.release(req);
  }
}

async function main(mountpoint: string): Promise<void> {
  await using mounted = await mount(mountpoint, new PolicyFilesystem({ entryTimeoutMs: 0 }), { allowOther: true });
  if (mounted.bpf.reason !== "") throw new Error(mounted.bpf.reason);
  const maps = createMaps();
  const attach = (opcode: "LOOKUP" | keyof typeof FILE_PROGRAMS, code: Code): void => {
    using program = bpf.Program.load(code, { name: `policy_${opcode}` });
    mounted.bpf.attach(opcode, program); // the mount keeps it
  };
  const say = (content: string) => maps.page.set(0, { length: Buffer.byteLength(content), reserved: 0, text: content });
  const commands: Readonly<Record<string, (argument: string) => unknown>> = {
    deny: (name) => maps.denied.set(name, 1),
    allow: (name) => maps.denied.delete(name),
    ban: (uid) => maps.banned.set(Number(uid), 1),
    unban: (uid) => maps.banned.delete(Number(uid)),
    say: (content) => say(`${content}\n`),
    strict: () => attach("LOOKUP", lookupPolicy(maps, true)),
    plain: () => attach("LOOKUP", lookupPolicy(maps, false)),
    counts: () =>
      console.log(
        maps.counts
          .entries()
          .map(([uid, count]) => `uid ${uid}: ${count}`)
          .join(", "),
      ),
    quit: () => input.close(),
  };
  say("answered in the kernel\n");
  attach("LOOKUP", lookupPolicy(maps, false));
  for (const opcode of Object.keys(FILE_PROGRAMS) as (keyof typeof FILE_PROGRAMS)[]) {
    attach(opcode, fileProgram(opcode, maps));
  }
  const input = createInterface({ input: process.stdin });
  console.log(`mounted on ${mounted.mountpoint}; commands: ${Object.keys(commands).join(", ")}`);
  for await (const line of input) {
    const [command = "", ...rest] = line.trim().split(" ");
    try {
      await (commands[command] ?? (() => console.log(`no command "${command}"`)))(rest.join(" "));
      console.log(`done: ${line}`);
    } catch (error) {
      console.log(`${error instanceof Error ? error.message : error}`);
    }
  }
}

if (import.meta.main) {
  const [mountpoint] = process.argv.slice(2);
  if (mountpoint === undefined) {
    console.error("usage: bun examples/ebpf-policy.ts MOUNTPOINT");
    process.exit(2);
  }
  try {
    await main(mountpoint);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
