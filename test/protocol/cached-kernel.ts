// Owns: a kernel without a kernel for mounts with a metadata cache: each request goes to the cache's own programs first,
// run by BPF_PROG_TEST_RUN over a context as rfuse.ko fills it, and to the daemon where they say UPCALL. It counts the
// lookups of every node as the kernel does, and forgets them. Needs root.

import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import { FuseEntryOut } from "../../src/abi/fuse-structs.ts";
import { RFUSE_BPF, RfuseBpfContext } from "../../src/abi/ring.ts";
import { type CacheSettings, MetadataCache } from "../../src/bpf/cache/metadata-cache.ts";
import { type CachedOpcode, type CacheOptions, openCache } from "../../src/bpf/cache/open-cache.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { createFakeKernel, type FakeKernel } from "./fake-kernel.ts";
import { join, request, u32, u64, z } from "./wire.ts";

const CONTEXT = RfuseBpfContext.at;
const ENTRIES: ReadonlySet<string> = new Set(["LOOKUP", "MKNOD", "MKDIR", "SYMLINK", "LINK", "CREATE", "TMPFILE"]);

/** One answer: -errno, or the bytes after the out header. `by` says who gave it. */
export interface Answer {
  readonly error: number;
  readonly body: Uint8Array;
  readonly by: "program" | "daemon";
}

/** A request's parts after the header. */
export interface Parts {
  readonly arg?: Uint8Array;
  readonly name?: string;
  /** Whatever follows the name. */
  readonly rest?: Uint8Array;
  /** Most bytes of variable data in the reply. */
  readonly dataMax?: number;
}

export interface CachedKernel extends Disposable {
  readonly daemon: FakeKernel;
  readonly cache: MetadataCache;
  /** What another worker of the same mount is told. */
  readonly settings: CacheSettings;
  /** Lookups that this kernel holds, by nodeid. */
  readonly held: Map<number, number>;
  readonly answers: { program: number; daemon: number };
  ask(name: OpcodeName, nodeid: number, parts?: Parts): Answer;
  /** The same, past the programs. */
  askDaemon(name: OpcodeName, nodeid: number, parts?: Parts): Answer;
  /** The same, of the programs alone; undefined: UPCALL. */
  askProgram(name: OpcodeName, nodeid: number, parts?: Parts): Answer | undefined;
  /** Forgets all lookups of a node; the result sends FORGET, at once or after others were counted. */
  forget(nodeid: number): () => void;
}

const EMPTY = new Uint8Array(0);
const ALL: CacheOptions = { entries: 4096, negative: true, attr: true, xattr: true, ttlMs: Number.POSITIVE_INFINITY };

function contextOf(name: OpcodeName, nodeid: number, parts: Parts): Uint8Array {
  const bytes = new Uint8Array(RfuseBpfContext.size);
  const view = new DataView(bytes.buffer);
  const { arg = EMPTY, name: text = "", dataMax = 0 } = parts;
  const opcode = OPCODES[name];
  const sized = name === "GETXATTR" && dataMax > 0;
  view.setUint32(CONTEXT.opcode, opcode.code, true);
  view.setBigUint64(CONTEXT.nodeid, BigInt(nodeid), true);
  view.setUint32(CONTEXT.name_len, Buffer.byteLength(text), true);
  view.setUint32(CONTEXT.out_size, sized ? 0 : opcode.out.reduce((sum, { size }) => sum + size, 0), true);
  view.setUint32(CONTEXT.data_max, dataMax, true);
  bytes.set(arg, CONTEXT.arg);
  bytes.set(Buffer.from(text), CONTEXT.name);
  return bytes;
}

function answerOf(context: Uint8Array): Answer {
  const view = new DataView(context.buffer);
  const error = view.getInt32(CONTEXT.error, true);
  const fixed = context.slice(CONTEXT.out, CONTEXT.out + view.getUint32(CONTEXT.out_size, true));
  const data = context.slice(CONTEXT.data, CONTEXT.data + view.getUint32(CONTEXT.data_size, true));
  return { error, body: error === 0 ? join(fixed, data) : EMPTY, by: "program" };
}

/** The node of which an answer gives a reference, 0: none. */
export function referenceOf(name: OpcodeName, { error, body }: Answer): number {
  if (error !== 0 || !ENTRIES.has(name)) return 0;
  return Number(new DataView(body.buffer, body.byteOffset).getBigUint64(FuseEntryOut.at.nodeid, true));
}

