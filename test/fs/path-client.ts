// Owns: a caller of a path-level filesystem without a kernel: writes requests field by field, passes them through the
// real dispatch and reads the replies. One method per operation that the tests need.

import type { Filesystem } from "../../src/fs/filesystem.ts";
import { pathFilesystem } from "../../src/fs/path/path-filesystem.ts";
import type { PathFilesystem, PathOptions } from "../../src/fs/path/types.ts";
import { createFakeKernel, type FakeKernel } from "../protocol/fake-kernel.ts";
import { join, request, u32, u64, z, zeros } from "../protocol/wire.ts";

export interface Answer {
  /** 0 or -errno. */
  readonly error: number;
  readonly body: Buffer;
}

export interface Attr {
  readonly ino: number;
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
}

export interface Entry {
  readonly error: number;
  readonly nodeid: number;
  readonly entryMs: number;
  readonly attrMs: number;
  readonly attr: Attr;
}

export interface Listed {
  readonly name: string;
  readonly type: number;
  readonly ino: number;
  readonly cookie: number;
  /** READDIRPLUS: 0 when the entry was not filled. */
  readonly nodeid: number;
  readonly size: number;
}

const at64 = (body: Buffer, offset: number) => Number(body.readBigInt64LE(offset));
const ms = (body: Buffer, seconds: number, ns: number) => at64(body, seconds) * 1000 + body.readUInt32LE(ns) / 1e6;

const attrAt = (body: Buffer, at: number): Attr => ({
  ino: at64(body, at),
  size: at64(body, at + 8),
  mtime: at64(body, at + 32),
  mtimeNs: body.readUInt32LE(at + 52),
  mode: body.readUInt32LE(at + 60),
  nlink: body.readUInt32LE(at + 64),
  uid: body.readUInt32LE(at + 68),
});

function entryOf({ error, body: short }: Answer): Entry {
  const body = short.length < 128 ? Buffer.alloc(128) : short;
  return { error, nodeid: at64(body, 0), entryMs: ms(body, 16, 32), attrMs: ms(body, 24, 36), attr: attrAt(body, 40) };
}

