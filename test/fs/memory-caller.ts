// Calls handlers of a filesystem as dispatch does, over an arena of its own: for tests without a mount.
// Owns the building of requests from the opcode table, and the count of references that replies gave, so that a test
// can forget them all. Knows nothing about the filesystem behind it.
import { createArena } from "../../ffi/memory.ts";
import { OPCODES, type OpcodeName } from "../../src/abi/fuse-opcodes.ts";
import { FuseInHeader } from "../../src/abi/fuse-structs.ts";
import { errnoOf } from "../../src/codec/fuse-error.ts";
import { Request } from "../../src/codec/request.ts";
import { createRequestView, type RequestView } from "../../src/codec/request-view.ts";
import type { Filesystem } from "../../src/fs/filesystem.ts";
import { checkPayload, payloadCheck } from "../../src/server/payload.ts";

const IN = 4096;
const IN_BYTES = 2 * 1024 * 1024;
const OUT_BYTES = 2 * 1024 * 1024;
const OUT = IN + IN_BYTES + 4096;

/** What a request carries: fields of its op struct, and names or data after it. */
export interface Call {
  readonly nodeid?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly fields?: Readonly<Record<string, number>>;
  /** Each gets a NUL. */
  readonly names?: readonly string[];
  readonly data?: Uint8Array;
}

export class Caller {
  readonly filesystem: Filesystem;
  /** References that entries gave, by nodeid. */
  readonly nlookup = new Map<number, number>();
  private readonly request: Request;

  constructor(filesystem: Filesystem) {
    this.filesystem = filesystem;
    const arena = createArena(OUT + OUT_BYTES);
    this.request = new Request(0, arena, {
      inHeader: IN,
      outHeader: OUT - 16,
      opOut: OUT,
      dataOut: OUT,
      dataCapacity: OUT_BYTES,
    });
  }

  /** The handler's result (undefined: 0; a thrown errno: that), and the view that it filled. */
  call<Name extends OpcodeName>(name: Name, call: Call): { result: number; view: RequestView<Name> } {
    const row = OPCODES[name];
    const { request } = this;
    this.place(name, call);
    const refused = checkPayload(request, payloadCheck(row, false));
    const view = createRequestView(name, request);
    if (refused !== 0) return { result: refused, view };
    const fixed = row.out.reduce((sum, table) => sum + table.size, 0);
    request.arena.bytes.fill(0, OUT, OUT + fixed);
    const result = this.run(row.method, view);
    if (result >= 0 && row.out.some((table) => table.name === "fuse_entry_out")) this.reference(request.u64(OUT));
    return { result, view };
  }

  result(name: OpcodeName, call: Call): number {
    return this.call(name, call).result;
  }

  /** Gives back all references but the root's. */
  forgetAll(): void {
    for (const [nodeid, count] of this.nlookup) this.filesystem.forget?.(nodeid, count);
    this.nlookup.clear();
  }

  /** nodeid of a name; 0 when there is none. */
  lookup(parent: number, name: string): number {
    const { result, view } = this.call("LOOKUP", { nodeid: parent, names: [name] });
    return result < 0 ? result : view.entry.nodeid;
  }

  attr(nodeid: number): RequestView<"GETATTR">["attrOut"]["attr"] {
    const { result, view } = this.call("GETATTR", { nodeid });
    if (result < 0) throw new Error(`GETATTR: ${result}`);
    return view.attrOut.attr;
  }

  /** Makes and opens a regular file; its nodeid. */
  create(parent: number, name: string, mode = 0o644): number {
    const { result, view } = this.call("CREATE", { nodeid: parent, names: [name], fields: { mode, flags: 2 } });
    return result < 0 ? result : view.entry.nodeid;
  }

  write(nodeid: number, offset: number, data: Uint8Array): number {
    return this.result("WRITE", { nodeid, fields: { offset, size: data.length }, data });
  }

  read(nodeid: number, offset: number, size: number): Uint8Array {
    const { result } = this.call("READ", { nodeid, fields: { offset, size } });
    if (result < 0) throw new Error(`READ: ${result}`);
    return new Uint8Array(this.request.arena.bytes.slice(OUT, OUT + result));
  }

  reference(nodeid: number): void {
    if (nodeid !== 0) this.nlookup.set(nodeid, (this.nlookup.get(nodeid) ?? 0) + 1);
  }

  /** Bytes of the last reply's data. */
  reply(length: number): Uint8Array {
    return new Uint8Array(this.request.arena.bytes.slice(OUT, OUT + length));
  }

  private run(method: string, view: unknown): number {
    const handler = (this.filesystem as Readonly<Record<string, unknown>>)[method];
    if (typeof handler !== "function") throw new Error(`the filesystem has no ${method}`);
    try {
      return (handler.call(this.filesystem, view) as number | undefined) ?? 0;
    } catch (thrown) {
      const errno = errnoOf(thrown);
      if (errno === undefined) throw thrown;
      return errno;
    }
  }

  private place(name: OpcodeName, call: Call): void {
    const { request } = this;
    const { in: table } = OPCODES[name];
    const { bytes } = request.arena;
    bytes.fill(0, IN, IN + 256);
    request.setU64(IN + FuseInHeader.at.nodeid, call.nodeid ?? 1);
    request.setU32(IN + FuseInHeader.at.uid, call.uid ?? 0);
    request.setU32(IN + FuseInHeader.at.gid, call.gid ?? 0);
    request.opIn = IN + FuseInHeader.size;
    for (const [field, value] of Object.entries(call.fields ?? {})) {
      const found = table?.fields.find((known) => known.name === field);
      if (found === undefined) throw new Error(`${name} has no field ${field}`);
      if (found.type === "u64") request.setU64(request.opIn + found.offset, value);
      else request.setU32(request.opIn + found.offset, value);
    }
    request.payload = request.opIn + (table?.size ?? 0);
    const names = Buffer.from((call.names ?? []).map((text) => `${text}\0`).join(""), "latin1");
    bytes.set(names, request.payload);
    bytes.set(call.data ?? [], request.payload + names.length);
    request.payloadLength = names.length + (call.data?.length ?? 0);
    request.dataLength = 0;
    request.secondName = 0;
  }
}
