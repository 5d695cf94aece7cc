// Owns: a client of passthrough filesystems without a mount: it writes requests field by field from the struct tables,
// has the real dispatch serve them, and reads the replies. Several copies of one mount can serve it in turn.
// Owns cleanup too: the source and every descriptor are gone after `dispose`.

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ERRNO, errnoName } from "../../ffi/errno.ts";
import type { Struct } from "../../ffi/struct.ts";
import type { InitFlag } from "../../src/abi/fuse-init-flags.ts";
import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import { FuseAttr, FuseEntryOut, FuseInHeader, FuseOpenOut, FuseOutHeader } from "../../src/abi/fuse-structs.ts";
import type { Backing } from "../../src/fs/filesystem.ts";
import type { Notifier } from "../../src/fs/notifier.ts";
import type { PassthroughOptions } from "../../src/fs/passthrough/options.ts";
import { PassthroughFilesystem } from "../../src/fs/passthrough/passthrough-filesystem.ts";
import { connectionWith, createFakeKernel, type FakeKernel } from "../protocol/fake-kernel.ts";

type Fields = Readonly<Record<string, number | bigint>>;

/** What a request got: an errno name or "", and the bytes after the header. */
export interface Reply {
  readonly error: string;
  readonly body: DataView;
}

/** Who asks. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid?: number;
}
export const ROOT: Caller = { uid: 0, gid: 0 };

/** A reply's fuse_entry_out. */
export interface Entry {
  readonly nodeid: number;
  readonly generation: number;
  readonly ino: bigint;
  readonly mode: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
}

const put = (view: DataView, table: Struct, fields: Fields, at = 0): void => {
  for (const [name, value] of Object.entries(fields)) {
    const field = table.fields.find((one) => one.name === name);
    if (field === undefined) throw new Error(`${table.name} has no ${name}`);
    const bits = BigInt.asUintN(64, BigInt(value));
    for (let byte = 0; byte < field.width; byte++) {
      view.setUint8(at + field.offset + byte, Number((bits >> BigInt(byte * 8)) & 0xffn));
    }
  }
};

const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** The fuse_attr at `at`. */
export function attrAt(view: DataView, at: number) {
  const word = (name: keyof typeof FuseAttr.at) => view.getUint32(at + FuseAttr.at[name], true);
  return {
    ino: view.getBigUint64(at + FuseAttr.at.ino, true),
    size: u64(view, at + FuseAttr.at.size),
    mode: word("mode"),
    nlink: word("nlink"),
    uid: word("uid"),
    gid: word("gid"),
    rdev: word("rdev"),
    atime: view.getBigInt64(at + FuseAttr.at.atime, true),
    mtime: view.getBigInt64(at + FuseAttr.at.mtime, true),
    mtimensec: word("mtimensec"),
  };
}

/** The fuse_entry_out at `at`. */
export function entryAt(view: DataView, at = 0): Entry {
  return {
    nodeid: u64(view, at + FuseEntryOut.at.nodeid),
    generation: u64(view, at + FuseEntryOut.at.generation),
    ...attrAt(view, at + FuseEntryOut.at.attr),
  };
}

/** Errors: `Error` naming what was asked and the errno. */
function ok(what: string, reply: Reply): DataView {
  if (reply.error !== "") throw new Error(`${what}: ${reply.error}`);
  return reply.body;
}

/** What this process's descriptors lead to, sorted: equal before and after means that none leaked. */
export const openDescriptors = (): string[] =>
  readdirSync("/proc/self/fd")
    .flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        return []; // the one that readdir had open
      }
    })
    .sort();

/** Of a kernel without FUSE passthrough. */
const NO_BACKING: Backing = { open: () => -ERRNO.EOPNOTSUPP, close: () => -ERRNO.EOPNOTSUPP };

/** A mount's copies and the directory that they pass through. */
export class PassthroughClient implements Disposable {
  readonly source: string = mkdtempSync(join("/dev/shm", "rfuse-passthrough-"));
  readonly copies: readonly PassthroughFilesystem[];
  readonly kernels: readonly FakeKernel[];
  readonly pruned: number[] = [];
  readonly invalidated: (readonly [nodeid: number, offset: number])[] = [];
  /** Which copy serves. */
  serving = 0;
  caller: Caller = ROOT;
  private disposed = false;