function listedIn(body: Buffer, plus: boolean): Listed[] {
  const found: Listed[] = [];
  const fixed = plus ? 128 : 0;
  for (let at = 0; at < body.length; ) {
    const dirent = at + fixed;
    const length = body.readUInt32LE(dirent + 16);
    found.push({
      ino: at64(body, dirent),
      cookie: at64(body, dirent + 8),
      type: body.readUInt32LE(dirent + 20),
      name: body.toString("utf8", dirent + 24, dirent + 24 + length),
      nodeid: plus ? at64(body, at) : 0,
      size: plus ? at64(body, at + 48) : 0,
    });
    at += (fixed + 24 + length + 7) & ~7;
  }
  return found;
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const name = (text: string) => z(Buffer.from(text).toString("latin1"));

/** Fields of fuse_setattr_in; times in seconds and ns. */
export interface Setattr {
  readonly valid: number;
  readonly fh?: number;
  readonly size?: number;
  readonly atime?: readonly [number, number];
  readonly mtime?: readonly [number, number];
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export class PathClient implements AsyncDisposable {
  readonly kernel: FakeKernel;
  private readonly replies = new Map<bigint, Answer>();
  private unique = 2n;

  private readonly filesystem: Filesystem;

  constructor(filesystem: Filesystem, timeoutMs = 0) {
    this.filesystem = filesystem;
    this.kernel = createFakeKernel(filesystem, { timeoutMs });
  }

  /** Ends the connection with whatever is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kernel[Symbol.dispose]();
    await this.filesystem.destroy?.();
  }

  /** Messages of the `error` events so far. */
  get faults(): string[] {
    return this.kernel.errors.map(({ error }) => String(error));
  }

  private nextUnique(): bigint {
    this.unique += 2n;
    return this.unique;
  }

  private receive(): void {
    for (let got = this.kernel.receive(); got !== undefined; got = this.kernel.receive()) {
      const body = Buffer.from(got);
      this.replies.set(body.readBigUInt64LE(8), { error: body.readInt32LE(4), body: body.subarray(16) });
    }
  }

  /** Sends a request and serves it; the answer may come later. */
  start(code: number, nodeid: number, ...parts: Uint8Array[]): bigint {
    const unique = this.nextUnique();
    this.kernel.send(request({ code, nodeid, unique }, ...parts));
    this.kernel.serve();
    this.receive();
    return unique;
  }

  /** The answer that is already there. */
  peek(unique: bigint): Answer | undefined {
    this.receive();
    return this.replies.get(unique);
  }

  async answer(unique: bigint): Promise<Answer> {
    await this.kernel.until(() => this.peek(unique) !== undefined);
    return this.peek(unique) as Answer;
  }

  ask(code: number, nodeid: number, ...parts: Uint8Array[]): Promise<Answer> {
    return this.answer(this.start(code, nodeid, ...parts));
  }

  private async error(code: number, nodeid: number, ...parts: Uint8Array[]): Promise<number> {
    return (await this.ask(code, nodeid, ...parts)).error;
  }

  async lookup(parent: number, child: string): Promise<Entry> {
    return entryOf(await this.ask(1, parent, name(child)));
  }
  /** No answer comes. */
  forget(nodeid: number, nlookup: number): void {
    this.kernel.send(request({ code: 2, nodeid, unique: this.nextUnique() }, u64(nlookup)));
    this.kernel.serve();
  }
  async getattr(nodeid: number, fh?: number): Promise<{ error: number; attr: Attr; attrMs: number }> {
    const { error, body } = await this.ask(3, nodeid, u32(fh === undefined ? 0 : 1), u32(0), u64(fh ?? 0));
    const whole = body.length < 104 ? Buffer.alloc(104) : body;
    return { error, attr: attrAt(whole, 16), attrMs: ms(whole, 0, 8) };
  }
  setattr(nodeid: number, what: Setattr): Promise<number> {
    const { valid, fh = 0, size = 0, atime = [0, 0], mtime = [0, 0], mode = 0, uid = 0, gid = 0 } = what;
    const times = [u64(atime[0]), u64(mtime[0]), u64(0), u32(atime[1]), u32(mtime[1]), u32(0)];
    const head = [u32(valid), u32(0), u64(fh), u64(size), u64(0)];
    return this.error(4, nodeid, ...head, ...times, u32(mode), u32(0), u32(uid), u32(gid), u32(0));
  }
  async readlink(nodeid: number): Promise<string | number> {
    const { error, body } = await this.ask(5, nodeid);
    return error === 0 ? body.toString() : error;
  }
  async symlink(parent: number, child: string, target: string): Promise<Entry> {
    return entryOf(await this.ask(6, parent, name(child), name(target)));
  }
  async mknod(parent: number, child: string, mode: number): Promise<Entry> {
    return entryOf(await this.ask(8, parent, u32(mode), u32(0), u32(0o22), u32(0), name(child)));
  }
  async mkdir(parent: number, child: string): Promise<Entry> {
    return entryOf(await this.ask(9, parent, u32(0o755), u32(0o22), name(child)));
  }
  unlink(parent: number, child: string): Promise<number> {
    return this.error(10, parent, name(child));
  }
  rmdir(parent: number, child: string): Promise<number> {
    return this.error(11, parent, name(child));
  }
  startRename(parent: number, from: string, newdir: number, to: string): bigint {
    return this.start(12, parent, u64(newdir), name(from), name(to));
  }
  async rename(parent: number, from: string, newdir: number, to: string, flags?: number): Promise<number> {
    if (flags === undefined) return (await this.answer(this.startRename(parent, from, newdir, to))).error;
    return this.error(45, parent, u64(newdir), u32(flags), u32(0), name(from), name(to));
  }
  async link(oldnodeid: number, parent: number, child: string): Promise<Entry> {
    return entryOf(await this.ask(13, parent, u64(oldnodeid), name(child)));
  }
  async open(nodeid: number, flags = 0): Promise<{ error: number; fh: number; flags: number }> {
    const { error, body } = await this.ask(14, nodeid, u32(flags), u32(0));
    return error === 0 ? { error, fh: at64(body, 0), flags: body.readUInt32LE(8) } : { error, fh: 0, flags: 0 };
  }
  async create(parent: number, child: string, flags = 0o102): Promise<Entry & { readonly fh: number }> {
    const answer = await this.ask(35, parent, u32(flags), u32(0o100644), u32(0o22), u32(0), name(child));
    return { ...entryOf(answer), fh: answer.error === 0 ? at64(answer.body, 128) : 0 };
  }
  async read(nodeid: number, fh: number, offset: number, size: number): Promise<string | number> {
    const { error, body } = await this.ask(15, nodeid, u64(fh), u64(offset), u32(size), u32(0), zeros(16));
    return error === 0 ? body.toString() : error;
  }
  /** Bytes written, or -errno. */
  async write(nodeid: number, fh: number, offset: number, text: string): Promise<number> {
    const data = bytes(text);
    const head = join(u64(fh), u64(offset), u32(data.length), u32(0), zeros(16));
    const { error, body } = await this.ask(16, nodeid, head, data);
    return error === 0 ? body.readUInt32LE(0) : error;
  }
  release(nodeid: number, fh: number): Promise<number> {
    return this.error(18, nodeid, u64(fh), zeros(16));
  }
  flush(nodeid: number, fh: number): Promise<number> {
    return this.error(25, nodeid, u64(fh), zeros(16));
  }
  async getxattr(nodeid: number, key: string, size: number): Promise<Answer> {
    return this.ask(22, nodeid, u32(size), u32(0), name(key));
  }
  listxattr(nodeid: number, size: number): Promise<Answer> {
    return this.ask(23, nodeid, u32(size), u32(0));
  }
  async opendir(nodeid: number): Promise<number> {
    const { error, body } = await this.ask(27, nodeid, u32(0), u32(0));
    return error === 0 ? at64(body, 0) : error;
  }
  async readdir(
    nodeid: number,
    fh: number,
    cookie: number,
    { plus = false, size = 4096 } = {},
  ): Promise<Listed[] | number> {
    const head = [u64(fh), u64(cookie), u32(size), u32(0), zeros(16)];
    const { error, body } = await this.ask(plus ? 44 : 28, nodeid, ...head);
    return error === 0 ? listedIn(body, plus) : error;
  }
  releasedir(nodeid: number, fh: number): Promise<number> {
    return this.error(29, nodeid, u64(fh), zeros(16));
  }
}

/** A caller of a path-level filesystem. */
export function clientOf<Handle, Directory>(
  fs: PathFilesystem<Handle, Directory>,
  options: PathOptions & { readonly timeoutMs?: number } = {},
): PathClient {
  const { timeoutMs, ...rest } = options;
  return new PathClient(pathFilesystem(fs, rest), timeoutMs);
}

/** An error as node's fs throws it. */
export const failure = (code: string): Error => Object.assign(new Error(code), { code });
