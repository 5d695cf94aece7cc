// A random kernel against the memory filesystem with a metadata cache: whatever a program answers is what the filesystem
// would have answered, byte for byte, and the filesystem forgets exactly what the kernel does. Needs root.

import { describe, expect, it } from "vitest";
import { ERRNO } from "../../ffi/errno.ts";
import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import type { CacheOptions } from "../../src/bpf/cache/open-cache.ts";
import type { RequestView } from "../../src/codec/request-view.ts";
import { MemoryFilesystem } from "../../src/fs/memory/memory-filesystem.ts";
import { arg, type CachedKernel, createCachedKernel, type Parts, referenceOf } from "./cached-kernel.ts";
import { createFakeKernel } from "./fake-kernel.ts";
import { chars, join, request, shown, u64, z } from "./wire.ts";

const root = process.getuid?.() === 0;
const ROUNDS = 2_000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const NAMES = ["a", "b", "c", "longer-name-of-a-file", "d".repeat(255)];
const XATTRS = ["user.one", "user.two", "security.capability"];

/** Numbers that a seed decides. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const nodeidOf = (body: Uint8Array): number => Number(new DataView(body.buffer, body.byteOffset).getBigUint64(0, true));
const modeOf = (entry: Uint8Array): number => new DataView(entry.buffer, entry.byteOffset).getUint32(40 + 60, true);
const handleOf = (body: Uint8Array): bigint => new DataView(body.buffer, body.byteOffset).getBigUint64(0, true);

class Exerciser {
  readonly kernel: CachedKernel;
  private readonly directories = new Set([1]);
  private readonly nodes = new Set([1]);
  /** Forgets that are on their way to the daemon. */
  private readonly late: (() => void)[] = [];
  private readonly pick: (below: number) => number;
  private readonly oracle;

  constructor(
    readonly filesystem: MemoryFilesystem,
    options: Partial<CacheOptions>,
    seed: number,
  ) {
    this.kernel = createCachedKernel(filesystem, {
      ...options,
      given: (name, answer) => {
        const nodeid = referenceOf(name, answer);
        if (nodeid !== 0) references.set(nodeid, (references.get(nodeid) ?? 0) + 1);
      },
    });
    this.oracle = createFakeKernel(filesystem);
    this.pick = random(seed);
  }

  /** One random request, then a look at random keys. */
  step(): void {
    const kinds = [
      ...[() => this.make(), () => this.make(), () => this.unmake(), () => this.rename(), () => this.link()],
      ...[() => this.write(), () => this.setattr(), () => this.setxattr(), () => this.list(), () => this.forget()],
    ];
    kinds[this.pick(kinds.length)]?.();
    for (let look = 0; look < 3; look++) this.look();
    if (this.pick(4) === 0) this.late.shift()?.();
  }

  /** The kernel forgets everything. */
  forgetAll(): void {
    for (const send of this.late.splice(0)) send();
    for (const nodeid of [...this.kernel.held.keys()]) this.kernel.forget(nodeid)();
  }

  end(): void {
    this.kernel[Symbol.dispose]();
    this.oracle[Symbol.dispose]();
  }

  private one<Value>(all: ReadonlySet<Value> | readonly Value[]): Value {
    const values = [...all];
    return values[this.pick(values.length)] as Value;
  }

  private learn(name: OpcodeName, nodeid: number, parts: Parts): void {
    const { error, body } = this.kernel.ask(name, nodeid, parts);
    if (error !== 0 || nodeidOf(body) === 0) return;
    this.nodes.add(nodeidOf(body));
    if ((modeOf(body) & 0o170000) === S_IFDIR) this.directories.add(nodeidOf(body));
  }

  private make(): void {
    const parent = this.one(this.directories);
    const name = this.one(NAMES);
    const kind = this.pick(5);
    if (kind === 0) this.learn("MKDIR", parent, { arg: arg.mkdir, name });
    else if (kind === 1) this.learn("SYMLINK", parent, { name, rest: z(`to ${this.pick(100)}`) });
    else this.learn("MKNOD", parent, { arg: arg.mknod(S_IFREG | 0o644), name });
  }

  private unmake(): void {
    const name = this.one(NAMES);
    this.kernel.ask(this.pick(3) === 0 ? "RMDIR" : "UNLINK", this.one(this.directories), { name });
  }

  private rename(): void {
    const from = this.one(this.directories);
    const [name, newname] = [this.one(NAMES), this.one(NAMES)];
    this.learn("LOOKUP", from, { name });
    this.learn("LOOKUP", from, { name: newname });
    // A kernel moves no directory below itself, so here they stay where they are.
    const movesDirectory = [name, newname].some((each) => this.isDirectory(from, each));
    const to = movesDirectory ? from : this.one(this.directories);
    if (this.isDirectory(to, newname) && to !== from) return;
    const names = { name, rest: z(newname) };
    if (this.pick(2) === 0) this.kernel.ask("RENAME", from, { arg: arg.rename(to), ...names });
    else this.kernel.ask("RENAME2", from, { arg: arg.rename2(to, this.pick(3)), ...names });
  }

  private isDirectory(parent: number, name: string): boolean {
    const { error, body } = this.kernel.ask("LOOKUP", parent, { name });
    return error === 0 && (modeOf(body) & 0o170000) === S_IFDIR;
  }

  private link(): void {
    const node = this.one(this.nodes);
    if (this.directories.has(node)) return;
    this.learn("LINK", this.one(this.directories), { arg: arg.link(node), name: this.one(NAMES) });
  }

  private write(): void {
    const nodeid = this.one(this.nodes);
    const truncates = this.pick(3) === 0;
    const opened = this.kernel.ask("OPEN", nodeid, { arg: arg.open(truncates ? 0o1001 : 1) });
    if (opened.error !== 0) return;
    const fh = handleOf(opened.body);
    const data = chars("x".repeat(1 + this.pick(9)));
    this.kernel.ask("WRITE", nodeid, { arg: arg.write(fh, this.pick(50), data.length), rest: data });
    this.kernel.ask("RELEASE", nodeid, { arg: arg.release(fh) });
  }

  private setattr(): void {
    const [valid, nodeid] = [this.pick(2) === 0 ? 1 : 8, this.one(this.nodes)];
    this.kernel.ask("SETATTR", nodeid, { arg: arg.setattr(valid, this.pick(100), 0o600 + this.pick(64)) });
  }

  private setxattr(): void {
    const [nodeid, name] = [this.one(this.nodes), this.one(XATTRS)];
    const value = chars("v".repeat(this.pick(300)));
    if (this.pick(3) === 0) this.kernel.ask("REMOVEXATTR", nodeid, { name });
    else this.kernel.ask("SETXATTR", nodeid, { arg: arg.setxattr(value.length), name, rest: value });
  }

  private list(): void {
    const nodeid = this.one(this.directories);
    const opened = this.kernel.ask("OPENDIR", nodeid, { arg: arg.open(0) });
    if (opened.error !== 0) return;
    const fh = handleOf(opened.body);
    const { body, error } = this.kernel.ask("READDIRPLUS", nodeid, { arg: arg.read(fh, 0, 8192) });
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    for (let at = 0; error === 0 && at < body.length; ) {
      const length = view.getUint32(at + 128 + 16, true);
      const child = Number(view.getBigUint64(at, true));
      const name = Buffer.from(body.subarray(at + 152, at + 152 + length)).toString();
      if (child !== 0 && name !== "." && name !== "..") {
        this.kernel.held.set(child, (this.kernel.held.get(child) ?? 0) + 1);
        references.set(child, (references.get(child) ?? 0) + 1);
        this.nodes.add(child);
        if ((view.getUint32(at + 40 + 60, true) & 0o170000) === S_IFDIR) this.directories.add(child);
      }
      at += (152 + length + 7) & ~7;
    }
    this.kernel.ask("RELEASEDIR", nodeid, { arg: arg.release(fh) });
  }

  private forget(): void {
    const nodeid = this.one(this.nodes);
    if (nodeid === 1) return;
    this.late.push(this.kernel.forget(nodeid));
    this.nodes.delete(nodeid);
    this.directories.delete(nodeid);
  }

  // What a program answers is what the filesystem says, past the cache; then the kernel asks as it would.
  private look(): void {
    const nodeid = this.one(this.nodes);
    const size = this.one([0, 4, 400]);
    const asked = this.one<readonly [OpcodeName, number, Parts]>([
      ["LOOKUP", this.one(this.directories), { name: this.one(NAMES) }],
      ["GETATTR", nodeid, { arg: arg.getattr }],
      ["GETXATTR", nodeid, { arg: arg.getxattr(size), name: this.one(XATTRS), dataMax: size }],
      ["READLINK", nodeid, { dataMax: 1024 }],
    ]);
    const given = this.kernel.askProgram(...asked);
    if (given !== undefined) this.compare(asked, given);
    else if (asked[0] === "LOOKUP") this.learn(...asked);
    else this.kernel.askDaemon(...asked);
    if (given !== undefined && asked[0] === "LOOKUP" && given.error === 0) this.nodes.add(nodeidOf(given.body));
  }

  private compare(
    [name, nodeid, parts]: readonly [OpcodeName, number, Parts],
    given: { error: number; body: Uint8Array },
  ) {
    if (name === "READLINK") return this.compareTarget(nodeid, given.body);
    const { arg: op = new Uint8Array(0), name: text } = parts;
    const body = join(op, text === undefined ? new Uint8Array(0) : z(text));
    const truth = this.oracle.ask(request({ code: OPCODES[name].code, nodeid }, body)) as Uint8Array;
    const error = new DataView(truth.buffer, truth.byteOffset).getInt32(4, true);
    expect([name, text, given.error, shown(given.body)]).toEqual([name, text, error, shown(truth.slice(16))]);
    if (name === "LOOKUP" && error === 0 && nodeidOf(truth.slice(16)) !== 0)
      this.oracleForgets(nodeidOf(truth.slice(16)));
  }

  // Asking the filesystem for a target would change the time of access behind the cache's back.
  private compareTarget(nodeid: number, body: Uint8Array): void {
    const attributes = this.oracle.ask(request({ code: OPCODES.GETATTR.code, nodeid }, arg.getattr)) as Uint8Array;
    const size = Number(new DataView(attributes.buffer, attributes.byteOffset).getBigUint64(16 + 16 + 8, true));
    expect([body.length, Buffer.from(body).toString().slice(0, 3)]).toEqual([size, "to "]);
  }

  private oracleForgets(nodeid: number): void {
    references.set(nodeid, (references.get(nodeid) ?? 0) + 1);
    this.oracle.send(request({ code: OPCODES.FORGET.code, nodeid }, u64(1)));
    this.oracle.serve();
  }
}