export interface CachedKernelOptions extends Partial<CacheOptions> {
  /** Told of every answer of the daemon. */
  readonly given?: (name: OpcodeName, answer: Answer) => void;
}

export function createCachedKernel(filesystem: Filesystem, options: CachedKernelOptions = {}): CachedKernel {
  const opened = openCache({ ...ALL, ...options });
  const cache = new MetadataCache(opened.settings);
  const daemon = createFakeKernel(filesystem, { cache });
  const held = new Map<number, number>();
  const answers = { program: 0, daemon: 0 };

  function count(name: OpcodeName, answer: Answer): void {
    const nodeid = referenceOf(name, answer);
    if (nodeid !== 0) held.set(nodeid, (held.get(nodeid) ?? 0) + 1);
  }

  const kernel: CachedKernel = {
    daemon,
    cache,
    settings: opened.settings,
    held,
    answers,
    ask(name, nodeid, parts = {}) {
      return kernel.askProgram(name, nodeid, parts) ?? kernel.askDaemon(name, nodeid, parts);
    },
    askDaemon(name, nodeid, parts = {}) {
      const { arg = EMPTY, name: text, rest = EMPTY } = parts;
      const body = join(arg, text === undefined ? EMPTY : z(text), rest);
      const reply = daemon.ask(request({ code: OPCODES[name].code, nodeid }, body));
      if (reply === undefined) throw new Error(`${name} got no reply`);
      const error = new DataView(reply.buffer, reply.byteOffset).getInt32(4, true);
      const answer: Answer = { error, body: reply.slice(16), by: "daemon" };
      count(name, answer);
      options.given?.(name, answer);
      answers.daemon++;
      return answer;
    },
    askProgram(name, nodeid, parts = {}) {
      const program = opened.programs.get(name as CachedOpcode);
      if (program === undefined) return undefined;
      const context = contextOf(name, nodeid, parts);
      const verdict = program.run(context);
      if (verdict === RFUSE_BPF.UPCALL) return undefined;
      if (verdict !== RFUSE_BPF.REPLY) throw new Error(`${name}: verdict ${verdict}`);
      const answer = answerOf(context);
      count(name, answer);
      answers.program++;
      return answer;
    },
    forget(nodeid) {
      const nlookup = held.get(nodeid) ?? 0;
      held.delete(nodeid);
      return () => {
        daemon.send(request({ code: OPCODES.FORGET.code, nodeid }, u64(nlookup)));
        daemon.serve();
      };
    },
    [Symbol.dispose]() {
      daemon[Symbol.dispose]();
      opened.close();
    },
  };
  return kernel;
}

/** Op structs of the requests that tests make. */
export const arg = {
  getattr: join(u32(0), u32(0), u64(0)),
  access: (mask: number) => join(u32(mask), u32(0)),
  getxattr: (size: number) => join(u32(size), u32(0)),
  mknod: (mode: number) => join(u32(mode), u32(0), u32(0), u32(0)),
  create: join(u32(2), u32(0o100600), u32(0), u32(0)),
  createEmpty: join(u32(0o1002), u32(0o100600), u32(0), u32(0)),
  mkdir: join(u32(0o755), u32(0)),
  rename: (newdir: number) => u64(newdir),
  rename2: (newdir: number, flags: number) => join(u64(newdir), u32(flags), u32(0)),
  link: (nodeid: number) => u64(nodeid),
  open: (flags: number) => join(u32(flags), u32(0)),
  release: (fh: bigint) => join(u64(fh), u32(0), u32(0), u64(0)),
  write: (fh: bigint, offset: number, size: number) =>
    join(u64(fh), u64(offset), u32(size), u32(0), u64(0), u32(0), u32(0)),
  read: (fh: bigint, offset: number, size: number) =>
    join(u64(fh), u64(offset), u32(size), u32(0), u64(0), u32(0), u32(0)),
  setxattr: (size: number) => join(u32(size), u32(0), u32(0), u32(0)),
  /** FATTR_MODE 1 or FATTR_SIZE 8. */
  setattr: (valid: number, size: number, mode: number) =>
    join(
      ...[u32(valid), u32(0), u64(0), u64(size), u64(0), u64(0), u64(0), u64(0)],
      ...[u32(0), u32(0), u32(0), u32(mode), u32(0), u32(0), u32(0), u32(0)],
    ),
} as const;