  constructor(options: Partial<PassthroughOptions> = {}, copies = 1, backing: Backing = NO_BACKING) {
    const all = { source: this.source, ...options };
    const shared = PassthroughFilesystem.createShared(all);
    this.copies = Array.from({ length: copies }, () => new PassthroughFilesystem(all, shared));
    const notify = {
      prune: (nodeids: readonly number[]) => {
        this.pruned.push(...nodeids);
        return Promise.resolve(0);
      },
      invalidateInode: (nodeid: number, offset: number) => {
        this.invalidated.push([nodeid, offset]);
        return Promise.resolve(0);
      },
    } as Partial<Notifier> as Notifier;
    this.copies.forEach((copy, index) => {
      const flags: InitFlag[] = backing === NO_BACKING ? [] : ["PASSTHROUGH", "DIRECT_IO_ALLOW_MMAP"];
      const connection = connectionWith(flags, 65_536);
      copy.init({ mountpoint: "/nowhere", connection, notify, backing, worker: { index, count: copies } });
    });
    this.kernels = this.copies.map((copy) =>
      createFakeKernel(copy, { flags: ["SETXATTR_EXT", "INIT_EXT", "EXPORT_SUPPORT"] }),
    );
  }

  /** A path in the source. */
  path(...names: string[]): string {
    return join(this.source, ...names);
  }

  /** The bytes of a request. */
  request(name: OpcodeName, nodeid: number, fields: Fields, tail: Uint8Array, unique = 7n): Uint8Array {
    const { code, in: table } = OPCODES[name];
    const size = (table?.size ?? 0) + FuseInHeader.size;
    const bytes = new Uint8Array(size + tail.length);
    const view = new DataView(bytes.buffer);
    const { uid, gid, pid = 77 } = this.caller;
    put(view, FuseInHeader, { len: bytes.length, opcode: code, unique, nodeid, uid, gid, pid });
    if (table !== null) put(view, table as Struct, fields, FuseInHeader.size);
    bytes.set(tail, size);
    return bytes;
  }

  /** Sends a request to the copy that serves and reads its reply. */
  ask(name: OpcodeName, nodeid: number, fields: Fields = {}, tail: string | Uint8Array = ""): Reply {
    const kernel = this.kernels[this.serving];
    if (kernel === undefined) throw new Error(`no copy ${this.serving}`);
    const bytes = typeof tail === "string" ? Buffer.from(tail, "latin1") : tail;
    const reply = kernel.ask(this.request(name, nodeid, fields, bytes));
    for (const { opcode, error } of kernel.errors.splice(0)) throw new Error(`fault in ${opcode}`, { cause: error });
    if (reply === undefined) throw new Error(`${name}: no reply`);
    return this.parse(reply);
  }

  parse(reply: Uint8Array): Reply {
    const view = new DataView(reply.buffer, reply.byteOffset);
    const error = view.getInt32(FuseOutHeader.at.error, true);
    const body = new DataView(reply.buffer, reply.byteOffset + FuseOutHeader.size, reply.length - FuseOutHeader.size);
    return { error: error === 0 ? "" : errnoName(error), body };
  }

  lookup(parent: number, name: string): Entry {
    return entryAt(ok(`lookup ${name}`, this.ask("LOOKUP", parent, {}, `${name}\0`)));
  }
  forget(nodeid: number, nlookup = 1): void {
    const kernel = this.kernels[this.serving];
    kernel?.send(this.request("FORGET", nodeid, { nlookup }, new Uint8Array(0)));
    kernel?.serve();
  }
  getattr(nodeid: number) {
    return attrAt(ok("getattr", this.ask("GETATTR", nodeid)), 16);
  }
  open(nodeid: number, flags: number): number {
    return u64(ok("open", this.ask("OPEN", nodeid, { flags })), 0);
  }
  opendir(nodeid: number): number {
    return u64(ok("opendir", this.ask("OPENDIR", nodeid, { flags: 0 })), 0);
  }
  release(nodeid: number, fh: number): void {
    ok("release", this.ask("RELEASE", nodeid, { fh }));
  }
  create(parent: number, name: string, fields: Fields): Entry & { fh: number } {
    const body = ok(`create ${name}`, this.ask("CREATE", parent, fields, `${name}\0`));
    return { ...entryAt(body), fh: u64(body, FuseEntryOut.size + FuseOpenOut.at.fh) };
  }
  write(nodeid: number, fh: number, offset: number, text: string, fields: Fields = {}): number {
    const reply = this.ask("WRITE", nodeid, { fh, offset, size: text.length, ...fields }, text);
    return ok("write", reply).getUint32(0, true);
  }
  read(nodeid: number, fh: number, offset: number, size: number): string {
    const body = ok("read", this.ask("READ", nodeid, { fh, offset, size }));
    return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  }

  [Symbol.dispose](): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const kernel of this.kernels) kernel[Symbol.dispose]();
    for (const copy of this.copies) copy.destroy();
    rmSync(this.source, { recursive: true, force: true });
  }
}