const SIZES: ReadonlyArray<readonly [name: string, options: Partial<CacheOptions>]> = [
  ["that holds everything", {}],
  ["of eight entries, which evicts all the time", { entries: 8 }],
  ["without negative entries", { negative: false }],
  ["without attributes and extended ones", { attr: false, xattr: false }],
];

/** References that the filesystem has given and not been told to forget, by nodeid; below 0 is a fault. */
const references = new Map<number, number>();

/** Counts what it is told to forget. */
class Counting extends MemoryFilesystem {
  override forget(nodeid: number, nlookup: number): void {
    references.set(nodeid, (references.get(nodeid) ?? 0) - nlookup);
    expect(references.get(nodeid), `references of ${nodeid}`).toBeGreaterThanOrEqual(0);
    super.forget(nodeid, nlookup);
  }
}

/** Answers ENOENT where its base answers nodeid 0 with a time-out. */
class Terse extends Counting {
  override lookup(req: RequestView<"LOOKUP">): number {
    const result = super.lookup(req);
    return result === 0 && req.entry.nodeid === 0 ? -ERRNO.ENOENT : result;
  }
}

describe.runIf(root)("MetadataCache: a random kernel gets no outdated answer, and forgets in balance", () => {
  it.each(SIZES)("from a cache %s", (_name, options) => {
    for (let seed = 1; seed <= 3; seed++) {
      const times = { attrTimeoutMs: 0, entryTimeoutMs: 0 };
      const filesystem = seed % 2 === 0 ? new Counting(times) : new Terse(times);
      references.clear();
      const exerciser = new Exerciser(filesystem, options, seed);
      try {
        for (let round = 0; round < ROUNDS; round++) exerciser.step();
        const { answers, daemon } = exerciser.kernel;
        expect(answers.program, "answers of programs").toBeGreaterThan(100);
        expect(daemon.errors).toEqual([]);
        exerciser.forgetAll();
        expect([...references].filter(([, count]) => count !== 0)).toEqual([]);
        expect(filesystem.usage().inodes, "inodes that nobody names are gone").toBe(named(filesystem));
      } finally {
        exerciser.end();
      }
    }
  });
});

/** Inodes that the tree of names reaches. */
function named(filesystem: MemoryFilesystem): number {
  using kernel = createFakeKernel(filesystem);
  const seen = new Set([1]);
  const visit = (nodeid: number): void => {
    for (const name of NAMES) {
      const reply = kernel.ask(request({ code: OPCODES.LOOKUP.code, nodeid }, z(name))) as Uint8Array;
      if (new DataView(reply.buffer, reply.byteOffset).getInt32(4, true) !== 0) continue;
      const entry = reply.slice(16);
      if (nodeidOf(entry) === 0 || seen.has(nodeidOf(entry))) continue;
      seen.add(nodeidOf(entry));
      if ((modeOf(entry) & 0o170000) === S_IFDIR) visit(nodeidOf(entry));
    }
  };
  visit(1);
  return seen.size;
}
